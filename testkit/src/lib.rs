//! What the tests of several crates share, and what keeps the tree as it should be: `tests/tidy`
//! holds every source file and every crate edge against the project's rules. That is a test, so
//! that `make test` and CI run it. Fixtures of one crate live beside that crate's tests.
//!
//! ```text
//!   disk      a disk in trouble
//!   cluster   a broker in the process of a test
//! ```

#[cfg(feature = "cluster")]
mod cluster;
pub mod disk;

use std::path::PathBuf;

#[cfg(feature = "cluster")]
pub use cluster::Cluster;

/// The root of the workspace whose tests run. Cargo runs tests in the folder of their package;
/// where they were compiled may be another checkout.
pub fn workspace_root() -> PathBuf {
    let package = std::env::current_dir().expect("tests run in a folder");
    let root = package.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.expect("the package is in a workspace").to_owned()
}

/// Every file below the workspace root that belongs to the project: build output, version
/// control and dot folders are left out. Paths are relative to the root and sorted.
pub fn project_files() -> Vec<PathBuf> {
    let root = workspace_root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).expect("a folder of the project can be read");
        for entry in entries {
            let entry = entry.expect("an entry of a project folder can be read");
            let name = entry.file_name();
            if name == "target" || name == "node_modules" || name.as_encoded_bytes()[0] == b'.' {
                continue;
            }
            let path = entry.path();
            if entry.file_type().expect("an entry has a type").is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(&root).expect("found below the root").to_path_buf());
            }
        }
    }
    found.sort();
    found
}
