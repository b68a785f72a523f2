//! Writes what turns a record into a tree of names and values.

use std::fmt::Write;

use crate::emit::{Context, When, is_option};
use crate::names::field as field_name;
use crate::schema::{Field, Type};
use crate::write::is_set;

pub(crate) fn emit(out: &mut String, context: &Context) -> std::fmt::Result {
    let item = context.item;
    // The fields that are always there before the first that is not, and what follows them.
    let (mut first, mut body) = (String::new(), String::new());
    for field in &item.fields {
        let versions = match &field.tag {
            Some((_, versions)) => versions,
            None => &field.versions,
        };
        let mut tests = Vec::new();
        match context.when(versions) {
            When::Never => continue,
            When::Always => {}
            When::If(test) => tests.push(test),
        }
        if field.tag.is_some() {
            tests.push(is_set(field));
        }
        let entry = format!("({:?}, {})", field.name, whole(field));
        match tests.is_empty() {
            true if body.is_empty() => writeln!(first, "{entry},")?,
            true => writeln!(body, "fields.push({entry});")?,
            false => writeln!(body, "if {} {{\nfields.push({entry});\n}}", tests.join(" && "))?,
        }
    }
    let uses_version =
        [&first, &body].iter().any(|text| text.contains("v)")) || body.contains("if v ");
    let version = if uses_version { "v" } else { "_" };
    let mutable = if body.is_empty() { "" } else { "mut " };
    writeln!(out, "impl {} {{", item.name)?;
    writeln!(out, "fn tree(&self, {version}: i16) -> crate::Tree {{")?;
    writeln!(out, "let {mutable}fields = vec![\n{first}];")?;
    writeln!(out, "{body}crate::Tree::Struct(fields)\n}}\n}}")
}

fn whole(field: &Field) -> String {
    let place = format!("self.{}", field_name(&field.name));
    let value = |place: &str| match field.array {
        true => {
            let each = match &field.element {
                Type::Struct(_) => "|x| x.tree(v)",
                _ => "crate::Tree::from",
            };
            format!("crate::Tree::Array({place}.iter().map({each}).collect())")
        }
        false => one(&field.element, place),
    };
    match is_option(field) {
        true => {
            format!("match &{place} {{ None => crate::Tree::Null, Some(x) => {} }}", value("x"))
        }
        false if field.array => value(&place),
        false => match &field.element {
            Type::Struct(_) => format!("{place}.tree(v)"),
            ty => one(ty, &format!("&{place}")),
        },
    }
}

/// The tree of what a reference refers to.
fn one(ty: &Type, reference: &str) -> String {
    match ty {
        Type::Struct(_) => format!("{reference}.tree(v)"),
        _ => format!("crate::Tree::from({reference})"),
    }
}
