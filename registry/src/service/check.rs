//! The compatibility of a schema with what a subject has.

use formats::avro::Validation;
use serde_json::Value as Json;

use super::lookup::find_version;
use super::resolve::{parse, parse_stored, source, stored_source};
use super::{Answer, Rules, SchemaRequest, actual, config_member, level};
use crate::compat::{self, Level, Previous};
use crate::error::RegistryError;
use crate::parsed::Source;
use crate::schema::{Content, Parsed};
use crate::store::{State, Version};
use crate::subject::context_of;
use crate::words::Worded as _;

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
        let versions = same_group(state, name, content, versions);
        let out_of_reach = versions.len().saturating_sub(level.reach());
        for version in versions.into_iter().skip(out_of_reach) {
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
        let level = level.word();
        messages.push(format!("{{validateFields: '{validate}', compatibility: '{level}'}}"));
    }
    Ok(messages)
}

/// What comparing a request with a subject's versions will parse, as far as that can be told: to
/// be parsed beforehand, so that nobody waits for the state meanwhile.
pub(crate) fn to_parse(
    state: &State,
    rules: &Rules,
    name: &str,
    request: &SchemaRequest,
    validation: Validation,
) -> Vec<Source> {
    let name = actual(state, name);
    let context = context_of(&name);
    let reach = level(state, rules, &name).reach();
    let compared = state.live(&name).rev().take(reach);
    let stored = compared.filter_map(|old| stored_source(state, context, &old.content).ok());
    source(state, context, request, validation).ok().into_iter().chain(stored).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::register;
    use crate::store::{Record, SchemaRow};

    fn text(fields: usize) -> String {
        let field = |n: usize| format!(r#"{{"name":"f{n}","type":"int","default":0}}"#);
        let fields: Vec<String> = (0..fields).map(field).collect();
        format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","))
    }

    fn with_versions(count: i32) -> State {
        let mut state = State::default();
        for version in 1..=count {
            let row = SchemaRow {
                subject: "s".into(),
                version,
                id: version,
                md5: None,
                schema_type: None,
                references: Vec::new(),
                metadata: None,
                rule_set: None,
                schema: text(version as usize),
                deleted: false,
            };
            state.apply(Record::Schema { subject: "s".into(), version, row: Some(row) });
        }
        state
    }

    #[test]
    fn registering_parses_the_versions_that_the_level_compares_and_all_of_them_beforehand() {
        for (default_level, expected) in
            [(Level::None, 1), (Level::Backward, 2), (Level::FullTransitive, 51)]
        {
            let state = with_versions(50);
            let rules = Rules { default_level, mode_mutability: true, search_limit: 10 };
            let request = SchemaRequest { schema: text(60), ..SchemaRequest::default() };
            let sources = to_parse(&state, &rules, "s", &request, Validation::Strict);
            sources.iter().for_each(|source| drop(state.parsed().parse(source)));
            assert_eq!(state.parsed().len(), expected, "{default_level:?} beforehand");
            let outcome = register(&state, &rules, "s", request).unwrap();
            assert_eq!(outcome.records.len(), 1);
            assert_eq!(state.parsed().len(), expected, "{default_level:?}: nothing else");
        }
    }
}
