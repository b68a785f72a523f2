//! The records of coordinators to JSON, as Kafka's formatters for internal topics print them.

use std::io::{self, Write};

use bytes::Bytes;
use protocol::NumberedRecord;
use protocol::messages::{GroupMetadataKey, LegacyOffsetCommitKey, OffsetCommitKey};
use serde_json::Value;

use super::format::Printed;
use crate::tools::coordinator_records::{GROUPS, Kinds, TRANSACTIONS, Unread, read};
use crate::tools::json::object;

/// Prints the records of some kinds of one internal topic and passes over all others.
#[derive(Clone, Copy)]
pub(crate) struct CoordinatorFormatter {
    kinds: Kinds,
    /// The numbers of the kinds that are printed; all where there are none.
    only: &'static [i16],
}

impl CoordinatorFormatter {
    /// By the class name of Kafka's formatter, without its package.
    pub(crate) fn by_class(name: &str) -> Option<Self> {
        const OFFSETS: &[i16] = &[LegacyOffsetCommitKey::KIND, OffsetCommitKey::KIND];
        Some(match name {
            "OffsetsMessageFormatter" => Self { kinds: GROUPS, only: OFFSETS },
            "GroupMetadataMessageFormatter" => {
                Self { kinds: GROUPS, only: &[GroupMetadataKey::KIND] }
            }
            "TransactionLogMessageFormatter" => Self { kinds: TRANSACTIONS, only: &[] },
            _ => return None,
        })
    }

    /// Writes one record, without a line end, as Kafka does.
    ///
    /// # Errors
    /// The output cannot be written, or the record is damaged (`InvalidData`, with a sentence).
    pub(crate) fn write(self, record: &Printed<'_>, out: &mut dyn Write) -> io::Result<()> {
        let Some(key) = record.key else { return Ok(()) };
        let value = record.value.map(Bytes::copy_from_slice);
        let read = match read(self.kinds, Bytes::copy_from_slice(key), value) {
            Ok(read) => read,
            Err(Unread::Kind(_)) => return Ok(()),
            Err(Unread::Damaged(problem)) => {
                let text = format!("Could not read record at offset {}: {problem}", record.offset);
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        };
        if !self.only.is_empty() && !self.only.contains(&read.kind) {
            return Ok(());
        }
        let key = object([("type", Value::from(read.kind)), ("data", read.key)]);
        let value = read.value.map_or(Value::Null, |(version, data)| {
            object([("version", Value::from(version)), ("data", data)])
        });
        write!(out, "{}", object([("key", key), ("value", value)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An offset of group `g` for `t-0`, as it is committed.
    const KEY: &[u8] = b"\0\x01\0\x01g\0\x01t\0\0\0\0";
    const VALUE: &[u8] = b"\0\x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x09";

    fn print(class: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<String, String> {
        let record = Printed {
            timestamp: None,
            partition: 0,
            offset: 3,
            leader_epoch: None,
            headers: Vec::new(),
            key,
            value,
        };
        let formatter = CoordinatorFormatter::by_class(class).expect("a formatter");
        let mut out = Vec::new();
        formatter.write(&record, &mut out).map_err(|error| error.to_string())?;
        String::from_utf8(out).map_err(|error| error.to_string())
    }

    #[test]
    fn an_offset_is_printed_with_the_number_of_its_kind_and_its_version() {
        assert_eq!(
            print("OffsetsMessageFormatter", Some(KEY), Some(VALUE)).as_deref(),
            Ok(concat!(
                r#"{"key":{"type":1,"data":{"group":"g","topic":"t","partition":0}},"#,
                r#""value":{"version":1,"data":{"offset":5,"metadata":"","#,
                r#""commitTimestamp":7,"expireTimestamp":9}}}"#
            ))
        );
        let removed = print("OffsetsMessageFormatter", Some(KEY), None).expect("it is printed");
        assert!(removed.ends_with(r#""value":null}"#), "{removed}");
    }

    #[test]
    fn records_of_other_kinds_are_passed_over_and_damaged_ones_named() {
        let nothing = Ok(String::new());
        assert_eq!(print("GroupMetadataMessageFormatter", Some(KEY), Some(VALUE)), nothing);
        assert_eq!(print("OffsetsMessageFormatter", Some(b"\0\x63"), None), nothing);
        assert_eq!(print("OffsetsMessageFormatter", None, None), nothing);
        let damaged = print("OffsetsMessageFormatter", Some(&KEY[..7]), None).unwrap_err();
        assert!(damaged.starts_with("Could not read record at offset 3: "), "{damaged}");
        assert!(CoordinatorFormatter::by_class("MyFormatter").is_none());
    }
}
