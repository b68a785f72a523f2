//! The processing log: why rows were left out, or have null where an expression failed.
//!
//! A stream may have such a row for every record. The log tells of the first row of a kind, of the
//! tenth, the hundredth and so on, with how many there were; the level debug tells of each.

use std::collections::HashMap;

/// Kinds beyond these are told apart no more.
const MAX_KINDS: usize = 256;

/// How many rows of which kind one query had.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    kinds: HashMap<String, u64>,
}

impl Counts {
    /// Counts a row, and answers whether the log is to tell of it: with the text that says how
    /// many there were.
    pub(crate) fn note(&mut self, node: &str, message: &str) -> Option<String> {
        let kind = format!("{node}: {}", kind(message));
        let full = self.kinds.len() >= MAX_KINDS && !self.kinds.contains_key(&kind);
        let count = self.kinds.entry(if full { String::new() } else { kind }).or_default();
        *count += 1;
        match *count {
            1 => Some(message.to_owned()),
            count if is_power_of_ten(count) => Some(format!("{message} ({count} rows so far)")),
            _ => None,
        }
    }
}

fn is_power_of_ten(count: u64) -> bool {
    10_u64.pow(count.ilog10()) == count
}

/// A message without what it quotes, and without numbers: those are the row's.
fn kind(message: &str) -> String {
    let mut kind = String::new();
    let mut quote = None;
    for c in message.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
            None if c.is_ascii_digit() => {}
            None => kind.push(c),
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_rows_of_one_kind_a_few_are_told() {
        let mut counts = Counts::default();
        let told: Vec<String> =
            (0..1000).filter_map(|_| counts.note("n", "a column of its group is null")).collect();
        let null = "a column of its group is null";
        let many = |count| format!("{null} ({count} rows so far)");
        assert_eq!(told, [null.to_owned(), many(10), many(100), many(1000)]);
    }

    #[test]
    fn another_kind_or_node_is_told_and_another_value_is_not() {
        let mut counts = Counts::default();
        assert!(counts.note("n", "Cast of 'ab' to INTEGER failed at 7").is_some());
        assert!(counts.note("n", "Cast of 'cd' to INTEGER failed at 8").is_none());
        assert!(counts.note("m", "Cast of 'cd' to INTEGER failed at 8").is_some());
        assert!(counts.note("n", "Cast of 'cd' to DOUBLE failed at 8").is_some());
    }

    #[test]
    fn kinds_without_end_take_no_memory_without_end() {
        let mut counts = Counts::default();
        let told = (0..10_000_u32)
            .filter(|n| counts.note("n", &"x".repeat(*n as usize)).is_some())
            .count();
        assert_eq!(counts.kinds.len(), MAX_KINDS + 1);
        assert_eq!(told, MAX_KINDS + 4);
    }
}
