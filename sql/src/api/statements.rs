//! POST /ksql: definitions and listings; answers an array with an entity for each.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value as Json;

use super::error::{bad_request, json_body, response};
use crate::engine::{Engine, Outcome};
use crate::error::{ErrorKind, SqlError};
use crate::parser;
use crate::parser::ast::Statement;

/// The body of a request with statements. Older and newer endpoints name its members differently.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Request {
    #[serde(alias = "sql")]
    pub(super) ksql: String,
    #[serde(default, alias = "properties", rename = "streamsProperties")]
    pub(super) properties: HashMap<String, Json>,
    #[serde(default, rename = "sessionVariables")]
    pub(super) variables: HashMap<String, Json>,
}

impl Request {
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| {
            format!("The body must be JSON such as {{\"ksql\": \"SHOW STREAMS;\"}}: {error}")
        })
    }

    /// The statements with variables put in.
    pub(super) fn text(&self) -> String {
        parser::substitute(&self.ksql, &texts(&self.variables))
    }

    pub(super) fn properties(&self) -> HashMap<String, String> {
        texts(&self.properties)
    }
}

fn texts(values: &HashMap<String, Json>) -> HashMap<String, String> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    values.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

pub(super) async fn ksql(State(engine): State<Engine>, body: axum::body::Bytes) -> Response {
    let request = match Request::parse(&body) {
        Ok(request) => request,
        Err(message) => return bad_request(&message),
    };
    let text = request.text();
    if let Err(error) = only_definitions(&text) {
        return response(&error, &text, &text, Vec::new());
    }
    match engine.execute(&text, &request.properties()).await {
        Ok(outcomes) => json_body(Json::Array(entities(outcomes))).into_response(),
        Err(failed) => response(&failed.error, &text, &failed.statement, entities(failed.outcomes)),
    }
}

fn entities(outcomes: Vec<Outcome>) -> Vec<Json> {
    let entity = |outcome| match outcome {
        Outcome::Entity(entity) => Some(entity),
        _ => None,
    };
    outcomes.into_iter().filter_map(entity).collect()
}

/// Queries have endpoints of their own.
fn only_definitions(text: &str) -> Result<(), SqlError> {
    for parsed in parser::parse(text)? {
        let what = match parsed.statement {
            Statement::Select(_) => "SELECT queries",
            Statement::Print(_) => "PRINT statements",
            _ => continue,
        };
        let message = format!(
            "The following statement types should be issued to the websocket endpoint '/query': \
             {what}"
        );
        return Err(SqlError::new(ErrorKind::WrongEndpoint, message).at(parsed.span));
    }
    Ok(())
}
