//! `yeoul`: one binary. It runs the platform (`yeoul server`), opens the SQL shell, runs the demo,
//! and answers to the names of Kafka's tools, as sub-commands and when it is called by such a name.

#[cfg(any(test, not(feature = "platform")))]
mod absent;
mod bench;
#[cfg(feature = "platform")]
mod demo;
mod latencies;
mod logging;
#[cfg(feature = "platform")]
mod platform;
#[cfg(feature = "platform")]
mod shell;
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
    /// Broker, schema registry, connectors and SQL in one process
    #[cfg(feature = "platform")]
    Server(platform::ServerOptions),
    /// The SQL shell, on a running server
    #[cfg(feature = "platform")]
    Sql(shell::SqlOptions),
    /// Real flights through a continuous query, shown live
    #[cfg(feature = "platform")]
    Demo(demo::DemoOptions),
    /// Measures a broker: Yeoul, Kafka, or both beside each other
    Bench {
        #[command(subcommand)]
        action: bench::Action,
    },
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
    #[cfg(not(feature = "platform"))]
    if let Some(refusal) = absent::refusal(&arguments[1..]) {
        eprintln!("yeoul: {refusal}");
        return ExitCode::from(2);
    }
    match Cli::parse_from(arguments).command {
        Command::Bench { action } => exit(bench::run(&action)),
        Command::Tools { action } => exit(tools::install::run(&action)),
        #[cfg(feature = "platform")]
        Command::Server(options) => {
            logging::init("info,sql.processing=warn");
            run(platform::serve(&options))
        }
        #[cfg(feature = "platform")]
        Command::Sql(options) => run(shell::run(options)),
        #[cfg(feature = "platform")]
        Command::Demo(options) => {
            logging::init("error");
            run(demo::run(&options))
        }
    }
}

/// Runs a command to its end on a runtime of its own; an error is printed with its causes.
#[cfg(feature = "platform")]
fn run(command: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("yeoul: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(command);
    // Standard input is read on a thread that cannot be interrupted: do not wait for it.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("yeoul: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Exit statuses are those of the tools: anything outside a byte would be cut off silently.
fn exit(status: i32) -> ExitCode {
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}
