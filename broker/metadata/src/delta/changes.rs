//! What differs from one image to another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use uuid::Uuid;

use crate::image::{ConfigResource, Image, QuotaEntity, ScramMechanism, TopicImage};

/// What a run of records changed, for those who act on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Topics that are new or have new or changed partitions, and the numbers of those. An old
    /// topic's other partitions are as they were.
    pub topics: BTreeMap<Uuid, BTreeSet<i32>>,
    /// Topics that are gone, as they were.
    pub deleted: Vec<Arc<TopicImage>>,
    /// Resources whose settings differ; removed ones too.
    pub configs: BTreeSet<(ConfigResource, Arc<str>)>,
    /// Brokers that are new, changed or gone.
    pub brokers: BTreeSet<i32>,
    /// Controllers that are new or registered again.
    pub controllers: BTreeSet<i32>,
    /// Features whose level differs.
    pub features: BTreeSet<String>,
    /// Entities whose quotas differ; those that have none any more too.
    pub quotas: BTreeSet<QuotaEntity>,
    /// ACLs that are new, changed or gone.
    pub acls: BTreeSet<Uuid>,
    /// Users whose password was set, changed or removed.
    pub scram: BTreeSet<(ScramMechanism, Arc<str>)>,
    /// Delegation tokens that are new, renewed or gone.
    pub tokens: BTreeSet<Arc<str>>,
    /// Whether producer ids were given to a broker.
    pub producer_ids: bool,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These changes and then others, as one.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        // One that was new or changed and is gone is only gone.
        for topic in &later.deleted {
            self.topics.remove(&topic.id);
        }
        for (id, partitions) in later.topics {
            self.topics.entry(id).or_default().extend(partitions);
        }
        self.deleted.extend(later.deleted);
        self.configs.extend(later.configs);
        self.brokers.extend(later.brokers);
        self.controllers.extend(later.controllers);
        self.features.extend(later.features);
        self.quotas.extend(later.quotas);
        self.acls.extend(later.acls);
        self.scram.extend(later.scram);
        self.tokens.extend(later.tokens);
        self.producer_ids |= later.producer_ids;
        self
    }

    /// What turns one image into another, whatever records lie between them. Costs what differs
    /// where one was made from the other.
    pub fn between(before: &Image, after: &Image) -> Self {
        let mut changes = Self::default();
        for item in before.topics.by_id.diff(&after.topics.by_id) {
            match item {
                DiffItem::Add(id, topic) => {
                    let partitions = topic.all().map(|(index, _)| index).collect();
                    changes.topics.insert(*id, partitions);
                }
                DiffItem::Update { old: (id, old), new: (_, new) } => {
                    changes.topics.insert(*id, partitions_between(old, new));
                }
                DiffItem::Remove(_, topic) => changes.deleted.push(topic.clone()),
            }
        }
        changes.configs = differing(&before.configs.by_resource, &after.configs.by_resource);
        changes.brokers = differing(&before.brokers, &after.brokers);
        changes.controllers = differing(&before.controllers, &after.controllers);
        changes.quotas = differing(&before.quotas, &after.quotas);
        changes.acls = differing(&before.acls, &after.acls);
        changes.scram = differing(&before.scram, &after.scram);
        changes.tokens = differing(&before.tokens, &after.tokens);
        let names = before.features.keys().chain(after.features.keys());
        let differ = names.filter(|name| before.features.get(*name) != after.features.get(*name));
        changes.features = differ.cloned().collect();
        changes.producer_ids = before.next_producer_id != after.next_producer_id;
        changes
    }
}

fn differing<K, V>(before: &OrdMap<K, V>, after: &OrdMap<K, V>) -> BTreeSet<K>
where
    K: Ord + Clone,
    V: PartialEq,
{
    let keys = before.diff(after).map(|item| match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) => key.clone(),
        DiffItem::Update { new: (key, _), .. } => key.clone(),
    });
    keys.collect()
}

fn partitions_between(old: &TopicImage, new: &TopicImage) -> BTreeSet<i32> {
    let old_early = |index: i32| old.early.get(&index);
    let differ = new.all().filter(|(index, partition)| {
        let before = old.partition(*index).or_else(|| old_early(*index));
        // One that nobody has touched is the same in memory.
        before.is_none_or(|old| !Arc::ptr_eq(old, partition) && old != *partition)
    });
    differ.map(|(index, _)| index).collect()
}
