//! The records of a decision of several steps, each of which sees what those before it change.

use broker_metadata::{Delta, Image, MetadataRecord};

use super::{Cluster, ControllerSettings};

/// Records that one request of a user may bring about.
const PER_REQUEST: usize = 10_000;

pub(super) const TOO_MANY: &str = "Unable to perform excessively large batch operation.";

pub(super) struct Draft<'a> {
    delta: Delta,
    settings: &'a ControllerSettings,
    records: Vec<MetadataRecord>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(image: &Image, settings: &'a ControllerSettings) -> Self {
        Self { delta: Delta::new(image), settings, records: Vec::new() }
    }

    /// The cluster as it will be.
    pub(super) fn cluster(&self) -> Cluster<'_> {
        Cluster::new(self.delta.image(), self.settings)
    }

    pub(super) fn push(&mut self, record: impl Into<MetadataRecord>) {
        let record = record.into();
        // A record that does not follow is found by whoever is to write it, who replays all again
        // and then writes none; until then there is nobody to tell.
        let _ = self.delta.replay(&record);
        self.records.push(record);
    }

    pub(super) fn extend(&mut self, records: Vec<MetadataRecord>) {
        for record in records {
            self.push(record);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether this is more than a request of a user may bring about.
    pub(super) fn is_too_large(&self) -> bool {
        self.records.len() > PER_REQUEST
    }

    pub(super) fn finish(self) -> Vec<MetadataRecord> {
        self.records
    }
}
