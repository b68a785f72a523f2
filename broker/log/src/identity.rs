//! `meta.properties`: which node of which cluster a log dir belongs to. And Kafka's spelling
//! of ids, which it and `partition.metadata` share.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use javatext::properties::{self, Entry, PropertiesError};
use uuid::Uuid;

/// The content of `meta.properties`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    pub cluster_id: String,
    pub node_id: i32,
    /// Tells log dirs apart; `None` in files of brokers before Kafka 3.7.
    pub directory_id: Option<Uuid>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) line: usize,
    pub(crate) problem: String,
}

impl MetaProperties {
    pub(crate) fn print(&self) -> String {
        let Self { cluster_id, node_id, directory_id } = self;
        let mut text = format!("version=1\ncluster.id={cluster_id}\nnode.id={node_id}\n");
        if let Some(id) = directory_id {
            text += &format!("directory.id={}\n", print_id(*id));
        }
        text
    }

    /// Reads Java properties of both versions (0: of ZooKeeper days, with `broker.id`).
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let malformed = |line, problem: &str| Malformed { line, problem: problem.to_owned() };
        let text = std::str::from_utf8(bytes).map_err(|_| malformed(1, "it is not text"))?;
        let entries = properties::entries(text).map_err(|error| {
            let (PropertiesError::Escape { line } | PropertiesError::HalfCharacter { line, .. }) =
                error;
            malformed(line, "\\u stands before what is no character")
        })?;
        let (mut cluster_id, mut node_id, mut directory_id) = (None, None, None);
        let mut last = 1;
        for Entry { line, key, value } in entries {
            last = line;
            let value = value.trim_end().to_owned();
            match key.as_str() {
                "cluster.id" => cluster_id = Some(value),
                "node.id" | "broker.id" => {
                    let id = value.parse().map_err(|_| malformed(last, "it is no node id"))?;
                    node_id = Some(id);
                }
                "directory.id" => {
                    let id = parse_id(&value);
                    directory_id = Some(id.ok_or_else(|| malformed(last, "it is no id"))?);
                }
                "version" if !matches!(value.as_str(), "0" | "1") => {
                    return Err(malformed(last, "the version is neither 0 nor 1"));
                }
                _ => {}
            }
        }
        Ok(Self {
            cluster_id: cluster_id.ok_or_else(|| malformed(last, "there is no cluster.id"))?,
            node_id: node_id.ok_or_else(|| malformed(last, "there is no node.id"))?,
            directory_id,
        })
    }
}

/// An id as Kafka prints it: 22 characters of URL-safe base 64.
pub fn print_id(id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

/// Reads what [`print_id`] prints.
pub fn parse_id(text: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    Uuid::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_parsed() {
        let properties = MetaProperties {
            cluster_id: "eWVvdWwtcGVlci1rYWZrYQ".into(),
            node_id: 3,
            directory_id: Some(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)),
        };
        let text = properties.print();
        assert_eq!(
            text,
            "version=1\ncluster.id=eWVvdWwtcGVlci1rYWZrYQ\nnode.id=3\n\
             directory.id=ASNFZ4mrze8BI0VniavN7w\n"
        );
        assert_eq!(MetaProperties::parse(text.as_bytes()), Ok(properties));
    }

    #[test]
    fn a_file_of_java_with_comments_and_broker_id_is_read() {
        let text = "#\n#Sat Nov 21 07:32:50 UTC 2026\nversion=0\nbroker.id=0\ncluster.id=a\\=b\n";
        let found = MetaProperties::parse(text.as_bytes()).unwrap();
        let expected = MetaProperties { cluster_id: "a=b".into(), node_id: 0, directory_id: None };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_damaged_file_says_which_line() {
        for (text, line) in [
            ("version=7\n", 1),
            ("version=1\nnode.id=x\n", 2),
            ("version=1\ncluster.id=a\nnode.id=1\ndirectory.id=short\n", 4),
            ("version=1\nnode.id=1\n", 2),
            ("nonsense", 1),
        ] {
            let error = MetaProperties::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {}", error.problem);
        }
    }
}
