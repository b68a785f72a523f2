//! Every path of the API and what it does. A trailing slash changes nothing; a path may start with
//! `/contexts/{context}`, which puts the subject behind it into that context.

use std::sync::Arc;

use axum::http::Method;
use formats::avro::Validation;
use serde_json::{Value as Json, json};

use super::body;
use super::query::{Query, decoded};
use super::server::Services;
use crate::error::RegistryError;
use crate::parsed::Source;
use crate::schema::SchemaType;
use crate::service::{self, Answer, Outcome};
use crate::store::State;
use crate::subject;

/// What is answered with status 200 (or 204).
pub(super) enum Reply {
    Json(Json),
    Text(String),
    Nothing,
}

/// Bytes of schemas from which on parsing them is long.
const LARGE: usize = 32 << 10;

type Handled = Result<Reply, RegistryError>;

struct Call<'a> {
    services: &'a Services,
    query: &'a Query,
    body: &'a [u8],
    /// The context that the path began with.
    context: Option<String>,
}

pub(super) async fn dispatch(
    services: &Services,
    method: &Method,
    path: &str,
    query: &Query,
    body: &[u8],
) -> Handled {
    let mut segments: Vec<String> = path.split('/').skip(1).map(decoded).collect();
    while segments.last().is_some_and(String::is_empty) {
        segments.pop();
    }
    let mut context = None;
    if segments.len() > 2 && segments[0] == "contexts" && segments[1].starts_with('.') {
        let named = segments.remove(1);
        segments.remove(0);
        if !subject::is_valid_context(&named) {
            return Err(RegistryError::InvalidContext(named));
        }
        context = Some(named);
    }
    let call = Call { services, query, body, context };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let found = match method.as_str() {
        "GET" => call.get(&segments),
        "POST" => call.post(&segments).await,
        "PUT" => call.put(&segments).await,
        "DELETE" => call.delete(&segments).await,
        _ => return Err(RegistryError::MethodNotAllowed),
    };
    found.unwrap_or_else(|| Err(RegistryError::NoSuchPath))
}

