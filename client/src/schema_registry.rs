//! A client of any Confluent-compatible schema registry: schemas by id and by subject, each asked
//! for once.
//!
//! It carries schema texts and knows no format; ids of texts never change, so both directions are
//! kept for as long as the client lives.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::FailureKind;

/// Asks a registry; clones share connections and what was learnt.
#[derive(Clone, Debug)]
pub struct SchemaRegistry {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    urls: Vec<String>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<u32, Arc<RegisteredSchema>>,
    ids: HashMap<(String, String), u32>,
}

/// A schema as the registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredSchema {
    /// `AVRO`, `JSON` or `PROTOBUF`.
    pub schema_type: String,
    /// Its text.
    pub text: String,
    /// The texts of all schemas that it refers to, referenced ones before their referrers.
    pub references: Vec<String>,
}

/// The newest version of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectVersion {
    /// The schema's id.
    pub id: u32,
    /// The version's number in its subject.
    pub version: u32,
    /// The schema.
    pub schema: Arc<RegisteredSchema>,
}

/// Why a registry gave no answer that can be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SchemaRegistryError {
    /// A URL that is none.
    #[error("\"{url}\" is not an http:// URL of a schema registry")]
    Url {
        /// As given.
        url: String,
    },
    /// The client could not be built.
    #[error("the HTTP client could not be started: {0}")]
    Client(Arc<reqwest::Error>),
    /// None of the registries answered.
    #[error("the schema registry at {url} did not answer: {reason}")]
    Unreachable {
        /// The last one tried.
        url: String,
        /// Why.
        reason: String,
    },
    /// The registry refused.
    #[error("the schema registry refused {request}: {message} (error {code})")]
    Refused {
        /// Method and path.
        request: String,
        /// Its `error_code`.
        code: u32,
        /// Its words.
        message: String,
    },
    /// Something answered at the registry's address, but not as a registry does: a proxy, for one.
    #[error("{url} answered {request} with status {status}, and not as a schema registry does")]
    Foreign {
        /// The registry's address.
        url: String,
        /// Method and path.
        request: String,
        /// The status of the answer.
        status: u16,
    },
    /// The registry answered something that the API does not have.
    #[error("the schema registry's answer to {request} has no usable \"{member}\"")]
    Answer {
        /// Method and path.
        request: String,
        /// The member that is missing.
        member: &'static str,
    },
}

impl SchemaRegistryError {
    /// Whether the subject, version or schema asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404 | 40401..=40403, .. })
    }

    /// What to do about it: `Bad` where the registry says that it has no such schema, `Retry`
    /// where it, or what stands before it, cannot say anything now.
    pub fn kind(&self) -> FailureKind {
        let status = match self {
            Self::Url { .. } | Self::Client(_) => return FailureKind::Fatal,
            Self::Unreachable { .. } | Self::Answer { .. } => return FailureKind::Retry,
            Self::Foreign { status: 401 | 403, .. } => return FailureKind::Fatal,
            Self::Foreign { .. } => return FailureKind::Retry,
            Self::Refused { .. } if self.is_not_found() => return FailureKind::Bad,
            Self::Refused { code: code @ 10_000.., .. } => code / 100,
            Self::Refused { code, .. } => *code,
        };
        match status {
            408 | 429 | 500..=599 => FailureKind::Retry,
            _ => FailureKind::Fatal,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        self.kind() == FailureKind::Retry
    }
}

type Outcome<T> = Result<T, SchemaRegistryError>;

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The most schemas that one may refer to, directly or by others.
const MAX_REFERENCES: usize = 1000;

