//! Settings with types, defaults and checks, so that a wrong one is named before anything runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigType {
    String,
    Boolean,
    Int,
    Long,
    /// Items between commas.
    List,
    Class,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

type Check = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// One setting.
#[derive(Clone)]
pub struct ConfigKey {
    pub name: &'static str,
    pub ty: ConfigType,
    /// None: it must be given. Some(""): it may be left out.
    pub default: Option<&'static str>,
    pub importance: Importance,
    pub doc: &'static str,
    check: Option<Check>,
}

impl fmt::Debug for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigKey").field("name", &self.name).field("ty", &self.ty).finish()
    }
}

impl ConfigKey {
    pub fn new(name: &'static str, ty: ConfigType, doc: &'static str) -> Self {
        Self { name, ty, default: None, importance: Importance::High, doc, check: None }
    }

    pub fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    pub fn importance(mut self, importance: Importance) -> Self {
        self.importance = importance;
        self
    }

    /// One of these words.
    pub fn one_of(self, words: &'static [&'static str]) -> Self {
        self.check(move |value| match words.contains(&value) {
            true => Ok(()),
            false => Err(format!("it must be one of {}", words.join(", "))),
        })
    }

    /// A number not below this.
    pub fn at_least(self, least: i64) -> Self {
        self.check(move |value| match value.parse::<i64>() {
            Ok(number) if number < least => Err(format!("it must be at least {least}")),
            _ => Ok(()),
        })
    }

    /// Any other rule; the error says what the value must be.
    pub fn check(
        mut self,
        check: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.check = Some(Arc::new(check));
        self
    }

    fn problem(&self, value: &str) -> Option<String> {
        let typed = match self.ty {
            ConfigType::Boolean => {
                let known =
                    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
                if known { Ok(()) } else { Err("it must be true or false".to_owned()) }
            }
            ConfigType::Int => whole::<i32>(value),
            ConfigType::Long => whole::<i64>(value),
            ConfigType::String | ConfigType::List | ConfigType::Class => Ok(()),
        };
        let checked = typed.and_then(|()| match &self.check {
            Some(check) if !value.is_empty() => check(value),
            _ => Ok(()),
        });
        checked.err()
    }
}

fn whole<N: std::str::FromStr>(value: &str) -> Result<(), String> {
    match value.trim().parse::<N>() {
        Ok(_) => Ok(()),
        Err(_) => Err("it must be a whole number in range".into()),
    }
}

/// Something wrong with one setting, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigProblem {
    pub key: String,
    pub message: String,
}

impl ConfigProblem {
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }

    pub(crate) fn invalid(key: &str, value: &str, reason: &str) -> Self {
        Self::new(key, format!("Invalid value {value} for configuration {key}: {reason}"))
    }
}

/// All settings of something.
#[derive(Clone, Debug, Default)]
pub struct ConfigDef {
    keys: Vec<ConfigKey>,
}

impl ConfigDef {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with(mut self, key: ConfigKey) -> Self {
        self.keys.push(key);
        self
    }

    pub fn and(mut self, other: Self) -> Self {
        self.keys.extend(other.keys);
        self
    }

    pub fn keys(&self) -> &[ConfigKey] {
        &self.keys
    }

    pub fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }

    /// Checks every setting and fills in the defaults; all problems come at once.
    pub fn parse(
        &self,
        given: &BTreeMap<String, String>,
    ) -> Result<ConfigValues, Vec<ConfigProblem>> {
        let mut values = given.clone();
        let mut problems = Vec::new();
        for key in &self.keys {
            match (given.get(key.name), key.default) {
                (Some(value), _) => {
                    if let Some(reason) = key.problem(value) {
                        problems.push(ConfigProblem::invalid(key.name, value, &reason));
                    }
                }
                (None, Some(default)) => {
                    values.insert(key.name.to_owned(), default.to_owned());
                }
                (None, None) => problems.push(ConfigProblem::new(
                    key.name,
                    format!(
                        "Missing required configuration \"{}\" which has no default value.",
                        key.name
                    ),
                )),
            }
        }
        if problems.is_empty() { Ok(ConfigValues(values)) } else { Err(problems) }
    }
}

/// Checked settings.
#[derive(Clone, Debug, Default)]
pub struct ConfigValues(BTreeMap<String, String>);

impl ConfigValues {
    /// The text, empty if it was left out.
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// The text, if there is any.
    pub fn given(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub fn flag(&self, key: &str) -> bool {
        self.text(key).eq_ignore_ascii_case("true")
    }

    /// A number that was checked; 0 if it was left out.
    pub fn number(&self, key: &str) -> i64 {
        self.text(key).trim().parse().unwrap_or(0)
    }

    pub fn list(&self, key: &str) -> Vec<String> {
        let items = self.text(key).split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }

    /// The settings below a prefix, without it.
    pub fn below(&self, prefix: &str) -> BTreeMap<String, String> {
        let inside = self.0.iter().filter_map(|(key, value)| {
            key.strip_prefix(prefix).map(|key| (key.to_owned(), value.clone()))
        });
        inside.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_told_at_once_and_defaults_filled_in() {
        let def = ConfigDef::new()
            .with(ConfigKey::new("topic", ConfigType::String, ""))
            .with(ConfigKey::new("n", ConfigType::Int, "").default("5").at_least(1))
            .with(ConfigKey::new("mode", ConfigType::String, "").default("a").one_of(&["a", "b"]));
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let values = def.parse(&map(&[("topic", "t"), ("x.y", "1")])).expect("valid");
        assert_eq!((values.number("n"), values.text("mode")), (5, "a"));
        assert_eq!(values.below("x.").get("y").map(String::as_str), Some("1"));
        let problems = def.parse(&map(&[("n", "0"), ("mode", "c")])).expect_err("three");
        let messages: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            [
                "Missing required configuration \"topic\" which has no default value.",
                "Invalid value 0 for configuration n: it must be at least 1",
                "Invalid value c for configuration mode: it must be one of a, b",
            ]
        );
    }
}
