//! The demo's files: those that the binary carries, written where the connectors can read them, or
//! a folder of the user's.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use connect::ConnectorConfig;
use flate2::read::DeflateDecoder;

/// The statements.
const SCRIPT: &str = "flights.sql";
/// The name of the connector whose progress is shown.
pub(super) const FLIGHTS: &str = "flights";
/// The connector of what the flights are joined with.
pub(super) const AIRLINES: &str = "airlines";

/// What the binary carries of `examples/flights`: text as it is, the flights compressed.
const CARRIED: [(&str, Carried); 5] = [
    (SCRIPT, Carried::Text(include_str!("../../../examples/flights/flights.sql"))),
    (
        "flights.properties",
        Carried::Text(include_str!("../../../examples/flights/flights.properties")),
    ),
    (
        "airlines.properties",
        Carried::Text(include_str!("../../../examples/flights/airlines.properties")),
    ),
    (
        "data/airlines.csv",
        Carried::Text(include_str!("../../../examples/flights/data/airlines.csv")),
    ),
    (
        "data/flights.csv",
        Carried::Deflated(include_bytes!(concat!(env!("OUT_DIR"), "/flights.csv.deflate"))),
    ),
];

#[derive(Clone, Copy)]
enum Carried {
    Text(&'static str),
    /// Made by the build script.
    Deflated(&'static [u8]),
}

impl Carried {
    fn bytes(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Text(text) => Ok(text.as_bytes().to_vec()),
            Self::Deflated(packed) => {
                let mut bytes = Vec::new();
                DeflateDecoder::new(packed).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

/// A folder with the statements, the connector files and `data/`.
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    /// The user's folder.
    pub(super) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The carried files, written below the data folder. A file that is there and the same stays
    /// untouched, for a connector knows how far it has read it.
    ///
    /// # Errors
    /// The folder cannot be written; the error names the file.
    pub(super) fn unpack(data: &Path) -> anyhow::Result<Self> {
        // Positions are kept by path, so that it must not depend on where the demo is started.
        let folder = std::path::absolute(data).unwrap_or_else(|_| data.to_owned()).join("files");
        for (name, carried) in CARRIED {
            let path = folder.join(name);
            write(&path, carried).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Self { folder })
    }

    /// The statements.
    ///
    /// # Errors
    /// The file cannot be read; the error says what the folder needs.
    pub(super) fn script(&self) -> anyhow::Result<String> {
        let path = self.folder.join(SCRIPT);
        std::fs::read_to_string(&path).with_context(|| {
            format!(
                "cannot read {}: --files names a folder such as examples/flights of the sources; \
                 without it the demo has its own",
                path.display()
            )
        })
    }

    /// The connectors, with their CSV files and the pace of the flights.
    ///
    /// # Errors
    /// A connector's file cannot be read, or is none.
    pub(super) fn connectors(&self, rate: u32) -> anyhow::Result<Vec<ConnectorConfig>> {
        let mut connectors = Vec::new();
        for name in [AIRLINES, FLIGHTS] {
            let mut config =
                ConnectorConfig::read(&self.folder.join(format!("{name}.properties")))?;
            let data = self.folder.join("data").join(format!("{name}.csv"));
            config.settings.insert("files".to_owned(), data.display().to_string());
            if name == FLIGHTS {
                config.settings.insert("records.per.second".to_owned(), rate.to_string());
            }
            connectors.push(config);
        }
        Ok(connectors)
    }
}

/// Writes what differs, and never half of it.
fn write(path: &Path, carried: Carried) -> io::Result<()> {
    let bytes = carried.bytes()?;
    if std::fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension("new");
    std::fs::write(&draft, bytes)?;
    std::fs::rename(draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_binary_carries_is_what_the_example_holds() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let files = Files::unpack(data.path()).expect("the files are written");
        let source = Path::new("../examples/flights");
        for (name, _) in CARRIED {
            let written = std::fs::read(files.folder.join(name)).expect("a file is there");
            let expected = std::fs::read(source.join(name)).expect("the example is there");
            assert!(written == expected, "{name}");
        }
        let connectors = files.connectors(7).expect("the connectors are read");
        assert_eq!(connectors[1].settings["records.per.second"], "7");
    }

    #[test]
    fn a_file_that_is_there_stays_and_a_torn_one_is_written_anew() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let files = Files::unpack(data.path()).expect("the files are written");
        let (csv, script) = (files.folder.join("data/flights.csv"), files.folder.join(SCRIPT));
        let modified = |path: &Path| {
            let meta = std::fs::metadata(path).expect("a file is there");
            std::os::unix::fs::MetadataExt::ino(&meta)
        };
        let before = modified(&csv);
        std::fs::write(&script, "SELECT").expect("the script is torn");
        let files = Files::unpack(data.path()).expect("the files are written");
        assert_eq!(modified(&csv), before);
        assert!(files.script().expect("the script").ends_with("EMIT CHANGES;\n"));
    }
}
