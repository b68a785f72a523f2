//! kafka-server-stop: asks the brokers of this machine that run from this binary to shut down.

use std::fs;
use std::path::Path;

use futures::FutureExt;
use javatext::properties;
use rustix::process::{Pid, Signal, kill_process};

use super::Tool;
use super::options::{Spec, begin, value};

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-server-stop",
    about: "Ask the brokers that run on this machine to shut down",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments) }.boxed(),
};

const SPEC: Spec = Spec {
    tool: "kafka-server-stop",
    about: "This tool stops the brokers that were started on this machine by this binary.",
    options: &[value("node-id", "Stop only the broker whose properties have this node.id.")],
};

fn run(arguments: &[String]) -> i32 {
    let parsed = match begin(&SPEC, arguments) {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let mut found = brokers(Path::new("/proc"));
    if let Some(node_id) = parsed.get("node-id") {
        found.retain(|broker| broker.node_id().as_deref() == Some(node_id));
    }
    if found.is_empty() {
        println!("No kafka server to stop");
        return 1;
    }
    let mut status = 0;
    for broker in found {
        if let Err(error) = kill_process(broker.pid, Signal::TERM) {
            eprintln!("kafka-server-stop: process {}: {error}", broker.pid.as_raw_nonzero());
            status = 1;
        }
    }
    status
}

/// A process of this machine that runs a broker.
struct RunningBroker {
    pid: Pid,
    words: Vec<String>,
    folder: Option<std::path::PathBuf>,
}

impl RunningBroker {
    /// The node id: from an override on its command line, else from its properties file.
    fn node_id(&self) -> Option<String> {
        let keys = ["node.id", "broker.id"];
        let overridden = |word: &String| {
            let (key, value) = word.trim_start_matches("--override=").split_once('=')?;
            keys.contains(&key.trim()).then(|| value.trim().to_owned())
        };
        if let Some(id) = self.words.iter().rev().find_map(overridden) {
            return Some(id);
        }
        let file = self.words.iter().find(|word| word.ends_with(".properties"))?;
        let path = self.folder.as_deref().unwrap_or_else(|| Path::new("/")).join(file);
        let file = properties::load(&fs::read(path).ok()?).ok()?;
        keys.iter().find_map(|key| file.get(*key)).map(|id| id.trim().to_owned())
    }
}

/// The processes whose command line starts a broker: `yeoul kafka-server-start`, a link by that
/// name, or `yeoul server`, where this binary may have another name. This process is not among
/// them.
fn brokers(proc: &Path) -> Vec<RunningBroker> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let own = std::process::id();
    let binary = fs::read_link(proc.join("self/exe")).ok();
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number: u32 = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let words: Vec<String> = line
                .split(|byte| *byte == 0)
                .filter(|word| !word.is_empty())
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect();
            let runs_from = fs::read_link(entry.path().join("exe")).ok();
            let is_this_binary = runs_from.is_some() && runs_from == binary;
            if number == own || !starts_broker(&words, is_this_binary) {
                return None;
            }
            let pid = Pid::from_raw(i32::try_from(number).ok()?)?;
            Some(RunningBroker { pid, words, folder: fs::read_link(entry.path().join("cwd")).ok() })
        })
        .collect()
}

fn starts_broker(words: &[String], is_this_binary: bool) -> bool {
    let name = |at: usize| {
        let word = words.get(at).map_or("", String::as_str);
        let file = Path::new(word).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        file.strip_suffix(".sh").unwrap_or(file).to_owned()
    };
    let by_link = name(0) == "kafka-server-start";
    let is_ours = is_this_binary || name(0) == "yeoul";
    let by_word = is_ours && ["kafka-server-start", "server"].contains(&&*name(1));
    by_link || by_word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_broker_is_known_by_its_command_line() {
        for line in [
            "/usr/bin/yeoul kafka-server-start a.properties",
            "kafka-server-start.sh a",
            "yeoul server",
        ] {
            assert!(starts_broker(&words(line), false), "{line}");
        }
        for line in
            ["yeoul sql", "vim kafka-server-start.sh", "java kafka.Kafka", "yeoul", "y server"]
        {
            assert!(!starts_broker(&words(line), false), "{line}");
        }
    }

    #[test]
    fn the_binary_may_have_another_name() {
        assert!(starts_broker(&words("/opt/yeoul-1.0 kafka-server-start a"), true));
        assert!(!starts_broker(&words("/opt/yeoul-1.0 sql"), true));
    }

    #[test]
    fn processes_are_found_with_their_node_id() {
        let proc = tempfile::tempdir().expect("a temporary folder");
        let process = proc.path().join("4711");
        fs::create_dir(&process).expect("a folder is made");
        let properties = proc.path().join("a.properties");
        fs::write(&properties, "# id\nbroker.id : \\\n  7\n").expect("a file is written");
        let line = format!("yeoul\0kafka-server-start\0{}\0", properties.display());
        fs::write(process.join("cmdline"), line).expect("a file is written");
        let found = brokers(proc.path());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].pid.as_raw_nonzero().get(), 4711);
        assert_eq!(found[0].node_id().as_deref(), Some("7"));
    }
}
