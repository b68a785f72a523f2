//! Each schema parsed once: what a request needs is looked up here, and parsed without any hold on
//! the state where it is not known yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use formats::avro::Validation;

use crate::schema::{Parsed, SchemaType};

/// All that the outcome of parsing depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) schema_type: SchemaType,
    pub(crate) text: Arc<str>,
    /// The texts of all referenced schemas, referenced ones before their referrers.
    pub(crate) references: Vec<Arc<str>>,
    pub(crate) validation: Validation,
}

impl Source {
    /// Bytes of text, its own and those it refers to.
    pub(crate) fn len(&self) -> usize {
        self.text.len() + self.references.iter().map(|text| text.len()).sum::<usize>()
    }

    fn parse(&self) -> Outcome {
        let references: Vec<&str> = self.references.iter().map(|text| &**text).collect();
        let parsed = Parsed::new(self.schema_type, &self.text, &references, self.validation);
        parsed.map(Arc::new).map_err(Arc::from)
    }
}

/// A schema, or why there is none.
type Outcome = Result<Arc<Parsed>, Arc<str>>;

/// What was parsed lately, bounded by the bytes of its texts.
#[derive(Debug, Default)]
pub(crate) struct ParseCache {
    /// Held for a look-up only, never while parsing.
    generations: Mutex<Generations>,
}

/// Two generations: what is used moves to the young one; when that is full it becomes the old one,
/// and what nobody has used meanwhile is gone.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Source, Outcome>,
    old: HashMap<Source, Outcome>,
    young_bytes: usize,
}

/// Bytes of text in one generation.
const GENERATION_BYTES: usize = 8 << 20;

impl ParseCache {
    pub(crate) fn parse(&self, source: &Source) -> Outcome {
        if let Some(known) = self.known(source) {
            return known;
        }
        let outcome = source.parse();
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.insert(source.clone(), outcome.clone());
        outcome
    }

    fn known(&self, source: &Source) -> Option<Outcome> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = generations.young.get(source) {
            return Some(known.clone());
        }
        let (source, outcome) = generations.old.remove_entry(source)?;
        generations.insert(source, outcome.clone());
        Some(outcome)
    }

    /// How many outcomes are known.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let generations = self.generations.lock().unwrap();
        generations.young.len() + generations.old.len()
    }
}

impl Generations {
    fn insert(&mut self, source: Source, outcome: Outcome) {
        let bytes = source.len();
        if self.young_bytes + bytes > GENERATION_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(source, outcome).is_none() {
            self.young_bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            schema_type: SchemaType::Avro,
            text: text.into(),
            references: Vec::new(),
            validation: Validation::Strict,
        }
    }

    #[test]
    fn what_is_parsed_again_is_the_same_and_so_is_what_cannot_be_parsed() {
        let cache = ParseCache::default();
        let first = cache.parse(&source("\"int\"")).unwrap();
        assert!(Arc::ptr_eq(&first, &cache.parse(&source("\"int\"")).unwrap()));
        let error = cache.parse(&source("\"nothing\"")).unwrap_err();
        assert!(Arc::ptr_eq(&error, &cache.parse(&source("\"nothing\"")).unwrap_err()));
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn what_is_not_used_any_more_leaves_and_what_is_used_stays() {
        let cache = ParseCache::default();
        let long = |number: usize| source(&format!("\"int\"{}", " ".repeat(1_000_000 + number)));
        let used = cache.parse(&source("\"long\"")).unwrap();
        for number in 0..40 {
            cache.parse(&long(number)).unwrap();
            assert!(Arc::ptr_eq(&used, &cache.parse(&source("\"long\"")).unwrap()), "{number}");
        }
        assert!(cache.len() <= 18, "{} are kept", cache.len());
    }
}
