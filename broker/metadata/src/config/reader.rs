//! Reads typed settings out of layers.

use super::key::Key;
use super::layer::Layer;
use super::resolve::BrokerLayers;
use super::table::{broker_table, topic_table};
use super::value::{Value, ValueError};

/// Finds the value of a key for one topic, or for the broker itself.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    /// `None` reads the broker's own keys.
    topic: Option<&'a Layer>,
    broker: BrokerLayers<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn of_topic(topic: &'a Layer, broker: BrokerLayers<'a>) -> Self {
        Self { topic: Some(topic), broker }
    }

    pub(super) fn of_broker(broker: BrokerLayers<'a>) -> Self {
        Self { topic: None, broker }
    }

    pub(super) fn optional(&self, name: &'static str) -> Result<Option<Value>, ValueError> {
        let Some(layer) = self.topic else { return self.broker.value(name) };
        let key: &Key = topic_table().get(name).expect("settings name only keys of the table");
        if let Some(text) = layer.get(name) {
            return key.parse(text).map(Some);
        }
        match key.broker_key.map(|broker_key| self.broker.value(broker_key)) {
            Some(Ok(None)) | None => Ok(key.default_value()),
            Some(found) => found,
        }
    }

    fn value(&self, name: &'static str) -> Result<Value, ValueError> {
        Ok(self.optional(name)?.expect("a key read without an option has a default"))
    }

    pub(super) fn long(&self, name: &'static str) -> Result<i64, ValueError> {
        match self.value(name)? {
            Value::Number(number) => Ok(number),
            other => unreachable!("{name} is a number in its table, not {other:?}"),
        }
    }

    pub(super) fn double(&self, name: &'static str) -> Result<f64, ValueError> {
        match self.value(name)? {
            Value::Double(number) => Ok(number),
            other => unreachable!("{name} is a fraction in its table, not {other:?}"),
        }
    }

    /// A number that its key's type or check keeps in the range of an `i32`.
    pub(super) fn int(&self, name: &'static str) -> Result<i32, ValueError> {
        let number = self.long(name)?;
        Ok(i32::try_from(number).expect("the key's type is no wider than an i32"))
    }

    /// A number that its key's check keeps above zero; what is below counts as zero.
    pub(super) fn count(&self, name: &'static str) -> Result<u32, ValueError> {
        Ok(u32::try_from(self.long(name)?.max(0)).unwrap_or(u32::MAX))
    }

    pub(super) fn flag(&self, name: &'static str) -> Result<bool, ValueError> {
        Ok(self.value(name)? == Value::Boolean(true))
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, ValueError> {
        Ok(self.optional(name)?.map(|value| value.to_text()))
    }

    pub(super) fn list(&self, name: &'static str) -> Result<Vec<String>, ValueError> {
        Ok(match self.optional(name)? {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        })
    }

    /// Whether the key was set in a layer, whatever its value.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.topic.is_some_and(|layer| layer.contains_key(name)) || self.broker.set(name).is_some()
    }

    /// The key's value in the range of an `i16` that replication factors have.
    pub(super) fn short(&self, name: &'static str) -> Result<i16, ValueError> {
        let number = self.long(name)?;
        i16::try_from(number).map_err(|_| ValueError::Invalid {
            name: broker_table().get(name).map_or(name, |key| key.name),
            value: number.to_string(),
            reason: format!("Value must be no more than {}", i16::MAX),
        })
    }
}
