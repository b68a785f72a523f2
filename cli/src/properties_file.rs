//! A `.properties` file named on the command line, read as Kafka reads it.

use std::collections::BTreeMap;

use javatext::properties;

/// The properties of a file. A character beyond ASCII is one of ISO 8859-1, as for Kafka; since
/// hardly anybody writes that any more, the first such line is named in the log.
///
/// # Errors
/// The file cannot be read or has an escape that is none: one sentence with its place.
pub(crate) fn read(path: &str) -> Result<BTreeMap<String, String>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    if let Some(line) = properties::first_line_beyond_ascii(&bytes) {
        tracing::warn!(
            "{path}: line {line} has a character beyond ASCII; as for Kafka, the file is read as \
             ISO 8859-1: write other characters as \\uXXXX"
        );
    }
    properties::load(&bytes).map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_latin_1_and_its_faults_are_named_with_their_place() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("a.properties");
        let path = file.display().to_string();
        std::fs::write(&file, b"name=n\xe9\nother:\\uD55C\\uAE00\n").expect("a file is written");
        let read_back = read(&path).expect("properties");
        assert_eq!(read_back["name"], "né");
        assert_eq!(read_back["other"], "한글");
        std::fs::write(&file, "a=1\nb=\\u12\n").expect("a file is written");
        let error = read(&path).expect_err("an escape that is none");
        assert_eq!(
            error,
            format!("{path}: line 2: \\u must be followed by four hexadecimal digits")
        );
        assert!(
            read("no-such.properties").expect_err("no file").starts_with("no-such.properties: ")
        );
    }
}
