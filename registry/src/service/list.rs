//! Listings: subjects, versions, schemas, with their filters and pages.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Answer, Rules, actual, version_json};
use crate::error::RegistryError;
use crate::store::{State, Version};
use crate::subject;

/// Which entries a listing shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) prefix: Option<String>,
    pub(crate) deleted: bool,
    pub(crate) deleted_only: bool,
    pub(crate) latest_only: bool,
}

/// A window of a listing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paging {
    pub(crate) offset: usize,
    pub(crate) limit: Option<usize>,
}

impl Paging {
    pub(crate) fn of<T>(self, items: impl Iterator<Item = T>) -> Vec<T> {
        items.skip(self.offset).take(self.limit.unwrap_or(usize::MAX)).collect()
    }
}

impl Filter {
    /// `:*:` is all contexts, `:.ctx:` one, anything else begins a subject of the default one.
    fn has_subject(&self, name: &str) -> bool {
        match self.prefix.as_deref() {
            None | Some(":*:") => true,
            Some(prefix) if prefix.starts_with(":*:") => {
                subject::split(name).1.starts_with(&prefix[3..])
            }
            Some(prefix) => {
                let (context, bare) = subject::split(prefix);
                let (of, own) = subject::split(name);
                context == of && own.starts_with(bare)
            }
        }
    }

    fn has_version(&self, version: &Version) -> bool {
        if self.deleted_only { version.deleted } else { self.deleted || !version.deleted }
    }
}

pub(crate) fn subjects(state: &State, filter: &Filter, paging: Paging) -> Vec<String> {
    let listed = state.subjects().filter(|name| {
        let mut versions = state.versions(name);
        let live = state.live(name).next().is_some();
        let shown = match (filter.deleted_only, filter.deleted) {
            (true, _) => !live,
            (false, true) => versions.next().is_some(),
            (false, false) => live,
        };
        shown && filter.has_subject(name)
    });
    paging.of(listed.map(str::to_owned))
}

pub(crate) fn versions(
    state: &State,
    name: &str,
    filter: &Filter,
    paging: Paging,
) -> Answer<Vec<i32>> {
    let name = actual(state, name);
    let listed: Vec<i32> = state
        .versions(&name)
        .filter(|version| filter.has_version(version))
        .map(|version| version.version)
        .collect();
    if listed.is_empty() && !(filter.deleted_only && state.versions(&name).next().is_some()) {
        return Err(RegistryError::SubjectNotFound(name));
    }
    Ok(paging.of(listed.into_iter()))
}

/// Whole schemas over all subjects.
pub(crate) fn schemas(
    state: &State,
    rules: &Rules,
    filter: &Filter,
    mut paging: Paging,
) -> Vec<Json> {
    let limit = paging.limit.unwrap_or(rules.search_limit).min(rules.search_limit);
    paging.limit = Some(limit);
    let shown = state.subjects().filter(|name| filter.has_subject(name)).flat_map(|name| {
        let mut versions: Vec<&Version> =
            state.versions(name).filter(|version| filter.has_version(version)).collect();
        if filter.latest_only {
            versions = versions.pop().into_iter().collect();
        }
        versions.into_iter().map(move |version| version_json(name, version))
    });
    paging.of(shown)
}

/// The newest version whose metadata has all of these properties.
pub(crate) fn with_metadata(
    state: &State,
    name: &str,
    wanted: &BTreeMap<String, String>,
    deleted: bool,
) -> Answer<Json> {
    let name = actual(state, name);
    let fits = |version: &&Version| {
        (deleted || !version.deleted)
            && wanted.iter().all(|(key, value)| version.content.property(key) == Some(value))
    };
    let found = state.versions(&name).rev().find(fits);
    found.map(|version| version_json(&name, version)).ok_or(RegistryError::SchemaNotFound)
}
