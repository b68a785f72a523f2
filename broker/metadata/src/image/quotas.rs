//! Quotas of users, client ids and addresses (KIP-546).

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::messages::ClientQuotaRecord;
use protocol::messages::client_quota_record::EntityData;

/// Limits by their names, as `producer_byte_rate`.
pub type QuotaMap = BTreeMap<String, f64>;

/// Whom a quota is about: names by kind (`user`, `client-id`, `ip`). A kind without a name is the
/// default of all that have no quota of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaEntity {
    names: Arc<BTreeMap<String, Option<String>>>,
}

impl QuotaEntity {
    /// The name for one kind: `Some(None)` is the default, `None` that the kind does not matter.
    pub fn name(&self, kind: &str) -> Option<Option<&str>> {
        self.names.get(kind).map(Option::as_deref)
    }

    /// By kind.
    pub fn names(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.names.iter().map(|(kind, name)| (kind.as_str(), name.as_deref()))
    }

    pub(crate) fn of_record(record: &ClientQuotaRecord) -> Self {
        let names = record.entity.iter();
        names.map(|data| (data.entity_type.clone(), data.entity_name.clone())).collect()
    }

    pub(crate) fn to_record(&self, key: &str, value: f64) -> ClientQuotaRecord {
        let entity = self.names.iter().map(|(kind, name)| EntityData {
            entity_type: kind.clone(),
            entity_name: name.clone(),
        });
        ClientQuotaRecord { entity: entity.collect(), key: key.to_owned(), value, remove: false }
    }
}

impl FromIterator<(String, Option<String>)> for QuotaEntity {
    fn from_iter<I: IntoIterator<Item = (String, Option<String>)>>(names: I) -> Self {
        Self { names: Arc::new(names.into_iter().collect()) }
    }
}
