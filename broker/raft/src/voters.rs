//! Who votes: replicas, where they listen, and sets of them.

use std::collections::BTreeMap;

use protocol::messages::VotersRecord;
use protocol::messages::voters_record::{Endpoint as RecordEndpoint, KRaftVersionFeature, Voter};
use uuid::Uuid;

/// A replica of the metadata log: a node, and the directory that holds its log. A voter that was
/// named by `controller.quorum.voters` has no directory: nobody knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaKey {
    pub id: i32,
    pub directory: Option<Uuid>,
}

impl ReplicaKey {
    /// The nil directory is how messages say that it is not known.
    pub fn new(id: i32, directory: Uuid) -> Self {
        Self { id, directory: (!directory.is_nil()).then_some(directory) }
    }

    /// The directory as messages have it: nil where it is not known.
    pub fn directory_or_nil(&self) -> Uuid {
        self.directory.unwrap_or_default()
    }

    /// Whether `other` is the replica that this key names: the same node, and the same directory
    /// if this key knows one.
    pub fn names(&self, other: &ReplicaKey) -> bool {
        self.id == other.id && (self.directory.is_none() || self.directory == other.directory)
    }
}

/// An address that can be connected to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

/// Where a replica listens, by the names of its listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints(BTreeMap<String, Address>);

impl Endpoints {
    pub fn new(addresses: impl IntoIterator<Item = (String, Address)>) -> Self {
        Self(addresses.into_iter().collect())
    }

    pub fn one(listener: &str, host: &str, port: u16) -> Self {
        Self::new([(listener.to_owned(), Address { host: host.to_owned(), port })])
    }

    pub fn address(&self, listener: &str) -> Option<&Address> {
        self.0.get(listener)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Address)> {
        self.0.iter().map(|(name, address)| (name.as_str(), address))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A node that requests are sent to. Bootstrap servers, whose ids nobody knows, have the ids -2,
/// -3 and so on, in the order of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: i32,
    pub address: Address,
}

/// The levels of `kraft.version` that a node supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    pub min: i16,
    pub max: i16,
}

impl VersionRange {
    /// What this crate supports.
    pub const SUPPORTED: Self = Self { min: 0, max: 1 };

    pub fn contains(self, version: i16) -> bool {
        (self.min..=self.max).contains(&version)
    }
}

/// A voter with all that the log says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterNode {
    pub key: ReplicaKey,
    pub endpoints: Endpoints,
    pub supported: VersionRange,
}

/// The voters of the quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoterSet(BTreeMap<i32, VoterNode>);

impl VoterSet {
    pub fn new(voters: impl IntoIterator<Item = VoterNode>) -> Self {
        Self(voters.into_iter().map(|voter| (voter.key.id, voter)).collect())
    }

    /// The voters of `controller.quorum.voters`, all at one listener.
    pub fn from_static<'a>(
        listener: &str,
        voters: impl IntoIterator<Item = (i32, &'a str, u16)>,
    ) -> Self {
        Self::new(voters.into_iter().map(|(id, host, port)| VoterNode {
            key: ReplicaKey { id, directory: None },
            endpoints: Endpoints::one(listener, host, port),
            supported: VersionRange { min: 0, max: 0 },
        }))
    }

    pub fn get(&self, id: i32) -> Option<&VoterNode> {
        self.0.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &VoterNode> {
        self.0.values()
    }

    /// Ascending.
    pub fn ids(&self) -> impl Iterator<Item = i32> {
        self.0.keys().copied()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn is_voter(&self, key: &ReplicaKey) -> bool {
        self.0.get(&key.id).is_some_and(|voter| voter.key.names(key))
    }

    pub fn is_only_voter(&self, key: &ReplicaKey) -> bool {
        self.len() == 1 && self.is_voter(key)
    }

    /// Where a voter listens; empty for one that is none.
    pub fn endpoints(&self, id: i32) -> Endpoints {
        self.0.get(&id).map(|voter| voter.endpoints.clone()).unwrap_or_default()
    }

    pub fn node(&self, id: i32, listener: &str) -> Option<Node> {
        let address = self.0.get(&id)?.endpoints.address(listener)?.clone();
        Some(Node { id, address })
    }

    /// Whether `voter` is in the set and says something else of itself than the set does.
    pub fn needs_update(&self, voter: &VoterNode) -> bool {
        self.0.get(&voter.key.id).is_some_and(|known| known.key.names(&voter.key) && known != voter)
    }

    /// With one voter more; `None` if its node is a voter already.
    pub fn with(&self, voter: VoterNode) -> Option<Self> {
        if self.0.contains_key(&voter.key.id) {
            return None;
        }
        let mut voters = self.0.clone();
        voters.insert(voter.key.id, voter);
        Some(Self(voters))
    }

    /// With one voter less; `None` if it is not in the set by this very key, or is the last one.
    pub fn without(&self, key: &ReplicaKey) -> Option<Self> {
        let known = self.0.get(&key.id)?;
        if known.key != *key || self.0.len() == 1 {
            return None;
        }
        let mut voters = self.0.clone();
        voters.remove(&key.id);
        Some(Self(voters))
    }

    /// With what a voter says of itself; `None` if it is not in the set.
    pub fn updated(&self, voter: VoterNode) -> Option<Self> {
        let known = self.0.get(&voter.key.id)?;
        if known.key.names(&voter.key) { self.updated_by_id(voter) } else { None }
    }

    /// As [`updated`](Self::updated), with any directory.
    pub fn updated_by_id(&self, voter: VoterNode) -> Option<Self> {
        if !self.0.contains_key(&voter.key.id) {
            return None;
        }
        let mut voters = self.0.clone();
        voters.insert(voter.key.id, voter);
        Some(Self(voters))
    }

    /// Whether all voters support a level of `kraft.version`.
    pub fn support(&self, version: i16) -> bool {
        self.iter().all(|voter| voter.supported.contains(version))
    }

    pub fn to_record(&self) -> VotersRecord {
        let voter = |voter: &VoterNode| Voter {
            voter_id: voter.key.id,
            voter_directory_id: voter.key.directory_or_nil(),
            endpoints: voter
                .endpoints
                .iter()
                .map(|(name, address)| RecordEndpoint {
                    name: name.to_owned(),
                    host: address.host.clone(),
                    port: address.port,
                })
                .collect(),
            k_raft_version_feature: KRaftVersionFeature {
                min_supported_version: voter.supported.min,
                max_supported_version: voter.supported.max,
            },
        };
        VotersRecord { version: 0, voters: self.iter().map(voter).collect() }
    }

    pub fn from_record(record: &VotersRecord) -> Self {
        Self::new(record.voters.iter().map(|voter| VoterNode {
            key: ReplicaKey::new(voter.voter_id, voter.voter_directory_id),
            endpoints: Endpoints::new(voter.endpoints.iter().map(|endpoint| {
                let address = Address { host: endpoint.host.clone(), port: endpoint.port };
                (endpoint.name.clone(), address)
            })),
            supported: VersionRange {
                min: voter.k_raft_version_feature.min_supported_version,
                max: voter.k_raft_version_feature.max_supported_version,
            },
        }))
    }
}
