//! Commands of the shell itself.

use super::table::OutputMode;

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
  help                              this page
  output [tabular|vertical|json]    how results are shown
  history                           what was typed
  clear                             clears the screen
  server [url]                      shows the server, or changes it
  version                           of this shell
  exit                              ends the shell, as Ctrl-D does
";

/// The command that a line is, if it is one; an error if it is a command that is misspelt.
pub(super) fn parse(line: &str) -> Option<Result<Command, String>> {
    let words: Vec<&str> = line.trim().trim_end_matches(';').split_whitespace().collect();
    let (name, rest) = words.split_first()?;
    let command = match (name.to_lowercase().as_str(), rest) {
        ("help" | "?", []) => Command::Help,
        ("exit" | "quit", []) => Command::Exit,
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
        _ => return None,
    };
    Some(Ok(command))
}

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
}