impl Call<'_> {
    fn get(&self, path: &[&str]) -> Option<Handled> {
        let (query, rules) = (self.query, &self.services.rules);
        let (filter, paging) = (query.filter(), query.paging());
        let deleted = query.flag("deleted");
        let to_global = query.flag("defaultToGlobal");
        Some(match path {
            [] => Ok(Reply::Json(json!({}))),
            ["subjects"] => self.read(|state| {
                let mut filter = filter.clone();
                filter.prefix = self.prefix(filter.prefix);
                Ok(json!(service::subjects(state, &filter, paging)))
            }),
            ["subjects", name, "versions"] => self.read(|state| {
                Ok(json!(service::versions(state, &self.subject(name), &filter, paging)?))
            }),
            ["subjects", name, "versions", version] => {
                self.read(|state| service::by_version(state, &self.subject(name), version, deleted))
            }
            ["subjects", name, "versions", version, "schema"] => self.text(|state| {
                let json = service::by_version(state, &self.subject(name), version, deleted)?;
                Ok(schema_text(&json))
            }),
            ["subjects", name, "versions", version, "referencedby"] => self.read(|state| {
                let name = self.subject(name);
                let ids = service::referenced_by(state, &name, version, deleted)?;
                Ok(json!(paging.of(ids.into_iter())))
            }),
            ["subjects", name, "metadata"] => self.read(|state| {
                service::with_metadata(state, &self.subject(name), &query.pairs(), deleted)
            }),
            ["schemas"] => self.read(|state| {
                let mut filter = filter.clone();
                filter.prefix = self.prefix(filter.prefix);
                Ok(json!(service::schemas(state, rules, &filter, paging)))
            }),
            ["schemas", "types"] => {
                Ok(Reply::Json(json!(SchemaType::SERVED.map(SchemaType::name))))
            }
            ["schemas", "ids", id] => self.read(|state| self.schema_of(state, id)),
            ["schemas", "ids", id, "schema"] => {
                self.text(|state| Ok(schema_text(&self.schema_of(state, id)?)))
            }
            ["schemas", "ids", id, "subjects"] => self.read(|state| self.uses(state, id, false)),
            ["schemas", "ids", id, "versions"] => self.read(|state| self.uses(state, id, true)),
            ["config"] => self.read(|state| service::get_config(state, rules, None, to_global)),
            ["config", name] => self.read(|state| {
                service::get_config(state, rules, Some(&self.subject(name)), to_global)
            }),
            ["mode"] => self.read(|state| service::get_mode(state, None, to_global)),
            ["mode", name] => {
                self.read(|state| service::get_mode(state, Some(&self.subject(name)), to_global))
            }
            ["contexts"] => self.read(|state| {
                let mut names: Vec<&str> = state.contexts().collect();
                if !names.contains(&subject::DEFAULT) {
                    names.insert(0, subject::DEFAULT);
                }
                Ok(json!(paging.of(names.into_iter())))
            }),
            ["exporters"] => Ok(Reply::Json(json!([]))),
            ["v1", "metadata", "id"] => Ok(Reply::Json(json!({
                "scope": {"path": [], "clusters": {"schema-registry-cluster": "schema-registry"}},
                "id": ""
            }))),
            ["v1", "metadata", "version"] => {
                Ok(Reply::Json(json!({"version": env!("CARGO_PKG_VERSION"), "commitId": ""})))
            }
            _ => return None,
        })
    }

    async fn post(&self, path: &[&str]) -> Option<Handled> {
        let rules = &self.services.rules;
        Some(match path {
            [] => Ok(Reply::Json(json!({}))),
            ["subjects", name, "versions"] => match body::schema(self.body, self.query) {
                Ok(request) => {
                    let name = self.subject(name);
                    let strict = Validation::Strict;
                    self.parse_beforehand(|state| {
                        service::to_parse(state, rules, &name, &request, strict)
                    })
                    .await;
                    self.write(|state| service::register(state, rules, &name, request.clone()))
                        .await
                }
                Err(error) => Err(error),
            },
            ["subjects", name] => self.lookup(name).await,
            ["compatibility", "subjects", name, "versions"] => self.compatibility(name, None).await,
            ["compatibility", "subjects", name, "versions", version] => {
                self.compatibility(name, Some(version)).await
            }
            _ => return None,
        })
    }

    async fn put(&self, path: &[&str]) -> Option<Handled> {
        let rules = &self.services.rules;
        let (setting, name) = match path {
            [setting @ ("config" | "mode")] => (*setting, self.context_subject()),
            [setting @ ("config" | "mode"), name] => (*setting, Some(self.subject(name))),
            _ => return None,
        };
        let object = match body::object(self.body) {
            Ok(object) => object,
            Err(error) => return Some(Err(error)),
        };
        Some(if setting == "config" {
            self.write(|state| service::set_config(state, rules, name.as_deref(), &object)).await
        } else {
            let mode = object.get("mode").and_then(Json::as_str).unwrap_or_default();
            let force = self.query.flag("force");
            self.write(|state| service::set_mode(state, rules, name.as_deref(), mode, force)).await
        })
    }

    async fn delete(&self, path: &[&str]) -> Option<Handled> {
        let rules = &self.services.rules;
        let permanent = self.query.flag("permanent");
        Some(match path {
            ["subjects", name] => {
                let name = self.subject(name);
                self.write(|state| service::delete_subject(state, &name, permanent)).await
            }
            ["subjects", name, "versions", version] => {
                let name = self.subject(name);
                self.write(|state| service::delete_version(state, &name, version, permanent)).await
            }
            ["config"] => {
                let name = self.context_subject();
                self.write(|state| service::delete_config(state, rules, name.as_deref())).await
            }
            ["config", name] => {
                let name = self.subject(name);
                self.write(|state| service::delete_config(state, rules, Some(&name))).await
            }
            ["mode"] => {
                let name = self.context_subject();
                self.write(|state| service::delete_mode(state, name.as_deref())).await
            }
            ["mode", name] => {
                let name = self.subject(name);
                self.write(|state| service::delete_mode(state, Some(&name))).await
            }
            ["contexts", context] => {
                let written = self.write(|state| service::delete_context(state, context)).await;
                written.map(|_| Reply::Nothing)
            }
            _ => return None,
        })
    }

    /// Parses what a request will need, without a hold on the state; what is large, beside the
    /// threads that serve sockets.
    async fn parse_beforehand(&self, sources: impl FnOnce(&State) -> Vec<Source>) {
        let store = &self.services.store;
        let (sources, cache) = store.look(|state| (sources(state), Arc::clone(state.parsed())));
        let bytes: usize = sources.iter().map(Source::len).sum();
        let parse = move || {
            for source in &sources {
                // What is wrong with it is said when it is asked for.
                let _in_the_cache = cache.parse(source);
            }
        };
        if bytes < LARGE {
            parse();
        } else if let Err(error) = tokio::task::spawn_blocking(parse).await {
            tracing::error!(%error, "parsing a schema failed");
        }
    }

    async fn lookup(&self, name: &str) -> Handled {
        let request = body::schema(self.body, self.query)?;
        let (name, deleted) = (self.subject(name), self.query.flag("deleted"));
        self.parse_beforehand(|state| service::to_look_up(state, &name, &request)).await;
        self.read(|state| service::lookup(state, &name, &request, deleted))
    }

    async fn compatibility(&self, name: &str, version: Option<&str>) -> Handled {
        let request = body::schema(self.body, self.query)?;
        let name = self.subject(name);
        let rules = &self.services.rules;
        let lenient = Validation::Lenient;
        self.parse_beforehand(|state| service::to_parse(state, rules, &name, &request, lenient))
            .await;
        self.read(|state| {
            let messages = service::compatibility(state, rules, &name, version, &request)?;
            let compatible = messages.is_empty();
            Ok(if self.query.flag("verbose") {
                json!({"is_compatible": compatible, "messages": messages})
            } else {
                json!({"is_compatible": compatible})
            })
        })
    }

    fn schema_of(&self, state: &State, id: &str) -> Answer<Json> {
        let hint = self.query.text("subject").map(|name| self.subject(name));
        let hint = hint.or_else(|| self.context_subject());
        service::by_id(state, number(id)?, hint.as_deref(), self.query.flag("fetchMaxId"))
    }

    /// Subjects, or subjects with versions, that have an id.
    fn uses(&self, state: &State, id: &str, versions: bool) -> Answer<Json> {
        let hint = self.query.text("subject").map(|name| self.subject(name));
        let place = hint.clone().or_else(|| self.context_subject());
        let context = place.as_deref().map_or(subject::DEFAULT, subject::context_of);
        let id = number(id)?;
        if state.content(context, id).is_none() {
            return Err(RegistryError::IdNotFound(id.to_string()));
        }
        let deleted = self.query.flag("deleted");
        let found = state.uses_of_id(context, id).filter(|(name, version)| {
            (deleted || !version.deleted) && hint.as_ref().is_none_or(|hint| hint == name)
        });
        let paging = self.query.paging();
        Ok(if versions {
            let rows =
                found.map(|(name, version)| json!({"subject": name, "version": version.version}));
            json!(paging.of(rows))
        } else {
            let mut names: Vec<&str> = found.map(|(name, _)| name).collect();
            names.dedup();
            json!(paging.of(names.into_iter()))
        })
    }

    /// The subject of a path, inside the path's context unless it names its own.
    fn subject(&self, name: &str) -> String {
        match &self.context {
            Some(context) if !name.starts_with(":.") => subject::qualified(context, name),
            _ => subject::normal(name),
        }
    }

    /// The settings key of the path's context.
    fn context_subject(&self) -> Option<String> {
        let context = self.context.as_deref().filter(|context| *context != subject::DEFAULT);
        context.map(|context| subject::qualified(context, ""))
    }

    fn prefix(&self, given: Option<String>) -> Option<String> {
        match &self.context {
            Some(context) => {
                Some(subject::qualified(context, given.as_deref().unwrap_or_default()))
            }
            None => given,
        }
    }

    fn read(&self, answer: impl FnOnce(&State) -> Answer<Json>) -> Handled {
        self.services.store.read(answer).map(Reply::Json)
    }

    fn text(&self, answer: impl FnOnce(&State) -> Answer<String>) -> Handled {
        self.services.store.read(answer).map(Reply::Text)
    }

    async fn write<T: serde::Serialize>(
        &self,
        decide: impl Fn(&State) -> Answer<Outcome<T>>,
    ) -> Handled {
        let answer = self.services.store.write(decide).await?;
        Ok(Reply::Json(json!(answer)))
    }
}

fn schema_text(json: &Json) -> String {
    json.get("schema").and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn number(text: &str) -> Result<i32, RegistryError> {
    text.parse().map_err(|_| RegistryError::NoSuchPath)
}
