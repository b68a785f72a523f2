//! The tables against what was read out of Apache Kafka's own jars, where that lies beside the
//! checkout: nothing may differ, in any message, field or error code.

use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::ErrorCode;

use crate::schema::{Field, Kind, Message, Schema, Struct, Type, Versions};
use crate::tables::SCHEMA;

/// Kafka keeps these in files of their own or in tiered storage: they are in none of its jars that
/// the list was read from.
const NOT_LISTED: [&str; 5] = [
    "ProducerSnapshot",
    "RemoteLogSegmentMetadataRecord",
    "RemoteLogSegmentMetadataSnapshotRecord",
    "RemoteLogSegmentMetadataUpdateRecord",
    "RemotePartitionDeleteMetadataRecord",
];

fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from("../../shared/reference/protocol");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

/// The list in the notation of the tables.
fn translated(text: &str) -> String {
    let mut out = String::new();
    let mut api = String::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("").trim_end();
        let indent = line.len() - line.trim_start().len();
        let words: Vec<&str> = line.split_whitespace().collect();
        let translated = match words.as_slice() {
            [] => continue,
            ["api", key, name] => {
                api = format!("api {key} {name}");
                continue;
            }
            ["request", _, "none", ..] => format!("{api} retired"),
            ["response", _, "none", ..] => continue,
            ["request", _, rest @ ..] => {
                let on = rest.iter().position(|word| *word == "on").expect("a listener");
                let (head, listeners) = rest.split_at(on);
                let listeners = listeners[1..].join(" ").replace(',', " ");
                format!("{api} on {listeners}\nrequest {}", message_words(head))
            }
            ["response", _, rest @ ..] => format!("response {}", message_words(rest)),
            ["header", name, rest @ ..] => format!("header {name} {}", message_words(rest)),
            ["data" | "metadata" | "coordinator-key" | "coordinator-value", name, rest @ ..] => {
                match rest.iter().position(|word| *word == "id") {
                    Some(id) => {
                        let head = message_words(&rest[..id]);
                        format!("record {name} kind {} {head}", rest[id + 1])
                    }
                    None => format!("record {name} {}", message_words(rest)),
                }
            }
            ["struct", name, _] => format!("{:indent$}struct {name}", ""),
            [name, kind, rest @ ..] => {
                format!("{:indent$}{name} {} {}", "", type_word(kind), field_words(rest))
            }
            _ => panic!("not understood: {line}"),
        };
        out.push_str(&translated);
        out.push('\n');
    }
    out
}

fn message_words(words: &[&str]) -> String {
    let text = words.join(" ").replace("latest-unstable", "unstable");
    text.replace("flexible none", "").trim_end().to_string()
}

fn field_words(words: &[&str]) -> String {
    let text = words.join(" ").replace("flexible none", "inflexible");
    // No value is given at all, which is not the same as the word null.
    text.replace("= None", "").replace("= False", "= false").replace("= True", "= true")
}

fn type_word(word: &str) -> String {
    let (array, element) = match word.strip_prefix("[]") {
        Some(element) => ("[]", element),
        None => ("", word),
    };
    let element = match element {
        "int8" => "i8",
        "int16" => "i16",
        "uint16" => "u16",
        "int32" => "i32",
        "uint32" => "u32",
        "int64" => "i64",
        "float64" => "f64",
        other => other,
    };
    format!("{array}{element}")
}

fn both(one: &Versions, other: &Versions) -> Option<Versions> {
    let both = *one.start().max(other.start())..=*one.end().min(other.end());
    (!both.is_empty()).then_some(both)
}

/// A line a field, as it is sent in the versions of the message.
fn describe(message: &Message) -> Vec<String> {
    let from = message.flexible.map(|from| from.max(*message.versions.start()));
    let mut lines = vec![format!("{:?} flexible {from:?} key {:?}", message.versions, message.key)];
    describe_struct(message, message.root(), &message.versions, "", &mut lines);
    lines
}

