//! Key-value configuration under Kafka's property names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::error::ConfigError;

/// Named values, each marked once some configuration has taken it. Kafka's clients warn about the
/// rest: "These configurations '[...]' were supplied but are not used yet."
#[derive(Debug, Clone, Default)]
pub struct Properties {
    values: BTreeMap<String, String>,
    used: BTreeSet<String>,
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let values = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self { values, used: BTreeSet::new() }
    }
}

impl Properties {
    /// Sets a value, replacing an earlier one.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.values.insert(key.into(), value.into());
    }

    /// The value under `key`, without marking it as used.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// The keys that no configuration has taken.
    pub fn unused(&self) -> Vec<String> {
        self.values.keys().filter(|key| !self.used.contains(*key)).cloned().collect()
    }

    /// Takes a value as text.
    pub fn string(&mut self, key: &str) -> Option<String> {
        let value = self.values.get(key)?.trim().to_owned();
        self.used.insert(key.to_owned());
        Some(value)
    }

    /// Takes a number between the bounds into `target`, where the key is there.
    pub fn number<T>(
        &mut self,
        key: &str,
        bounds: std::ops::RangeInclusive<i64>,
        target: &mut T,
    ) -> Result<(), ConfigError>
    where
        T: TryFrom<i64>,
    {
        let Some(value) = self.string(key) else { return Ok(()) };
        let invalid = |reason: String| ConfigError::Invalid {
            key: key.to_owned(),
            value: value.clone(),
            reason,
        };
        let number: i64 = value.parse().map_err(|_| invalid("not a number".to_owned()))?;
        if !bounds.contains(&number) {
            return Err(invalid(format!(
                "value must be between {} and {}",
                bounds.start(),
                bounds.end()
            )));
        }
        *target = T::try_from(number).map_err(|_| invalid("out of range".to_owned()))?;
        Ok(())
    }

    /// Takes the size of a socket's buffer into `target`, where the key is there; -1 leaves it to
    /// the system.
    pub(crate) fn buffer_bytes(
        &mut self,
        key: &str,
        target: &mut Option<u32>,
    ) -> Result<(), ConfigError> {
        let mut bytes = target.map_or(-1, i64::from);
        self.number(key, -1..=i64::from(i32::MAX), &mut bytes)?;
        *target = u32::try_from(bytes).ok();
        Ok(())
    }

    /// Takes milliseconds into `target`, where the key is there.
    pub fn millis(&mut self, key: &str, target: &mut Duration) -> Result<(), ConfigError> {
        let mut millis = i64::try_from(target.as_millis()).unwrap_or(i64::MAX);
        self.number(key, 0..=i64::MAX, &mut millis)?;
        *target = Duration::from_millis(millis.unsigned_abs());
        Ok(())
    }

    /// Takes `true` or `false` into `target`, where the key is there.
    pub fn boolean(&mut self, key: &str, target: &mut bool) -> Result<(), ConfigError> {
        let Some(value) = self.string(key) else { return Ok(()) };
        *target = match value.to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => {
                return Err(ConfigError::Invalid {
                    key: key.to_owned(),
                    value,
                    reason: "expected value to be either true or false".to_owned(),
                });
            }
        };
        Ok(())
    }

    /// Takes one of the named choices into `target`, where the key is there.
    pub fn choice<T: Clone>(
        &mut self,
        key: &str,
        choices: &[(&str, T)],
        target: &mut T,
    ) -> Result<(), ConfigError> {
        let Some(value) = self.string(key) else { return Ok(()) };
        match choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(&value)) {
            Some((_, choice)) => *target = choice.clone(),
            None => {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                return Err(ConfigError::Invalid {
                    key: key.to_owned(),
                    value,
                    reason: format!("must be one of: {}", names.join(", ")),
                });
            }
        }
        Ok(())
    }

    /// Refuses what would have to be encrypted or authenticated.
    pub(crate) fn refuse_security(&mut self) -> Result<(), ConfigError> {
        if let Some(protocol) = self.string("security.protocol")
            && protocol != "PLAINTEXT"
        {
            return Err(ConfigError::Unsupported {
                key: "security.protocol".to_owned(),
                value: protocol,
                reason: "this client speaks PLAINTEXT only; use a PLAINTEXT listener".to_owned(),
            });
        }
        Ok(())
    }
}
