//! A request's schema to something understood: its references fetched from the state, its text in
//! canonical form.

use std::collections::HashSet;
use std::sync::Arc;

use formats::avro::Validation;

use super::{Answer, SchemaRequest};
use crate::error::RegistryError;
use crate::parsed::Source;
use crate::schema::{Content, Parsed, Reference, SchemaType};
use crate::store::{State, Version};
use crate::subject;

/// The subject that a reference means, from inside a context.
pub(crate) fn reference_subject(context: &str, name: &str) -> String {
    if name.starts_with(":.") { subject::normal(name) } else { subject::qualified(context, name) }
}

/// Longest schema that is taken, in bytes.
const LONGEST: usize = 1_000_000;

/// Parses a request's schema in the context of a subject. The content has the canonical text, or
/// the normalised one where the request asks for it.
pub(crate) fn parse(
    state: &State,
    context: &str,
    request: &SchemaRequest,
    validation: Validation,
) -> Answer<(Arc<Parsed>, Content)> {
    let source = source(state, context, request, validation)?;
    let parsed = parse_source(state, &request.references, &source)?;
    let content = Content {
        schema_type: source.schema_type,
        text: parsed.canonical(request.normalize).into(),
        references: request.references.clone(),
        metadata: request.metadata.clone(),
        rule_set: request.rule_set.clone(),
    };
    Ok((parsed, content))
}

/// What [`parse`] parses, once all that can be said without parsing is said.
pub(super) fn source(
    state: &State,
    context: &str,
    request: &SchemaRequest,
    validation: Validation,
) -> Answer<Source> {
    let Some(schema_type) = SchemaType::parse(&request.schema_type) else {
        let given = &request.schema_type;
        return Err(RegistryError::InvalidSchema(format!("Invalid schema type {given}")));
    };
    if !SchemaType::SERVED.contains(&schema_type) {
        let name = schema_type.name();
        return Err(RegistryError::InvalidSchema(format!(
            "Invalid schema type {name}: this registry serves AVRO schemas only"
        )));
    }
    if request.schema.trim().is_empty() {
        return Err(RegistryError::InvalidSchema("Empty schema".into()));
    }
    if request.schema.len() > LONGEST {
        return Err(RegistryError::TooLarge);
    }
    let text = request.schema.as_str().into();
    with_references(state, context, schema_type, text, &request.references, validation)
}

/// Parses what is already registered.
pub(super) fn parse_stored(state: &State, context: &str, content: &Content) -> Answer<Arc<Parsed>> {
    parse_source(state, &content.references, &stored_source(state, context, content)?)
}

/// What [`parse_stored`] parses.
pub(super) fn stored_source(state: &State, context: &str, content: &Content) -> Answer<Source> {
    let Content { schema_type, text, references, .. } = content;
    let text = Arc::clone(text);
    with_references(state, context, *schema_type, text, references, Validation::Lenient)
}

fn with_references(
    state: &State,
    context: &str,
    schema_type: SchemaType,
    text: Arc<str>,
    references: &[Reference],
    validation: Validation,
) -> Answer<Source> {
    let mut found = References::default();
    collect(state, context, references, &mut found)
        .map_err(|details| invalid(&text, schema_type, references, &details))?;
    let texts = found.contents.iter().map(|content| Arc::clone(&content.text)).collect();
    Ok(Source { schema_type, text, references: texts, validation })
}

fn parse_source(state: &State, references: &[Reference], source: &Source) -> Answer<Arc<Parsed>> {
    let Source { schema_type, text, .. } = source;
    let parsed = state.parsed().parse(source);
    parsed.map_err(|details| invalid(text, *schema_type, references, &details))
}

fn invalid(
    text: &str,
    schema_type: SchemaType,
    references: &[Reference],
    details: &str,
) -> RegistryError {
    let shown: Vec<String> = references
        .iter()
        .map(|r| format!("{{name='{}', subject='{}', version={}}}", r.name, r.subject, r.version))
        .collect();
    RegistryError::InvalidSchema(format!(
        "Invalid schema {text} with refs [{}] of type {}, details: {details}",
        shown.join(", "),
        schema_type.name()
    ))
}

/// What references lead to, as far as they were followed.
#[derive(Default)]
struct References {
    /// Each content once, those of references before their referrers.
    contents: Vec<Arc<Content>>,
    /// The versions whose references are all in `contents`.
    done: HashSet<(String, i32)>,
    /// The way to where they are followed now.
    inside: Vec<(String, i32)>,
}

/// How many references may lead from one to the next.
const LONGEST_WAY: usize = 64;

/// Follows all references, each version once.
fn collect(
    state: &State,
    context: &str,
    references: &[Reference],
    found: &mut References,
) -> Result<(), String> {
    for reference in references {
        let name = reference_subject(context, &reference.subject);
        let version = referenced(state, &name, reference.version).ok_or_else(|| {
            format!(
                "No schema reference found for subject \"{}\" and version {}",
                reference.subject, reference.version
            )
        })?;
        let place = (name, version.version);
        if found.done.contains(&place) {
            continue;
        }
        if found.inside.contains(&place) {
            return Err(format!("the references to subject \"{}\" go round in a circle", place.0));
        }
        if found.inside.len() == LONGEST_WAY {
            return Err(format!("more than {LONGEST_WAY} references lead from one to the next"));
        }
        found.inside.push(place);
        collect(state, context, &version.content.references, found)?;
        found.done.extend(found.inside.pop());
        if !found.contents.iter().any(|known| Arc::ptr_eq(known, &version.content)) {
            found.contents.push(Arc::clone(&version.content));
        }
    }
    Ok(())
}

/// The version a reference means; -1 is the latest. Soft-deleted ones still count.
fn referenced<'a>(state: &'a State, name: &str, version: i32) -> Option<&'a Version> {
    if version < 0 { state.live(name).next_back() } else { state.version(name, version) }
}
