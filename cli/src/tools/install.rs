//! `yeoul tools`: the list of Kafka's tools that this binary answers to, and links by their names.

use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{TOOLS, absent};

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Name the tools
    List,
    /// Make links to this binary by the tools' names, with and without `.sh`; tools of Kafka's that
    /// are not there have links as well, which say so
    Install {
        /// The folder for the links; put it on the PATH
        dir: PathBuf,
    },
}

pub(crate) fn run(action: &Action) -> i32 {
    match action {
        Action::List => {
            for tool in TOOLS {
                println!("{:<28} {}", tool.name, tool.about);
            }
            println!("\nNot there; each says by its name what to do instead:");
            let names: Vec<&str> = absent::all().map(|tool| tool.name).collect();
            for row in names.chunks(3) {
                println!("  {}", row.join(", "));
            }
            0
        }
        Action::Install { dir } => match install(dir) {
            Ok(count) => {
                println!("{count} links in {}; add it to the PATH to use them", dir.display());
                println!("among them those of tools that are not there, which say so");
                0
            }
            Err(error) => {
                eprintln!("tools install: {}: {error}", dir.display());
                1
            }
        },
    }
}

/// Makes the links and answers their number. A link of ours that is there already is replaced; any
/// other file of that name is left alone and named in the error.
fn install(dir: &Path) -> io::Result<usize> {
    let binary = std::env::current_exe()?;
    std::fs::create_dir_all(dir)?;
    let mut count = 0;
    let there = TOOLS.iter().map(|tool| tool.name);
    for name in there.chain(absent::all().map(|tool| tool.name)) {
        for file in [name.to_owned(), format!("{name}.sh")] {
            link(&binary, &dir.join(file))?;
            count += 1;
        }
    }
    Ok(count)
}

fn link(binary: &Path, at: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(at) {
        Ok(found) if found.is_symlink() => std::fs::remove_file(at)?,
        Ok(_) => {
            let text = format!("{} exists and is not a link; remove it first", at.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::os::unix::fs::symlink(binary, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_by_both_names_and_may_be_made_again() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let links = dir.path().join("bin");
        for _ in 0..2 {
            let names = TOOLS.len() + absent::all().count();
            assert_eq!(install(&links).expect("links are made"), names * 2);
        }
        assert!(links.join("kafka-acls.sh").exists(), "a tool that is not there has a link, too");
        let target = std::fs::read_link(links.join("kafka-storage.sh")).expect("a link");
        assert_eq!(target, std::env::current_exe().expect("a path"));
    }

    #[test]
    fn a_file_that_is_no_link_is_left_alone() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("kafka-storage"), "mine").expect("a file is written");
        let error = install(dir.path()).expect_err("the file is in the way");
        assert!(error.to_string().contains("is not a link"), "{error}");
        assert_eq!(std::fs::read(dir.path().join("kafka-storage")).expect("still there"), b"mine");
    }
}
