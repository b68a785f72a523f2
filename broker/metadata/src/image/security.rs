//! Who may do what, and how users show who they are.

use bytes::Bytes;
use protocol::messages::{
    AccessControlEntryRecord, DelegationTokenRecord, UserScramCredentialRecord,
};
use uuid::Uuid;

/// How a user's password is checked without being known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScramMechanism {
    Sha256,
    Sha512,
}

impl ScramMechanism {
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The code on the wire and in the metadata log.
    pub fn code(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    pub fn from_code(code: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.code() == code)
    }

    /// As in `sasl.mechanisms`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }
}

/// What is kept of a user's password (RFC 5802).
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    pub salt: Bytes,
    pub stored_key: Bytes,
    pub server_key: Bytes,
    pub iterations: i32,
}

impl std::fmt::Debug for ScramCredential {
    /// Without what an attacker could use.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("ScramCredential");
        shown.field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl ScramCredential {
    pub(crate) fn from_record(record: &UserScramCredentialRecord) -> Self {
        Self {
            salt: record.salt.clone(),
            stored_key: record.stored_key.clone(),
            server_key: record.server_key.clone(),
            iterations: record.iterations,
        }
    }

    pub(crate) fn to_record(
        &self,
        mechanism: ScramMechanism,
        user: &str,
    ) -> UserScramCredentialRecord {
        UserScramCredentialRecord {
            name: user.to_owned(),
            mechanism: mechanism.code(),
            salt: self.salt.clone(),
            stored_key: self.stored_key.clone(),
            server_key: self.server_key.clone(),
            iterations: self.iterations,
        }
    }
}

/// One rule: a principal from a host may, or may not, do something with some resources. The
/// numbers are Kafka's, as on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclImage {
    /// 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
    pub resource_type: i8,
    pub resource_name: String,
    /// 3 literal, 4 prefixed.
    pub pattern_type: i8,
    /// `User:name`.
    pub principal: String,
    /// An address, or `*`.
    pub host: String,
    /// 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster action,
    /// 10 describe configs, 11 alter configs, 12 idempotent write, 13 create tokens,
    /// 14 describe tokens, 15 two-phase commit.
    pub operation: i8,
    /// 2 deny, 3 allow.
    pub permission_type: i8,
}

impl AclImage {
    pub(crate) fn from_record(record: &AccessControlEntryRecord) -> Self {
        Self {
            resource_type: record.resource_type,
            resource_name: record.resource_name.clone(),
            pattern_type: record.pattern_type,
            principal: record.principal.clone(),
            host: record.host.clone(),
            operation: record.operation,
            permission_type: record.permission_type,
        }
    }

    pub(crate) fn to_record(&self, id: Uuid) -> AccessControlEntryRecord {
        AccessControlEntryRecord {
            id,
            resource_type: self.resource_type,
            resource_name: self.resource_name.clone(),
            pattern_type: self.pattern_type,
            principal: self.principal.clone(),
            host: self.host.clone(),
            operation: self.operation,
            permission_type: self.permission_type,
        }
    }
}

/// A delegation token (KIP-48), by whose id and HMAC a client may speak for its owner. The HMAC
/// is not kept: it follows from the id and the secret of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenImage {
    /// `User:name`, as are the next two.
    pub owner: String,
    pub requester: String,
    pub renewers: Vec<String>,
    pub issued_ms: i64,
    /// No renewal goes beyond this.
    pub max_ms: i64,
    pub expires_ms: i64,
}

impl TokenImage {
    pub(crate) fn from_record(record: &DelegationTokenRecord) -> Self {
        Self {
            owner: record.owner.clone(),
            requester: record.requester.clone(),
            renewers: record.renewers.clone(),
            issued_ms: record.issue_timestamp,
            max_ms: record.max_timestamp,
            expires_ms: record.expiration_timestamp,
        }
    }

    pub(crate) fn to_record(&self, id: &str) -> DelegationTokenRecord {
        DelegationTokenRecord {
            owner: self.owner.clone(),
            requester: self.requester.clone(),
            renewers: self.renewers.clone(),
            issue_timestamp: self.issued_ms,
            max_timestamp: self.max_ms,
            expiration_timestamp: self.expires_ms,
            token_id: id.to_owned(),
        }
    }
}
