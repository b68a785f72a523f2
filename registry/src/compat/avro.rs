//! Whether one Avro schema reads what another wrote, with every difference that stands against it:
//! the rules, kinds, places and words of Avro's Java `SchemaCompatibility`.

use std::collections::{BTreeSet, HashMap};

use formats::avro::{Field, Kind, Name, NodeId, Record, Schema};

/// One reason why the reader cannot read the writer's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) kind: DifferenceKind,
    /// A JSON pointer into the reader's schema.
    pub(crate) location: String,
    pub(crate) message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DifferenceKind {
    NameMismatch,
    FixedSizeMismatch,
    MissingEnumSymbols,
    ReaderFieldMissingDefaultValue,
    TypeMismatch,
    MissingUnionBranch,
}

impl DifferenceKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NameMismatch => "NAME_MISMATCH",
            Self::FixedSizeMismatch => "FIXED_SIZE_MISMATCH",
            Self::MissingEnumSymbols => "MISSING_ENUM_SYMBOLS",
            Self::ReaderFieldMissingDefaultValue => "READER_FIELD_MISSING_DEFAULT_VALUE",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::MissingUnionBranch => "MISSING_UNION_BRANCH",
        }
    }
}

/// All differences; none if `reader` reads everything that `writer` writes.
pub(crate) fn differences(reader: &Schema, writer: &Schema) -> Vec<Difference> {
    let mut check = Check { reader, writer, known: HashMap::new(), depth: 0 };
    check.pair(reader.root(), writer.root(), &mut Vec::new())
}

struct Check<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    /// Pairs that were compared or, while that goes on, count as compatible.
    known: HashMap<(NodeId, NodeId), Vec<Difference>>,
    depth: usize,
}

/// The most differences that are told of one pair of types: each type may be used in many places.
const MOST_DIFFERENCES: usize = 100;

/// How deep types are compared: named types may hang together in chains of any length.
const DEEPEST: usize = 100;

type Path = Vec<String>;

impl Check<'_> {
    fn pair(&mut self, reader: NodeId, writer: NodeId, path: &mut Path) -> Vec<Difference> {
        if let Some(known) = self.known.get(&(reader, writer)) {
            return known.clone();
        }
        if self.depth == DEEPEST {
            let message = format!("nested more than {DEEPEST} types deep: it is not compared");
            return vec![difference(DifferenceKind::TypeMismatch, path, &[], message)];
        }
        self.known.insert((reader, writer), Vec::new());
        self.depth += 1;
        let mut found = self.compare(reader, writer, path);
        self.depth -= 1;
        found.truncate(MOST_DIFFERENCES);
        self.known.insert((reader, writer), found.clone());
        found
    }

    fn at(
        &mut self,
        step: &str,
        reader: NodeId,
        writer: NodeId,
        path: &mut Path,
    ) -> Vec<Difference> {
        path.push(step.to_owned());
        let found = self.pair(reader, writer, path);
        path.pop();
        found
    }

    fn compare(&mut self, reader: NodeId, writer: NodeId, path: &mut Path) -> Vec<Difference> {
        let (reader_schema, writer_schema) = (self.reader, self.writer);
        match (reader_schema.kind(reader), writer_schema.kind(writer)) {
            (Kind::Array(a), Kind::Array(b)) => self.at("items", *a, *b, path),
            (Kind::Map(a), Kind::Map(b)) => self.at("values", *a, *b, path),
            (Kind::Fixed(a), Kind::Fixed(b)) => {
                let mut found = names(reader_schema.kind(reader), &b.name, path);
                if a.size != b.size {
                    let message = format!("expected: {}, found: {}", b.size, a.size);
                    found.push(difference(
                        DifferenceKind::FixedSizeMismatch,
                        path,
                        &["size"],
                        message,
                    ));
                }
                found
            }
            (Kind::Enum(a), Kind::Enum(b)) => {
                let mut found = names(reader_schema.kind(reader), &b.name, path);
                let missing: BTreeSet<&str> = b
                    .symbols
                    .iter()
                    .filter(|symbol| !a.symbols.contains(symbol))
                    .map(String::as_str)
                    .collect();
                if !missing.is_empty() && a.default.is_none() {
                    let list = missing.into_iter().collect::<Vec<_>>().join(", ");
                    let kind = DifferenceKind::MissingEnumSymbols;
                    found.push(difference(kind, path, &["symbols"], format!("[{list}]")));
                }
                found
            }
            (Kind::Record(a), Kind::Record(b)) => {
                let mut found = names(reader_schema.kind(reader), &b.name, path);
                found.extend(self.fields(a, b, writer, path));
                found
            }
            (_, Kind::Union(branches)) => self.writer_union(reader, branches, path),
            (Kind::Union(branches), other) => {
                let fits = branches
                    .iter()
                    .any(|branch| self.pair(*branch, writer, &mut Vec::new()).is_empty());
                if fits { Vec::new() } else { vec![lacking(path, other)] }
            }
            (a, b) if promotes(a, b) => Vec::new(),
            (a, b) => {
                let (a, b) = (a.word().to_uppercase(), b.word().to_uppercase());
                let message = format!("reader type: {a} not compatible with writer type: {b}");
                vec![difference(DifferenceKind::TypeMismatch, path, &[], message)]
            }
        }
    }

    /// Every branch that the writer may have used must be readable.
    fn writer_union(
        &mut self,
        reader: NodeId,
        branches: &[NodeId],
        path: &mut Path,
    ) -> Vec<Difference> {
        let reader_is_union = matches!(self.reader.kind(reader), Kind::Union(_));
        let mut found = Vec::new();
        for (index, branch) in branches.iter().enumerate() {
            let in_branch = self.pair(reader, *branch, &mut Vec::new());
            if !reader_is_union {
                found.extend(in_branch);
            } else if !in_branch.is_empty() {
                path.push(index.to_string());
                found.push(lacking(path, self.writer.kind(*branch)));
                path.pop();
            }
        }
        found
    }

    fn fields(
        &mut self,
        reader: &Record,
        writer: &Record,
        writer_node: NodeId,
        path: &mut Path,
    ) -> Vec<Difference> {
        let mut found = Vec::new();
        path.push("fields".into());
        for (index, field) in reader.fields.iter().enumerate() {
            if found.len() >= MOST_DIFFERENCES {
                break;
            }
            path.push(index.to_string());
            if let Some(written) = written_field(writer, field) {
                found.extend(self.at("type", field.schema, written.schema, path));
            } else if field.default.is_none() {
                let kind = self.reader.kind(field.schema);
                if matches!(kind, Kind::Enum(symbols) if symbols.default.is_some()) {
                    found.extend(self.at("type", field.schema, writer_node, path));
                } else {
                    let kind = DifferenceKind::ReaderFieldMissingDefaultValue;
                    found.push(difference(kind, path, &[], field.name.clone()));
                }
            }
            path.pop();
        }
        path.pop();
        found
    }
}

