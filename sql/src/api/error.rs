//! Errors as the REST API has them: the one match from kinds to codes.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use crate::error::{ErrorKind, SqlError};

/// The media type of all answers.
pub(super) const MEDIA_TYPE: &str = "application/vnd.ksql.v1+json";

/// HTTP status and error code of a kind of error.
fn codes(kind: ErrorKind) -> (StatusCode, u32, &'static str) {
    match kind {
        ErrorKind::Syntax | ErrorKind::Statement | ErrorKind::Unsupported => {
            (StatusCode::BAD_REQUEST, 40001, "statement_error")
        }
        ErrorKind::WrongEndpoint => (StatusCode::BAD_REQUEST, 40002, "statement_error"),
        ErrorKind::TooManyQueries => (StatusCode::BAD_REQUEST, 40003, "statement_error"),
        ErrorKind::Server | ErrorKind::Unavailable => {
            (StatusCode::INTERNAL_SERVER_ERROR, 50000, "generic_error")
        }
        ErrorKind::Stopping => (StatusCode::SERVICE_UNAVAILABLE, 50303, "generic_error"),
    }
}

/// The answer to a text of statements that failed; `shown` is the message with its place.
pub(super) fn body(error: &SqlError, shown: &str, statement: &str, entities: Vec<Json>) -> Json {
    let (_, code, tag) = codes(error.kind);
    json!({
        "@type": tag,
        "error_code": code,
        "message": shown,
        "statementText": statement,
        "entities": entities,
    })
}

pub(super) fn response(
    error: &SqlError,
    text: &str,
    statement: &str,
    entities: Vec<Json>,
) -> Response {
    let (status, ..) = codes(error.kind);
    (status, json_body(body(error, &error.render(text), statement, entities))).into_response()
}

/// A request that is not what the endpoint takes.
pub(super) fn bad_request(message: &str) -> Response {
    let body = json!({"@type": "generic_error", "error_code": 40000, "message": message});
    (StatusCode::BAD_REQUEST, json_body(body)).into_response()
}

/// JSON with the API's media type.
pub(super) fn json_body(body: Json) -> impl IntoResponse {
    ([("content-type", MEDIA_TYPE)], body.to_string())
}
