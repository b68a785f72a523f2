//! Avro schemas by id and subject. Calls block: they are made from worker threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use client::FailureKind;
use client::schema_registry::{RegisteredSchema, SchemaRegistry, SchemaRegistryError};
use formats::avro::{Schema as AvroSchema, Validation};
use streams::CodecError;
use tokio::runtime::Handle;

use crate::error::{ErrorKind, SqlError};

/// Why a schema could not be had: `Bad` where there is no such schema, or none that can be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct SchemaFailure {
    pub(crate) kind: FailureKind,
    message: String,
}

impl SchemaFailure {
    fn bad(message: String) -> Self {
        Self { kind: FailureKind::Bad, message }
    }

    /// What it means for the record that the schema was asked for: the record's own fault, in
    /// words, or a reason to wait or to stop.
    pub(crate) fn of_record(self) -> Result<String, CodecError> {
        match self.kind {
            FailureKind::Bad => Ok(self.message),
            kind => Err(CodecError { kind, message: self.message }),
        }
    }
}

impl From<SchemaRegistryError> for SchemaFailure {
    fn from(error: SchemaRegistryError) -> Self {
        Self { kind: error.kind(), message: error.to_string() }
    }
}

impl From<SchemaFailure> for SqlError {
    fn from(failure: SchemaFailure) -> Self {
        let kind = match failure.kind {
            FailureKind::Retry => ErrorKind::Unavailable,
            FailureKind::Bad | FailureKind::Fatal => ErrorKind::Statement,
        };
        Self::new(kind, failure.message)
    }
}

/// Where schemas of records come from and go to.
pub(crate) trait Schemas: Send + Sync {
    fn by_id(&self, id: u32) -> Result<Arc<AvroSchema>, SchemaFailure>;

    /// The newest schema of a subject, if there is one.
    fn latest(&self, subject: &str) -> Result<Option<(u32, Arc<AvroSchema>)>, SchemaFailure>;

    /// The id of a schema under a subject; it is registered if it is new there.
    fn register(&self, subject: &str, schema: &AvroSchema) -> Result<u32, SchemaFailure>;
}

/// A registry over HTTP.
pub(crate) struct HttpSchemas {
    registry: SchemaRegistry,
    runtime: Handle,
    parsed: Mutex<HashMap<u32, Arc<AvroSchema>>>,
}

impl HttpSchemas {
    /// Must be made within a runtime, which then does the work of the blocking calls.
    pub(crate) fn new(url: &str) -> Result<Self, SchemaFailure> {
        let registry = SchemaRegistry::new(url)?;
        Ok(Self { registry, runtime: Handle::current(), parsed: Mutex::default() })
    }

    fn parse(&self, id: u32, found: &RegisteredSchema) -> Result<Arc<AvroSchema>, SchemaFailure> {
        let references: Vec<&str> = found.references.iter().map(String::as_str).collect();
        let schema = AvroSchema::parse_with(&found.text, &references, Validation::Lenient)
            .map_err(|e| SchemaFailure::bad(format!("schema {id} is not Avro: {e}")))?;
        let schema = Arc::new(schema);
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        parsed.insert(id, Arc::clone(&schema));
        Ok(schema)
    }
}

impl Schemas for HttpSchemas {
    fn by_id(&self, id: u32) -> Result<Arc<AvroSchema>, SchemaFailure> {
        let known = self.parsed.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = self.runtime.block_on(self.registry.schema(id))?;
        self.parse(id, &found)
    }