/// The writer's field of that name, else of one of the reader's aliases.
fn written_field<'a>(writer: &'a Record, reader: &Field) -> Option<&'a Field> {
    let named = |name: &str| writer.fields.iter().find(|field| field.name == name);
    named(&reader.name).or_else(|| reader.aliases.iter().find_map(|alias| named(alias)))
}

/// Namespaces do not matter; an alias is compared with the full name.
fn names(reader: &Kind, writer: &Name, path: &Path) -> Vec<Difference> {
    let same = reader.name().is_some_and(|name| name.name == writer.name);
    if same || reader.aliases().contains(writer) {
        return Vec::new();
    }
    let message = format!("expected: {}", writer.full());
    vec![difference(DifferenceKind::NameMismatch, path, &["name"], message)]
}

fn promotes(reader: &Kind, writer: &Kind) -> bool {
    std::mem::discriminant(reader) == std::mem::discriminant(writer)
        || matches!(
            (reader, writer),
            (Kind::Long, Kind::Int)
                | (Kind::Float, Kind::Int | Kind::Long)
                | (Kind::Double, Kind::Int | Kind::Long | Kind::Float)
                | (Kind::Bytes, Kind::String)
                | (Kind::String, Kind::Bytes)
        )
}

fn lacking(path: &Path, writer: &Kind) -> Difference {
    let message = format!("reader union lacking writer type: {}", writer.word().to_uppercase());
    difference(DifferenceKind::MissingUnionBranch, path, &[], message)
}

