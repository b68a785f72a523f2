//! Compatibility levels, the other members of configs, and modes.

use serde_json::{Map, Value as Json, json};

use super::{Answer, Outcome, Rules, level, mode, writable};
use crate::compat::Level;
use crate::error::RegistryError;
use crate::store::{Config, Mode, Record, State};
use crate::subject;
use crate::words::Worded as _;

/// The members that a config may have besides its level; others are ignored.
const MEMBERS: [&str; 10] = [
    "alias",
    "normalize",
    "validateFields",
    "validateRules",
    "compatibilityGroup",
    "compatibilityPolicy",
    "defaultMetadata",
    "overrideMetadata",
    "defaultRuleSet",
    "overrideRuleSet",
];

/// The config of a subject, or the global one. `default_to_global`: with what holds for it where
/// it has none of its own.
pub(crate) fn get_config(
    state: &State,
    rules: &Rules,
    name: Option<&str>,
    default_to_global: bool,
) -> Answer<Json> {
    let Some(name) = name.map(subject::normal) else {
        return Ok(shown(state.config(None), rules.default_level));
    };
    let own = state.config(Some(&name));
    match own {
        _ if default_to_global => {
            let mut all = Config::new();
            let global = state.config(None);
            for config in [global, own].into_iter().flatten() {
                all.extend(config.clone());
            }
            Ok(shown(Some(&all), level(state, rules, &name)))
        }
        Some(own) => Ok(shown(Some(own), level(state, rules, &name))),
        None => Err(RegistryError::NoSubjectConfig(name)),
    }
}

fn shown(config: Option<&Config>, level: Level) -> Json {
    let mut json = Map::new();
    json.insert("compatibilityLevel".into(), json!(level.word()));
    for (key, value) in config.into_iter().flatten() {
        if !value.is_null() {
            json.insert(key.clone(), value.clone());
        }
    }
    Json::Object(json)
}

/// Lays the request's members over the config there is; null takes one away. The answer is the
/// request, or the level there is where the request says nothing.
pub(crate) fn set_config(
    state: &State,
    rules: &Rules,
    name: Option<&str>,
    request: &Map<String, Json>,
) -> Answer<Outcome<Json>> {
    let name = name.map(subject::normal);
    valid(name.as_deref())?;
    writable(state, name.as_deref().unwrap_or_default())?;
    for member in ["defaultRuleSet", "overrideRuleSet"] {
        super::rules::check(request.get(member))?;
    }
    let mut config = state.config(name.as_deref()).cloned().unwrap_or_default();
    let mut echoed = Map::new();
    match request.get("compatibility") {
        None | Some(Json::Null) => {}
        Some(given) => {
            let level = given.as_str().and_then(Level::of_word);
            let level = level.ok_or(RegistryError::InvalidLevel)?.word();
            config.insert("compatibilityLevel".into(), json!(level));
            echoed.insert("compatibility".into(), json!(level));
        }
    }
    for member in MEMBERS {
        match request.get(member) {
            None => {}
            Some(Json::Null) => {
                config.shift_remove(member);
            }
            Some(value) => {
                config.insert(member.into(), value.clone());
                echoed.insert(member.into(), value.clone());
            }
        }
    }
    if echoed.is_empty() {
        let level = config.get("compatibilityLevel").and_then(Json::as_str);
        let level = level.unwrap_or_else(|| rules.default_level.word());
        echoed.insert("compatibility".into(), json!(level));
    }
    let record = Record::Config { subject: name, config: Some(config) };
    Ok(Outcome { records: vec![record], answer: Json::Object(echoed) })
}

/// The answer is what the config was.
pub(crate) fn delete_config(
    state: &State,
    rules: &Rules,
    name: Option<&str>,
) -> Answer<Outcome<Json>> {
    let name = name.map(subject::normal);
    writable(state, name.as_deref().unwrap_or_default())?;
    let own = state.config(name.as_deref());
    if let (Some(name), None) = (&name, own) {
        return Err(RegistryError::SubjectNotFound(name.clone()));
    }
    let stored = own.and_then(|config| config.get("compatibilityLevel")).and_then(Json::as_str);
    let level = stored.and_then(Level::of_word).unwrap_or(rules.default_level);
    let answer = shown(own, level);
    let records = own.map(|_| Record::Config { subject: name, config: None }).into_iter().collect();
    Ok(Outcome { records, answer })
}

pub(crate) fn get_mode(state: &State, name: Option<&str>, default_to_global: bool) -> Answer<Json> {
    let found = match name.map(subject::normal) {
        None => state.mode(None).unwrap_or(Mode::ReadWrite),
        Some(name) => match state.mode(Some(&name)) {
            Some(own) => own,
            None if default_to_global => mode(state, &name),
            None => return Err(RegistryError::NoSubjectMode(name)),
        },
    };
    Ok(json!({"mode": found.word()}))
}

pub(crate) fn set_mode(
    state: &State,
    rules: &Rules,
    name: Option<&str>,
    text: &str,
    force: bool,
) -> Answer<Outcome<Json>> {
    let name = name.map(subject::normal);
    valid(name.as_deref())?;
    if !rules.mode_mutability {
        return Err(RegistryError::NotPermitted("Mode changes are not allowed".into()));
    }
    let wanted = Mode::of_word(text).ok_or(RegistryError::InvalidMode)?;
    if wanted == Mode::Forward && name.is_some() {
        return Err(RegistryError::ForwardBelowGlobal);
    }
    let mut records = Vec::new();
    let before = match &name {
        Some(name) => mode(state, name),
        None => state.mode(None).unwrap_or(Mode::ReadWrite),
    };
    if wanted == Mode::Import && before != Mode::Import {
        let inside = |other: &&str| name.as_deref().is_none_or(|name| covers(name, other));
        let existing: Vec<&str> = state.subjects().filter(inside).collect();
        let live = existing.iter().any(|other| state.live(other).next().is_some());
        if live && !force {
            return Err(RegistryError::NotPermitted(
                "Cannot import since found existing subjects".into(),
            ));
        }
        let cleared = existing.into_iter().filter(|other| state.live(other).next().is_none());
        records.extend(
            cleared.map(|other| Record::ClearSubject { subject: other.into(), present: true }),
        );
    }
    let mode = Some(wanted.word().to_owned());
    records.push(Record::Mode { subject: name, mode });
    Ok(Outcome { records, answer: json!({"mode": wanted.word()}) })
}

/// A setting of a context (`:.ctx:`) covers all of its subjects.
fn covers(name: &str, other: &str) -> bool {
    match subject::split(name) {
        (context, "") => subject::context_of(other) == context,
        _ => name == other,
    }
}

/// The answer is what the mode was.
pub(crate) fn delete_mode(state: &State, name: Option<&str>) -> Answer<Outcome<Json>> {
    let name = name.map(subject::normal);
    let own = state.mode(name.as_deref());
    if let (Some(name), None) = (&name, own) {
        return Err(RegistryError::SubjectNotFound(name.clone()));
    }
    let answer = json!({"mode": own.unwrap_or(Mode::ReadWrite).word()});
    let records = own.map(|_| Record::Mode { subject: name, mode: None }).into_iter().collect();
    Ok(Outcome { records, answer })
}

fn valid(name: Option<&str>) -> Answer<()> {
    match name.filter(|name| !subject::split(name).1.is_empty() && !subject::is_valid(name)) {
        Some(name) => Err(RegistryError::InvalidSubject(name.to_owned())),
        None => Ok(()),
    }
}