fn describe_struct(
    message: &Message,
    item: &Struct,
    sent: &Versions,
    path: &str,
    lines: &mut Vec<String>,
) {
    for field in &item.fields {
        let mut versions = field.versions.clone();
        if let Some((_, tagged)) = &field.tag {
            // A tagged field is in no version without tags.
            versions = both(&versions, tagged).expect("tagged in some version");
        }
        let Some(sent) = both(&versions, sent) else { continue };
        let path = format!("{path}{}", field.name);
        let null = field.nullable.as_ref().and_then(|null| both(null, &sent));
        let tag = field.tag.as_ref().map(|(tag, _)| *tag);
        let array = if field.array { "[]" } else { "" };
        let mut line = format!("{path}: {array}{} {sent:?}", type_name(&field.element));
        line.push_str(&format!(" null {null:?} tag {tag:?} = {}", default_of(field)));
        for (is, word) in [
            (field.ignorable, " ignorable"),
            (field.key, " key"),
            (field.inflexible, " inflexible"),
        ] {
            line.push_str(if is { word } else { "" });
        }
        lines.push(line);
        if let Type::Struct(name) = &field.element {
            describe_struct(message, message.find(name), &sent, &format!("{path}."), lines);
        }
    }
}

fn type_name(element: &Type) -> String {
    match element {
        // An error code is an int16 on the wire.
        Type::Error => "I16".to_string(),
        other => format!("{other:?}"),
    }
}

fn default_of(field: &Field) -> String {
    let given = field.default.as_deref();
    match (&field.element, given) {
        (_, Some("null")) => "null".to_string(),
        (_, None | Some("0" | "0.0" | "false" | "\"\"")) => "nothing".to_string(),
        (_, Some(hex)) if hex.starts_with("0x") => {
            i64::from_str_radix(&hex[2..], 16).expect("a hexadecimal number").to_string()
        }
        (_, Some(value)) => value.to_string(),
    }
}

fn by_name(schema: &Schema) -> BTreeMap<&str, Vec<String>> {
    schema.messages.iter().map(|message| (message.name.as_str(), describe(message))).collect()
}

#[test]
fn every_message_and_field_is_that_of_kafkas_own_jars() {
    let Some(folder) = folder() else { return };
    let mut kafka = Schema::default();
    for file in ["messages.txt", "records.txt"] {
        let text = std::fs::read_to_string(folder.join(file)).expect("it can be read");
        kafka.add(&translated(&text)).expect("it parses");
    }
    let apis = |schema: &Schema| {
        let one = |api: &crate::schema::Api| {
            let mut listeners = api.listeners.clone();
            listeners.sort();
            (api.key, (api.name.clone(), listeners, api.versions.clone(), api.unstable))
        };
        schema.apis.iter().map(one).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(apis(&SCHEMA), apis(&kafka));
    let (mut ours, theirs) = (by_name(&SCHEMA), by_name(&kafka));
    for name in NOT_LISTED {
        assert!(ours.remove(name).is_some(), "{name}");
        assert!(!theirs.contains_key(name), "{name} is listed");
    }
    assert!(theirs.len() > 200, "{}", theirs.len());
    let names = |all: &BTreeMap<&str, Vec<String>>| {
        all.keys().map(|name| (*name).to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&ours), names(&theirs));
    for (name, lines) in &ours {
        assert_eq!(lines, &theirs[name], "{name}");
    }
    let kinds = SCHEMA.messages.iter().filter(|message| message.kind == Kind::Record);
    assert!(kinds.count() > NOT_LISTED.len());
}

#[test]
fn every_error_code_is_that_of_kafkas_own_jars() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read_to_string(folder.join("error-codes.txt")).expect("it can be read");
    let mut count = 0;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let (code, name) = line.split_once(' ').expect("a code and a name");
        let code = ErrorCode::from(code.parse::<i16>().expect("a number"));
        assert_eq!(code.name(), name.trim());
        count += 1;
    }
    let known =
        (-1..i16::MAX).filter(|code| !matches!(ErrorCode::from(*code), ErrorCode::Other(_)));
    assert_eq!(known.count(), count);
}
