//! The demo on a terminal: a pseudo terminal of a test's own, of a size that changes.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use crate::broker::YEOUL;
use crate::server::FREE_PORTS;

/// A process on a terminal, and the terminal's other side.
struct Terminal {
    process: Child,
    other_side: File,
    /// All that was written to the terminal so far.
    written: Vec<u8>,
}

fn size(columns: u16, lines: u16) -> libc::winsize {
    libc::winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Terminal {
    fn start(mut command: Command, mut size: libc::winsize) -> Self {
        let (mut other_side, mut terminal) = (0, 0);
        // SAFETY: the numbers and the size live on this stack; a name and modes are not asked.
        let opened = unsafe {
            let (name, modes) = (std::ptr::null_mut(), std::ptr::null_mut());
            libc::openpty(&raw mut other_side, &raw mut terminal, name, modes, &raw mut size)
        };
        assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: `openpty` has just opened both, and nobody else knows them.
        let (other_side, terminal) =
            unsafe { (File::from_raw_fd(other_side), OwnedFd::from_raw_fd(terminal)) };
        let clone = || terminal.try_clone().expect("the terminal is cloned");
        command.stdin(clone()).stdout(clone()).stderr(clone());
        // SAFETY: only calls that may be made between fork and exec: a session whose terminal is
        // this one, so that nothing asks the terminal of whoever runs the test.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let process = command.spawn().expect("the process starts");
        // It has the terminal open too, and there is an end only when nobody has.
        drop(command);
        Self { process, other_side, written: Vec::new() }
    }

    fn resize(&self, size: libc::winsize) {
        use std::os::fd::AsRawFd as _;
        // SAFETY: the size lives on this stack, and the file is the terminal's other side.
        let set =
            unsafe { libc::ioctl(self.other_side.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.written).into_owned()
    }

    /// Reads until a picture fits. False: the process ended before.
    fn read_until(&mut self, fits: impl Fn(&Picture) -> bool) -> bool {
        let mut buffer = [0; 1 << 16];
        while !pictures(&self.text()).last().is_some_and(&fits) {
            match self.other_side.read(&mut buffer) {
                // A terminal that nobody has open any more answers with an error.
                Ok(0) | Err(_) => return false,
                Ok(read) => self.written.extend_from_slice(&buffer[..read]),
            }
        }
        true
    }

    /// Types a key, reads to the end, and answers whether the process ended well.
    fn leave_by(&mut self, key: &str) -> bool {
        self.other_side.write_all(key.as_bytes()).expect("a key is typed");
        assert!(!self.read_until(|_| false));
        self.process.wait().expect("the process ends").success()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves it running.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the demo drew at one time, without its colours.
#[derive(Debug)]
struct Picture(Vec<String>);

impl Picture {
    fn is_of(&self, columns: usize, lines: usize) -> bool {
        self.0.len() == lines && self.0.iter().all(|line| line.chars().count() <= columns)
    }

    fn has(&self, text: &str) -> bool {
        self.0.iter().any(|line| line.contains(text))
    }

    /// The number before a word of the figures.
    fn figure(&self, word: &str) -> Option<u64> {
        let line = self.0.iter().find(|line| line.contains(word))?;
        let (before, _) = line.split_once(word)?;
        before.split_whitespace().last()?.replace(',', "").parse().ok()
    }
}

fn pictures(text: &str) -> Vec<Picture> {
    let whole = text.split("\x1b[?2026h").skip(1).filter_map(|t| t.split_once("\x1b[?2026l"));
    whole.map(|(drawn, _)| Picture(plain(drawn).lines().map(str::to_owned).collect())).collect()
}

/// Without escape sequences.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split("\x1b[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain
}

#[test]
fn on_a_terminal_the_demo_fits_each_size_counts_upwards_and_leaves_the_race_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(YEOUL);
    command.args(["demo", "--data", "demo", "--rate", "3000"]).args(FREE_PORTS);
    command.current_dir(folder.path()).env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
    command.env_remove("NO_COLOR");
    let mut terminal = Terminal::start(command, size(60, 10));
    assert!(terminal.read_until(|picture| picture.has("United Air Lines")), "{}", terminal.text());
    terminal.resize(size(110, 30));
    assert!(terminal.read_until(|picture| picture.is_of(110, 30)), "{}", terminal.text());
    let is_whole = |picture: &Picture| picture.has("Done.") && picture.has(" 1,832 rows");
    assert!(terminal.read_until(is_whole), "{}", terminal.text());
    assert!(terminal.leave_by("q"), "{}", terminal.text());

    let text = terminal.text();
    let pictures = pictures(&text);
    let fits = |picture: &Picture| picture.is_of(60, 10) || picture.is_of(110, 30);
    assert!(pictures.iter().all(fits), "{:?}", pictures.iter().find(|picture| !fits(picture)));
    let changes: Vec<u64> = pictures.iter().filter_map(|p| p.figure(" row changes")).collect();
    assert!(changes.is_sorted() && changes.last() >= Some(&1832), "{changes:?}");
    let (_, left) = text.split_once("\x1b[?1049l").expect("the user's screen comes back");
    let left = plain(left);
    assert!(left.contains("Hawaiian Airlines Inc.") && left.contains("1832 rows"), "{left}");
    assert!(left.contains("to watch them again"), "{left}");
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(YEOUL);
    command.args(["demo", "--data", "demo"]).args(FREE_PORTS);
    command.current_dir(folder.path()).env("TERM", "dumb");
    let mut terminal = Terminal::start(command, size(80, 24));
    assert!(!terminal.read_until(|_| false));
    assert!(terminal.process.wait().expect("it ends").success(), "{}", terminal.text());
    let text = terminal.text();
    assert!(!text.contains('\x1b') && text.contains("100 % of the file read"), "{text}");
}
