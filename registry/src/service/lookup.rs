//! Finding what is there: by version, by id, by the schema itself.

use formats::avro::Validation;
use serde_json::{Value as Json, json};

use super::resolve::{parse, parse_stored, source, stored_source};
use super::{Answer, SchemaRequest, actual, describe, version_json};
use crate::error::RegistryError;
use crate::parsed::Source;
use crate::schema::{Content, guid};
use crate::store::{State, Version};
use crate::subject::{self, context_of};

/// A version as a path names it: a number from 1, `latest` or -1.
pub(crate) fn find_version<'a>(
    state: &'a State,
    name: &str,
    version: &str,
    deleted: bool,
) -> Answer<&'a Version> {
    let invalid = || RegistryError::InvalidVersion(version.to_owned());
    let text = version.trim();
    let latest = text.eq_ignore_ascii_case("latest") || text == "-1";
    let number = match latest {
        true => -1,
        false => text.parse::<i32>().ok().filter(|number| *number > 0).ok_or_else(invalid)?,
    };
    let visible = |version: &&Version| deleted || !version.deleted;
    if !state.versions(name).any(|version| visible(&version)) {
        return Err(RegistryError::SubjectNotFound(name.to_owned()));
    }
    let found = if latest {
        state.versions(name).rev().find(visible)
    } else {
        state.version(name, number).filter(visible)
    };
    found.ok_or(RegistryError::VersionNotFound(number))
}

pub(crate) fn by_version(state: &State, name: &str, version: &str, deleted: bool) -> Answer<Json> {
    let name = actual(state, name);
    let found = find_version(state, &name, version, deleted)?;
    Ok(version_json(&name, found))
}

/// Ids of the schemas that refer to this version.
pub(crate) fn referenced_by(
    state: &State,
    name: &str,
    version: &str,
    deleted: bool,
) -> Answer<Vec<i32>> {
    let name = actual(state, name);
    let found = find_version(state, &name, version, true)?;
    let mut ids: Vec<i32> = state
        .referrers(&name, found.version)
        .filter(|referrer| deleted || !referrer.deleted)
        .map(|referrer| referrer.id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The schema of an id. `hint`: a subject whose context is looked in first.
pub(crate) fn by_id(state: &State, id: i32, hint: Option<&str>, max_id: bool) -> Answer<Json> {
    let (context, content) = content_of_id(state, id, hint)?;
    let mut json = json!({
        "guid": guid(content.md5()),
        "schemaType": content.schema_type.name(),
    });
    describe(&mut json, content);
    if max_id {
        json["maxId"] = json!(state.highest_id(context));
    }
    Ok(json)
}

fn content_of_id<'a>(
    state: &'a State,
    id: i32,
    hint: Option<&'a str>,
) -> Answer<(&'a str, &'a Content)> {
    let context = hint.map_or(subject::DEFAULT, context_of);
    let content = state.content(context, id);
    content
        .map(|content| (context, &**content))
        .ok_or_else(|| RegistryError::IdNotFound(id.to_string()))
}

/// The version of a subject that has this very schema; the newest, if there are several.
pub(crate) fn lookup(
    state: &State,
    name: &str,
    request: &SchemaRequest,
    deleted: bool,
) -> Answer<Json> {
    let name = actual(state, name);
    if !state.versions(&name).any(|version| deleted || !version.deleted) {
        return Err(RegistryError::SubjectNotFound(name));
    }
    if request.schema.trim().is_empty() {
        return Err(RegistryError::SchemaNotFound);
    }
    let (_, content) = parse(state, context_of(&name), request, Validation::Lenient)?;
    let found = same_schema(state, &name, &content, deleted);
    let found = match found {
        None if request.normalize => same_normalized(state, &name, &content, deleted),
        found => found,
    };
    found.map(|version| version_json(&name, version)).ok_or(RegistryError::SchemaNotFound)
}

/// What [`lookup`] will parse, as far as that can be told.
pub(crate) fn to_look_up(state: &State, name: &str, request: &SchemaRequest) -> Vec<Source> {
    let name = actual(state, name);
    let context = context_of(&name);
    let compared = state.versions(&name).filter(|_| request.normalize);
    let stored = compared.filter_map(|old| stored_source(state, context, &old.content).ok());
    let own = source(state, context, request, Validation::Lenient).ok();
    own.into_iter().chain(stored).collect()
}

/// A version that becomes the same text when it is normalised, too.
fn same_normalized<'a>(
    state: &'a State,
    name: &str,
    content: &Content,
    deleted: bool,
) -> Option<&'a Version> {
    let context = context_of(name);
    state.versions(name).rev().filter(|version| deleted || !version.deleted).find(|version| {
        let parsed = parse_stored(state, context, &version.content);
        parsed.is_ok_and(|parsed| *parsed.canonical(true) == *content.text)
    })
}

/// Metadata and rules that the request leaves out do not count.
pub(super) fn same_schema<'a>(
    state: &'a State,
    name: &str,
    content: &Content,
    deleted: bool,
) -> Option<&'a Version> {
    let same = |version: &&Version| {
        let other = &version.content;
        (deleted || !version.deleted)
            && other.schema_type == content.schema_type
            && other.text == content.text
            && other.references == content.references
            && (content.metadata.is_none() || other.metadata == content.metadata)
            && (content.rule_set.is_none() || other.rule_set == content.rule_set)
    };
    state.versions(name).rev().find(same)
}
