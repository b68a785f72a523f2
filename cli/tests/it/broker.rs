//! A broker process of a test's own, on a free port, stopped with the test.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// The binary under test.
pub(crate) const YEOUL: &str = env!("CARGO_BIN_EXE_yeoul");

/// A running broker on a folder.
pub(crate) struct Broker {
    process: Child,
    /// Kept open, so that the broker can go on writing its log.
    log: BufReader<ChildStderr>,
    /// `host:port`.
    pub(crate) address: String,
    /// What it logged until it served.
    pub(crate) startup: String,
}

impl Broker {
    /// Starts a broker on `dir`, which may have been a broker's before, and waits until it serves.
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_by(Command::new(YEOUL), dir)
    }

    /// The same, where a hangup is ignored from the start on.
    pub(crate) fn start_below_nohup(dir: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", YEOUL]);
        Self::start_by(command, dir)
    }

    fn start_by(mut command: Command, dir: &Path) -> Self {
        let properties = dir.join("server.properties");
        let text = format!(
            "node.id=1\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs={}\n\
             group.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=4\n\
             offsets.topic.replication.factor=1\nnum.partitions=1\n",
            dir.join("data").display()
        );
        std::fs::write(&properties, text).expect("the properties are written");
        let mut process = command
            .arg("kafka-server-start")
            .arg(&properties)
            .env("YEOUL_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the broker starts");
        let log = BufReader::new(process.stderr.take().expect("its log is piped"));
        let mut broker = Self { process, log, address: String::new(), startup: String::new() };
        loop {
            let begun = broker.startup.len();
            let read = broker.log.read_line(&mut broker.startup).expect("the log is text");
            assert!(read > 0, "the broker ended:\n{}", broker.startup);
            if let Some((_, rest)) = broker.startup[begun..].split_once("serves [") {
                broker.address = rest.split([',', ']']).next().expect("an address").to_owned();
                return broker;
            }
        }
    }

    /// Ends it as a power cut ends it.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("the broker is killed");
        self.process.wait().expect("the broker is gone");
    }

    /// Asks it to stop and waits; answers the rest of its log.
    pub(crate) fn stop(self) -> String {
        self.stop_by(Signal::TERM)
    }

    /// Sends it a signal.
    pub(crate) fn send(&self, signal: Signal) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, signal).expect("the broker is there");
    }

    /// Asks it to stop by a signal and waits; answers the rest of its log.
    pub(crate) fn stop_by(mut self, signal: Signal) -> String {
        self.send(signal);
        let status = self.process.wait().expect("the broker ends");
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.log, &mut rest).expect("the log is text");
        assert!(status.success(), "{status}: {rest}");
        rest
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // A test that failed leaves the broker running; one that stopped it gets an error here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a tool by its link in `links`, with `input` as its standard input.
pub(crate) fn tool(links: &Path, line: &str, input: &str) -> Output {
    let mut words = line.split_whitespace();
    let name = words.next().expect("a tool");
    let mut process = Command::new(links.join(name))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool starts");
    let mut stdin = process.stdin.take().expect("its input is piped");
    stdin.write_all(input.as_bytes()).expect("the input is taken");
    drop(stdin);
    process.wait_with_output().expect("the tool ends")
}

/// What a tool printed, once it succeeded.
pub(crate) fn printed(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Links by the tools' names below `dir`.
pub(crate) fn install(dir: &Path) -> PathBuf {
    let links = dir.join("bin");
    let made = Command::new(YEOUL).args(["tools", "install"]).arg(&links).output();
    printed(&made.expect("the links are made"));
    links
}
