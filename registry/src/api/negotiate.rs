//! Content types: the registry's own, older and newer, and plain JSON.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};

use crate::error::RegistryError;

/// What is answered, in the order of preference.
const PRODUCED: [&str; 3] = [
    "application/vnd.schemaregistry.v1+json",
    "application/vnd.schemaregistry+json",
    "application/json",
];

/// The content type of the answer.
pub(super) fn answer_type(headers: &HeaderMap) -> Result<&'static str, RegistryError> {
    let accepted: Vec<&str> =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    if accepted.iter().all(|value| value.trim().is_empty()) {
        return Ok(PRODUCED[0]);
    }
    let ranges = accepted.iter().flat_map(|value| value.split(',')).map(essence);
    let ranges: Vec<String> = ranges.collect();
    let fits = |produced: &&&str| ranges.iter().any(|range| covers(range, produced));
    PRODUCED.iter().find(fits).copied().ok_or(RegistryError::NotAcceptable)
}

/// The type without its parameters.
fn essence(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn covers(range: &str, produced: &str) -> bool {
    matches!(range, "*/*" | "*" | "application/*") || range == produced
}

/// Refuses a body that says it is something else than JSON.
pub(super) fn check_body_type(headers: &HeaderMap) -> Result<(), RegistryError> {
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let given = essence(given.to_str().unwrap_or_default());
    let known = given.is_empty()
        || given == "application/octet-stream"
        || PRODUCED.contains(&given.as_str());
    if known { Ok(()) } else { Err(RegistryError::UnsupportedMediaType) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_answer_is_what_the_client_takes() {
        let answered = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            answer_type(&headers).ok()
        };
        assert_eq!(answer_type(&HeaderMap::new()).ok(), Some(PRODUCED[0]));
        assert_eq!(answered("*/*"), Some(PRODUCED[0]));
        assert_eq!(answered("text/html, application/json;q=0.5"), Some(PRODUCED[2]));
        assert_eq!(answered("application/vnd.schemaregistry+json"), Some(PRODUCED[1]));
        assert_eq!(answered("text/plain"), None);
    }
}
