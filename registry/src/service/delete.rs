//! Soft and permanent deletion of versions, subjects and contexts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::lookup::find_version;
use super::{Answer, Outcome, actual, writable};
use crate::error::RegistryError;
use crate::schema::SchemaType;
use crate::store::{Key, Record, SchemaRow, State, Version};
use crate::subject;

/// Deletes one version; the answer is its number.
pub(crate) fn delete_version(
    state: &State,
    name: &str,
    version: &str,
    permanent: bool,
) -> Answer<Outcome<i32>> {
    let name = actual(state, name);
    writable(state, &name)?;
    let found = match find_version(state, &name, version, permanent) {
        Err(RegistryError::VersionNotFound(number)) if state.version(&name, number).is_some() => {
            return Err(RegistryError::VersionSoftDeleted(name, number));
        }
        Err(RegistryError::SubjectNotFound(_)) if state.versions(&name).next().is_some() => {
            let deleted = find_version(state, &name, version, true)?;
            return Err(RegistryError::VersionSoftDeleted(name, deleted.version));
        }
        found => found?,
    };
    let number = found.version;
    if permanent && !found.deleted {
        return Err(RegistryError::VersionNotSoftDeleted(name, number));
    }
    unreferenced(state, &name, number)?;
    let mut records = vec![if permanent {
        Record::Schema { subject: name.clone(), version: number, row: None }
    } else {
        soft_deleted(&name, found)
    }];
    let last = state.versions(&name).all(|other| other.version == number);
    if permanent && last {
        records.extend(settings_gone(state, &name));
    }
    Ok(Outcome { records, answer: number })
}

/// Deletes all versions; the answer is their numbers.
pub(crate) fn delete_subject(
    state: &State,
    name: &str,
    permanent: bool,
) -> Answer<Outcome<Vec<i32>>> {
    let name = subject::normal(name);
    writable(state, &name)?;
    let all: Vec<&Version> = state.versions(&name).collect();
    let live: Vec<&Version> = state.live(&name).collect();
    if all.is_empty() {
        return Err(RegistryError::SubjectNotFound(name));
    }
    if permanent && !live.is_empty() {
        return Err(RegistryError::SubjectNotSoftDeleted(name));
    }
    if !permanent && live.is_empty() {
        return Err(RegistryError::SubjectSoftDeleted(name));
    }
    let gone = if permanent { all } else { live };
    for version in &gone {
        unreferenced(state, &name, version.version)?;
    }
    let answer: Vec<i32> = gone.iter().map(|version| version.version).collect();
    let mut records: Vec<Record> = if permanent {
        let newest_first = answer.iter().rev();
        newest_first
            .map(|version| Record::Schema { subject: name.clone(), version: *version, row: None })
            .collect()
    } else {
        let version = answer.last().copied();
        vec![Record::DeleteSubject { subject: name.clone(), version }]
    };
    if permanent {
        records.extend(settings_gone(state, &name));
    }
    Ok(Outcome { records, answer })
}

/// An empty context is forgotten.
pub(crate) fn delete_context(state: &State, context: &str) -> Answer<Outcome<()>> {
    if state.subjects().any(|name| subject::context_of(name) == context) {
        return Err(RegistryError::ContextNotEmpty(context.to_owned()));
    }
    let record = Record::Context { context: context.to_owned(), present: false };
    Ok(Outcome { records: vec![record], answer: () })
}

/// Soft-deleted referrers do not hold a version any more.
fn unreferenced(state: &State, name: &str, version: i32) -> Answer<()> {
    if state.referrers(name, version).any(|referrer| !referrer.deleted) {
        let key = Key::Schema { subject: name.to_owned(), version };
        return Err(RegistryError::Referenced(key.to_json().to_string()));
    }
    Ok(())
}

/// A subject without versions has no settings of its own.
fn settings_gone(state: &State, name: &str) -> Vec<Record> {
    let subject = Some(name.to_owned());
    let mut records = Vec::new();
    if state.config(Some(name)).is_some() {
        records.push(Record::Config { subject: subject.clone(), config: None });
    }
    if state.mode(Some(name)).is_some() {
        records.push(Record::Mode { subject, mode: None });
    }
    records
}

fn soft_deleted(name: &str, version: &Version) -> Record {
    let content = &version.content;
    let row = SchemaRow {
        subject: name.to_owned(),
        version: version.version,
        id: version.id,
        md5: Some(BASE64.encode(content.md5())),
        schema_type: Some(content.schema_type).filter(|kind| *kind != SchemaType::Avro),
        references: content.references.clone(),
        metadata: content.metadata.clone(),
        rule_set: content.rule_set.clone(),
        schema: content.text.to_string(),
        deleted: true,
    };
    Record::Schema { subject: name.to_owned(), version: version.version, row: Some(row) }
}
