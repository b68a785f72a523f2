//! What is known about one configuration key.

use super::value::Value;

/// The type of a key's value, numbered as DescribeConfigs reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

impl Kind {
    pub fn code(self) -> i8 {
        match self {
            Kind::Boolean => 1,
            Kind::String => 2,
            Kind::Int => 3,
            Kind::Short => 4,
            Kind::Long => 5,
            Kind::Double => 6,
            Kind::List => 7,
            Kind::Class => 8,
            Kind::Password => 9,
        }
    }

    /// The name that Kafka's error texts use.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::String => "STRING",
            Kind::Int => "INT",
            Kind::Short => "SHORT",
            Kind::Long => "LONG",
            Kind::Double => "DOUBLE",
            Kind::List => "LIST",
            Kind::Class => "CLASS",
            Kind::Password => "PASSWORD",
        }
    }
}

/// Which values of the right type are allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Check {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    /// A range, or the one value outside it.
    BetweenOr(i64, i64, i64),
    OneOf(&'static [&'static str]),
    OneOfAnyCase(&'static [&'static str]),
    /// Each item of a list is one of these, none twice.
    EachOf(&'static [&'static str]),
    NonEmpty,
    /// `*`, or a list of `partition:broker`.
    ThrottledReplicas,
    /// `earliest`, `latest` or `by_duration:` with an ISO 8601 duration.
    OffsetReset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// Whether and how widely a broker takes a new value while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    ReadOnly,
    /// For one broker.
    PerBroker,
    /// For one broker, or as the default of all.
    ClusterWide,
}

/// What a value of the key does in this broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does what it says; where Kafka takes it while it runs, this broker follows it too.
    Works,
    /// It does what it says from the next start on: a running broker refuses a change.
    AtStart,
    /// It sizes or paces what Kafka has inside and this broker has not: thread pools, buffers. Any
    /// value is taken and changes nothing, which is said aloud.
    Hint,
    /// It counts the nodes of something that this broker refuses as yet. A node alone is one of
    /// one, which Kafka's own files say: 1 and the default are taken, any other value is refused.
    OneNode,
    /// It would promise what this broker does not do: any value but the default is refused.
    Missing,
}

/// One key of a scope.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// The default in the form that a file would have it; `None` is Kafka's null.
    pub default: Option<&'static str>,
    pub check: Check,
    pub importance: Importance,
    pub update: Update,
    pub effect: Effect,
    pub doc: &'static str,
    /// The broker's key that stands in when the topic or group sets nothing.
    pub broker_key: Option<&'static str>,
}

impl Key {
    /// Values of such a key are never shown.
    pub fn is_sensitive(&self) -> bool {
        self.kind == Kind::Password
    }

    pub fn is_read_only(&self) -> bool {
        self.update == Update::ReadOnly
    }

    /// Whether a value asks for what this broker does not do.
    pub(super) fn asks_in_vain(&self, value: &Value) -> bool {
        match self.effect {
            Effect::Works | Effect::AtStart | Effect::Hint => false,
            Effect::OneNode => self.is_changed(value) && *value != Value::Number(1),
            Effect::Missing => self.is_changed(value),
        }
    }

    /// Whether a value is one of a hint, so that somebody may expect something of it.
    pub(super) fn hints(&self, value: &Value) -> bool {
        self.effect == Effect::Hint && self.is_changed(value)
    }

    /// Whether a value says something that the default does not.
    fn is_changed(&self, value: &Value) -> bool {
        self.default_value().as_ref() != Some(value) && !value.to_text().is_empty()
    }
}

/// Writes a table of keys as lines:
/// `"name" Kind default, Check, Importance Update Effect [from "broker key"]; "what it means";`
macro_rules! keys {
    (@default null) => { None };
    (@default $text:literal) => { Some($text) };
    (@from) => { None };
    (@from $text:literal) => { Some($text) };
    ($($name:literal $kind:ident $default:tt, $check:expr,
       $importance:ident $update:ident $effect:ident $(from $broker:literal)?; $doc:literal;)*) => {
        &[$($crate::config::key::Key {
            name: $name,
            kind: $crate::config::key::Kind::$kind,
            default: keys!(@default $default),
            check: $check,
            importance: $crate::config::key::Importance::$importance,
            update: $crate::config::key::Update::$update,
            effect: $crate::config::key::Effect::$effect,
            doc: $doc,
            broker_key: keys!(@from $($broker)?),
        }),*]
    };
}
pub(crate) use keys;
