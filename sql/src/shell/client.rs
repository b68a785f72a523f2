//! The REST API over HTTP.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value as Json, json};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A line of an answer that is longer ends the query.
const MAX_LINE_BYTES: usize = 64 << 20;

/// A server.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    pub(super) url: String,
}

/// Why a request failed, in words for the user; entities of statements that had succeeded.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) message: String,
    pub(super) entities: Vec<Json>,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), entities: Vec::new() }
    }
}

impl Client {
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        if !url.starts_with("http://") {
            return Err(format!("\"{url}\" is not an http:// URL of a server"));
        }
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy().build();
        let http = http.map_err(|e| format!("the HTTP client cannot start: {e}"))?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned() })
    }

    /// What the server says of itself.
    pub(super) async fn info(&self) -> Result<Json, Failure> {
        let request = self.http.get(format!("{}/info", self.url));
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let text = response.text().await.map_err(|e| self.unreachable(&e))?;
        let node: Json = serde_json::from_str(&text)
            .map_err(|_| Failure::new(format!("{} is not a SQL server", self.url)))?;
        Ok(node["KsqlServerInfo"].clone())
    }

    /// Runs definitions and listings; an entity for each.
    pub(super) async fn statements(
        &self,
        text: &str,
        properties: &HashMap<String, String>,
    ) -> Result<Vec<Json>, Failure> {
        let response = self.post("/ksql", text, properties).await?;
        let body = response.text().await.map_err(|e| self.unreachable(&e))?;
        serde_json::from_str(&body)
            .map_err(|e| Failure::new(format!("the server's answer cannot be read: {e}")))
    }

    /// Runs a SELECT or PRINT; its lines are read as they come.
    pub(super) async fn query(
        &self,
        text: &str,
        properties: &HashMap<String, String>,
    ) -> Result<Lines, Failure> {
        let response = self.post("/query", text, properties).await?;
        let server = self.url.clone();
        Ok(Lines { server, response, buffer: Vec::new(), ended: false })
    }

    async fn post(
        &self,
        path: &str,
        text: &str,
        properties: &HashMap<String, String>,
    ) -> Result<reqwest::Response, Failure> {
        let body = json!({"ksql": text, "streamsProperties": properties});
        let request = self
            .http
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/vnd.ksql.v1+json")
            .body(body.to_string());
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.text().await.unwrap_or_default();
        let node: Json = serde_json::from_str(&body).unwrap_or(Json::Null);
        let message = node["message"]
            .as_str()
            .map_or_else(|| format!("the server answered {status}"), str::to_owned);
        let entities = node["entities"].as_array().cloned().unwrap_or_default();
        Err(Failure { message, entities })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let (url, reason) = (&self.url, last_cause(error));
        Failure::new(format!(
            "The server at {url} does not answer: {reason}.\nStart one with `yeoul server`, or \
             name another with `yeoul sql URL`."
        ))
    }
}

/// The innermost reason: those around it say only that a request failed.
fn last_cause(error: &reqwest::Error) -> String {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        reason = inner.to_string();
        source = inner.source();
    }
    reason
}

/// The lines of an answer.
pub(super) struct Lines {
    /// Whose answer it is.
    server: String,
    response: reqwest::Response,
    buffer: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// Whether the answer is plain text (PRINT) and not rows.
    pub(super) fn is_text(&self) -> bool {
        let media = self.response.headers().get("content-type");
        media.and_then(|m| m.to_str().ok()).is_some_and(|m| m.starts_with("text/plain"))
    }

    /// Why an answer that is over without a last word is one that was cut short.
    pub(super) fn cut_short(&self) -> Failure {
        let server = &self.server;
        Failure::new(format!("The server at {server} ended its answer in the middle of the query."))
    }

    /// The next line, without its end; `None` when the answer is over.
    pub(super) async fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                return Ok(Some(String::from_utf8_lossy(&line[..end]).into_owned()));
            }
            if self.ended {
                let line = std::mem::take(&mut self.buffer);
                let line = String::from_utf8_lossy(&line).into_owned();
                return Ok((!line.trim().is_empty()).then_some(line));
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk),
                Ok(None) => self.ended = true,
                Err(error) => {
                    let (server, reason) = (&self.server, last_cause(&error));
                    let text = "The connection to the server at";
                    return Err(Failure::new(format!("{text} {server} was lost: {reason}.")));
                }
            }
            if self.buffer.len() > MAX_LINE_BYTES {
                return Err(Failure::new("the server sent a line without an end"));
            }
        }
    }

    /// The next object of an array of rows.
    pub(super) async fn next_object(&mut self) -> Result<Option<Json>, Failure> {
        while let Some(line) = self.next().await? {
            let part = line.trim().trim_start_matches(['[', ',']).trim_end_matches(',');
            if part.is_empty() || part == "]" {
                continue;
            }
            let parsed = serde_json::from_str(part);
            let parsed = parsed.or_else(|_| serde_json::from_str(part.trim_end_matches(']')));
            return parsed
                .map(Some)
                .map_err(|e| Failure::new(format!("the server's answer cannot be read: {e}")));
        }
        Ok(None)
    }
}
