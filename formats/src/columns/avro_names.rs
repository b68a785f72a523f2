//! Which column a field of an Avro record belongs to.

use crate::avro::{self, Kind, NodeId, Record, Schema as AvroSchema};

/// For each field of the record, the column that belongs to it; a column belongs to one field at
/// most. They have the same name, or the field has the name that the column has in Avro, or the
/// field's name is the column's in upper case. The closest ones find each other first.
pub(super) fn columns_of<'a>(
    schema: &AvroSchema,
    record: &Record,
    columns: impl Iterator<Item = &'a str> + Clone,
) -> Vec<Option<usize>> {
    let safe = avro::safe_names(columns.clone());
    let mut free: Vec<(usize, &str, String)> =
        columns.zip(safe).enumerate().map(|(at, (name, safe))| (at, name, safe)).collect();
    let fields: Vec<(&str, &str)> = record
        .fields
        .iter()
        .map(|field| {
            let doc = field.doc.as_deref().or_else(|| doc_of(schema, field.schema));
            let original = avro::original_name(&field.name, doc);
            (field.name.as_str(), original.unwrap_or(&field.name))
        })
        .collect();
    let mut found = vec![None; fields.len()];
    let rules: [Rule; 4] = [
        |(field, _), (column, _)| column == field,
        |(_, original), (column, _)| column == original,
        |(field, _), (_, safe)| safe == field,
        |(field, original), (column, _)| {
            column == field.to_uppercase() || column == original.to_uppercase()
        },
    ];
    for rule in rules {
        for (found, names) in found.iter_mut().zip(&fields).filter(|(found, _)| found.is_none()) {
            let place =
                free.iter().position(|(_, name, safe)| rule(*names, (*name, safe.as_str())));
            *found = place.map(|place| free.remove(place).0);
        }
    }
    found
}

/// Whether a field, by its name and its original one, is that of a column, by its name and its safe
/// one.
type Rule = fn((&str, &str), (&str, &str)) -> bool;

/// The documentation of a record, where it may be null too.
fn doc_of(schema: &AvroSchema, node: NodeId) -> Option<&str> {
    match schema.kind(node) {
        Kind::Union(branches) => branches.iter().find_map(|branch| schema.kind(*branch).doc()),
        kind => kind.doc(),
    }
}
