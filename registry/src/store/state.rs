//! Everything the registry knows, as the records of its topic say it. Only [`State::apply`]
//! changes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Mode;
use super::record::{Config, Record, SchemaRow};
use crate::parsed::ParseCache;
use crate::schema::{Content, Reference, SchemaType};
use crate::subject::{context_of, normal};
use crate::words::Worded as _;

/// One version of a subject.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) version: i32,
    pub(crate) id: i32,
    pub(crate) content: Arc<Content>,
    pub(crate) deleted: bool,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    subjects: BTreeMap<String, BTreeMap<i32, Version>>,
    contexts: BTreeMap<String, Context>,
    configs: HashMap<Option<String>, Config>,
    modes: HashMap<Option<String>, Mode>,
    parsed: Arc<ParseCache>,
}

/// The ids of one context.
#[derive(Debug, Default)]
struct Context {
    /// Whether it is there; the ids of one that was deleted are not given again either.
    exists: bool,
    /// The highest id that was ever seen.
    highest_id: i32,
    /// The highest id that is on the topic as such, whatever becomes of the rows.
    kept_highest_id: i32,
    by_id: HashMap<i32, Identity>,
    ids: HashMap<[u8; 16], i32>,
}

#[derive(Debug)]
struct Identity {
    content: Arc<Content>,
    versions: BTreeSet<(String, i32)>,
}

