//! The terminal that the demo is shown on: a screen of its own, drawn whole each time at the size
//! that the terminal has then, and the keys that leave it.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::terminal;
use tokio::sync::mpsc;

use super::frame::{Line, Look, Size};

/// The other screen, no cursor, no wrapping of what is too long.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// A picture is shown when it is whole, by terminals that know this; the others ignore it.
const BEGIN_PICTURE: &str = "\x1b[?2026h";
const END_PICTURE: &str = "\x1b[?2026l";

/// What a terminal that does not tell its size is taken for.
const USUAL: Size = Size { columns: 80, lines: 24 };
/// How soon the reader of keys sees that the screen was left.
const KEYS_PATIENCE: Duration = Duration::from_millis(100);

/// Whether standard output can be drawn on.
pub(super) fn can_draw() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stdout().is_terminal() && !is_dumb
}

/// What the user's variables say of the terminal.
pub(super) fn look() -> Look {
    look_of(|name| std::env::var(name).ok())
}

/// `NO_COLOR` that is not empty takes the colours; a locale that is stated and has not UTF-8 takes
/// the blocks.
fn look_of(variable: impl Fn(&str) -> Option<String>) -> Look {
    let stated = |name: &str| variable(name).filter(|value| !value.is_empty());
    let locale = stated("LC_ALL").or_else(|| stated("LC_CTYPE")).or_else(|| stated("LANG"));
    let blocks = locale.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    Look { colours: stated("NO_COLOR").is_none(), blocks }
}

/// The demo's screen; the user's comes back when it is dropped.
pub(super) struct Terminal {
    pub(super) look: Look,
    size: Option<Size>,
    left: Arc<AtomicBool>,
    raw: bool,
}

impl Terminal {
    /// Takes the terminal; the receiver gets a message when the user wants to leave.
    pub(super) fn enter(look: Look) -> (Self, mpsc::Receiver<()>) {
        // Keys are not echoed into the picture. Without that the demo can still be watched.
        let raw = terminal::enable_raw_mode().is_ok();
        write(ENTER);
        let left = Arc::new(AtomicBool::new(false));
        let (sender, keys) = mpsc::channel(1);
        if raw {
            let left = Arc::clone(&left);
            thread::spawn(move || read_keys(&left, &sender));
        }
        (Self { look, size: None, left, raw }, keys)
    }

    /// The terminal's size as it is now.
    pub(super) fn size(&self) -> Size {
        match terminal::size() {
            Ok((columns, lines)) if columns > 0 && lines > 0 => {
                Size { columns: usize::from(columns), lines: usize::from(lines) }
            }
            _ => USUAL,
        }
    }

    /// Draws a picture that was made for `size` and has as many lines.
    pub(super) fn draw(&mut self, picture: &[Line], size: Size) {
        let is_new = self.size.replace(size) != Some(size);
        write(&drawn(picture, size, is_new, self.look));
    }
}

/// What draws a picture over the one before; a screen of a new size is cleared first.
fn drawn(picture: &[Line], size: Size, is_new: bool, look: Look) -> String {
    let mut text = String::from(BEGIN_PICTURE);
    if is_new {
        text.push_str("\x1b[2J");
    }
    text.push_str("\x1b[H");
    for (at, line) in picture.iter().enumerate() {
        if at > 0 {
            text.push_str("\r\n");
        }
        text.push_str(&line.paint(size.columns, look));
        // Behind a full line the cursor stands on its last character, which would go.
        if line.width() < size.columns {
            text.push_str("\x1b[K");
        }
    }
    text.push_str(END_PICTURE);
    text
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.left.store(true, Relaxed);
        write(LEAVE);
        if self.raw {
            // A terminal that is gone has no mode.
            let _ = terminal::disable_raw_mode();
        }
    }
}

/// Reads keys until the user leaves or the screen was left.
fn read_keys(left: &AtomicBool, wish: &mpsc::Sender<()>) {
    while !left.load(Relaxed) {
        match event::poll(KEYS_PATIENCE) {
            Ok(false) => continue,
            Ok(true) => {}
            Err(_) => return,
        }
        let Ok(event) = event::read() else { return };
        if leaves(&event) {
            // One message is enough.
            let _ = wish.try_send(());
        }
    }
}

fn leaves(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'd') => control,
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => true,
        _ => false,
    }
}

/// A terminal that is gone ends the demo by its signal.
fn write(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::super::frame::Style;
    use super::*;

    #[test]
    fn a_full_line_keeps_its_last_character_and_a_shorter_one_clears_what_was_there() {
        let picture = [Line::of(Style::Plain, "abcd"), Line::of(Style::Plain, "여")];
        let size = Size { columns: 4, lines: 2 };
        let look = Look { colours: false, blocks: true };
        let text = drawn(&picture, size, true, look);
        assert_eq!(text, "\x1b[?2026h\x1b[2J\x1b[Habcd\r\n여\x1b[K\x1b[?2026l");
        assert!(!drawn(&picture, size, false, look).contains("\x1b[2J"));
    }

    #[test]
    fn the_variables_of_the_user_take_colours_and_blocks() {
        let look = |variables: &[(&str, &str)]| {
            let found = look_of(|name| {
                let pair = variables.iter().find(|(known, _)| *known == name);
                pair.map(|(_, value)| (*value).to_owned())
            });
            (found.colours, found.blocks)
        };
        assert_eq!(look(&[]), (true, true));
        assert_eq!(look(&[("NO_COLOR", "1"), ("LANG", "ko_KR.UTF-8")]), (false, true));
        assert_eq!(look(&[("NO_COLOR", ""), ("LANG", "C")]), (true, false));
        assert_eq!(look(&[("LC_ALL", "C.utf8"), ("LANG", "C")]), (true, true));
        assert_eq!(look(&[("LC_CTYPE", "ko_KR.eucKR")]), (true, false));
    }
}
