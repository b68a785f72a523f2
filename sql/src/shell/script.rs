//! A script cut into what is done one after the other.

use super::commands::{self, Command};
use crate::parser;

/// A part of a script.
#[derive(Debug, PartialEq)]
pub(super) enum Part<'a> {
    Statement(&'a str),
    /// A line that would be a command at the prompt; its `;` may lack.
    Command(Command),
}

/// The parts of a script up to its `exit`; an error if one of them can be neither.
pub(super) fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let (mut parts, mut at) = (Vec::new(), 0);
    loop {
        at = parser::next_begin(text, at).map_err(|error| error.render(text))?;
        let rest = &text[at..];
        if rest.is_empty() {
            return Ok(parts);
        }
        let line = rest.split_inclusive(['\n', ';']).next().unwrap_or(rest);
        if let Some(command) = commands::command(line) {
            let command = command?;
            let is_last = command == Command::Exit;
            parts.push(Part::Command(command));
            if is_last {
                return Ok(parts);
            }
            at += line.len();
        } else {
            let end = parser::statement_end(text, at).map_err(|error| error.render(text))?;
            parts.push(Part::Statement(&text[at..end]));
            at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::OutputMode;
    use super::*;

    #[test]
    fn commands_stand_between_statements_as_they_are_typed() {
        let text = "-- first\noutput json\nSELECT a\n  FROM help; version; /* c */ ?\n\
                    SET 'exit'='\nexit\n';\n\nexit\n'never read";
        let expected = [
            Part::Command(Command::Output(Some(OutputMode::Json))),
            Part::Statement("SELECT a\n  FROM help;"),
            Part::Command(Command::Version),
            Part::Command(Command::Help),
            Part::Statement("SET 'exit'='\nexit\n';"),
            Part::Command(Command::Exit),
        ];
        assert_eq!(parts(text).unwrap(), expected);
        assert_eq!(parts("exit").unwrap(), [Part::Command(Command::Exit)]);
        assert_eq!(parts(";; \n-- nothing\n").unwrap(), []);
        let unfinished = parts("SHOW STREAMS;\n SHOW TABLES\n").unwrap();
        let expected = [Part::Statement("SHOW STREAMS;"), Part::Statement("SHOW TABLES")];
        assert_eq!(unfinished, expected);
    }

    #[test]
    fn a_script_with_a_part_that_is_neither_is_refused_whole() {
        for (text, reason) in [
            ("SHOW STREAMS;\noutput xml\n", "Unknown output format 'xml'"),
            ("SHOW STREAMS;\n\\d\n", "There is no command \\d"),
            ("SHOW STREAMS;\nSELECT 'a", "has no end"),
        ] {
            let refused = parts(text).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
    }
}
