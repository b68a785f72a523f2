//! `partition.metadata`: which topic, by id, a partition's folder was made for.

use std::io;
use std::path::Path;

use uuid::Uuid;

use crate::error::{OpenError, StorageError};
use crate::identity::{parse_id, print_id};
use crate::store::{self, Store};

/// What stands before the id.
const HEAD: &str = "version: 0\ntopic_id: ";

/// Characters of an id.
const ID_LENGTH: usize = 22;

/// The topic id of a folder; `None` when the file is not there, or torn by a crash.
pub(crate) fn read(store: &dyn Store, path: &Path) -> Result<Option<Uuid>, OpenError> {
    let bytes = match store::read_all(store, path) {
        Ok(bytes) if is_torn(&bytes) => return Ok(None),
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StorageError::on("read", path)(error).into()),
    };
    parse(&bytes).map(Some).map_err(|(line, problem)| OpenError::Malformed {
        path: path.to_owned(),
        line,
        problem: problem.to_owned(),
    })
}

/// Writes the file, which the log's first flush syncs.
pub(crate) fn write(store: &dyn Store, path: &Path, topic_id: Uuid) -> Result<(), StorageError> {
    let text = format!("{HEAD}{}", print_id(topic_id));
    store::replace_unsynced(store, path, text.as_bytes()).map_err(StorageError::on("write", path))
}

/// Whether this is what a loss of power may leave of a file that was written before it.
fn is_torn(bytes: &[u8]) -> bool {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let id = text.strip_prefix(HEAD.as_bytes());
    let rest_is_zero = bytes[text.len()..].iter().all(|byte| *byte == 0);
    let too_short = match id {
        Some(id) => id.len() < ID_LENGTH,
        None => HEAD.as_bytes().starts_with(text),
    };
    rest_is_zero && too_short
}

fn parse(bytes: &[u8]) -> Result<Uuid, (usize, &'static str)> {
    let text = std::str::from_utf8(bytes).map_err(|_| (1, "it is not text"))?;
    let mut lines = text.lines();
    let mut value = |key| lines.next()?.strip_prefix(key)?.strip_prefix(':').map(str::trim);
    if value("version") != Some("0") {
        return Err((1, "it is not `version: 0`"));
    }
    value("topic_id").and_then(parse_id).ok_or((2, "it is no `topic_id: ID`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    #[test]
    fn an_id_is_written_and_read_back() {
        let store = MemoryStore::default();
        let path = Path::new("partition.metadata");
        let id = Uuid::from_u128(42);
        assert_eq!(read(&store, path).unwrap(), None);
        write(&store, path, id).unwrap();
        let text = store::read_all(&store, path).unwrap();
        assert_eq!(text, b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAKg");
        assert_eq!(read(&store, path).unwrap(), Some(id));
    }

    #[test]
    fn a_file_that_a_crash_has_torn_is_as_if_it_were_not_there() {
        let store = MemoryStore::default();
        let path = Path::new("partition.metadata");
        write(&store, path, Uuid::from_u128(42)).unwrap();
        let whole = store::read_all(&store, path).unwrap();
        for length in 0..whole.len() {
            let mut torn = whole[..length].to_vec();
            store::replace(&store, path, &torn).unwrap();
            assert_eq!(read(&store, path).unwrap(), None, "{length} bytes");
            torn.resize(whole.len(), 0);
            store::replace(&store, path, &torn).unwrap();
            assert_eq!(read(&store, path).unwrap(), None, "{length} bytes and zeros");
        }
        store::replace(&store, path, b"version: 1\ntopic_id: x").unwrap();
        assert!(read(&store, path).is_err(), "of another version");
    }

    #[test]
    fn a_damaged_file_says_which_line() {
        for (text, line) in [("?", 1), ("version: 1\ntopic_id: x", 1), ("version: 0\nid: x", 2)] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().0, line, "{text:?}");
        }
    }
}
