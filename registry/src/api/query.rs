//! The query part of a URL.

use std::collections::BTreeMap;

use crate::service::{Filter, Paging};

/// Decoded parameters in their order; unknown ones are nobody's business.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: Option<&str>) -> Self {
        let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decoded(&key.replace('+', " ")), decoded(&value.replace('+', " ")))
                })
                .collect(),
        )
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.text(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(super) fn paging(&self) -> Paging {
        let number = |key: &str| self.text(key).and_then(|value| value.parse::<i64>().ok());
        let offset = number("offset").and_then(|offset| usize::try_from(offset).ok()).unwrap_or(0);
        let limit = number("limit").filter(|limit| *limit > 0);
        Paging { offset, limit: limit.and_then(|limit| usize::try_from(limit).ok()) }
    }

    pub(super) fn filter(&self) -> Filter {
        Filter {
            prefix: self.text("subjectPrefix").map(str::to_owned),
            deleted: self.flag("deleted"),
            deleted_only: self.flag("deletedOnly"),
            latest_only: self.flag("latestOnly"),
        }
    }

    /// Repeated `key` and `value` parameters, paired.
    pub(super) fn pairs(&self) -> BTreeMap<String, String> {
        let all = |wanted: &'static str| {
            self.0.iter().filter(move |(key, _)| key == wanted).map(|(_, value)| value.clone())
        };
        all("key").zip(all("value")).collect()
    }
}

/// Percent signs undone; what is no UTF-8 then is replaced.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.filter(|_| bytes[at] == b'%').and_then(|h| u8::from_str_radix(h, 16).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_paired() {
        let query = Query::parse(Some("deleted=TRUE&limit=-1&offset=2&key=a%20b&value=%C3%A9&x"));
        assert!(query.flag("deleted") && !query.flag("x"));
        assert_eq!(query.paging().offset, 2);
        assert_eq!(query.paging().limit, None);
        assert_eq!(query.pairs(), BTreeMap::from([("a b".into(), "é".into())]));
        assert_eq!(decoded("100%"), "100%");
    }
}
