//! What `yeoul server` tells of its connectors.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::broker::YEOUL;
use crate::server::FREE_PORTS;

struct Running {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a server with a connector of each of these names and settings; its log goes to `log`.
fn server(folder: &Path, connectors: &[(&str, &str)]) -> Running {
    let mut command = Command::new(YEOUL);
    command.arg("server").arg("--data").arg(folder.join("data")).args(FREE_PORTS);
    for (name, settings) in connectors {
        let path = folder.join(format!("{name}.properties"));
        let common = format!("name={name}\ntopic={name}\n{settings}");
        std::fs::write(&path, common).expect("written");
        command.arg("--connector").arg(path);
    }
    let log = File::create(folder.join("log")).expect("a file");
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut process = command.spawn().expect("the server starts");
    let output = BufReader::new(process.stdout.take().expect("its output is piped"));
    Running { process, output }
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).expect("the log")
}

#[test]
fn what_becomes_of_connectors_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("two.csv"), "n\n1\n2\n").expect("written");
    let delimited = "connector.class=DelimitedFileSource\n";
    let done = format!("{delimited}mode=batch\nfiles=two.csv\n");
    let broken = format!("{delimited}files=two.csv\ncolumns=n BOOLEAN\n");
    let nothing = format!("{delimited}files=*.none\n");
    let mut running = server(
        folder,
        &[
            ("done", &done),
            ("broken", &broken),
            ("nothing", &nothing),
            ("missing", "connector.class=FileStreamSource\nfile=none.txt\n"),
        ],
    );
    let mut printed = String::new();
    let told = [
        "connector done is done: 2 records written",
        "connector broken has FAILED: reading failed: two.csv, line 2: column n: \"1\" is no BOOLEAN",
    ];
    while !told.iter().all(|line| printed.contains(line)) {
        let read = running.output.read_line(&mut printed).expect("its output is text");
        assert!(read > 0, "the server ended: {printed}");
    }
    let told = ["the file is not there: waiting for it path=\"none.txt\"", "no file matches"];
    while !told.iter().all(|line| log(folder).contains(line)) {
        let ended = running.process.try_wait().expect("a process");
        assert!(ended.is_none(), "the server ended: {}", log(folder));
        std::thread::yield_now();
    }
}

#[test]
fn of_a_class_that_is_not_there_nothing_but_that_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let settings = "connector.class=io.example.Source\nfiles=a\nmode=tail\n";
    let mut running = server(folder, &[("unknown", settings)]);
    let status = running.process.wait().expect("it ends");
    assert!(!status.success());
    let log = log(folder);
    assert!(log.contains("Failed to find any class that implements Connector"), "{log}");
    assert!(!log.contains("this setting is not known"), "{log}");
}
