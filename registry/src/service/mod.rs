//! What each request does: pure functions from the state and a request to an answer, or to records
//! to write and the answer once they are written.

mod check;
mod delete;
mod list;
mod lookup;
mod register;
mod resolve;
mod rules;
mod settings;

use serde_json::{Value as Json, json};

use crate::compat::Level;
use crate::error::RegistryError;
use crate::schema::{Content, Reference, guid};
use crate::store::{Mode, Record, State, Version};
use crate::subject;
use crate::words::Worded as _;

pub(crate) use check::{compatibility, to_parse};
pub(crate) use delete::{delete_context, delete_subject, delete_version};
pub(crate) use list::{Filter, Paging, schemas, subjects, versions, with_metadata};
pub(crate) use lookup::{by_id, by_version, lookup, referenced_by, to_look_up};
pub(crate) use register::register;
pub(crate) use resolve::reference_subject;
pub(crate) use settings::{delete_config, delete_mode, get_config, get_mode, set_config, set_mode};

/// Records to write in this order, and the answer when they are there.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    pub(crate) records: Vec<Record>,
    pub(crate) answer: T,
}

impl<T> Outcome<T> {
    pub(crate) fn nothing(answer: T) -> Self {
        Self { records: Vec::new(), answer }
    }
}

pub(crate) type Answer<T> = Result<T, RegistryError>;

/// What the server was started with.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) default_level: Level,
    pub(crate) mode_mutability: bool,
    /// The most schemas that one listing gives.
    pub(crate) search_limit: usize,
}

/// A schema in a request's body.
#[derive(Clone, Debug, Default)]
pub(crate) struct SchemaRequest {
    pub(crate) schema: String,
    pub(crate) schema_type: String,
    pub(crate) references: Vec<Reference>,
    pub(crate) version: Option<i32>,
    pub(crate) id: Option<i32>,
    pub(crate) metadata: Option<Json>,
    pub(crate) rule_set: Option<Json>,
    pub(crate) normalize: bool,
}

/// Another subject, if the config says that this one is an alias of it.
pub(crate) fn actual(state: &State, name: &str) -> String {
    let name = subject::normal(name);
    let alias = state.config(Some(&name)).and_then(|config| config.get("alias"));
    match alias.and_then(Json::as_str).filter(|alias| !alias.is_empty()) {
        Some(alias) => subject::normal(alias),
        None => name,
    }
}

/// The keys under which a subject's settings stand, the nearest first.
fn scopes(name: &str) -> [Option<String>; 3] {
    let context = subject::context_of(name);
    let near = if context == subject::DEFAULT { None } else { Some(format!(":{context}:")) };
    [Some(name.to_owned()), near, Some(format!(":{}:", subject::GLOBAL))]
}

/// A member of the config that holds for a subject.
pub(crate) fn config_member<'a>(state: &'a State, name: &str, member: &str) -> Option<&'a Json> {
    let scopes = scopes(name);
    let found = scopes
        .iter()
        .find_map(|scope| state.config(scope.as_deref()).and_then(|config| config.get(member)));
    found.filter(|value| !value.is_null())
}

pub(crate) fn level(state: &State, rules: &Rules, name: &str) -> Level {
    let text = config_member(state, name, "compatibilityLevel").and_then(Json::as_str);
    text.and_then(Level::of_word).unwrap_or(rules.default_level)
}

pub(crate) fn mode(state: &State, name: &str) -> Mode {
    let scopes = scopes(name);
    let found = scopes.iter().find_map(|scope| state.mode(scope.as_deref()));
    let global = state.mode(None).filter(|mode| *mode == Mode::ReadOnlyOverride);
    global.or(found).unwrap_or(Mode::ReadWrite)
}

/// Refuses any change while the subject is read-only.
pub(crate) fn writable(state: &State, name: &str) -> Answer<()> {
    match mode(state, name) {
        Mode::ReadOnly | Mode::ReadOnlyOverride => {
            let (context, bare) = subject::split(name);
            Err(RegistryError::NotPermitted(format!(
                "Subject {bare} in context {context} is in read-only mode"
            )))
        }
        Mode::ReadWrite | Mode::Import | Mode::Forward => Ok(()),
    }
}

/// A version as the protocol shows it.
pub(crate) fn version_json(name: &str, version: &Version) -> Json {
    let mut json = json!({
        "subject": name,
        "version": version.version,
        "id": version.id,
        "guid": guid(version.content.md5()),
        "schemaType": version.content.schema_type.name(),
    });
    describe(&mut json, &version.content);
    if version.deleted {
        json["deleted"] = json!(true);
    }
    json
}

/// Adds references, metadata and rules, where there are any, and the text.
pub(crate) fn describe(json: &mut Json, content: &Content) {
    if !content.references.is_empty() {
        json["references"] = json!(content.references);
    }
    if let Some(metadata) = &content.metadata {
        json["metadata"] = metadata.clone();
    }
    if let Some(rule_set) = &content.rule_set {
        json["ruleSet"] = rule_set.clone();
    }
    json["schema"] = json!(&*content.text);
}
