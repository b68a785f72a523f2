//! Avro with its schema in a registry.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use client::schema_registry::{SchemaRegistry, SchemaRegistryError};
use formats::{Schema, avro, framing};

use super::{ConvertError, Converter, Side, flag};
use crate::plugin::{ConfigProblem, SchemaAndValue};

/// Registers each schema under `<topic>-key` or `<topic>-value` when it is first seen.
pub(super) struct AvroConverter {
    side: Side,
    registry: SchemaRegistry,
    /// By topic; nothing awaits under it. The typed schema is kept to compare by address, so that
    /// the address stays its own.
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Clone)]
struct Known {
    typed: Arc<Schema>,
    id: u32,
    schema: Arc<avro::Schema>,
}

/// The name of a record's schema that has none.
const DEFAULT_NAME: &str = "io.confluent.connect.avro.ConnectDefault";

impl AvroConverter {
    pub(super) fn new(
        side: Side,
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigProblem> {
        let key = format!("{}.schema.registry.url", side.setting());
        let Some(url) = settings.get("schema.registry.url") else {
            let message =
                format!("Missing required configuration \"{key}\" which has no default value.");
            return Err(ConfigProblem::new(key, message));
        };
        let registry = SchemaRegistry::new(url)
            .map_err(|error| ConfigProblem::invalid(&key, url, &error.to_string()))?;
        if !flag(side, settings, "auto.register.schemas", true)? {
            let key = format!("{}.auto.register.schemas", side.setting());
            let reason = "schemas are always registered; leave it out";
            return Err(ConfigProblem::invalid(&key, "false", reason));
        }
        Ok(Self { side, registry, known: Mutex::default() })
    }

    async fn known(&self, topic: &str, typed: &Arc<Schema>) -> Result<Known, ConvertError> {
        let found = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(topic).filter(|known| Arc::ptr_eq(&known.typed, typed)).cloned()
        };
        if let Some(known) = found {
            return Ok(known);
        }
        let schema = avro::from_typed(&avro::with_safe_names(typed), DEFAULT_NAME)?;
        let subject = format!("{topic}{}", self.side.suffix());
        let id =
            self.registry.register(&subject, &schema.to_text()).await.map_err(
                |error| match error {
                    SchemaRegistryError::Refused { code: 409, .. } => {
                        ConvertError::Incompatible { subject: subject.into(), error }
                    }
                    error => ConvertError::Registry(error),
                },
            )?;
        let known = Known { typed: Arc::clone(typed), id, schema: Arc::new(schema) };
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(topic.to_owned(), known.clone());
        Ok(known)
    }
}

#[async_trait]
impl Converter for AvroConverter {
    async fn to_bytes(
        &self,
        topic: &str,
        data: Option<&SchemaAndValue>,
    ) -> Result<Option<Bytes>, ConvertError> {
        let Some(data) = data.filter(|data| !data.value.is_null()) else { return Ok(None) };
        let known = self.known(topic, &data.schema).await?;
        let mut out = Vec::with_capacity(64);
        framing::start(&mut out, known.id);
        known.schema.encode_value(&data.value, &mut out)?;
        Ok(Some(out.into()))
    }
}
