//! `yeoul sql`: statements typed or from a script, sent to a server's REST API.
//!
//! ```text
//!   repl    lines with history and editing        script   -e and -f
//!      └──────────► session: what is local, what goes to the server ◄─────┘
//!   client  HTTP      entities  listings as tables      rows  rows as they come, in a grid
//! ```

mod client;
mod commands;
mod entities;
mod grid;
mod keys;
mod repl;
mod rows;
mod script;
mod session;
mod table;

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use client::Client;
use session::Session;

pub use repl::data_folder;
pub use table::OutputMode;

pub use crate::display::{clip, head, pad, printable, width};

/// How a shell runs.
#[derive(Clone, Debug)]
pub struct ShellConfig {
    /// The server's REST API, for instance `http://127.0.0.1:8088`.
    pub url: String,
    /// Statements to run instead of a prompt.
    pub execute: Option<String>,
    /// A file of statements to run instead of a prompt.
    pub file: Option<PathBuf>,
    pub output: OutputMode,
    /// Where typed lines are kept; `None`: in the user's data folder.
    pub history: Option<PathBuf>,
}

impl ShellConfig {
    /// A shell with a prompt.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            execute: None,
            file: None,
            output: OutputMode::Tabular,
            history: None,
        }
    }
}

/// Why a shell ended early.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    #[error("cannot read {path}: {source}")]
    Script { path: String, source: io::Error },
    #[error("{0}")]
    Server(String),
    #[error("the terminal failed: {0}")]
    Terminal(#[from] io::Error),
}

/// Runs a shell until its script or its user ends. False: a statement of the script failed.
pub async fn run(config: ShellConfig) -> Result<bool, ShellError> {
    let client = Client::new(&config.url).map_err(ShellError::Server)?;
    let terminal = io::stdout().is_terminal();
    let mut session = Session::new(client, &config, terminal);
    let script = match (&config.execute, &config.file) {
        (Some(text), _) => Some(terminated(text)),
        (None, Some(path)) => Some(terminated(&read(path)?)),
        (None, None) if !io::stdin().is_terminal() => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            Some(terminated(&text))
        }
        (None, None) => None,
    };
    match script {
        Some(text) => Ok(session.script(&text).await),
        None => {
            repl::run(session).await?;
            Ok(true)
        }
    }
}

fn read(path: &std::path::Path) -> Result<String, ShellError> {
    std::fs::read_to_string(path)
        .map_err(|source| ShellError::Script { path: path.display().to_string(), source })
}

/// The last statement of a script may lack its `;`.
fn terminated(text: &str) -> String {
    let whole = text.trim_end();
    if whole.is_empty() || crate::parser::is_complete(text) {
        return text.to_owned();
    }
    format!("{whole}\n;")
}
