//! The compatibility of a schema with what a subject has.

use formats::avro::Validation;
use serde_json::Value as Json;

use super::lookup::find_version;
use super::resolve::{parse, parse_stored};
use super::{Answer, Rules, SchemaRequest, actual, config_member, level};
use crate::compat::{self, Level, Previous};
use crate::error::RegistryError;
use crate::schema::{Content, Parsed};
use crate::store::{State, Version};
use crate::subject::context_of;

/// The messages against a schema, from a request that only asks. `version`: the one to compare
/// with (`latest` without any version is compatible); none for all that the level says.
pub(crate) fn compatibility(
    state: &State,
    rules: &Rules,
    name: &str,
    version: Option<&str>,
    request: &SchemaRequest,
) -> Answer<Vec<String>> {
    let name = actual(state, name);
    let context = context_of(&name);
    let (parsed, content) = parse(state, context, request, Validation::Lenient)?;
    let level = level(state, rules, &name);
    let live: Vec<&Version> = state.live(&name).collect();
    match version {
        Some(version) => {
            let latest = version.trim().eq_ignore_ascii_case("latest") || version.trim() == "-1";
            if latest && live.is_empty() {
                return Ok(Vec::new());
            }
            let one = find_version(state, &name, version, false).map_err(|error| match error {
                RegistryError::SubjectNotFound(_) => {
                    RegistryError::VersionNotFound(version.trim().parse().unwrap_or(-1))
                }
                other => other,
            })?;
            against(state, &name, &parsed, &content, &[one], level)
        }
        None => against(state, &name, &parsed, &content, &live, level),
    }
}

/// The messages against a new schema of a subject, compared with these versions (oldest first).
pub(super) fn against(
    state: &State,
    name: &str,
    parsed: &Parsed,
    content: &Content,
    versions: &[&Version],
    level: Level,
) -> Answer<Vec<String>> {
    let context = context_of(name);
    let validate = config_member(state, name, "validateFields").and_then(Json::as_bool);
    let validate = validate.unwrap_or(false);
    let mut messages = Vec::new();
    if validate {
        messages = reserved(parsed, content, versions.last().map(|version| &*version.content));
    }
    if messages.is_empty() && level != Level::None {
        let mut compared = Vec::new();
        for version in same_group(state, name, content, versions) {
            let old = parse_stored(state, context, &version.content)?;
            compared.push((version, old));
        }
        let previous: Vec<Previous<'_>> = compared
            .iter()
            .map(|(version, parsed)| Previous {
                version: version.version,
                text: &version.content.text,
                parsed,
            })
            .collect();
        messages = compat::check(parsed, &previous, level);
    }
    if !messages.is_empty() {
        messages.push(format!("{{validateFields: '{validate}', compatibility: '{level}'}}"));
    }
    Ok(messages)
}

/// With a `compatibilityGroup`, only versions with the same value of that property count.
fn same_group<'a>(
    state: &State,
    name: &str,
    content: &Content,
    versions: &[&'a Version],
) -> Vec<&'a Version> {
    let group = config_member(state, name, "compatibilityGroup").and_then(Json::as_str);
    let same = |version: &&&Version| match group {
        Some(group) => version.content.property(group) == content.property(group),
        None => true,
    };
    versions.iter().filter(same).copied().collect()
}

const RESERVED: &str = "confluent:reserved";

/// Reserved names may not be used as fields, and stay reserved.
fn reserved(parsed: &Parsed, content: &Content, previous: Option<&Content>) -> Vec<String> {
    let names = |content: &Content| -> Vec<String> {
        let list = content.property(RESERVED).unwrap_or_default();
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    };
    let now = names(content);
    let mut messages = Vec::new();
    for name in previous.map(names).unwrap_or_default() {
        if !now.contains(&name) {
            messages.push(format!(
                "{{errorType:'RESERVED_FIELD_REMOVED', description:'The new schema has reserved \
                 field {name} removed from its metadata which is present in the old schema's \
                 metadata.', additionalInfo:'{name}'}}"
            ));
        }
    }
    for name in now.into_iter().filter(|name| parsed.has_field(name)) {
        messages.push(format!(
            "{{errorType:'FIELD_CONFLICTS_WITH_RESERVED_FIELD', description:'The new schema has \
             field that conflicts with the reserved field {name}.', additionalInfo:'{name}'}}"
        ));
    }
    messages
}
