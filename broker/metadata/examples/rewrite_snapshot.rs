//! Reads a snapshot of the metadata and writes it anew, for Kafka's tools to judge:
//! `cargo run -p broker-metadata --example rewrite_snapshot -- FROM DIR [LEVEL]`. The new file gets
//! the name of the old one, or that of `bootstrap.checkpoint`.

use std::error::Error;
use std::path::{Path, PathBuf};

use broker_metadata::MetadataVersion;
use broker_metadata::snapshot::{
    BOOTSTRAP_FILE, Bootstrap, SnapshotFile, SnapshotHead, SnapshotWriter, read,
};

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: rewrite_snapshot FROM DIR [LEVEL]";
    let mut arguments = std::env::args().skip(1);
    let from = PathBuf::from(arguments.next().ok_or(usage)?);
    let to = PathBuf::from(arguments.next().ok_or(usage)?);
    let level = arguments.next().map(|text| text.parse::<MetadataVersion>()).transpose()?;
    let name = from.file_name().and_then(|name| name.to_str()).ok_or(usage)?;
    let bytes = std::fs::read(&from)?.into();
    if name == BOOTSTRAP_FILE {
        let read = Bootstrap::read(&bytes)?;
        std::fs::write(to.join(name), read.write(1)?)?;
        return Ok(());
    }
    let id = SnapshotFile::parse(name).ok_or("the file has no name of a snapshot")?.id;
    let snapshot = read(&bytes, id.end_offset)?;
    let own = snapshot.image.metadata_version().unwrap_or(MetadataVersion::LATEST);
    let level = level.unwrap_or(own);
    for loss in snapshot.image.losses(level) {
        println!("{level} can't say {loss}");
    }
    let head = SnapshotHead {
        epoch: id.epoch,
        last_contained_log_timestamp: snapshot.head.last_contained_log_timestamp,
        kraft_version: snapshot.head.kraft_version,
        voters: snapshot.head.voters,
        now_ms: snapshot.head.last_contained_log_timestamp,
    };
    let mut written = Vec::new();
    for batch in SnapshotWriter::new(head, level, snapshot.image.records(level)).batch_bytes(700) {
        written.extend_from_slice(&batch?);
    }
    save(&to.join(id.file_name()), &written)
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    std::fs::write(path, bytes)?;
    println!("{}: {} bytes", path.display(), bytes.len());
    Ok(())
}
