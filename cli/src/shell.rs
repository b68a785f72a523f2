//! `yeoul sql`: the SQL shell.

use std::path::PathBuf;

use clap::Args;
use sql::shell::{OutputMode, ShellConfig};

/// The SQL shell, on a running server
#[derive(Args, Debug)]
pub(crate) struct SqlOptions {
    /// The server's REST API
    #[arg(default_value = "http://127.0.0.1:8088")]
    url: String,
    /// Statements to run instead of a prompt
    #[arg(short, long, value_name = "STATEMENTS")]
    execute: Option<String>,
    /// A file of statements to run instead of a prompt
    #[arg(short, long, value_name = "FILE", conflicts_with = "execute")]
    file: Option<PathBuf>,
    /// How results are shown: TABULAR or JSON
    #[arg(long, value_name = "MODE", default_value = "TABULAR")]
    output: String,
    /// With `test` in the URL's place: answers ksqlDB's test cases, one JSON object a line
    #[arg(long, hide = true)]
    jsonl: bool,
}

/// Runs the shell.
///
/// # Errors
/// The server cannot be reached, the file cannot be read, or a statement of a script failed.
pub(crate) async fn run(options: SqlOptions) -> anyhow::Result<()> {
    if options.jsonl && options.url == "test" {
        let answer = || sql::serve_cases(std::io::stdin().lock(), std::io::stdout().lock());
        return Ok(tokio::task::spawn_blocking(answer).await??);
    }
    let Some(output) = OutputMode::parse(&options.output) else {
        anyhow::bail!("--output {}: there are TABULAR and JSON", options.output);
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