    fn latest(&self, subject: &str) -> Result<Option<(u32, Arc<AvroSchema>)>, SchemaFailure> {
        match self.runtime.block_on(self.registry.latest(subject)) {
            Ok(found) => {
                let schema = self.parse(found.id, &found.schema)?;
                Ok(Some((found.id, schema)))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn register(&self, subject: &str, schema: &AvroSchema) -> Result<u32, SchemaFailure> {
        let text = schema.to_text();
        Ok(self.runtime.block_on(self.registry.register(subject, &text))?)
    }
}

/// Schemas in memory: for tests and for a topology without a broker.
#[derive(Default)]
pub(crate) struct MemorySchemas {
    shared: Mutex<Stored>,
}

#[derive(Default)]
struct Stored {
    by_id: HashMap<u32, Arc<AvroSchema>>,
    subjects: HashMap<String, Vec<u32>>,
}

impl MemorySchemas {
    /// Stores a schema under an id that the caller chose.
    pub(crate) fn insert(&self, subject: &str, id: u32, schema: Arc<AvroSchema>) {
        let mut stored = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        stored.by_id.insert(id, schema);
        stored.subjects.entry(subject.to_owned()).or_default().push(id);
    }
}

impl Schemas for MemorySchemas {
    fn by_id(&self, id: u32) -> Result<Arc<AvroSchema>, SchemaFailure> {
        let stored = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let found = stored.by_id.get(&id).cloned();
        found.ok_or_else(|| SchemaFailure::bad(format!("there is no schema {id}")))
    }

    fn latest(&self, subject: &str) -> Result<Option<(u32, Arc<AvroSchema>)>, SchemaFailure> {
        let stored = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let id = stored.subjects.get(subject).and_then(|ids| ids.last()).copied();
        Ok(id.and_then(|id| Some((id, stored.by_id.get(&id)?.clone()))))
    }

    fn register(&self, subject: &str, schema: &AvroSchema) -> Result<u32, SchemaFailure> {
        let mut stored = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let text = schema.to_text();
        let known = stored.by_id.iter().find(|(_, s)| s.to_text() == text).map(|(id, _)| *id);
        let next = stored.by_id.keys().max().map_or(1, |id| id + 1);
        let id = known.unwrap_or(next);
        stored.by_id.entry(id).or_insert_with(|| Arc::new(schema.clone()));
        let ids = stored.subjects.entry(subject.to_owned()).or_default();
        if !ids.contains(&id) {
            ids.push(id);
        }
        Ok(id)
    }
}

/// A registry that is read, and what would be registered there: for statements that are tried
/// before they are carried out.
pub(crate) struct TriedSchemas {
    base: Arc<dyn Schemas>,
    added: MemorySchemas,
}

impl TriedSchemas {
    pub(crate) fn new(base: Arc<dyn Schemas>) -> Self {
        Self { base, added: MemorySchemas::default() }
    }
}

impl Schemas for TriedSchemas {
    fn by_id(&self, id: u32) -> Result<Arc<AvroSchema>, SchemaFailure> {
        self.added.by_id(id).or_else(|_| self.base.by_id(id))
    }

    fn latest(&self, subject: &str) -> Result<Option<(u32, Arc<AvroSchema>)>, SchemaFailure> {
        match self.added.latest(subject)? {
            Some(added) => Ok(Some(added)),
            None => self.base.latest(subject),
        }
    }

    fn register(&self, subject: &str, schema: &AvroSchema) -> Result<u32, SchemaFailure> {
        // Asked first, so that a registry that is missing is told now.
        self.base.latest(subject)?;
        self.added.register(subject, schema)
    }
}

/// No registry: AVRO is refused.
pub(crate) struct NoSchemas;

impl NoSchemas {
    fn refusal() -> SchemaFailure {
        let message = "Cannot use AVRO: no schema registry is set (ksql.schema.registry.url)";
        SchemaFailure { kind: FailureKind::Fatal, message: message.to_owned() }
    }
}

impl Schemas for NoSchemas {
    fn by_id(&self, _: u32) -> Result<Arc<AvroSchema>, SchemaFailure> {
        Err(Self::refusal())
    }

    fn latest(&self, _: &str) -> Result<Option<(u32, Arc<AvroSchema>)>, SchemaFailure> {
        Err(Self::refusal())
    }

    fn register(&self, _: &str, _: &AvroSchema) -> Result<u32, SchemaFailure> {
        Err(Self::refusal())
    }
}
