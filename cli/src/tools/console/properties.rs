//! `--property` and its kind: what a reader of lines or a writer of records is told by name.

use std::collections::BTreeMap;

/// Texts by name, all of them known.
pub(super) struct Named<'a>(&'a BTreeMap<String, String>);

impl<'a> Named<'a> {
    /// `what` is whose properties they are.
    ///
    /// # Errors
    /// Names the first that is not known, and those that are.
    pub(super) fn new(
        what: &str,
        known: &[&str],
        given: &'a BTreeMap<String, String>,
    ) -> Result<Self, String> {
        match given.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(Self(given)),
            Some(name) => {
                let known = known.join(", ");
                Err(format!("Unknown {what} property {name}; the properties are {known}"))
            }
        }
    }

    pub(super) fn text(&self, name: &str, default: &str) -> String {
        self.0.get(name).map_or_else(|| default.to_owned(), Clone::clone)
    }

    pub(super) fn is_true(&self, name: &str, default: bool) -> bool {
        let text = self.0.get(name);
        text.map_or(default, |text| text.trim().eq_ignore_ascii_case("true"))
    }
}
