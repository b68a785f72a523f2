//! Names that Avro takes, for columns that are called anything.
//!
//! Avro's names are ASCII letters, digits and `_`. A name with other characters gets another one in
//! the schema, and stands in the field's `doc` as it was:
//!
//! - a character beyond ASCII is `_xHHHH_`, its code in hexadecimal, as SQL/XML (ISO 9075-14)
//!   writes it;
//! - any other character that Avro does not take is `_`, or `_xHHHH_` too where two names would
//!   become one;
//! - before a digit at the start there is `_`.
//!
//! Names side by side get theirs together, so that they stay as many.

use std::collections::HashSet;

use crate::{Field, Schema, Type};

/// The name in Avro of something called `name`, where nothing else is called so.
pub fn safe_name(name: &str) -> String {
    written(name, |c| if c.is_ascii() { "_".to_owned() } else { escape(c) })
}

/// The schema with names that Avro takes, those that changed in the fields' `doc`.
pub fn with_safe_names(schema: &Schema) -> Schema {
    let ty = match &schema.ty {
        Type::Struct(fields) => {
            let names = safe_names(fields.iter().map(|field| field.name.as_str()));
            let fields = fields.iter().zip(names).map(|(field, name)| {
                let mut inner = with_safe_names(&field.schema);
                if name != field.name {
                    inner.doc.get_or_insert_with(|| field.name.clone());
                }
                Field::new(name, inner)
            });
            Type::Struct(fields.collect())
        }
        Type::Array(items) => Type::array(with_safe_names(items)),
        Type::Map { key, value } => Type::map(with_safe_names(key), with_safe_names(value)),
        plain => plain.clone(),
    };
    Schema { ty, ..schema.clone() }
}

/// The names in Avro of what stands side by side under these names, in their order.
pub fn safe_names<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let mut taken: HashSet<String> =
        names.clone().filter(|name| is_safe(name)).map(str::to_owned).collect();
    let safe = |name: &str| {
        if is_safe(name) { name.to_owned() } else { free_name(name, &mut taken) }
    };
    names.map(safe).collect()
}

/// What a field was called before it got its name in Avro: its `doc`, if that has this name and the
/// name shows that it was made. A plain name (`unit_price`) stays what it is, whatever its `doc`.
pub fn original_name<'a>(name: &str, doc: Option<&'a str>) -> Option<&'a str> {
    let doc = doc?;
    let plain = written(doc, |_| "_".to_owned());
    let is_made = |form: String| {
        let rest = name.strip_prefix(&form).filter(|_| form != plain);
        rest.is_some_and(|rest| rest.chars().all(|c| c == '_'))
    };
    (is_made(safe_name(doc)) || is_made(written(doc, escape))).then_some(doc)
}

fn free_name(name: &str, taken: &mut HashSet<String>) -> String {
    let mut free = safe_name(name);
    if taken.contains(&free) {
        free = written(name, escape);
    }
    while taken.contains(&free) {
        free.push('_');
    }
    taken.insert(free.clone());
    free
}

fn is_safe(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(takes)
}

fn takes(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn escape(c: char) -> String {
    format!("_x{:04X}_", u32::from(c))
}

fn written(name: &str, other: impl Fn(char) -> String) -> String {
    let mut out = String::with_capacity(name.len());
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        out.push('_');
    }
    for c in name.chars() {
        if takes(c) {
            out.push(c);
        } else {
            out.push_str(&other(c));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::from_typed;

    #[test]
    fn a_name_that_avro_does_not_take_is_written_so_that_it_can_be_read_back() {
        for (name, expected) in [
            ("plain_1", "plain_1"),
            ("unit price", "unit_price"),
            ("9to5", "_9to5"),
            ("이름", "_xC774__xB984_"),
            ("größe", "gr_x00F6__x00DF_e"),
            ("\u{1f600}", "_x1F600_"),
            ("", "_"),
        ] {
            assert_eq!(safe_name(name), expected, "{name}");
        }
    }

    #[test]
    fn two_names_stay_two_and_the_schema_tells_what_they_were() {
        let column = |name: &str| Field::new(name, Schema::optional(Type::Int64));
        let names = ["a b", "a_b", "a-b", "이름"];
        let row = Schema::required(Type::Struct(names.iter().copied().map(column).collect()));
        let schema = from_typed(&with_safe_names(&row), "Row").expect("an Avro schema");
        let typed = schema.to_typed().expect("typed");
        let found: Vec<(&str, Option<&str>)> =
            typed.fields().iter().map(|f| (f.name.as_str(), f.schema.doc.as_deref())).collect();
        let expected = [
            ("a_x0020_b", Some("a b")),
            ("a_b", None),
            ("a_x002D_b", Some("a-b")),
            ("_xC774__xB984_", Some("이름")),
        ];
        assert_eq!(found, expected);
        let back: Vec<&str> =
            found.iter().map(|(name, doc)| original_name(name, *doc).unwrap_or(name)).collect();
        assert_eq!(back, ["a b", "a_b", "a-b", "이름"]);
    }

    #[test]
    fn only_a_name_that_was_made_for_avro_has_an_original() {
        for (name, doc, expected) in [
            ("_xC774__xB984_", Some("이름"), Some("이름")),
            ("_xC774__xB984__", Some("이름"), Some("이름")),
            ("_xC774__xB984_", Some("The customer's name"), None),
            ("_xC774__xB984_", None, None),
            ("unit_price", Some("unit price"), None),
            ("tax_xs", Some("tax xs"), None),
            ("unit_x0020_price", Some("unit price"), Some("unit price")),
            ("name", Some("이름"), None),
            ("_xC774_", Some("_xC774_"), None),
        ] {
            assert_eq!(original_name(name, doc), expected, "{name} {doc:?}");
        }
    }
}
