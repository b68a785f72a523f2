//! Compatibility levels: which of the earlier versions a new schema is held against, and in which
//! direction.

mod avro;

use crate::schema::Parsed;
use crate::words::Worded;
use avro::{Difference, DifferenceKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    None,
    Backward,
    BackwardTransitive,
    Forward,
    ForwardTransitive,
    Full,
    FullTransitive,
}

impl Worded for Level {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::None, "NONE"),
        (Self::Backward, "BACKWARD"),
        (Self::BackwardTransitive, "BACKWARD_TRANSITIVE"),
        (Self::Forward, "FORWARD"),
        (Self::ForwardTransitive, "FORWARD_TRANSITIVE"),
        (Self::Full, "FULL"),
        (Self::FullTransitive, "FULL_TRANSITIVE"),
    ];
}

impl Level {
    /// How many versions, from the newest back, a new schema is held against.
    pub(crate) fn reach(self) -> usize {
        match self {
            Self::None => 0,
            Self::Backward | Self::Forward | Self::Full => 1,
            Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive => usize::MAX,
        }
    }

    fn backward(self) -> bool {
        !matches!(self, Self::None | Self::Forward | Self::ForwardTransitive)
    }

    fn forward(self) -> bool {
        !matches!(self, Self::None | Self::Backward | Self::BackwardTransitive)
    }
}

/// An earlier version that a new schema is compared with.
pub(crate) struct Previous<'a> {
    pub(crate) version: i32,
    pub(crate) text: &'a str,
    pub(crate) parsed: &'a Parsed,
}

/// The messages that stand against `new`; none if it may follow `previous` (oldest first). The
/// first version that does not fit, from the newest on, ends the check.
pub(crate) fn check(new: &Parsed, previous: &[Previous<'_>], level: Level) -> Vec<String> {
    for old in previous.iter().rev().take(level.reach()) {
        let mut messages = Vec::new();
        if level.forward() {
            let found = differences(old.parsed, new);
            messages.extend(found.iter().map(|difference| describe(difference, "old", "new")));
        }
        if level.backward() {
            let found = differences(new, old.parsed);
            messages.extend(found.iter().map(|difference| describe(difference, "new", "old")));
        }
        if !messages.is_empty() {
            messages.push(format!("{{oldSchemaVersion: {}}}", old.version));
            messages.push(format!("{{oldSchema: '{}'}}", shortened(old.text)));
            return messages;
        }
    }
    Vec::new()
}

fn differences(reader: &Parsed, writer: &Parsed) -> Vec<Difference> {
    match (reader, writer) {
        (Parsed::Avro(reader), Parsed::Avro(writer)) => avro::differences(reader, writer),
    }
}

const LONGEST: usize = 1024;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("<truncated> {}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// `reader` and `writer` say which of the two, the new or the old schema, reads and wrote.
fn describe(difference: &Difference, reader: &str, writer: &str) -> String {
    let Difference { kind, location, message } = difference;
    let description = match kind {
        DifferenceKind::NameMismatch => {
            format!("The name of the schema has changed (path '{location}')")
        }
        DifferenceKind::FixedSizeMismatch => format!(
            "The size of FIXED type field at path '{location}' in the {reader} schema does not \
             match with the {writer} schema"
        ),
        DifferenceKind::MissingEnumSymbols => format!(
            "The {reader} schema is missing enum symbols '{message}' at path '{location}' in the \
             {writer} schema"
        ),
        DifferenceKind::ReaderFieldMissingDefaultValue => format!(
            "The field '{message}' at path '{location}' in the {reader} schema has no default \
             value and is missing in the {writer} schema"
        ),
        DifferenceKind::TypeMismatch => format!(
            "The type (path '{location}') of a field in the {reader} schema does not match with \
             the {writer} schema"
        ),
        DifferenceKind::MissingUnionBranch => format!(
            "The {reader} schema is missing a type inside a union field at path '{location}' in \
             the {writer} schema"
        ),
    };
    let kind = kind.name();
    format!("{{errorType:'{kind}', description:'{description}', additionalInfo:'{message}'}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(field_type: &str) -> Parsed {
        let text = format!(
            r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":"{field_type}"}}]}}"#
        );
        Parsed::Avro(formats::avro::Schema::parse(&text).unwrap())
    }

    /// Whether int, long, int (or what is given) may be followed by the last type.
    fn allowed(level: Level, history: &[&str], new: &str) -> bool {
        let old: Vec<Parsed> = history.iter().map(|ty| parsed(ty)).collect();
        let previous: Vec<Previous<'_>> = (1..)
            .zip(&old)
            .map(|(version, parsed)| Previous { version, text: "{}", parsed })
            .collect();
        check(&parsed(new), &previous, level).is_empty()
    }

    #[test]
    fn each_level_looks_in_its_direction_and_as_far_back_as_it_says() {
        let both = ["string", "int"];
        for (level, latest_wider, latest_narrower, past_break) in [
            (Level::None, true, true, true),
            (Level::Backward, true, false, true),
            (Level::BackwardTransitive, true, false, false),
            (Level::Forward, false, true, true),
            (Level::ForwardTransitive, false, true, false),
            (Level::Full, false, false, true),
            (Level::FullTransitive, false, false, false),
        ] {
            assert_eq!(allowed(level, &["int"], "long"), latest_wider, "{level:?}");
            assert_eq!(allowed(level, &["long"], "int"), latest_narrower, "{level:?}");
            assert_eq!(allowed(level, &both, "int"), past_break, "{level:?}");
            assert!(allowed(level, &[], "int"), "{level:?}");
            assert_eq!(Level::of_word(&level.word().to_lowercase()), Some(level));
        }
    }

    #[test]
    fn messages_tell_kind_place_and_the_schema_compared_with() {
        let old = parsed("string");
        let previous = [Previous { version: 3, text: "\"old\"", parsed: &old }];
        let messages = check(&parsed("int"), &previous, Level::Backward);
        assert_eq!(
            messages,
            [
                "{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of a \
                 field in the new schema does not match with the old schema', \
                 additionalInfo:'reader type: INT not compatible with writer type: STRING'}",
                "{oldSchemaVersion: 3}",
                "{oldSchema: '\"old\"'}",
            ]
        );
    }
}
