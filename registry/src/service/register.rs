//! Registering a schema under a subject.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use formats::avro::Validation;
use serde_json::{Value as Json, json};

use super::check::against;
use super::lookup::same_schema;
use super::resolve::parse;
use super::rules;
use super::{
    Answer, Outcome, Rules, SchemaRequest, actual, config_member, describe, level, mode, writable,
};
use crate::error::RegistryError;
use crate::schema::{Content, SchemaType, guid, merged};
use crate::store::{Mode, Record, SchemaRow, State, Version};
use crate::subject::{self, context_of};

/// Gives a schema its id and a version of the subject; the ones that it has already, if it is
/// there. The highest id of the context is raised by at most one.
pub(crate) fn register(
    state: &State,
    server: &Rules,
    name: &str,
    request: SchemaRequest,
) -> Answer<Outcome<Json>> {
    let name = actual(state, name);
    if !subject::is_valid(&name) {
        return Err(RegistryError::InvalidSubject(name));
    }
    let importing = check_mode(state, &name, &request)?;
    rules::check(request.rule_set.as_ref())?;
    let request = completed(state, &name, request);
    let context = context_of(&name);
    let (parsed, content) = parse(state, context, &request, Validation::Strict)?;
    if let Some(known) = same_schema(state, &name, &content, false)
        && request.id.is_none_or(|id| id == known.id)
    {
        return Ok(Outcome::nothing(answer(known.id, known.version, &known.content)));
    }
    if !importing {
        let live: Vec<&Version> = state.live(&name).collect();
        let level = level(state, server, &name);
        let details = against(state, &name, &parsed, &content, &live, level)?;
        if !details.is_empty() {
            return Err(RegistryError::Incompatible { subject: name, details });
        }
    }
    let version = next_version(state, &name, request.version, importing)?;
    let id = choose_id(state, context, &content, request.id)?;
    let mut records = Vec::new();
    if context != subject::DEFAULT && !state.contexts().any(|known| known == context) {
        records.push(Record::Context { context: context.to_owned(), present: true });
    }
    let answer = answer(id, version, &content);
    records.push(row(&name, version, id, content));
    records.extend(replaced(state, &name, id, version));
    Ok(Outcome { records, answer })
}

/// True when the subject takes schemas with ids from elsewhere.
fn check_mode(state: &State, name: &str, request: &SchemaRequest) -> Answer<bool> {
    writable(state, name)?;
    let mode = mode(state, name);
    let importing = matches!(mode, Mode::Import | Mode::Forward);
    let (context, bare) = subject::split(name);
    let refuse = |what: &str| {
        let message = format!("Subject {bare} in context {context} is not in {what} mode");
        Err(RegistryError::NotPermitted(message))
    };
    match request.id {
        Some(_) if !importing => refuse("import"),
        None if mode == Mode::Import => refuse("read-write"),
        _ => Ok(importing && request.id.is_some()),
    }
}

/// With what the config and the version before it add: normalisation, metadata, rules, and the
/// earlier schema's text where only those are sent.
fn completed(state: &State, name: &str, mut request: SchemaRequest) -> SchemaRequest {
    let latest = state.live(name).next_back().map(|version| &version.content);
    if let (true, Some(latest)) = (request.schema.trim().is_empty(), latest) {
        request.schema = latest.text.to_string();
        request.schema_type = latest.schema_type.name().to_owned();
        request.references.clone_from(&latest.references);
    }
    let normalize = config_member(state, name, "normalize").and_then(Json::as_bool);
    request.normalize |= normalize.unwrap_or(false);
    let layered = |own: Option<Json>, before: Option<&Json>, default: &str, last: &str| {
        let default = config_member(state, name, default);
        let own = own.as_ref().or(before);
        merged(merged(default, own).as_ref(), config_member(state, name, last))
    };
    let before = latest.and_then(|latest| latest.metadata.clone()).map(without_version);
    request.metadata =
        layered(request.metadata, before.as_ref(), "defaultMetadata", "overrideMetadata");
    let before = latest.and_then(|latest| latest.rule_set.as_ref());
    request.rule_set = layered(request.rule_set, before, "defaultRuleSet", "overrideRuleSet");
    request
}

/// `confluent:version` says which version a schema became; it is not inherited.
fn without_version(mut metadata: Json) -> Json {
    if let Some(properties) = metadata.get_mut("properties").and_then(Json::as_object_mut) {
        properties.shift_remove("confluent:version");
    }
    metadata
}

fn next_version(state: &State, name: &str, wanted: Option<i32>, importing: bool) -> Answer<i32> {
    let next = state.versions(name).next_back().map_or(1, |latest| latest.version + 1);
    match wanted {
        Some(wanted) if wanted > 0 && (importing || wanted == next) => Ok(wanted),
        Some(wanted) if wanted > 0 => Err(RegistryError::InvalidSchema(
            "Version is not one more than previous version".into(),
        )),
        _ => Ok(next),
    }
}

fn choose_id(state: &State, context: &str, content: &Content, given: Option<i32>) -> Answer<i32> {
    let Some(id) = given else {
        let known = state.id_of(context, content);
        return Ok(known.unwrap_or_else(|| state.highest_id(context) + 1));
    };
    match state.content(context, id) {
        Some(other) if **other != *content => Err(RegistryError::NotPermitted(format!(
            "Overwrite new schema with id {id} in context {context} is not permitted."
        ))),
        _ => Ok(id),
    }
}

fn row(name: &str, version: i32, id: i32, content: Content) -> Record {
    let row = SchemaRow {
        subject: name.to_owned(),
        version,
        id,
        md5: Some(BASE64.encode(content.md5())),
        schema_type: Some(content.schema_type).filter(|kind| *kind != SchemaType::Avro),
        references: content.references,
        metadata: content.metadata,
        rule_set: content.rule_set,
        schema: content.text.to_string(),
        deleted: false,
    };
    Record::Schema { subject: name.to_owned(), version, row: Some(row) }
}

/// Tombstones for the soft-deleted versions that the new one brings back.
fn replaced(state: &State, name: &str, id: i32, version: i32) -> Vec<Record> {
    state
        .versions(name)
        .filter(|old| old.deleted && old.id == id && old.version != version)
        .filter(|old| state.referrers(name, old.version).next().is_none())
        .map(|old| Record::Schema { subject: name.to_owned(), version: old.version, row: None })
        .collect()
}

fn answer(id: i32, version: i32, content: &Content) -> Json {
    let mut json = json!({
        "id": id,
        "version": version,
        "guid": guid(content.md5()),
        "schemaType": content.schema_type.name(),
    });
    describe(&mut json, content);
    json
}