fn difference(kind: DifferenceKind, path: &Path, more: &[&str], message: String) -> Difference {
    let steps = path.iter().map(String::as_str).chain(more.iter().copied());
    let escaped: Vec<String> =
        steps.map(|step| step.replace('~', "~0").replace('/', "~1")).collect();
    Difference { kind, location: format!("/{}", escaped.join("/")), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(reader: &str, writer: &str) -> Vec<(&'static str, String, String)> {
        let parse = |text: &str| Schema::parse(text).unwrap();
        let list = differences(&parse(reader), &parse(writer));
        list.into_iter().map(|d| (d.kind.name(), d.location, d.message)).collect()
    }

    fn record(fields: &str) -> String {
        format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
    }

    #[test]
    fn all_differences_are_found_with_their_places() {
        let reader = record(
            r#"{"name":"new","type":"int"},
               {"name":"a","type":{"type":"array","items":"int"}},
               {"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}},
               {"name":"f","type":{"type":"fixed","name":"F","size":3}},
               {"name":"u","type":["int"]}"#,
        );
        let writer = record(
            r#"{"name":"a","type":{"type":"array","items":"string"}},
               {"name":"e","type":{"type":"enum","name":"E2","symbols":["C","A","B"]}},
               {"name":"f","type":{"type":"fixed","name":"F","size":4}},
               {"name":"u","type":["int","null"]}"#,
        );
        let expected = [
            ("READER_FIELD_MISSING_DEFAULT_VALUE", "/fields/0", "new"),
            (
                "TYPE_MISMATCH",
                "/fields/1/type/items",
                "reader type: INT not compatible with writer type: STRING",
            ),
            ("NAME_MISMATCH", "/fields/2/type/name", "expected: E2"),
            ("MISSING_ENUM_SYMBOLS", "/fields/2/type/symbols", "[B, C]"),
            ("FIXED_SIZE_MISMATCH", "/fields/3/type/size", "expected: 4, found: 3"),
            ("MISSING_UNION_BRANCH", "/fields/4/type/1", "reader union lacking writer type: NULL"),
        ];
        let found = found(&reader, &writer);
        let found: Vec<_> = found.iter().map(|(k, l, m)| (*k, l.as_str(), m.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn recursive_schemas_are_compared_once_around() {
        let list = |tail: &str| {
            format!(
                r#"{{"type":"record","name":"List","fields":[{{"name":"head","type":"{tail}"}},
                    {{"name":"tail","type":["null","List"]}}]}}"#
            )
        };
        assert_eq!(found(&list("long"), &list("int")), []);
        assert_eq!(found(&list("int"), &list("long")).len(), 1);
    }

    /// Records that use the one before them in fields `a` and `b`, and one that uses the last.
    fn tangle(length: usize, hidden: &str, innermost: &str) -> String {
        let first = format!(
            r#"{{"type":"record","name":"R0","fields":[{{"name":"v","type":"{innermost}"}}]}}"#
        );
        let next = |n: usize| {
            let before = n - 1;
            format!(
                r#"{{"type":"record","name":"R{n}","fields":[{{"name":"a","type":"R{before}"}},
                    {{"name":"b","type":"R{before}"}}]}}"#
            )
        };
        let records: Vec<String> = std::iter::once(first).chain((1..length).map(next)).collect();
        let (records, last) = (records.join(","), length - 1);
        record(&format!(
            r#"{{"name":"{hidden}","type":["null",{records}],"default":null}},
               {{"name":"used","type":"R{last}"}}"#
        ))
    }

    #[test]
    fn chains_of_types_cost_neither_the_stack_nor_the_memory() {
        assert_eq!(found(&tangle(40, "new", "int"), &tangle(40, "old", "int")), []);
        let differences = found(&tangle(40, "new", "int"), &tangle(40, "old", "string"));
        assert_eq!(differences.len(), MOST_DIFFERENCES);
        let deep = found(&tangle(5000, "new", "int"), &tangle(5000, "old", "int"));
        assert!(deep[0].2.starts_with("nested more than 100 types deep"), "{:?}", deep[0]);
    }

    #[test]
    fn promotions_aliases_and_defaults_are_allowed() {
        assert_eq!(found(r#""double""#, r#""float""#), []);
        assert_eq!(found(r#""bytes""#, r#""string""#), []);
        assert_eq!(found(r#"["null","long"]"#, r#""int""#), []);
        let reader = record(r#"{"name":"b","aliases":["a"],"type":"long"}"#);
        assert_eq!(found(&reader, &record(r#"{"name":"a","type":"int"}"#)), []);
        let open = r#"{"type":"enum","name":"E","symbols":["A"],"default":"A"}"#;
        assert_eq!(found(open, r#"{"type":"enum","name":"n.E","symbols":["A","Z"]}"#), []);
        let renamed = r#"{"type":"fixed","name":"New","aliases":["n.Old"],"size":1}"#;
        assert_eq!(found(renamed, r#"{"type":"fixed","name":"n.Old","size":1}"#), []);
    }
}
