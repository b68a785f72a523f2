//! kafka-server-start: a broker alone, from a `server.properties`.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use broker_server::{Broker, BrokerConfig};
use futures::FutureExt;

use super::Tool;
use crate::{properties_file, signals};

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-server-start",
    about: "Start a broker from a server.properties",
    options: &[],
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

const USAGE: &str =
    "USAGE: kafka-server-start [-daemon] server.properties [--override property=value]*";

async fn run(arguments: &[String]) -> i32 {
    crate::logging::init("info", None);
    let (daemon, rest) = match arguments.split_first() {
        Some((first, rest)) if ["-daemon", "--daemon"].contains(&first.as_str()) => (true, rest),
        _ => (false, arguments),
    };
    if rest.iter().any(|argument| argument == "--version") {
        println!("{}", super::options::version());
        return 0;
    }
    let config = match config(rest) {
        Ok(config) => config,
        Err(message) => {
            eprintln!("{message}");
            return 1;
        }
    };
    if daemon {
        return detach(rest, &config.log_dirs);
    }
    serve(config).await
}

/// The configuration from the file and the overrides after it.
fn config(arguments: &[String]) -> Result<BrokerConfig, String> {
    let Some((path, overrides)) =
        arguments.split_first().filter(|(path, _)| !path.starts_with('-'))
    else {
        return Err(USAGE.to_owned());
    };
    let mut layer = properties_file::read(path)
        .map_err(|error| format!("{error}; name a server.properties that can be read"))?;
    let mut words = overrides.iter();
    while let Some(word) = words.next() {
        let pair = match word.strip_prefix("--override") {
            Some("") => words.next().map(String::as_str),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        let Some((key, value)) = pair.and_then(|pair| pair.split_once('=')) else {
            return Err(format!("{word}: not an override of a property\n{USAGE}"));
        };
        layer.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    BrokerConfig::from_layer(layer).map_err(|error| format!("{path}: {error}"))
}

/// Serves until the process is asked to stop.
async fn serve(config: BrokerConfig) -> i32 {
    let mut stop = signals::stop_requested();
    let started = tokio::select! {
        started = Broker::start(config) => started,
        () = &mut stop => {
            eprintln!("kafka-server-start: stopped before it served");
            return 1;
        }
    };
    let broker = match started {
        Ok(broker) => broker,
        Err(error) => {
            eprintln!("kafka-server-start: {error}");
            return 1;
        }
    };
    stop.await;
    match broker.shutdown().await {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("kafka-server-start: the shutdown was not clean: {error}");
            1
        }
    }
}

/// Starts the broker as a process that outlives its terminal; what it prints goes to
/// `$LOG_DIR/kafkaServer.out` (`logs` below the current folder without that variable), which is
/// told on standard error: scripts read the output, and Kafka's is empty.
fn detach(arguments: &[String], log_dirs: &[PathBuf]) -> i32 {
    let folder = std::env::var_os("LOG_DIR").map_or_else(|| PathBuf::from("logs"), PathBuf::from);
    let path = folder.join("kafkaServer.out");
    let started = (|| {
        std::fs::create_dir_all(&folder)?;
        let output = OpenOptions::new().create(true).append(true).open(&path)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(TOOL.name).args(arguments);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // As below nohup, a terminal that is closed is nothing to it. SAFETY: a signal is ignored;
        // no handler runs. The broker inherits that, and this process ends now.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        // Its own process group: a Ctrl-C at this terminal is not for it.
        command.process_group(0).spawn()
    })();
    match started {
        Ok(process) => {
            let shown = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
            eprintln!(
                "kafka-server-start: process {} starts in the background; what it prints goes to {}",
                process.id(),
                shown.display()
            );
            if let Some(dir) = log_dirs.iter().find(|dir| is_same(dir, &folder)) {
                eprintln!(
                    "kafka-server-start: {} holds the broker's data as well (log.dirs); set the \
                     variable LOG_DIR to another folder to keep them apart",
                    dir.display()
                );
            }
            0
        }
        Err(error) => {
            eprintln!("kafka-server-start: {}: {error}", path.display());
            1
        }
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let absolute = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).ok();
    absolute(one) == absolute(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn overrides_win_over_the_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("server.properties");
        let text = format!("node.id=1\nlog.dirs={}\n", dir.path().join("data").display());
        std::fs::write(&file, text).expect("a file is written");
        let file = file.display().to_string();
        let line = words(&[&file, "--override", "node.id=7", "--override=num.partitions=3"]);
        assert_eq!(config(&line).expect("a configuration").node_id, 7);
        let wrong = config(&words(&[&file, "--overide", "a=b"])).expect_err("a typing error");
        assert!(wrong.contains("--overide"), "{wrong}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        assert_eq!(config(&[]).expect_err("no file"), USAGE);
        let error = config(&words(&["no-such.properties"])).expect_err("no such file");
        assert!(error.starts_with("no-such.properties: "), "{error}");
    }
}
