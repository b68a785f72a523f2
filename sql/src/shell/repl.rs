//! The prompt: lines with editing and history, statements over several of them.

use std::borrow::Cow;
use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use reedline::{
    FileBackedHistory, Prompt, PromptEditMode, PromptHistorySearch, Reedline, Signal,
    ValidationResult, Validator,
};

use super::ShellError;
use super::commands;
use super::keys::{Keys, Watched};
use super::session::{Session, put};
use crate::parser::{self, Typed};

/// How many statements the history keeps.
const HISTORY_ENTRIES: usize = 10_000;

/// Reads and runs statements until the user leaves.
pub(super) async fn run(mut session: Session) -> Result<(), ShellError> {
    put(&format!("{}\n", session.banner().await));
    let mut editor = editor(session.history.clone());
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let line = editor.read_line(&SqlPrompt);
            let line = line.and_then(|signal| editor.sync_history().map(|()| signal));
            (editor, line)
        });
        let (returned, line) = read.await.map_err(std::io::Error::other)?;
        editor = returned;
        match line? {
            Signal::Success(text) if act(&mut session, &text).await => {}
            Signal::Success(_) | Signal::CtrlD => return Ok(()),
            _ => {}
        }
    }
}

/// False: the user leaves.
async fn act(session: &mut Session, text: &str) -> bool {
    let done = match commands::parse(text) {
        None => session.statement(text).await.map(|()| true),
        Some(Ok(command)) => session.command(command).await,
        Some(Err(message)) => Err(message),
    };
    done.unwrap_or_else(|message| {
        eprintln!("{message}");
        true
    })
}

/// What the user keeps of Yeoul: `$XDG_DATA_HOME/yeoul`, or the same under `~/.local/share`;
/// `None` if neither is known.
pub fn data_folder() -> Option<PathBuf> {
    let stated = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || stated("HOME").map(|home| home.join(".local/share"));
    Some(stated("XDG_DATA_HOME").or_else(home)?.join("yeoul"))
}

fn editor(history: Option<PathBuf>) -> Reedline {
    let last_line = Arc::default();
    let editor = Reedline::create()
        .with_validator(Box::new(WholeStatement))
        .with_highlighter(Box::new(Watched::new(Arc::clone(&last_line))))
        .with_edit_mode(Box::new(Keys::new(last_line)));
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
