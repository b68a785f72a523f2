//! Files and folders with what of them is synced.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};

use broker_log::Entry;

use super::Random;

/// All there is; a node is named by its number, and stays as long as somebody may hold it open.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    File(Content),
    Folder(Names),
}

#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// What was done since the last sync, in its order.
    since: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { position: usize, bytes: Vec<u8> },
    SetSize(usize),
}

#[derive(Clone, Debug, Default)]
struct Names {
    now: BTreeMap<String, usize>,
    synced: BTreeMap<String, usize>,
    since: Vec<NameChange>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Put(String, usize),
    Remove(String),
    Rename { from: String, to: String },
}

const ROOT: usize = 0;

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::Folder(Names::default())] }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { position, bytes } => {
                let end = position + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*position..end].copy_from_slice(bytes);
            }
            Self::SetSize(size) => content.resize(*size, 0),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Put(name, node) => drop(names.insert(name.clone(), *node)),
            Self::Remove(name) => drop(names.remove(name)),
            Self::Rename { from, to } => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }
}

impl Content {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.since.push(change);
    }

    fn lose_power(&mut self, random: &mut Random) {
        let survive = random.up_to(self.since.len());
        let mut content = std::mem::take(&mut self.synced);
        for change in &self.since[..survive] {
            change.apply(&mut content);
        }
        if let Some(Change::Write { position, bytes }) = self.since.get(survive) {
            let bytes = bytes[..random.up_to(bytes.len())].to_vec();
            Change::Write { position: *position, bytes }.apply(&mut content);
        }
        *self = Self { now: content.clone(), synced: content, since: Vec::new() };
    }
}

impl Names {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.now);
        self.since.push(change);
    }

    fn lose_power(&mut self, random: &mut Random) {
        let survive = random.up_to(self.since.len());
        let mut names = std::mem::take(&mut self.synced);
        for change in &self.since[..survive] {
            change.apply(&mut names);
        }
        *self = Self { now: names.clone(), synced: names, since: Vec::new() };
    }
}

fn parts(path: &Path) -> impl Iterator<Item = String> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    })
}

impl Tree {
    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut node = ROOT;
        for name in parts(path) {
            node = *self.names(node)?.now.get(&name).ok_or(ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    fn names(&self, node: usize) -> io::Result<&Names> {
        match &self.nodes[node] {
            Node::Folder(names) => Ok(names),
            Node::File(_) => Err(ErrorKind::NotFound.into()),
        }
    }

    fn names_mut(&mut self, node: usize) -> io::Result<&mut Names> {
        match &mut self.nodes[node] {
            Node::Folder(names) => Ok(names),
            Node::File(_) => Err(ErrorKind::NotFound.into()),
        }
    }

    fn file_mut(&mut self, node: usize) -> &mut Content {
        match &mut self.nodes[node] {
            Node::File(content) => content,
            Node::Folder(_) => unreachable!("only files are opened"),
        }
    }

    /// The folder that a path is in, and its last name.
    fn parent(&self, path: &Path) -> io::Result<(usize, String)> {
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let folder = self.find(path.parent().unwrap_or_else(|| Path::new("")))?;
        self.names(folder)?;
        Ok((folder, name.to_string_lossy().into_owned()))
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<usize> {
        let node = self.find(path)?;
        match self.nodes[node] {
            Node::File(_) => Ok(node),
            Node::Folder(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn is_dir(&self, path: &Path) -> bool {
        self.find(path).is_ok_and(|node| matches!(self.nodes[node], Node::Folder(_)))
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<usize> {
        match self.file(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            found => return found,
        }
        let (folder, name) = self.parent(path)?;
        let node = self.add(Node::File(Content::default()));
        self.names_mut(folder)?.change(NameChange::Put(name, node));
        Ok(node)
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut node = ROOT;
        for name in parts(path) {
            node = match self.names(node)?.now.get(&name) {
                Some(found) => *found,
                None => {
                    let new = self.add(Node::Folder(Names::default()));
                    self.names_mut(node)?.change(NameChange::Put(name, new));
                    new
                }
            };
            if matches!(self.nodes[node], Node::File(_)) {
                return Err(ErrorKind::AlreadyExists.into());
            }
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let (old_folder, old) = self.parent(from)?;
        let (new_folder, new) = self.parent(to)?;
        if let Some(there) = self.names(new_folder)?.now.get(&new)
            && let Node::Folder(names) = &self.nodes[*there]
            && !names.now.is_empty()
        {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        if old_folder == new_folder {
            let change = NameChange::Rename { from: old, to: new };
            self.names_mut(old_folder)?.change(change);
            return Ok(());
        }
        self.names_mut(new_folder)?.change(NameChange::Put(new, node));
        self.names_mut(old_folder)?.change(NameChange::Remove(old));
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        let (folder, name) = self.parent(path)?;
        self.names_mut(folder)?.change(NameChange::Remove(name));
        Ok(())
    }

    pub(super) fn remove_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path)?;
        self.names(node)?;
        let (folder, name) = self.parent(path)?;
        self.names_mut(folder)?.change(NameChange::Remove(name));
        Ok(())
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let names = self.names(self.find(dir)?)?;
        let entries = names.now.iter().map(|(name, node)| {
            let (is_dir, size) = match &self.nodes[*node] {
                Node::File(content) => (false, content.now.len() as u64),
                Node::Folder(_) => (true, 0),
            };
            Entry { name: name.clone(), is_dir, size, modified_ms: 0 }
        });
        Ok(entries.collect())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        let node = self.find(dir)?;
        let names = self.names_mut(node)?;
        names.synced = names.now.clone();
        names.since.clear();
        Ok(())
    }

    pub(super) fn content(&self, node: usize) -> &[u8] {
        match &self.nodes[node] {
            Node::File(content) => &content.now,
            Node::Folder(_) => &[],
        }
    }

    pub(super) fn write(&mut self, node: usize, bytes: &[u8], position: u64) {
        if !bytes.is_empty() {
            let (position, bytes) = (position as usize, bytes.to_vec());
            self.file_mut(node).change(Change::Write { position, bytes });
        }
    }

    pub(super) fn set_size(&mut self, node: usize, size: usize) {
        self.file_mut(node).change(Change::SetSize(size));
    }

    pub(super) fn sync(&mut self, node: usize) {
        let content = self.file_mut(node);
        content.synced = content.now.clone();
        content.since.clear();
    }

    /// Bytes of all files that have a name.
    pub(super) fn used(&self) -> u64 {
        self.used_below(ROOT)
    }

    fn used_below(&self, node: usize) -> u64 {
        match &self.nodes[node] {
            Node::File(content) => content.now.len() as u64,
            Node::Folder(names) => names.now.values().map(|node| self.used_below(*node)).sum(),
        }
    }

    pub(super) fn lose_power(&mut self, random: &mut Random) {
        for node in &mut self.nodes {
            match node {
                Node::File(content) => content.lose_power(random),
                Node::Folder(names) => names.lose_power(random),
            }
        }
    }
}
