//! POST /query and /query-stream: rows as they come, until the query or the client ends.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value as Json, json};

use super::error::{MEDIA_TYPE, bad_request, body, json_body, response};
use super::statements::Request;
use crate::engine::{Engine, Outcome, header_schema};
use crate::error::{ErrorKind, SqlError};
use crate::parser;
use crate::parser::ast::{Parsed, Statement};
use crate::query::rows::{PrintStream, QueryStream, ResultColumn, RowEvent};

/// The media type of /query-stream unless the client asks for JSON.
const DELIMITED: &str = "application/vnd.ksqlapi.delimited.v1";

/// How long a part of a body becomes, about: what is ready beyond that waits for the client.
const PART_BYTES: usize = 64 << 10;

/// How the rows of an answer are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One JSON array of objects: header, rows, final message.
    Query,
    /// A header line, then a line for each row.
    Lines,
    /// One JSON array: header, then rows.
    Array,
}

pub(super) async fn query(State(engine): State<Engine>, body: axum::body::Bytes) -> Response {
    answer(&engine, &body, Shape::Query).await
}

pub(super) async fn query_stream(
    State(engine): State<Engine>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    let accept = headers.get("accept").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let shape = if accept.contains("application/json") { Shape::Array } else { Shape::Lines };
    answer(&engine, &body, shape).await
}

pub(super) async fn close_query(State(engine): State<Engine>, body: axum::body::Bytes) -> Response {
    let id = serde_json::from_slice::<Json>(&body).ok();
    let id = id.as_ref().and_then(|b| b["queryId"].as_str());
    match id {
        None => bad_request("The body must be JSON such as {\"queryId\": \"..\"}"),
        Some(id) if engine.close_query(id) => json_body(json!({})).into_response(),
        Some(id) => bad_request(&format!("No query with id {id}")),
    }
}

async fn answer(engine: &Engine, bytes: &[u8], shape: Shape) -> Response {
    let request = match Request::parse(bytes) {
        Ok(request) => request,
        Err(message) => return bad_request(&message),
    };
    let text = request.text();
    let refuse = |error: &SqlError| response(error, &text, &text, Vec::new());
    if let Err(error) = only_query(&text) {
        return refuse(&error);
    }
    match engine.execute(&text, &request.properties()).await {
        Err(failed) => response(&failed.error, &text, &failed.statement, Vec::new()),
        Ok(mut outcomes) => match (outcomes.pop(), outcomes.is_empty()) {
            (Some(Outcome::Rows(rows)), true) => streamed(rows, shape, &text),
            (Some(Outcome::Print(lines)), true) => printed(lines),
            _ => refuse(&not_one_query()),
        },
    }
}

fn not_one_query() -> SqlError {
    let message = "Expected exactly one SELECT or PRINT statement; send others to /ksql";
    SqlError::new(ErrorKind::WrongEndpoint, message)
}

/// Refuses, before anything is carried out, what is not one query, with SETs before it at most.
fn only_query(text: &str) -> Result<(), SqlError> {
    let mut statements = parser::parse(text)?;
    let last = statements.pop().map(|last| last.statement);
    let is_query = matches!(last, Some(Statement::Select(_) | Statement::Print(_)));
    let is_setting = |parsed: &Parsed| {
        matches!(parsed.statement, Statement::Set { .. } | Statement::Unset { .. })
    };
    if is_query && statements.iter().all(is_setting) { Ok(()) } else { Err(not_one_query()) }
}

fn streamed(query: QueryStream, shape: Shape, text: &str) -> Response {
    let opening = header(&query, shape);
    let writer =
        Writer { query, shape, text: text.to_owned(), opening: Some(opening), done: false };
    let parts = stream::unfold(writer, |mut writer| async move {
        let part = writer.next().await?;
        Some((Ok::<_, Infallible>(part), writer))
    });
    let media = match shape {
        Shape::Query => MEDIA_TYPE,
        Shape::Lines => DELIMITED,
        Shape::Array => "application/json",
    };
    ([("content-type", media)], Body::from_stream(parts)).into_response()
}

fn header(query: &QueryStream, shape: Shape) -> String {
    match shape {
        Shape::Query => {
            let header = json!({"header": {
                "queryId": query.id,
                "schema": header_schema(&query.columns),
            }});
            format!("[{header},\n")
        }
        Shape::Lines | Shape::Array => {
            let names: Vec<&str> = query.columns.iter().map(|c| c.name.as_str()).collect();
            let ty = |c: &ResultColumn| c.ty.to_string();
            let types: Vec<String> = query.columns.iter().map(ty).collect();
            let header = json!({"queryId": query.id, "columnNames": names, "columnTypes": types});
            if shape == Shape::Array { format!("[{header}\n") } else { format!("{header}\n") }
        }
    }
}

struct Writer {
    query: QueryStream,
    shape: Shape,
    text: String,
    opening: Option<String>,
    done: bool,
}

impl Writer {
    /// The next part of the body; `None` at its end. A part ends with a line, so that a reader
    /// of lines has each row at once.
    async fn next(&mut self) -> Option<String> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        if self.done {
            return None;
        }
        // A query has a last word, unless there was no room for it.
        let event = self.query.rows.recv().await.unwrap_or_else(|| {
            RowEvent::Error("The query was ended before its end by the server.".to_owned())
        });
        let mut part = String::new();
        self.write(event, &mut part);
        while !self.done && part.len() < PART_BYTES {
            let Ok(event) = self.query.rows.try_recv() else { break };
            self.write(event, &mut part);
        }
        Some(part)
    }

    fn write(&mut self, event: RowEvent, part: &mut String) {
        match (event, self.shape) {
            (RowEvent::Row(columns), Shape::Query) => {
                part.push_str(&format!("{},\n", json!({"row": {"columns": columns}})));
            }
            (RowEvent::Tombstone(columns), Shape::Query) => {
                let row = json!({"row": {"columns": columns, "tombstone": true}});
                part.push_str(&format!("{row},\n"));
            }
            (RowEvent::Row(columns) | RowEvent::Tombstone(columns), Shape::Lines) => {
                part.push_str(&format!("{}\n", Json::Array(columns)));
            }
            (RowEvent::Row(columns) | RowEvent::Tombstone(columns), Shape::Array) => {
                part.push_str(&format!(",{}\n", Json::Array(columns)));
            }
            (RowEvent::Final(message), _) => {
                self.done = true;
                part.push_str(&self.closing(&json!({"finalMessage": message})));
            }
            (RowEvent::Error(message), _) => {
                self.done = true;
                let error = body(&SqlError::server(&message), &message, &self.text, Vec::new());
                part.push_str(&self.closing(&json!({"errorMessage": error})));
            }
        }
    }

    fn closing(&self, last: &Json) -> String {
        match self.shape {
            Shape::Query => format!("{last}]\n"),
            Shape::Lines if last["errorMessage"].is_object() => {
                format!("{}\n", last["errorMessage"])
            }
            Shape::Lines => String::new(),
            Shape::Array if last["errorMessage"].is_object() => {
                format!(",{}]\n", last["errorMessage"])
            }
            Shape::Array => "]\n".to_owned(),
        }
    }
}

fn printed(print: PrintStream) -> Response {
    let lines = stream::unfold(print, |mut print| async move {
        let line = match print.lines.recv().await? {
            Ok(line) => format!("{line}\n"),
            Err(message) => format!("error: {message}\n"),
        };
        Some((Ok::<_, Infallible>(line), print))
    });
    ([("content-type", "text/plain; charset=utf-8")], Body::from_stream(lines)).into_response()
}
