//! Positions in a file: one JSON object, replaced as a whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::{Map, Value as Json};
use tokio::sync::Mutex;

use super::{Changes, Checkpoint, OffsetError, OffsetStore, entries, take_entry};

pub(crate) struct FileStore {
    path: PathBuf,
    /// Held while the file is written, so that saves follow one another.
    checkpoints: Mutex<BTreeMap<String, Checkpoint>>,
}

impl FileStore {
    pub(crate) fn open(path: &Path) -> Result<Self, OffsetError> {
        let shown = || path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(OffsetError::File { path: shown(), source }),
        };
        let mut stored = BTreeMap::new();
        if !text.trim().is_empty() {
            let object: Map<String, Json> = serde_json::from_str(&text).map_err(|error| {
                let reason =
                    format!("no positions can be read ({error}); is it another program's?");
                OffsetError::Content { place: shown(), reason }
            })?;
            for (key, value) in object {
                let value = value.to_string();
                take_entry(&mut stored, key.as_bytes(), Some(value.as_bytes()));
            }
        }
        let checkpoints =
            stored.into_iter().map(|(name, stored)| (name, stored.checkpoint())).collect();
        Ok(Self { path: path.to_owned(), checkpoints: Mutex::new(checkpoints) })
    }
}

#[async_trait]
impl OffsetStore for FileStore {
    async fn load(&self, connector: &str) -> Result<Option<Checkpoint>, OffsetError> {
        Ok(self.checkpoints.lock().await.get(connector).cloned())
    }

    async fn save(&self, connector: &str, changes: &Changes) -> Result<(), OffsetError> {
        let mut all = self.checkpoints.lock().await;
        all.entry(connector.to_owned()).or_default().apply(changes);
        let all_entries = all.iter().flat_map(|(name, checkpoint)| {
            let Checkpoint { positions, written } = checkpoint.clone();
            entries(name, &Changes { positions, written: Some(written) })
        });
        let object: Map<String, Json> =
            all_entries.filter_map(|(key, value)| Some((key, value?))).collect();
        let text = Json::Object(object).to_string();
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || replace(&path, &text));
        let written = written.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        written.map_err(|source| {
            let path = self.path.display().to_string();
            OffsetError::File { path, source }
        })
    }

    async fn close(&self) {}
}

/// The new text takes the place of the old one in one step, once it is on the disk.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    // The new name is on the disk when the folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Written;
    use super::*;
    use crate::plugin::Positions;

    #[tokio::test]
    async fn positions_are_there_after_the_store_is_opened_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("offsets");
        let store = FileStore::open(&path).expect("opened");
        assert_eq!(store.load("c").await.expect("loaded"), None);
        let written = Written { open: true, ..Written::default() };
        let place = |position: u64| {
            let position = json!({"position": position}).as_object().cloned().expect("an object");
            Positions::from([(json!({"filename": position["position"]}).to_string(), position)])
        };
        let first = Changes { positions: place(1), written: Some(written.clone()) };
        store.save("c", &first).await.expect("saved");
        let second = Changes { positions: place(2), written: None };
        store.save("c", &second).await.expect("saved");
        let positions = place(1).into_iter().chain(place(2)).collect();
        let checkpoint = Checkpoint { positions, written };
        let again = FileStore::open(&path).expect("opened");
        assert_eq!(again.load("c").await.expect("loaded"), Some(checkpoint));
        std::fs::write(&path, "\u{ac}\u{ed} not ours").expect("written");
        assert!(matches!(FileStore::open(&path), Err(OffsetError::Content { .. })));
    }
}
