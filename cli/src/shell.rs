//! `yeoul sql`: the SQL shell.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sql::shell::{OutputMode, ShellConfig};

/// Open a SQL prompt on a running server, or run statements from a script
///
/// Streams and tables are made over topics, and queries over them run on and on; the language is
/// ksqlDB's. At the prompt, `help` shows how to begin.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  yeoul sql                                   a prompt on the server of this machine
  yeoul sql -e \"SHOW STREAMS; SHOW TABLES;\"   statements, rows as plain lines
  yeoul sql -f script.sql http://other:8088   a script, on another server
  yeoul sql test --jsonl < cases.jsonl        ksqlDB's test cases, without a server

The exit code is 1 if a statement fails or the server goes away; those after it are not run."
)]
pub(crate) struct SqlOptions {
    /// The server's address
    #[arg(default_value = "http://127.0.0.1:8088")]
    url: String,
    /// Statements to run instead of a prompt
    #[arg(short, long, value_name = "STATEMENTS")]
    execute: Option<String>,
    /// A file of statements to run instead of a prompt
    #[arg(short, long, value_name = "FILE", conflicts_with = "execute")]
    file: Option<PathBuf>,
    /// How results are shown: TABULAR, VERTICAL or JSON
    #[arg(long, value_name = "MODE", default_value = "TABULAR")]
    output: String,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run ksqlDB's test cases without a broker: a case a line in, its results a line out
    ///
    /// Reads standard input to its end. Each line is a JSON object: a case of ksqlDB's
    /// query-validation-tests, its statements with the records of its input topics; each line of
    /// the answer has the records of the output topics, or the error of the statement that is
    /// refused.
    Test {
        /// The form of cases and answers: one JSON object a line
        #[arg(long, required = true)]
        jsonl: bool,
        /// Run them by an engine on this cluster instead, which must be of no other use: topics are
        /// deleted between the cases
        #[arg(long, value_name = "HOST:PORT", requires = "schema_registry")]
        bootstrap_server: Option<String>,
        /// The schema registry of that engine; its subjects are deleted too
        #[arg(long, value_name = "URL", requires = "bootstrap_server")]
        schema_registry: Option<String>,
    },
}

/// Runs the shell.
///
/// # Errors
/// The server cannot be reached, the file cannot be read, or a statement of a script failed.
pub(crate) async fn run(options: SqlOptions) -> anyhow::Result<()> {
    if let Some(Action::Test { jsonl: true, bootstrap_server, schema_registry }) = options.action {
        if let (Some(server), Some(registry_url)) = (bootstrap_server, schema_registry) {
            let client = client::ClientConfig::tcp(&server);
            let cluster = sql::CaseCluster { client, registry_url };
            // The lock of stdin is held from here on.
            let (input, output) = (std::io::stdin().lines(), std::io::stdout());
            return Ok(sql::serve_cases_on(&cluster, input, output).await?);
        }
        let answer = || sql::serve_cases(std::io::stdin().lock(), std::io::stdout().lock());
        return Ok(tokio::task::spawn_blocking(answer).await??);
    }
    let Some(output) = OutputMode::parse(&options.output) else {
        anyhow::bail!("--output {}: there are TABULAR, VERTICAL and JSON", options.output);
    };
    let mut config = ShellConfig::new(options.url);
    config.execute = options.execute;
    config.file = options.file;
    config.output = output;
    match sql::shell::run(config).await? {
        true => Ok(()),
        false => anyhow::bail!("a statement failed; those after it were not run"),
    }
}
