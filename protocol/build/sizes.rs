//! The fewest bytes that a value can take on the wire: what bounds a count before it is believed.

use crate::schema::{Field, Message, Struct, Type, Versions};

/// The fewest bytes of one element of `field`, over all versions in which it is sent.
pub(crate) fn least_element(message: &Message, field: &Field, versions: &Versions) -> usize {
    let first = *versions.start().max(field.versions.start());
    let last = *versions.end().min(field.versions.end());
    let least = (first..=last)
        .map(|version| {
            let flexible = message.is_flexible(version) && !field.inflexible;
            element(message, &field.element, version, flexible)
        })
        .min()
        .unwrap_or(0);
    assert!(least > 0, "{}: an element of {} may take no bytes", message.name, field.name);
    least
}

fn of_struct(message: &Message, item: &Struct, version: i16) -> usize {
    let fields: usize = item
        .fields
        .iter()
        .filter(|f| f.versions.contains(&version) && !f.is_tagged(version))
        .map(|f| of_field(message, f, version))
        .sum();
    fields + usize::from(message.is_flexible(version))
}

fn of_field(message: &Message, field: &Field, version: i16) -> usize {
    let flexible = message.is_flexible(version) && !field.inflexible;
    match (field.array, &field.element) {
        (true, _) => length_prefix(flexible, 4),
        (false, Type::Struct(_)) if field.is_nullable(version) => 1,
        (false, ty) => element(message, ty, version, flexible),
    }
}

fn element(message: &Message, ty: &Type, version: i16, flexible: bool) -> usize {
    match ty {
        Type::Bool | Type::I8 => 1,
        Type::I16 | Type::U16 | Type::Error => 2,
        Type::I32 | Type::U32 => 4,
        Type::I64 | Type::F64 => 8,
        Type::Uuid => 16,
        Type::String => length_prefix(flexible, 2),
        Type::Bytes | Type::Records => length_prefix(flexible, 4),
        Type::Struct(name) => of_struct(message, message.find(name), version),
    }
}

fn length_prefix(flexible: bool, classic: usize) -> usize {
    if flexible { 1 } else { classic }
}
