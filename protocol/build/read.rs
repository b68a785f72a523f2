//! Writes the decoder of a struct: one function for all versions.

use std::fmt::Write;

use crate::emit::{Context, When, is_option};
use crate::names::field as field_name;
use crate::schema::{Field, Type};
use crate::sizes::least_element;

pub(crate) fn emit(out: &mut String, context: &Context) -> std::fmt::Result {
    let item = context.item;
    let mut body = String::new();
    for field in &item.fields {
        if field.tag.is_none() {
            plain(&mut body, context, field)?;
        } else if let Some((_, tagged)) = &field.tag {
            assert_eq!(tagged, &field.versions, "{}: tagged in some versions only", field.name);
        }
    }
    tags(&mut body, context)?;

    let head = Head::of(context, &body);
    writeln!(out, "impl {} {{", item.name)?;
    writeln!(
        out,
        "fn read(r: &mut Reader, {}: i16) -> Result<Self, DecodeError> {{",
        head.version
    )?;
    out.push_str(&head.flexible);
    let mutable = if item.fields.is_empty() { "" } else { "mut " };
    writeln!(out, "    let {mutable}this = Self::default();\n{body}    Ok(this)\n}}\n}}")
}

/// The first lines of a generated function: only what its body uses is bound.
pub(crate) struct Head {
    pub(crate) version: &'static str,
    pub(crate) flexible: String,
}

impl Head {
    pub(crate) fn of(context: &Context, body: &str) -> Self {
        let uses_flexible =
            ["(f)", "(f,", ", f)", ", f,", "if f "].iter().any(|use_| body.contains(use_));
        let flexible = match context.flexible() {
            _ if !uses_flexible => String::new(),
            When::Always => "    let f = true;\n".to_string(),
            When::Never => "    let f = false;\n".to_string(),
            When::If(test) => format!("    let f = {test};\n"),
        };
        let uses_version = ["v >", "v <", "v ==", ", v)", "(&v)"]
            .iter()
            .any(|use_| body.contains(use_) || flexible.contains(use_));
        Self { version: if uses_version { "v" } else { "_" }, flexible }
    }
}

fn plain(out: &mut String, context: &Context, field: &Field) -> std::fmt::Result {
    let (open, close) = match context.when(&field.versions) {
        When::Never => return Ok(()),
        When::Always => (String::new(), ""),
        When::If(test) => (format!("    if {test} {{\n"), "    }\n"),
    };
    out.push_str(&open);
    statement(out, context, field)?;
    out.push_str(close);
    Ok(())
}

/// Reads one field into `this`, and refuses a null where the version has none.
fn statement(out: &mut String, context: &Context, field: &Field) -> std::fmt::Result {
    let name = field_name(&field.name);
    writeln!(out, "    this.{name} = {};", expression(context, field))?;
    if !is_option(field) {
        return Ok(());
    }
    let label = format!("{}.{}", context.item.name, field.name);
    let refuse = |out: &mut String, test: &str| {
        writeln!(out, "    if {test}this.{name}.is_none() {{ return Err(r.null({label:?})); }}")
    };
    match &field.nullable {
        None => refuse(out, ""),
        Some(nullable) if nullable == &field.versions => Ok(()),
        Some(nullable) => match context.unless(nullable) {
            When::Never => Ok(()),
            When::Always => refuse(out, ""),
            When::If(test) => refuse(out, &format!("{test} && ")),
        },
    }
}

fn expression(context: &Context, field: &Field) -> String {
    let f = if field.inflexible { "false" } else { "f" };
    let nullable = if is_option(field) { "nullable_" } else { "" };
    if field.array {
        let least = least_element(context.message, field, &context.versions);
        let element = element(&field.element, f);
        return format!("r.{nullable}array({f}, {least}, |r| {element})?");
    }
    match &field.element {
        Type::String | Type::Bytes => {
            let kind = if field.element == Type::String { "string" } else { "bytes" };
            format!("r.{nullable}{kind}({f})?")
        }
        Type::Records => format!("r.records({f})?"),
        Type::Struct(name) if is_option(field) => {
            let present = if field.tag.is_some() { "is_present_in_tag" } else { "is_present" };
            format!("if r.{present}()? {{ Some({name}::read(r, v)?) }} else {{ None }}")
        }
        ty => format!("{}?", element(ty, f)),
    }
}

/// Reads one value that cannot be null.
fn element(ty: &Type, f: &str) -> String {
    match ty {
        Type::Bool => "r.bool()".into(),
        Type::I8 => "r.i8()".into(),
        Type::I16 => "r.i16()".into(),
        Type::U16 => "r.u16()".into(),
        Type::I32 => "r.i32()".into(),
        Type::U32 => "r.u32()".into(),
        Type::I64 => "r.i64()".into(),
        Type::F64 => "r.f64()".into(),
        Type::Error => "r.error_code()".into(),
        Type::Uuid => "r.uuid()".into(),
        Type::String => format!("r.string({f})"),
        Type::Bytes => format!("r.bytes({f})"),
        Type::Records => panic!("an array of records is not a thing of Kafka's"),
        Type::Struct(name) => format!("{name}::read(r, v)"),
    }
}

fn tags(out: &mut String, context: &Context) -> std::fmt::Result {
    let (open, close) = match context.flexible() {
        When::Never => return Ok(()),
        When::Always => ("", ""),
        When::If(_) => ("    if f {\n", "    }\n"),
    };
    out.push_str(open);
    let tagged: Vec<&Field> = context.item.fields.iter().filter(|f| f.tag.is_some()).collect();
    if tagged.is_empty() {
        writeln!(out, "    r.skip_tagged_fields()?;")?;
    } else {
        writeln!(out, "    r.tagged_fields(|r, tag| {{\n    match tag {{")?;
        for field in tagged {
            let (tag, versions) = field.tag.as_ref().expect("they were chosen for it");
            let test = match context.when(versions) {
                When::Never => continue,
                When::Always => String::new(),
                When::If(test) => format!(" if {test}"),
            };
            writeln!(out, "    {tag}{test} => {{")?;
            statement(out, context, field)?;
            writeln!(out, "    }}")?;
        }
        writeln!(out, "    _ => return Ok(false),\n    }}\n    Ok(true)\n    }})?;")?;
    }
    out.push_str(close);
    Ok(())
}
