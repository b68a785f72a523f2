//! The commands of the whole binary, in one that was built without them: the broker and Kafka's
//! tools alone build in a fraction of the time.

/// What a binary without the feature `platform` has not.
const COMMANDS: &[&str] = &["server", "sql", "sql-server", "demo", "registry", "connect"];

/// What to say to these arguments, when they ask for a command that this binary was built without.
pub(crate) fn refusal(arguments: &[String]) -> Option<String> {
    let mut words = arguments.iter().filter(|word| *word != "help");
    let command = words.next().filter(|word| COMMANDS.contains(&word.as_str()))?;
    Some(format!(
        "`{command}` is not in this binary, which is the broker and Kafka's tools alone, as \
         `make broker` builds it.\nBuild the whole one with `make demo` (it runs the demo, too), \
         `make release` or `cargo build -p cli`; the broker of this one is started by\n\
         `yeoul kafka-server-start server.properties`."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> Option<String> {
        refusal(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_command_that_was_left_out_says_how_to_build_it() {
        for line in ["sql", "sql --help", "help sql", "server --data x", "connect"] {
            let said = said(line).expect("it is refused");
            assert!(said.contains("is not in this binary") && said.contains("make demo"), "{said}");
        }
        assert!(said("sql -e x").expect("it is refused").starts_with("`sql`"));
    }

    #[test]
    fn what_is_there_and_what_nobody_has_is_left_to_the_parser() {
        for line in ["", "--help", "help", "tools list", "bench produce", "sqll", "tools sql"] {
            assert_eq!(said(line), None, "{line}");
        }
    }
}
