//! The topics of the partitions that a fetcher follows, for versions that name them.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

/// Ids of topics by name, as long as partitions of them are followed.
#[derive(Debug, Default)]
pub(super) struct TopicNames {
    /// The ids of a name with the number of their partitions, the newest last: a topic that was
    /// made anew is there beside the old one for a while.
    ids: HashMap<Arc<str>, Vec<(Uuid, usize)>>,
}

impl TopicNames {
    pub(super) fn add(&mut self, topic: &Arc<str>, id: Uuid) {
        let ids = self.ids.entry(topic.clone()).or_default();
        match ids.iter_mut().find(|(known, _)| *known == id) {
            Some((_, count)) => *count += 1,
            None => ids.push((id, 1)),
        }
    }

    pub(super) fn remove(&mut self, topic: &Arc<str>, id: Uuid) {
        let Some(ids) = self.ids.get_mut(topic) else { return };
        for (known, count) in &mut *ids {
            if *known == id {
                *count -= 1;
            }
        }
        ids.retain(|(_, count)| *count > 0);
        if ids.is_empty() {
            self.ids.remove(topic);
        }
    }

    pub(super) fn id(&self, topic: &str) -> Option<Uuid> {
        self.ids.get(topic)?.last().map(|(id, _)| *id)
    }
}
