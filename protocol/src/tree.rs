//! Records as trees of names and values, for tools that print them.

use bytes::Bytes;
use uuid::Uuid;

use crate::record::Records;
use crate::{ErrorCode, Message};

/// A value with the names that Kafka's tables give to what is in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Bytes(Bytes),
    Id(Uuid),
    Array(Vec<Tree>),
    /// In the order of the table.
    Struct(Vec<(&'static str, Tree)>),
}

/// A record that can be printed whatever it is.
pub trait AsTree: Message {
    /// The fields that a version has; those with a tag only where they are not the default.
    fn as_tree(&self, version: i16) -> Tree;
}

macro_rules! from_integers {
    ($($integer:ty),*) => {
        $(impl From<&$integer> for Tree {
            fn from(value: &$integer) -> Self {
                Tree::Integer(i64::from(*value))
            }
        })*
    };
}

from_integers!(i8, i16, u16, i32, u32, i64);

impl From<&bool> for Tree {
    fn from(value: &bool) -> Self {
        Tree::Bool(*value)
    }
}

impl From<&f64> for Tree {
    fn from(value: &f64) -> Self {
        Tree::Float(*value)
    }
}

impl From<&ErrorCode> for Tree {
    fn from(value: &ErrorCode) -> Self {
        Tree::Integer(value.code().into())
    }
}

impl From<&String> for Tree {
    fn from(value: &String) -> Self {
        Tree::Text(value.clone())
    }
}

impl From<&Bytes> for Tree {
    fn from(value: &Bytes) -> Self {
        Tree::Bytes(value.clone())
    }
}

impl From<&Records> for Tree {
    fn from(value: &Records) -> Self {
        value.bytes().map_or(Tree::Null, Tree::from)
    }
}

impl From<&Uuid> for Tree {
    fn from(value: &Uuid) -> Self {
        Tree::Id(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::broker_registration_change_record::BrokerRegistrationChangeRecord;
    use crate::messages::{GroupMetadataValue, LeaderChangeMessage, leader_change_message::Voter};

    #[test]
    fn fields_come_in_the_tables_order_as_far_as_the_version_has_them() {
        let voter = Voter { voter_id: 2, voter_directory_id: Uuid::from_u128(7) };
        let message = LeaderChangeMessage {
            version: 1,
            leader_id: 2,
            voters: vec![voter],
            granting_voters: vec![],
        };
        let id = Tree::Integer(2);
        let fields = |voter: Vec<(&'static str, Tree)>| {
            Tree::Struct(vec![
                ("version", Tree::Integer(1)),
                ("leaderId", id.clone()),
                ("voters", Tree::Array(vec![Tree::Struct(voter)])),
                ("grantingVoters", Tree::Array(vec![])),
            ])
        };
        assert_eq!(message.as_tree(0), fields(vec![("voterId", id.clone())]));
        let directory = ("voterDirectoryId", Tree::Id(Uuid::from_u128(7)));
        assert_eq!(message.as_tree(1), fields(vec![("voterId", id.clone()), directory]));
    }

    #[test]
    fn tagged_fields_are_there_where_they_differ_from_the_default() {
        let record = BrokerRegistrationChangeRecord { fenced: 1, ..Default::default() };
        let expected = [
            ("brokerId", Tree::Integer(0)),
            ("brokerEpoch", Tree::Integer(0)),
            ("fenced", Tree::Integer(1)),
        ];
        assert_eq!(record.as_tree(3), Tree::Struct(expected.into()));
    }

    #[test]
    fn nulls_are_shown() {
        let value = GroupMetadataValue { protocol: None, ..Default::default() };
        let Tree::Struct(fields) = value.as_tree(3) else { panic!("a message is a struct") };
        assert!(fields.contains(&("protocol", Tree::Null)), "{fields:?}");
    }
}