impl State {
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::Schema { subject, version, row } => {
                let subject = normal(&subject);
                self.remove(&subject, version);
                if let Some(row) = row {
                    self.insert(subject, row);
                }
            }
            Record::Config { subject, config } => {
                let _ = match config {
                    Some(config) => self.configs.insert(subject, config),
                    None => self.configs.remove(&subject),
                };
            }
            Record::Mode { subject, mode } => {
                let _ = match mode.as_deref().and_then(Mode::of_word) {
                    Some(mode) => self.modes.insert(subject, mode),
                    None => self.modes.remove(&subject),
                };
            }
            Record::DeleteSubject { subject, version: Some(last) } => {
                if let Some(versions) = self.subjects.get_mut(&normal(&subject)) {
                    versions.range_mut(..=last).for_each(|(_, version)| version.deleted = true);
                }
            }
            Record::ClearSubject { subject, present: true } => {
                let subject = normal(&subject);
                let gone: Vec<i32> = self
                    .versions(&subject)
                    .filter(|version| version.deleted)
                    .map(|version| version.version)
                    .collect();
                gone.into_iter().for_each(|version| self.remove(&subject, version));
            }
            Record::Context { context, present: true } => {
                self.contexts.entry(context).or_default().exists = true;
            }
            Record::Context { context, present: false } => {
                if let Some(known) = self.contexts.get_mut(&context) {
                    known.exists = !known.by_id.is_empty();
                }
            }
            Record::HighestId { context, id } => {
                let context = self.contexts.entry(context).or_default();
                context.kept_highest_id = id.unwrap_or(0);
                context.highest_id = context.highest_id.max(context.kept_highest_id);
            }
            Record::DeleteSubject { .. } | Record::ClearSubject { .. } | Record::Noop => {}
        }
    }

    fn insert(&mut self, subject: String, row: SchemaRow) {
        let context = self.contexts.entry(context_of(&subject).to_owned()).or_default();
        context.exists = true;
        context.highest_id = context.highest_id.max(row.id);
        let content = Content {
            schema_type: row.schema_type.unwrap_or(SchemaType::Avro),
            text: row.schema.into(),
            references: row.references,
            metadata: row.metadata,
            rule_set: row.rule_set,
        };
        let known = context.by_id.get_mut(&row.id).filter(|known| *known.content == content);
        let content = match known {
            Some(identity) => {
                identity.versions.insert((subject.clone(), row.version));
                Arc::clone(&identity.content)
            }
            None => {
                let content = Arc::new(content);
                let versions = BTreeSet::from([(subject.clone(), row.version)]);
                let identity = Identity { content: Arc::clone(&content), versions };
                context.by_id.insert(row.id, identity);
                context.ids.insert(content.md5(), row.id);
                content
            }
        };
        let (version, id, deleted) = (row.version, row.id, row.deleted);
        let entry = Version { version, id, content, deleted };
        self.subjects.entry(subject).or_default().insert(version, entry);
    }

    /// Takes a version away, and its id when that was the last one under it.
    fn remove(&mut self, subject: &str, version: i32) {
        let Some(versions) = self.subjects.get_mut(subject) else { return };
        let Some(removed) = versions.remove(&version) else { return };
        if versions.is_empty() {
            self.subjects.remove(subject);
        }
        let Some(context) = self.contexts.get_mut(context_of(subject)) else { return };
        if let Some(identity) = context.by_id.get_mut(&removed.id) {
            identity.versions.remove(&(subject.to_owned(), version));
            if identity.versions.is_empty() {
                context.by_id.remove(&removed.id);
                let md5 = removed.content.md5();
                if context.ids.get(&md5) == Some(&removed.id) {
                    context.ids.remove(&md5);
                    // An import may have given the same content several ids.
                    let same = |known: &Identity| *known.content == *removed.content;
                    let other = context.by_id.iter().find(|(_, known)| same(known));
                    if let Some(id) = other.map(|(id, _)| *id) {
                        context.ids.insert(md5, id);
                    }
                }
            }
        }
    }

    /// What has to be on the topic before `records` are: the highest id of each context of which
    /// no row says it once they are there, so that no compaction can take it away.
    pub(crate) fn highest_ids_to_keep(&self, records: &[Record]) -> Vec<Record> {
        let written = |subject: &str, version: i32| {
            records.iter().rev().find_map(|record| match record {
                Record::Schema { subject: s, version: v, row }
                    if *v == version && normal(s) == subject =>
                {
                    Some(row.as_ref().map(|row| row.id))
                }
                _ => None,
            })
        };
        let mut kept = Vec::new();
        for (name, context) in &self.contexts {
            let id = context.highest_id;
            if context.kept_highest_id >= id {
                continue;
            }
            let rows = context.by_id.get(&id).into_iter().flat_map(|known| &known.versions);
            let mut stays = rows.filter(|(subject, version)| {
                written(subject, *version).is_none_or(|written| written == Some(id))
            });
            let comes = |record: &Record| match record {
                Record::Schema { subject, row: Some(row), .. } => {
                    context_of(subject) == name && row.id >= id
                }
                _ => false,
            };
            if stays.next().is_none() && !records.iter().any(comes) {
                kept.push(Record::HighestId { context: name.clone(), id: Some(id) });
            }
        }
        kept
    }

    /// Schemas that were parsed; shared, so that parsing needs no hold on the state.
    pub(crate) fn parsed(&self) -> &Arc<ParseCache> {
        &self.parsed
    }

    /// All subjects with at least one version, deleted ones too, in order.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = &str> {
        self.subjects.keys().map(String::as_str)
    }

    /// All versions of a subject, deleted ones too, oldest first.
    pub(crate) fn versions(&self, subject: &str) -> impl DoubleEndedIterator<Item = &Version> {
        self.subjects.get(subject).into_iter().flat_map(BTreeMap::values)
    }

    pub(crate) fn live(&self, subject: &str) -> impl DoubleEndedIterator<Item = &Version> {
        self.versions(subject).filter(|version| !version.deleted)
    }

    pub(crate) fn version(&self, subject: &str, version: i32) -> Option<&Version> {
        self.subjects.get(subject)?.get(&version)
    }

    pub(crate) fn content(&self, context: &str, id: i32) -> Option<&Arc<Content>> {
        self.contexts.get(context)?.by_id.get(&id).map(|identity| &identity.content)
    }

    /// The id that this very content has in a context.
    pub(crate) fn id_of(&self, context: &str, content: &Content) -> Option<i32> {
        self.contexts.get(context)?.ids.get(&content.md5()).copied()
    }

    /// Subjects and versions that have an id.
    pub(crate) fn uses_of_id(
        &self,
        context: &str,
        id: i32,
    ) -> impl Iterator<Item = (&str, &Version)> {
        let identity = self.contexts.get(context).and_then(|context| context.by_id.get(&id));
        identity.into_iter().flat_map(|identity| &identity.versions).filter_map(
            |(subject, version)| Some((subject.as_str(), self.version(subject, *version)?)),
        )
    }

    pub(crate) fn highest_id(&self, context: &str) -> i32 {
        self.contexts.get(context).map_or(0, |context| context.highest_id)
    }

    pub(crate) fn contexts(&self) -> impl Iterator<Item = &str> {
        self.contexts.iter().filter(|(_, known)| known.exists).map(|(name, _)| name.as_str())
    }

    /// Versions anywhere in the subject's context that refer to one of its versions.
    pub(crate) fn referrers<'a>(
        &'a self,
        subject: &'a str,
        version: i32,
    ) -> impl Iterator<Item = &'a Version> {
        let context = context_of(subject);
        let latest = self.live(subject).next_back().map(|latest| latest.version);
        let here = move |reference: &Reference| {
            crate::service::reference_subject(context, &reference.subject) == subject
                && (reference.version == version
                    || (reference.version < 0 && latest == Some(version)))
        };
        self.subjects
            .iter()
            .filter(move |(other, _)| context_of(other) == context)
            .flat_map(|(_, versions)| versions.values())
            .filter(move |other| other.content.references.iter().any(here))
    }

    pub(crate) fn config(&self, subject: Option<&str>) -> Option<&Config> {
        self.configs.get(&subject.map(str::to_owned))
    }

    pub(crate) fn mode(&self, subject: Option<&str>) -> Option<Mode> {
        self.modes.get(&subject.map(str::to_owned)).copied()
    }
}

#[cfg(test)]
mod tests;
