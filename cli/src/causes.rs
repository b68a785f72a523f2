//! An error with its causes, each said once.

/// The error's own words, then those of its causes that are not among them yet. Many an error
/// repeats its cause in its own words and names it as its source too.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::Context as _;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read {path}: {source}")]
    struct Unreadable {
        path: &'static str,
        source: io::Error,
    }

    #[test]
    fn a_cause_that_its_error_repeats_is_said_once() {
        let source = io::Error::from_raw_os_error(2);
        let error = anyhow::Error::from(Unreadable { path: "a.sql", source });
        let once = "cannot read a.sql: No such file or directory (os error 2)";
        assert_eq!(told(&error), once);
        assert_eq!(told(&error.context("the shell ended")), format!("the shell ended: {once}"));
    }

    #[test]
    fn a_cause_that_is_not_repeated_is_said_behind_it() {
        let missing = || Err::<(), _>(io::Error::from_raw_os_error(2));
        let error = missing().context("a.properties").context("a connector cannot start");
        let text = told(&error.expect_err("it fails"));
        let whole =
            "a connector cannot start: a.properties: No such file or directory (os error 2)";
        assert_eq!(text, whole);
    }
}
