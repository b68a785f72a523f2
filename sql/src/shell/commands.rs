//! Commands of the shell itself.

use super::table::OutputMode;
use crate::display::{clip, printable};
use crate::error::{did_you_mean, near_names};
use crate::parser::{self, FIRST_WORDS, Typed};

/// A line that is no statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    Help,
    Exit,
    Clear,
    History,
    Version,
    Server(Option<String>),
    /// Shows the mode if there is none to set.
    Output(Option<OutputMode>),
}

pub(super) const HELP: &str = "\
Statements end with ; and may span several lines, for instance:
  SHOW STREAMS;  SHOW TABLES;  SHOW TOPICS;  SHOW QUERIES;  SHOW FUNCTIONS;
  DESCRIBE <name> [EXTENDED];  PRINT <topic> FROM BEGINNING LIMIT 3;
  SELECT * FROM <stream> EMIT CHANGES;        Ctrl-C ends it
  SET 'auto.offset.reset' = 'earliest';       for the queries that follow

Commands of the shell:
  help, ?                           this page
  output [tabular|vertical|json]    how results are shown
  history                           what was typed
  clear                             clears the screen
  server [url]                      shows the server, or changes it
  version                           of this shell
  exit                              ends the shell, as Ctrl-D does on an empty line
A \\ before one of these is as good, as in \\h and \\q.
";

/// What other shells' commands for looking around are here.
const LOOK_AROUND: &str = "SHOW STREAMS;  SHOW TABLES;  SHOW TOPICS;  DESCRIBE <name>;";

/// The command that a typed line is, if it is one; an error if it is a command that is misspelt, or
/// nothing at all.
pub(super) fn parse(line: &str) -> Option<Result<Command, String>> {
    command(line).or_else(|| {
        let typed = *words(line).first()?;
        (parser::typed(line) == Typed::Hopeless).then(|| Err(no_command(typed)))
    })
}

/// The command that a line of a script is, if it is one; an error if it can only be a command, and
/// is none.
pub(super) fn command(line: &str) -> Option<Result<Command, String>> {
    let words = words(line);
    let (typed, rest) = words.split_first()?;
    let bare = unmarked(typed);
    let (name, is_marked) = (bare.to_lowercase(), bare.len() < typed.len());
    let command = match (name.as_str(), rest) {
        ("help" | "?", _) => Command::Help,
        ("h", _) if is_marked => Command::Help,
        ("exit" | "quit", []) => Command::Exit,
        ("q", []) if is_marked => Command::Exit,
        ("clear", []) => Command::Clear,
        ("history", []) => Command::History,
        ("version", []) => Command::Version,
        ("server", []) => Command::Server(None),
        ("server", [url]) => Command::Server(Some((*url).to_owned())),
        ("output", []) => Command::Output(None),
        ("output", [mode]) => match OutputMode::parse(mode) {
            Some(mode) => Command::Output(Some(mode)),
            None => {
                let message =
                    format!("Unknown output format '{mode}': use tabular, vertical or json");
                return Some(Err(message));
            }
        },
        _ if is_marked => return Some(Err(no_command(typed))),
        _ => return None,
    };
    Some(Ok(command))
}

fn words(line: &str) -> Vec<&str> {
    line.trim().trim_end_matches(';').split_whitespace().collect()
}

/// A command's name without what other shells put before it.
fn unmarked(typed: &str) -> &str {
    typed.trim_start_matches(['\\', '.', ':'])
}

fn no_command(typed: &str) -> String {
    match unmarked(typed).to_lowercase().as_str() {
        "d" | "dt" | "l" => format!("There is no command {typed}; try {LOOK_AROUND}"),
        _ => unknown(typed),
    }
}

/// The answer to a line that is neither a command nor the beginning of a statement.
fn unknown(word: &str) -> String {
    let word = printable(&clip(word, 40));
    let near = near_names(&word, FIRST_WORDS.into_iter().chain(NAMES));
    let hint = did_you_mean(&near);
    format!(
        "{word} is no command, and no statement begins with it.{hint} Type help for both of them."
    )
}

/// The commands by their names.
const NAMES: [&str; 8] =
    ["help", "exit", "quit", "clear", "history", "version", "server", "output"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_statements() {
        assert_eq!(parse("EXIT"), Some(Ok(Command::Exit)));
        assert_eq!(parse("output JSON;"), Some(Ok(Command::Output(Some(OutputMode::Json)))));
        assert!(matches!(parse("output xml"), Some(Err(_))));
        assert_eq!(parse("SHOW STREAMS;"), None);
        assert_eq!(parse("  "), None);
    }

    #[test]
    fn a_line_of_a_script_is_no_command_only_because_it_is_no_statement() {
        assert_eq!(command("exit\n"), Some(Ok(Command::Exit)));
        assert!(matches!(command("\\dt"), Some(Err(_))));
        assert_eq!(command("SELCT 1"), None);
        assert!(matches!(parse("SELCT 1"), Some(Err(_))));
    }

    #[test]
    fn what_other_shells_call_their_commands_is_understood() {
        for help in ["?", "\\?", "\\h", "\\help", ".help", "help", "HELP;", "help select"] {
            assert_eq!(parse(help), Some(Ok(Command::Help)), "{help}");
        }
        for exit in ["\\q", ":q", ".exit", "quit"] {
            assert_eq!(parse(exit), Some(Ok(Command::Exit)), "{exit}");
        }
    }

    #[test]
    fn a_line_that_is_nothing_is_answered_at_once_with_what_may_be_meant() {
        let answer = |line| parse(line).and_then(Result::err).unwrap_or_default();
        assert!(answer("SELCT * FROM t").contains("Did you mean SELECT?"));
        assert!(answer("hsitory").contains("Did you mean history?"));
        assert!(answer("\\dt").contains("SHOW TABLES;"));
        assert!(
            answer("ls -l").starts_with("ls is no command, and no statement begins with it. T")
        );
        for statement in ["SELECT *", "q", "-- a note", "/* a", ";"] {
            assert_eq!(parse(statement).is_some(), statement == "q", "{statement}");
        }
    }
}
