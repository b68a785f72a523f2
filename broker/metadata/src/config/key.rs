//! What is known about one configuration key.

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
    /// It does what it says.
    Works,
    /// Nothing has to be done to keep what it promises: a hint about threads or memory, or a duty
    /// of work that this broker does not do (what is never compacted is never compacted too early).
    Kept,
    /// It would promise what this broker does not do: any value but the default must be refused.
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
