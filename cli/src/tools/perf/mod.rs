//! kafka-producer-perf-test and kafka-consumer-perf-test: how many records go through.

pub(super) mod consumer;
mod date_format;
pub(super) mod producer;

use crate::tools::options::{Parsed, UsageError};

/// Refuses an option beside its older name.
fn exclusive(parsed: &Parsed, name: &str, older: &str) -> Result<(), UsageError> {
    if parsed.has(name) && parsed.has(older) {
        let text = format!("--{name} and --{older} cannot be specified together.");
        return Err(UsageError(text));
    }
    Ok(())
}

/// Names the option to use in place of an older name.
fn deprecated(parsed: &Parsed, older: &str, name: &str) {
    if parsed.has(older) {
        println!(
            "Option --{older} has been deprecated and will be removed in a future version. Use \
             --{name} instead."
        );
    }
}

/// Some of Kafka's options take several words, up to the next option: each becomes an argument of
/// its own, so that `--producer-props a=1 b=2` reads as if the option stood before each of them.
fn repeated(arguments: &[String], options: &[&str]) -> Vec<String> {
    let mut words = Vec::with_capacity(arguments.len());
    let mut current: Option<&String> = None;
    let mut has_value = false;
    for word in arguments {
        if word.starts_with("--") {
            current = options.contains(&word.trim_start_matches('-')).then_some(word);
            has_value = false;
        } else if let Some(option) = current {
            if has_value {
                words.push(option.clone());
            }
            has_value = true;
        }
        words.push(word.clone());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_with_several_words_is_repeated() {
        let line = ["--producer-props", "a=1", "b=2", "--topic", "t", "u"].map(str::to_owned);
        let expected = ["--producer-props", "a=1", "--producer-props", "b=2", "--topic", "t", "u"];
        assert_eq!(repeated(&line, &["producer-props"]), expected);
    }
}
