//! `yeoul`: one binary. It runs the platform (`yeoul server`), opens the SQL shell, runs the demo,
//! and answers to the names of Kafka's tools, as sub-commands and when it is called by such a name.

#[cfg(any(test, not(feature = "platform")))]
mod absent;
mod bench;
mod causes;
mod completions;
#[cfg(feature = "platform")]
mod demo;
mod health;
mod latencies;
mod logging;
mod output;
#[cfg(feature = "platform")]
mod platform;
mod properties_file;
#[cfg(feature = "platform")]
mod shell;
mod signals;
#[cfg(feature = "platform")]
mod standalone;
mod tools;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Streams of records on one machine, in one program: a broker for Kafka's clients and tools, a
/// schema registry, connectors, and SQL queries that run on and on.
#[derive(Parser)]
#[command(name = "yeoul", version, after_help = FIRST_STEPS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What is logged: error, warn, info, debug, trace or off, or target=level,..; else the
    /// variable YEOUL_LOG or RUST_LOG says it
    #[arg(long, global = true, value_name = "LEVEL", value_parser = logging::parse)]
    log_level: Option<String>,
}

const FIRST_STEPS: &str = "\
First steps:
  yeoul demo       watch real flights run through a continuous query
  yeoul server     start everything, with its data in ./yeoul-data and Kafka at localhost:9092
  yeoul sql        type SQL statements for the server that runs

Kafka's tools are commands too, by their own names and with their own options:
  yeoul kafka-topics --bootstrap-server localhost:9092 --create --topic greetings
  yeoul kafka-console-consumer --bootstrap-server localhost:9092 --topic greetings
`yeoul tools list` names all of them; `yeoul tools install DIR` makes links such as kafka-topics.sh.";

#[derive(Subcommand)]
enum Command {
    /// Start everything on this machine: broker, schema registry, connectors and SQL
    #[cfg(feature = "platform")]
    Server(platform::ServerOptions),
    /// Run the schema registry alone, on any Kafka cluster
    #[cfg(feature = "platform")]
    Registry(standalone::RegistryOptions),
    /// Run connectors alone, on any Kafka cluster
    #[cfg(feature = "platform")]
    Connect(standalone::ConnectOptions),
    /// Run the SQL engine alone, on any Kafka cluster
    #[cfg(feature = "platform")]
    SqlServer(standalone::SqlServerOptions),
    /// Open a SQL prompt on a running server, or run statements from a script
    #[cfg(feature = "platform")]
    Sql(shell::SqlOptions),
    /// Watch 9,762 real flights run through a continuous query
    #[cfg(feature = "platform")]
    Demo(demo::DemoOptions),
    /// Measure how fast a broker is: Yeoul, Apache Kafka, or both beside each other
    Bench {
        #[command(subcommand)]
        action: bench::Action,
    },
    /// Whether broker, schema registry and SQL answer; the exit status says it
    Health(health::HealthOptions),
    /// The version of this binary, and which Kafka's protocol it speaks
    Version,
    /// What a shell needs to complete command lines
    Completions(completions::CompletionsOptions),
    /// List Kafka's tools that this program answers to, or make links by their names
    Tools {
        #[command(subcommand)]
        action: tools::install::Action,
    },
}

impl Command {
    /// Whether all that it does is print, so that it has nothing to do when nobody reads it.
    fn only_prints(&self) -> bool {
        match self {
            Command::Version
            | Command::Completions(_)
            | Command::Health(_)
            | Command::Bench { .. }
            | Command::Tools { .. } => true,
            #[cfg(feature = "platform")]
            _ => false,
        }
    }
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
    let named = [Some(called_as), arguments.get(1).map(String::as_str)];
    if let Some(tool) = named.into_iter().flatten().find_map(tools::absent::find) {
        eprintln!("{}", tool.text());
        return ExitCode::FAILURE;
    }
    let Cli { command, log_level } = Cli::parse_from(arguments);
    let log = |default: &str| logging::init(default, log_level.as_deref());
    if command.only_prints() {
        output::end_with_its_reader();
    }
    match command {
        Command::Version => {
            println!("{}", version());
            ExitCode::SUCCESS
        }
        Command::Completions(options) => {
            let mut text = Vec::new();
            options.write(Cli::command(), &mut text);
            print!("{}", String::from_utf8_lossy(&text));
            ExitCode::SUCCESS
        }
        Command::Health(options) => {
            log("error");
            run_to_status(health::run(&options))
        }
        Command::Bench { action } => {
            log("warn");
            exit(bench::run(&action))
        }
        Command::Tools { action } => exit(tools::install::run(&action)),
        #[cfg(feature = "platform")]
        Command::Server(options) => serve(log, platform::serve(&options)),
        #[cfg(feature = "platform")]
        Command::Registry(options) => serve(log, standalone::serve_registry(&options)),
        #[cfg(feature = "platform")]
        Command::Connect(options) => serve(log, standalone::serve_connect(&options)),
        #[cfg(feature = "platform")]
        Command::SqlServer(options) => serve(log, standalone::serve_sql(&options)),
        #[cfg(feature = "platform")]
        Command::Sql(options) => run(shell::run(options)),
        #[cfg(feature = "platform")]
        Command::Demo(options) => {
            log("error");
            run(demo::run(&options))
        }
    }
}

/// Runs a server, which logs.
#[cfg(feature = "platform")]
fn serve(log: impl Fn(&str), server: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    log("info,sql.processing=warn");
    run(server)
}

/// Yeoul's version, and that of Kafka whose protocol and tools it follows.
fn version() -> String {
    format!("yeoul {} (protocol and tools of Apache Kafka 4.3.1)", env!("CARGO_PKG_VERSION"))
}

/// Of each thread, for DataFusion recurses as deep as an expression is high. Only what is touched
/// takes memory.
const STACK_BYTES: usize = 8 << 20;

/// Runs a command to its end on a runtime of its own; an error is printed with its causes.
#[cfg(feature = "platform")]
fn run(command: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    run_to_status(async {
        match command.await {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("yeoul: {}", causes::told(&error));
                1
            }
        }
    })
}

/// Runs a command that answers its exit status.
fn run_to_status(command: impl Future<Output = i32>) -> ExitCode {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = match builder.enable_all().thread_stack_size(STACK_BYTES).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("yeoul: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let status = runtime.block_on(command);
    // Standard input is read on a thread that cannot be interrupted: do not wait for it.
    runtime.shutdown_background();
    exit(status)
}

/// Exit statuses are those of the tools: anything outside a byte would be cut off silently.
fn exit(status: i32) -> ExitCode {
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}
