//! What a topic may be called.

use thiserror::Error;

/// The longest name: with `-<partition>` and a suffix it must still fit a folder's name.
pub const MAX_LENGTH: usize = 249;

/// The topic that holds group metadata and committed offsets.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// The topic that holds the state of transactions.
pub const TRANSACTION_STATE: &str = "__transaction_state";
/// The topic that holds the state of share groups.
pub const SHARE_GROUP_STATE: &str = "__share_group_state";
/// The log of metadata records; not a topic that clients see.
pub const CLUSTER_METADATA: &str = "__cluster_metadata";

/// Why a name can't be a topic's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidTopicName {
    #[error("Topic name is invalid: the empty string is not allowed")]
    Empty,
    #[error("Topic name is invalid: '.' or '..' is not allowed")]
    Dots,
    #[error(
        "Topic name is invalid: the length of '{name}' is longer than the max allowed length {max}",
        max = MAX_LENGTH
    )]
    TooLong { name: String },
    #[error(
        "Topic name is invalid: '{name}' contains one or more characters other than ASCII \
         alphanumerics, '.', '_' and '-'"
    )]
    Characters { name: String },
}

/// Checks `name` by Kafka's rules.
pub fn validate(name: &str) -> Result<(), InvalidTopicName> {
    if name.is_empty() {
        return Err(InvalidTopicName::Empty);
    }
    if name == "." || name == ".." {
        return Err(InvalidTopicName::Dots);
    }
    if name.len() > MAX_LENGTH {
        return Err(InvalidTopicName::TooLong { name: name.to_owned() });
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !name.bytes().all(allowed) {
        return Err(InvalidTopicName::Characters { name: name.to_owned() });
    }
    Ok(())
}

/// The form in which two names collide: metric names know no difference of '.' and '_'.
pub fn collision_key(name: &str) -> String {
    name.replace('.', "_")
}

/// Whether collisions can concern `name` at all.
pub fn has_collision_chars(name: &str) -> bool {
    name.contains(['.', '_'])
}

/// Whether the topic is one of the brokers' own, which clients may not write to or delete by
/// accident.
pub fn is_internal(name: &str) -> bool {
    matches!(name, CONSUMER_OFFSETS | TRANSACTION_STATE | SHARE_GROUP_STATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafkas_rules() {
        for good in ["t", "a.b_c-9", "__consumer_offsets", "...", &"x".repeat(249)] {
            assert_eq!(validate(good), Ok(()), "{good}");
        }
        assert_eq!(validate(""), Err(InvalidTopicName::Empty));
        assert_eq!(validate(".."), Err(InvalidTopicName::Dots));
        assert!(matches!(validate(&"x".repeat(250)), Err(InvalidTopicName::TooLong { .. })));
        for bad in ["no/good", "ä", "a b", "a\n"] {
            assert!(matches!(validate(bad), Err(InvalidTopicName::Characters { .. })), "{bad}");
        }
    }

    #[test]
    fn dots_and_underscores_collide() {
        assert_eq!(collision_key("a.b_c"), collision_key("a_b.c"));
        assert_ne!(collision_key("a.b"), collision_key("a-b"));
    }
}
