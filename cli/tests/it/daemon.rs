//! A broker in the background: kafka-server-start -daemon and kafka-server-stop.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::broker::{install, printed, tool};

/// Ends what a test that failed left in the background: the processes that run on its properties.
struct Leftovers(PathBuf);

impl Drop for Leftovers {
    fn drop(&mut self) {
        let wanted = self.0.display().to_string();
        for process in fs::read_dir("/proc").expect("there is a /proc").flatten() {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let words = line.split(|byte| *byte == 0);
            let pid = process.file_name().to_str().and_then(|pid| Pid::from_raw(pid.parse().ok()?));
            let runs_on_it = words.into_iter().any(|word| word == wanted.as_bytes());
            if let Some(pid) = pid.filter(|_| runs_on_it) {
                // It may end by itself meanwhile.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// Reads what the broker prints up to the line that says where it serves.
fn await_start(output: &Path) -> (String, BufReader<File>) {
    let mut lines = BufReader::new(File::open(output).expect("the output is opened"));
    let mut text = String::new();
    while lines.read_line(&mut text).expect("the output is text") > 0 {
        if let Some((_, rest)) = text.rsplit_once("serves [") {
            let address = rest.split([',', ']']).next().expect("an address");
            return (address.to_owned(), lines);
        }
    }
    panic!("the broker ended: {text}");
}

fn start(links: &Path, properties: &Path, logs: &Path) -> Output {
    let started = Command::new(links.join("kafka-server-start.sh"))
        .arg("-daemon")
        .arg(properties)
        .env("LOG_DIR", logs)
        .env("YEOUL_LOG", "info")
        .stdin(Stdio::null())
        .output();
    started.expect("the tool runs")
}

#[test]
fn a_daemon_serves_behind_its_starter_until_it_is_stopped() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let links = install(dir.path());
    let properties = dir.path().join("server.properties");
    // Nobody else's broker is stopped: this process's id is its node id.
    let node_id = std::process::id();
    let text = format!(
        "node.id={node_id}\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs={}\n",
        dir.path().join("data").display()
    );
    fs::write(&properties, text).expect("the properties are written");
    let _leftovers = Leftovers(properties.clone());

    // In place of its file a pipe: it says when a line is there, and when the broker is gone.
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).expect("a folder is made");
    let output = logs.join("kafkaServer.out");
    let made = Command::new("mkfifo").arg(&output).status().expect("mkfifo runs");
    assert!(made.success());
    let awaited = thread::spawn(move || await_start(&output));
    let started = start(&links, &properties, &logs);
    assert_eq!(printed(&started), "");
    let told = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(told.contains(&format!("what it prints goes to {}", logs.display())), "{told}");
    assert!(!told.contains("log.dirs"), "{told}");
    let (address, mut rest) = awaited.join().expect("the broker serves");

    let list = format!("kafka-cluster.sh list-endpoints --bootstrap-server {address}");
    let endpoints = printed(&tool(&links, &list, ""));
    assert!(endpoints.lines().any(|line| line.starts_with(&node_id.to_string())), "{endpoints}");

    let stop = format!("kafka-server-stop.sh --node-id {node_id}");
    assert_eq!(printed(&tool(&links, &stop, "")), "");
    let mut log = String::new();
    rest.read_to_string(&mut log).expect("the output ends with the broker");
    let clean = dir.path().join("data/.kafka_cleanshutdown");
    assert!(clean.exists(), "it was not a clean shutdown: {log}");

    let nothing = tool(&links, &stop, "");
    assert_eq!(nothing.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&nothing.stdout), "No kafka server to stop\n");
}

#[test]
fn a_daemon_that_cannot_start_is_refused_before_it_is_one() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let links = install(dir.path());
    let properties = dir.path().join("server.properties");
    let refused = start(&links, &properties, dir.path());
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("name a server.properties that can be read"), "{text}");
    assert!(!dir.path().join("kafkaServer.out").exists());
}
