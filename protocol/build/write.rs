//! Writes the encoder of a struct: one function for all versions.

use std::fmt::Write;

use crate::emit::{Context, When, default_value, is_option};
use crate::names::field as field_name;
use crate::read::Head;
use crate::schema::{Field, Type};

pub(crate) fn emit(out: &mut String, context: &Context) -> std::fmt::Result {
    let item = context.item;
    let mut body = String::new();
    for field in item.fields.iter().filter(|f| f.tag.is_none()) {
        let mut write = String::new();
        statement(&mut write, context, field)?;
        guarded(&mut body, context, field, &write)?;
    }
    tags(&mut body, context)?;

    let head = Head::of(context, &body);
    writeln!(out, "impl {} {{", item.name)?;
    writeln!(
        out,
        "fn write(&self, w: &mut Writer, {}: i16) -> Result<(), EncodeError> {{",
        head.version
    )?;
    out.push_str(&head.flexible);
    writeln!(out, "{body}    Ok(())\n}}\n}}")
}

/// Writes the field where the version has it; elsewhere a value that would be lost is an error.
fn guarded(out: &mut String, context: &Context, field: &Field, write: &str) -> std::fmt::Result {
    match context.when(&field.versions) {
        When::Always => out.push_str(write),
        When::Never => {}
        When::If(test) => {
            write!(out, "    if {test} {{\n{write}    }}")?;
            if field.ignorable {
                writeln!(out)?;
            } else {
                writeln!(out, " else if {} {{", is_set(field))?;
                writeln!(out, "    return Err({});\n    }}", lacks(context, field))?;
            }
        }
    }
    Ok(())
}

fn lacks(context: &Context, field: &Field) -> String {
    format!("EncodeError::lacks(\"{}.{}\", v)", context.item.name, field.name)
}

/// The test that a field differs from its default.
pub(crate) fn is_set(field: &Field) -> String {
    let place = format!("self.{}", field_name(&field.name));
    let default = default_value(field);
    match default.as_str() {
        "None" => format!("{place}.is_some()"),
        "Vec::new()" | "String::new()" | "Bytes::new()" => format!("!{place}.is_empty()"),
        "Some(Vec::new())" | "Some(String::new())" | "Some(Bytes::new())" => {
            format!("{place}.as_ref().is_none_or(|x| !x.is_empty())")
        }
        "false" => place,
        "true" => format!("!{place}"),
        "Uuid::nil()" => format!("!{place}.is_nil()"),
        _ => format!("{place} != {default}"),
    }
}

/// Writes the field's value; a null is refused where the version has none.
fn statement(out: &mut String, context: &Context, field: &Field) -> std::fmt::Result {
    let place = format!("self.{}", field_name(&field.name));
    let label = format!("{}.{}", context.item.name, field.name);
    let refuse = |out: &mut String, test: &str| {
        writeln!(
            out,
            "    if {test}{place}.is_none() {{ return Err(EncodeError::null({label:?})); }}"
        )
    };
    match &field.nullable {
        None if is_option(field) => refuse(out, "")?,
        Some(nullable) if nullable != &field.versions => match context.unless(nullable) {
            When::Never => {}
            When::Always => refuse(out, "")?,
            When::If(test) => refuse(out, &format!("{test} && "))?,
        },
        _ => {}
    }
    writeln!(out, "    {};", expression(field, &place))
}

