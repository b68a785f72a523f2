//! The prompt: lines with editing and history, statements over several of them.

use std::borrow::Cow;
use std::env;
use std::path::PathBuf;

use reedline::{
    FileBackedHistory, Prompt, PromptEditMode, PromptHistorySearch, Reedline, Signal,
    ValidationResult, Validator,
};

use super::ShellError;
use super::client::Client;
use super::commands::{self, Command, HELP};
use super::session::{Session, put};
use crate::parser::{self, Typed};

/// How many statements the history keeps.
const HISTORY_ENTRIES: usize = 10_000;

/// Reads and runs statements until the user leaves.
pub(super) async fn run(mut session: Session, history: Option<PathBuf>) -> Result<(), ShellError> {
    banner(&session).await;
    let history = history.or_else(|| Some(data_folder()?.join("sql_history")));
    let mut editor = editor(history.clone());
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let line = editor.read_line(&SqlPrompt);
            let line = line.and_then(|signal| editor.sync_history().map(|()| signal));
            (editor, line)
        });
        let (returned, line) = read.await.map_err(std::io::Error::other)?;
        editor = returned;
        match line? {
            Signal::Success(text) if act(&mut session, &text, history.as_ref()).await => {}
            Signal::Success(_) | Signal::CtrlD => return Ok(()),
            _ => {}
        }
    }
}

async fn banner(session: &Session) {
    let version = env!("CARGO_PKG_VERSION");
    match session.client.info().await {
        Ok(info) => {
            let server = info["version"].as_str().unwrap_or("unknown");
            let url = &session.client.url;
            put(&format!("Yeoul SQL {version}, server {server} at {url}. Type help for help.\n"));
        }
        Err(failure) => put(&format!("Yeoul SQL {version}\n{}\n", failure.message)),
    }
}

/// False: the user leaves.
async fn act(session: &mut Session, text: &str, history: Option<&PathBuf>) -> bool {
    match commands::parse(text) {
        None => {
            if let Err(message) = session.statement(text).await {
                eprintln!("{message}");
            }
        }
        Some(Err(message)) => eprintln!("{message}"),
        Some(Ok(Command::Exit)) => return false,
        Some(Ok(Command::Help)) => put(HELP),
        Some(Ok(Command::Clear)) => put("\x1b[2J\x1b[H"),
        Some(Ok(Command::Version)) => put(&format!("Version: {}\n", env!("CARGO_PKG_VERSION"))),
        Some(Ok(Command::History)) => put(&past(history)),
        Some(Ok(Command::Output(None))) => {
            put(&format!("Current output format: {}\n", session.output.word()));
        }
        Some(Ok(Command::Output(Some(mode)))) => {
            session.output = mode;
            put(&format!("Output format set to {}\n", mode.word()));
        }
        Some(Ok(Command::Server(None))) => put(&format!("{}\n", session.client.url)),
        Some(Ok(Command::Server(Some(url)))) => match Client::new(&url) {
            Ok(client) => {
                session.client = client;
                banner(session).await;
            }
            Err(message) => eprintln!("{message}"),
        },
    }
    true
}

fn past(history: Option<&PathBuf>) -> String {
    let text = history.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let entry =
        |(i, line): (usize, &str)| format!("{:>5}  {}\n", i + 1, line.replace("<\\n>", " "));
    text.lines().enumerate().map(entry).collect()
}

/// What the user keeps of Yeoul: `$XDG_DATA_HOME/yeoul`, or the same under `~/.local/share`;
/// `None` if neither is known.
pub fn data_folder() -> Option<PathBuf> {
    let stated = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || stated("HOME").map(|home| home.join(".local/share"));
    Some(stated("XDG_DATA_HOME").or_else(home)?.join("yeoul"))
}

fn editor(history: Option<PathBuf>) -> Reedline {
    let editor = Reedline::create().with_validator(Box::new(WholeStatement));
    let Some(path) = history else { return editor };
    match FileBackedHistory::with_file(HISTORY_ENTRIES, path) {
        Ok(history) => editor.with_history(Box::new(history)),
        Err(error) => {
            eprintln!("The history is not kept: {error}");
            editor
        }
    }
}

/// Enter runs the text when it is a command or ends with a `;`, and goes on otherwise.
struct WholeStatement;

impl Validator for WholeStatement {
    fn validate(&self, text: &str) -> ValidationResult {
        let whole = commands::parse(text).is_some() || parser::typed(text) != Typed::Open;
        if whole { ValidationResult::Complete } else { ValidationResult::Incomplete }
    }
}

struct SqlPrompt;

impl Prompt for SqlPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("sql")
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("...> ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search: {}) ", search.term))
    }
}