impl SchemaRegistry {
    /// For `http://host:port[,http://host:port...]`; connects when it is first used.
    pub fn new(urls: &str) -> Outcome<Self> {
        let urls: Vec<String> = urls
            .split(',')
            .map(|url| url.trim().trim_end_matches('/').to_owned())
            .filter(|url| !url.is_empty())
            .collect();
        let wrong = urls.iter().find(|url| !url.starts_with("http://"));
        if let Some(url) = wrong.cloned().or_else(|| urls.is_empty().then(String::new)) {
            return Err(SchemaRegistryError::Url { url });
        }
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|error| SchemaRegistryError::Client(Arc::new(error)))?;
        let known = Mutex::default();
        Ok(Self { shared: Arc::new(Shared { http, urls, known }) })
    }

    /// The schema of an id, with everything that it refers to.
    pub async fn schema(&self, id: u32) -> Outcome<Arc<RegisteredSchema>> {
        if let Some(known) = self.known().by_id.get(&id) {
            return Ok(Arc::clone(known));
        }
        let (request, answer) = self.get(&format!("/schemas/ids/{id}")).await?;
        let schema = Arc::new(self.read_schema(&request, &answer).await?);
        self.known().by_id.insert(id, Arc::clone(&schema));
        Ok(schema)
    }

    /// The newest version of a subject; always asked for.
    pub async fn latest(&self, subject: &str) -> Outcome<SubjectVersion> {
        let path = format!("/subjects/{}/versions/latest", encoded(subject));
        let (request, answer) = self.get(&path).await?;
        let id = number(&request, &answer, "id")?;
        let version = number(&request, &answer, "version")?;
        let schema = Arc::new(self.read_schema(&request, &answer).await?);
        self.known().by_id.insert(id, Arc::clone(&schema));
        Ok(SubjectVersion { id, version, schema })
    }

    /// The id of an Avro schema under a subject, which is registered if it is new.
    pub async fn register(&self, subject: &str, text: &str) -> Outcome<u32> {
        let place = (subject.to_owned(), text.to_owned());
        if let Some(id) = self.known().ids.get(&place) {
            return Ok(*id);
        }
        let path = format!("/subjects/{}/versions", encoded(subject));
        let body = json!({ "schema": text });
        let (request, answer) = self.send(reqwest::Method::POST, &path, Some(&body)).await?;
        let id = number(&request, &answer, "id")?;
        self.known().ids.insert(place, id);
        Ok(id)
    }

    /// All subjects.
    pub async fn subjects(&self) -> Outcome<Vec<String>> {
        let (request, answer) = self.get("/subjects").await?;
        let list = answer.as_array().ok_or(SchemaRegistryError::Answer { request, member: "" })?;
        Ok(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// Deletes a subject's versions, softly or for good.
    pub async fn delete_subject(&self, subject: &str, permanent: bool) -> Outcome<()> {
        let path = format!("/subjects/{}?permanent={permanent}", encoded(subject));
        self.send(reqwest::Method::DELETE, &path, None).await?;
        self.known().ids.retain(|(known, _), _| known != subject);
        Ok(())
    }

    async fn read_schema(&self, request: &str, answer: &Value) -> Outcome<RegisteredSchema> {
        let text = text(request, answer, "schema")?;
        let schema_type = answer.get("schemaType").and_then(Value::as_str).unwrap_or("AVRO");
        let mut references = Vec::new();
        let mut asked = HashSet::new();
        let mut steps = references_of(answer);
        while let Some(step) = steps.pop() {
            let reference = match step {
                Step::Take(text) => {
                    references.push(text);
                    continue;
                }
                Step::Ask(reference) => reference,
            };
            let subject = self::text(request, &reference, "subject")?;
            let version = reference.get("version").and_then(Value::as_i64).unwrap_or(-1);
            let path = format!("/subjects/{}/versions/{version}?deleted=true", encoded(&subject));
            if !asked.insert(path.clone()) {
                continue;
            }
            if asked.len() > MAX_REFERENCES {
                let request = request.to_owned();
                return Err(SchemaRegistryError::Answer { request, member: "references" });
            }
            let (request, answer) = self.get(&path).await?;
            steps.push(Step::Take(self::text(&request, &answer, "schema")?));
            steps.extend(references_of(&answer));
        }
        Ok(RegisteredSchema { schema_type: schema_type.to_owned(), text, references })
    }

    async fn get(&self, path: &str) -> Outcome<(String, Value)> {
        self.send(reqwest::Method::GET, path, None).await
    }

    /// Tries each registry until one answers.
    async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Outcome<(String, Value)> {
        let request = format!("{method} {path}");
        let mut last = SchemaRegistryError::Url { url: String::new() };
        for url in &self.shared.urls {
            let mut call = self.shared.http.request(method.clone(), format!("{url}{path}"));
            call = call.header("Accept", CONTENT_TYPE);
            if let Some(body) = body {
                call = call.header("Content-Type", CONTENT_TYPE).body(body.to_string());
            }
            let answer = match call.send().await {
                Ok(answer) => answer,
                Err(error) => {
                    let (url, reason) = (url.clone(), chain(&error));
                    last = SchemaRegistryError::Unreachable { url, reason };
                    continue;
                }
            };
            let status = answer.status();
            let bytes = match answer.bytes().await {
                Ok(bytes) => bytes,
                Err(error) => {
                    let (url, reason) = (url.clone(), chain(&error));
                    last = SchemaRegistryError::Unreachable { url, reason };
                    continue;
                }
            };
            let json: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            if status.is_success() {
                return Ok((request, json));
            }
            let code = json.get("error_code").and_then(Value::as_u64);
            let Some(code) = code.and_then(|code| u32::try_from(code).ok()) else {
                let (url, status) = (url.clone(), status.as_u16());
                last = SchemaRegistryError::Foreign { url, request: request.clone(), status };
                continue;
            };
            let message = json.get("message").and_then(Value::as_str);
            let message = message.map_or_else(|| status.to_string(), str::to_owned);
            last = SchemaRegistryError::Refused { request: request.clone(), code, message };
            if last.is_retriable() {
                continue;
            }
            return Err(last);
        }
        Err(last)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to be done next on the way through a schema's references, the last one first.
enum Step {
    /// Ask for a reference.
    Ask(Value),
    /// Take a text: all that it refers to has been taken.
    Take(String),
}

fn references_of(answer: &Value) -> Vec<Step> {
    let list = answer.get("references").and_then(Value::as_array);
    list.into_iter().flatten().rev().cloned().map(Step::Ask).collect()
}

fn text(request: &str, answer: &Value, member: &'static str) -> Outcome<String> {
    let found = answer.get(member).and_then(Value::as_str);
    let missing = || SchemaRegistryError::Answer { request: request.to_owned(), member };
    found.map(str::to_owned).ok_or_else(missing)
}

fn number(request: &str, answer: &Value, member: &'static str) -> Outcome<u32> {
    let found = answer.get(member).and_then(Value::as_u64);
    let missing = || SchemaRegistryError::Answer { request: request.to_owned(), member };
    found.and_then(|number| u32::try_from(number).ok()).ok_or_else(missing)
}

/// The error and its causes; the first alone does not say why.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").expect("a String takes all");
        cause = error.source();
    }
    text
}

/// One path segment, percent-encoded.
fn encoded(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a String takes all");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked_and_segments_encoded() {
        assert!(SchemaRegistry::new("http://a:1, http://b:2/").is_ok());
        for wrong in ["", "localhost:8081", "http://a:1,https://b:2"] {
            assert!(matches!(SchemaRegistry::new(wrong), Err(SchemaRegistryError::Url { .. })));
        }
        assert_eq!(encoded("a/b c-é"), "a%2Fb%20c-%C3%A9");
    }

    #[test]
    fn a_missing_schema_is_the_records_fault_and_a_registry_in_trouble_is_not() {
        let refused = |code| SchemaRegistryError::Refused {
            request: "GET /".to_owned(),
            code,
            message: String::new(),
        };
        for (kind, codes) in [
            (FailureKind::Bad, &[404, 40401, 40402, 40403][..]),
            (FailureKind::Retry, &[408, 429, 42901, 500, 503, 50001, 50003]),
            (FailureKind::Fatal, &[401, 403, 409, 40101, 40901, 42201, 42205]),
        ] {
            for code in codes {
                assert_eq!(refused(*code).kind(), kind, "{code}");
            }
        }
        let foreign = |status| SchemaRegistryError::Foreign {
            url: String::new(),
            request: String::new(),
            status,
        };
        assert_eq!(foreign(404).kind(), FailureKind::Retry, "a proxy knows nothing of schemas");
        assert_eq!(foreign(403).kind(), FailureKind::Fatal);
    }

    #[tokio::test]
    async fn a_registry_that_is_not_there_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        drop(listener);
        let error = SchemaRegistry::new(&url).expect("a URL").schema(1).await.unwrap_err();
        assert!(error.is_retriable() && error.to_string().contains(&url), "{error}");
    }
}