fn expression(field: &Field, place: &str) -> String {
    let f = if field.inflexible { "false" } else { "f" };
    if field.array {
        let (call, values) = match is_option(field) {
            true => ("nullable_array", format!("{place}.as_deref()")),
            false => ("array", format!("&{place}")),
        };
        let element = match &field.element {
            Type::String | Type::Bytes | Type::Struct(_) => element(&field.element, "x", f),
            Type::Uuid => "{ w.uuid(x); Ok(()) }".to_string(),
            ty => format!("{{ {}; Ok(()) }}", element(ty, "*x", f)),
        };
        return format!("w.{call}({values}, {f}, |w, x| {element})?");
    }
    match &field.element {
        Type::String if is_option(field) => {
            format!("w.nullable_string({place}.as_deref(), {f})?")
        }
        Type::Bytes if is_option(field) => format!("w.nullable_bytes({place}.as_deref(), {f})?"),
        Type::Records => format!("w.records({place}.as_ref(), {f})?"),
        Type::Struct(_) if is_option(field) => {
            let presence = if field.tag.is_some() { "presence_in_tag" } else { "presence" };
            format!(
                "w.{presence}({place}.is_some());\n    if let Some(x) = &{place} {{ x.write(w, v)? }}"
            )
        }
        Type::Struct(_) => format!("{place}.write(w, v)?"),
        Type::String | Type::Bytes => {
            format!("{}?", element(&field.element, &format!("&{place}"), f))
        }
        Type::Uuid => element(&Type::Uuid, &format!("&{place}"), f),
        ty => element(ty, place, f),
    }
}

fn element(ty: &Type, value: &str, f: &str) -> String {
    match ty {
        Type::Bool => format!("w.bool({value})"),
        Type::I8 => format!("w.i8({value})"),
        Type::I16 => format!("w.i16({value})"),
        Type::U16 => format!("w.u16({value})"),
        Type::I32 => format!("w.i32({value})"),
        Type::U32 => format!("w.u32({value})"),
        Type::I64 => format!("w.i64({value})"),
        Type::F64 => format!("w.f64({value})"),
        Type::Error => format!("w.i16({value}.code())"),
        Type::Uuid => format!("w.uuid({value})"),
        Type::String => format!("w.string({value}, {f})"),
        Type::Bytes => format!("w.bytes({value}, {f})"),
        Type::Records => panic!("an array of records is not a thing of Kafka's"),
        Type::Struct(_) => format!("{value}.write(w, v)"),
    }
}

/// Tagged fields, in order of their tags and only where they differ from the default.
fn tags(out: &mut String, context: &Context) -> std::fmt::Result {
    let mut tagged: Vec<&Field> = context.item.fields.iter().filter(|f| f.tag.is_some()).collect();
    tagged.sort_by_key(|f| f.tag.as_ref().map(|(tag, _)| *tag));
    let mut body = String::new();
    if tagged.is_empty() {
        writeln!(body, "    w.no_tagged_fields();")?;
    } else {
        writeln!(body, "    let tags = w.begin_tagged_fields();")?;
        for field in &tagged {
            tagged_field(&mut body, context, field)?;
        }
    }
    match context.flexible() {
        When::Never => return Ok(()),
        When::Always => out.push_str(&body),
        When::If(_) => write!(out, "    if f {{\n{body}    }}")?,
    }
    if let When::If(_) = context.flexible() {
        let strict: Vec<&&Field> = tagged.iter().filter(|f| !f.ignorable).collect();
        if !strict.is_empty() {
            writeln!(out, " else {{")?;
            for field in strict {
                writeln!(
                    out,
                    "    if {} {{ return Err({}); }}",
                    is_set(field),
                    lacks(context, field)
                )?;
            }
            write!(out, "    }}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn tagged_field(out: &mut String, context: &Context, field: &Field) -> std::fmt::Result {
    let (tag, _) = field.tag.as_ref().expect("they were chosen for it");
    assert!(field.element != Type::Records, "{}: records in a tagged field", field.name);
    let set = is_set(field);
    match context.unless(&field.versions) {
        When::Always => return Ok(()),
        When::Never => writeln!(out, "if {set} {{")?,
        When::If(_) if field.ignorable => {
            let When::If(test) = context.when(&field.versions) else { return Ok(()) };
            writeln!(out, "if {test} && {set} {{")?;
        }
        When::If(test) => {
            writeln!(out, "if {set} {{")?;
            writeln!(out, "if {test} {{ return Err({}); }}", lacks(context, field))?;
        }
    }
    writeln!(out, "let at = w.begin_tag(tags, {tag});")?;
    statement(out, context, field)?;
    writeln!(out, "w.end_tag(at);\n}}")
}
