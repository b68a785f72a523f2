//! `yeoul`: one binary. It runs the platform (`yeoul server`), opens the SQL shell, runs the demo, and
//! answers to the names of Kafka's tools, as sub-commands and when it is called by such a name.

mod logging;
mod signals;
mod tools;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Yeoul: a stream-processing platform that speaks Kafka's protocol.
#[derive(Parser)]
#[command(name = "yeoul", version, about, long_about = None)]
#[command(
    after_help = "Kafka's tools are sub-commands too, for example `yeoul kafka-topics --list \
--bootstrap-server localhost:9092`; `yeoul tools list` names them."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Kafka's command-line tools: list them, or make links by their names
    Tools {
        #[command(subcommand)]
        action: tools::install::Action,
    },
}

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let called_as = arguments.first().and_then(|path| Path::new(path).file_stem());
    let called_as = called_as.and_then(|name| name.to_str()).unwrap_or_default();
    if let Some(tool) = tools::find(called_as) {
        return exit(tools::run(tool, &arguments[1..]));
    }
    if let Some(tool) = arguments.get(1).and_then(|name| tools::find(name)) {
        return exit(tools::run(tool, &arguments[2..]));
    }
    match Cli::parse_from(arguments).command {
        Command::Tools { action } => exit(tools::install::run(&action)),
    }
}

/// Exit statuses are those of the tools: anything outside a byte would be cut off silently.
fn exit(status: i32) -> ExitCode {
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}
