//! The schema as a graph: nodes in one list, a named type stands there once and is pointed at.

use indexmap::IndexMap;
use serde_json::Value as Json;

/// Where a node stands in its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub(super) u32);

/// A parsed Avro schema. Everything written in it is kept: documentation, aliases, order, defaults,
/// custom properties.
#[derive(Clone, Debug)]
pub struct Schema {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
    pub(super) names: IndexMap<Name, NodeId>,
    /// How many of `names`, from the start, came from referenced schemas.
    pub(super) referenced: usize,
}

/// One type with its custom properties (`logicalType` and its parameters among them).
#[derive(Clone, Debug)]
pub struct Node {
    pub kind: Kind,
    pub props: Props,
    /// The logical type, if the properties name one that fits the kind.
    pub logical: Option<Logical>,
}

pub type Props = IndexMap<String, Json>;

#[derive(Clone, Debug)]
pub enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Record(Record),
    Enum(Enum),
    Fixed(Fixed),
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
}

#[derive(Clone, Debug)]
pub struct Record {
    pub name: Name,
    pub doc: Option<String>,
    pub aliases: Vec<Name>,
    /// Declared as `error`, which differs in the printed type only.
    pub error: bool,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub doc: Option<String>,
    pub schema: NodeId,
    pub default: Option<Json>,
    pub order: Order,
    pub aliases: Vec<String>,
    pub props: Props,
}

#[derive(Clone, Debug)]
pub struct Enum {
    pub name: Name,
    pub doc: Option<String>,
    pub aliases: Vec<Name>,
    pub symbols: Vec<String>,
    pub default: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Fixed {
    pub name: Name,
    pub doc: Option<String>,
    pub aliases: Vec<Name>,
    pub size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Ascending,
    Descending,
    Ignore,
}

/// The logical types that change what a value means here; others stay plain properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logical {
    Decimal { precision: u32, scale: u32 },
    Date,
    TimeMillis,
    TimeMicros,
    TimestampMillis,
    TimestampMicros,
    Uuid,
}

/// A full name: `namespace` is none for the null namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    pub name: String,
    pub namespace: Option<String>,
}

impl Name {
    /// Reads `name` as seen from inside `namespace`; dots in `name` win over it.
    pub fn new(name: &str, namespace: Option<&str>) -> Self {
        let (namespace, name) = match name.rsplit_once('.') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (namespace, name),
        };
        let namespace = namespace.filter(|space| !space.is_empty()).map(str::to_owned);
        Self { name: name.to_owned(), namespace }
    }

    pub fn full(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}.{}", self.name),
            None => self.name.clone(),
        }
    }

    /// As short as it can be written inside `namespace`.
    pub(super) fn qualified(&self, namespace: Option<&str>) -> String {
        let inside = self.namespace.is_some() && self.namespace.as_deref() == namespace;
        if inside && !is_type_word(&self.name) { self.name.clone() } else { self.full() }
    }
}

/// Words that a schema text uses for types, so that a name spelt like one needs its namespace.
pub(super) fn is_type_word(word: &str) -> bool {
    primitive(word).is_some()
        || matches!(word, "record" | "enum" | "array" | "map" | "union" | "fixed")
}

pub(super) fn primitive(word: &str) -> Option<Kind> {
    Some(match word {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}

impl Kind {
    /// The word for this type in a schema text; upper-cased it is Java's `Schema.Type`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
            Self::Record(_) => "record",
            Self::Enum(_) => "enum",
            Self::Fixed(_) => "fixed",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Union(_) => "union",
        }
    }

    pub fn name(&self) -> Option<&Name> {
        match self {
            Self::Record(record) => Some(&record.name),
            Self::Enum(symbols) => Some(&symbols.name),
            Self::Fixed(fixed) => Some(&fixed.name),
            _ => None,
        }
    }

    pub fn aliases(&self) -> &[Name] {
        match self {
            Self::Record(record) => &record.aliases,
            Self::Enum(symbols) => &symbols.aliases,
            Self::Fixed(fixed) => &fixed.aliases,
            _ => &[],
        }
    }

    pub fn doc(&self) -> Option<&str> {
        match self {
            Self::Record(record) => record.doc.as_deref(),
            Self::Enum(symbols) => symbols.doc.as_deref(),
            Self::Fixed(fixed) => fixed.doc.as_deref(),
            _ => None,
        }
    }
}

impl Schema {
    pub fn root(&self) -> NodeId {
        self.root
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub fn kind(&self, id: NodeId) -> &Kind {
        &self.node(id).kind
    }

    /// Full name of a named type, the type's word for any other.
    pub fn full_name(&self, id: NodeId) -> String {
        let kind = self.kind(id);
        kind.name().map_or_else(|| kind.word().to_owned(), Name::full)
    }

    /// The named types, referenced ones first, in the order of their definition.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.keys()
    }

    pub fn lookup(&self, name: &Name) -> Option<NodeId> {
        self.names.get(name).copied()
    }
}

impl Node {
    pub(super) fn new(kind: Kind, props: Props) -> Self {
        let logical = logical(&kind, &props);
        Self { kind, props, logical }
    }
}

/// An unknown or misplaced logical type is none, as in Java's `fromSchemaIgnoreInvalid`.
fn logical(kind: &Kind, props: &Props) -> Option<Logical> {
    let word = props.get("logicalType")?.as_str()?;
    Some(match (word, kind) {
        ("decimal", Kind::Bytes | Kind::Fixed(_)) => decimal(kind, props)?,
        ("date", Kind::Int) => Logical::Date,
        ("time-millis", Kind::Int) => Logical::TimeMillis,
        ("time-micros", Kind::Long) => Logical::TimeMicros,
        ("timestamp-millis", Kind::Long) => Logical::TimestampMillis,
        ("timestamp-micros", Kind::Long) => Logical::TimestampMicros,
        ("uuid", Kind::String) => Logical::Uuid,
        _ => return None,
    })
}

fn decimal(kind: &Kind, props: &Props) -> Option<Logical> {
    let number = |key: &str| props.get(key).map(|value| value.as_u64().unwrap_or(u64::MAX));
    let precision = u32::try_from(number("precision")?).ok()?;
    let scale = u32::try_from(number("scale").unwrap_or(0)).ok()?;
    let room = match kind {
        Kind::Fixed(fixed) => (fixed.size as f64 * 8.0 - 1.0) * std::f64::consts::LOG10_2,
        _ => f64::MAX,
    };
    let fits = precision > 0 && scale <= precision && f64::from(precision) <= room.floor();
    fits.then_some(Logical::Decimal { precision, scale })
}
