//! A process of `yeoul server` of a test's own, on free ports, stopped with the test.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Options that put every listener on a free port.
pub(crate) const FREE_PORTS: [&str; 6] =
    ["--listen", "127.0.0.1:0", "--registry-listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"];

/// A server that is ready.
pub(crate) struct Server {
    process: Child,
    /// Kept open, so that the server can go on printing.
    _output: BufReader<ChildStdout>,
    /// What it printed until it was ready.
    pub(crate) ready: String,
    /// `host:port`, where Kafka clients connect.
    pub(crate) broker: String,
    /// `host:port` of the schema registry.
    pub(crate) registry: String,
    /// `host:port` of the SQL engine.
    pub(crate) sql: String,
}

impl Server {
    /// Starts what `command` starts, with `yeoul server` in it, and waits until that is ready.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut output = BufReader::new(process.stdout.take().expect("its output is piped"));
        let mut ready = String::new();
        while !ready.contains("ready after ") {
            let read = output.read_line(&mut ready).expect("its output is text");
            assert!(read > 0, "the server ended: {ready}");
        }
        let address = |label: &str| {
            let (_, rest) = ready.split_once(label).expect("an address is told");
            let address = rest.split([',', ' ', '\n']).next().expect("an address");
            address.trim_start_matches("http://").to_owned()
        };
        let [broker, registry, sql] = ["Kafka clients ", "schema registry ", "SQL "].map(address);
        Self { process, _output: output, ready, broker, registry, sql }
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("the server is there");
        let status = self.process.wait().expect("the server ends");
        assert!(status.success(), "{status}");
    }

    /// Ends it as a power cut ends it.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("the server is killed");
        self.process.wait().expect("the server is gone");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that failed leaves it running; one that stopped it gets an error here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
