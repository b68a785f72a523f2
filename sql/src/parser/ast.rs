//! What the grammar says, before any name is looked up. Every node knows its place.

use crate::error::Span;
use crate::types::SqlType;

/// A name: upper case unless it was quoted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ident {
    pub(crate) name: String,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
    /// How many expressions lead from this one down to the last: what recursion over it costs.
    height: usize,
}

impl Expr {
    pub(crate) fn new(kind: ExprKind, span: Span) -> Self {
        let below = kind.parts().into_iter().map(|part| part.height).max();
        Self { height: below.map_or(0, |height| height + 1), kind, span }
    }

    pub(crate) fn height(&self) -> usize {
        self.height
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Boolean(bool),
    Integer(i32),
    Bigint(i64),
    /// Digits with a point: exact.
    Decimal(String),
    Double(f64),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Arithmetic {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    IsDistinct,
    IsNotDistinct,
}

impl Comparison {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::IsDistinct => "IS DISTINCT FROM",
            Self::IsNotDistinct => "IS NOT DISTINCT FROM",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ExprKind {
    Column { source: Option<Ident>, name: Ident },
    Literal(Literal),
    Negate(Box<Expr>),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Arithmetic { op: Arithmetic, left: Box<Expr>, right: Box<Expr> },
    Compare { op: Comparison, left: Box<Expr>, right: Box<Expr> },
    Between { value: Box<Expr>, low: Box<Expr>, high: Box<Expr>, negated: bool },
    In { value: Box<Expr>, list: Vec<Expr>, negated: bool },
    Like { value: Box<Expr>, pattern: Box<Expr>, escape: Option<char>, negated: bool },
    IsNull { value: Box<Expr>, negated: bool },
    Case { operand: Option<Box<Expr>>, whens: Vec<(Expr, Expr)>, otherwise: Option<Box<Expr>> },
    Cast { value: Box<Expr>, target: TypeName },
    Call { name: Ident, arguments: Vec<Expr>, star: bool },
    Lambda { parameters: Vec<Ident>, body: Box<Expr> },
    Subscript { base: Box<Expr>, index: Box<Expr> },
    Field { base: Box<Expr>, name: Ident },
    Array(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Struct(Vec<(Ident, Expr)>),
}

impl ExprKind {
    /// The expressions directly below this one.
    pub(crate) fn parts(&self) -> Vec<&Expr> {
        match self {
            Self::Column { .. } | Self::Literal(_) => Vec::new(),
            Self::Negate(one) | Self::Not(one) => vec![one],
            Self::IsNull { value, .. } | Self::Cast { value, .. } => vec![value],
            Self::Field { base, .. } => vec![base],
            Self::Lambda { body, .. } => vec![body],
            Self::And(left, right) | Self::Or(left, right) => vec![left, right],
            Self::Arithmetic { left, right, .. } | Self::Compare { left, right, .. } => {
                vec![left, right]
            }
            Self::Subscript { base, index } => vec![base, index],
            Self::Like { value, pattern, .. } => vec![value, pattern],
            Self::Between { value, low, high, .. } => vec![value, low, high],
            Self::In { value, list, .. } => std::iter::once(&**value).chain(list).collect(),
            Self::Case { operand, whens, otherwise } => {
                let ends = operand.iter().chain(otherwise).map(|part| &**part);
                ends.chain(whens.iter().flat_map(|(when, then)| [when, then])).collect()
            }
            Self::Call { arguments, .. } => arguments.iter().collect(),
            Self::Array(items) => items.iter().collect(),
            Self::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
            Self::Struct(members) => members.iter().map(|(_, value)| value).collect(),
        }
    }
}

/// A type as written: complete, or the name of one made by CREATE TYPE inside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TypeName {
    Known(SqlType),
    Custom(Ident),
    Array(Box<TypeName>),
    Map(Box<TypeName>, Box<TypeName>),
    Struct(Vec<(Ident, TypeName)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum SourceKind {
    Stream,
    Table,
}

impl SourceKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stream => "STREAM",
            Self::Table => "TABLE",
        }
    }

    pub(crate) fn lower(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Table => "table",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ColumnRole {
    Value,
    Key,
    PrimaryKey,
    Headers(Option<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: Ident,
    pub(crate) ty: TypeName,
    pub(crate) role: ColumnRole,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) value: Literal,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateSource {
    pub(crate) kind: SourceKind,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    /// CREATE SOURCE: read-only, and a table is materialised.
    pub(crate) read_only: bool,
    pub(crate) name: Ident,
    pub(crate) columns: Vec<ColumnDefinition>,
    pub(crate) with: Vec<Property>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateAs {
    pub(crate) kind: SourceKind,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) name: Ident,
    pub(crate) with: Vec<Property>,
    pub(crate) query: Query,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SelectItem {
    All {
        source: Option<Ident>,
        span: Span,
    },
    /// `expression->*`
    Fields {
        base: Expr,
    },
    Expression {
        value: Expr,
        alias: Option<Ident>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceName {
    pub(crate) name: Ident,
    pub(crate) alias: Option<Ident>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

impl JoinKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Inner => "INNER",
            Self::Left => "LEFT OUTER",
            Self::Right => "RIGHT OUTER",
            Self::Full => "FULL OUTER",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Within {
    pub(crate) before_ms: i64,
    pub(crate) after_ms: i64,
    pub(crate) grace_ms: Option<i64>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) right: SourceName,
    pub(crate) within: Option<Within>,
    pub(crate) on: Expr,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WindowShape {
    Tumbling { size_ms: i64 },
    Hopping { size_ms: i64, advance_ms: i64 },
    Session { gap_ms: i64 },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Window {
    pub(crate) shape: WindowShape,
    pub(crate) retention_ms: Option<i64>,
    pub(crate) grace_ms: Option<i64>,
    pub(crate) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emit {
    /// No EMIT clause.
    Unstated,
    Changes,
    Final,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OrderBy {
    pub(crate) value: Expr,
    pub(crate) descending: bool,
    pub(crate) nulls_first: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) items: Vec<SelectItem>,
    pub(crate) from: SourceName,
    pub(crate) joins: Vec<Join>,
    pub(crate) window: Option<Window>,
    pub(crate) filter: Option<Expr>,
    pub(crate) group_by: Vec<Expr>,
    pub(crate) partition_by: Vec<Expr>,
    pub(crate) having: Option<Expr>,
    /// Pull queries only.
    pub(crate) order_by: Vec<OrderBy>,
    pub(crate) emit: Emit,
    pub(crate) limit: Option<u64>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Show {
    Streams { extended: bool },
    Tables { extended: bool },
    Topics { all: bool, extended: bool },
    Queries { extended: bool },
    Functions,
    Properties,
    Types,
    Variables,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    CreateSource(CreateSource),
    CreateAs(CreateAs),
    CreateType {
        name: Ident,
        if_not_exists: bool,
        ty: TypeName,
    },
    InsertSelect {
        target: Ident,
        with: Vec<Property>,
        query: Query,
    },
    InsertValues {
        target: Ident,
        columns: Vec<Ident>,
        values: Vec<Expr>,
    },
    Drop {
        kind: SourceKind,
        if_exists: bool,
        name: Ident,
        delete_topic: bool,
    },
    DropType {
        name: Ident,
        if_exists: bool,
    },
    Describe {
        name: Ident,
        extended: bool,
    },
    DescribeAll {
        kind: SourceKind,
        extended: bool,
    },
    DescribeFunction {
        name: Ident,
    },
    ExplainQuery {
        id: Ident,
    },
    Explain {
        statement: Box<Parsed>,
    },
    Show(Show),
    Print(Print),
    /// `None` = ALL.
    Terminate {
        id: Option<Ident>,
    },
    Pause {
        id: Option<Ident>,
    },
    Resume {
        id: Option<Ident>,
    },
    Set {
        name: String,
        value: String,
    },
    Unset {
        name: String,
    },
    Define {
        name: String,
        value: String,
    },
    Undefine {
        name: String,
    },
    Select(Query),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Print {
    pub(crate) topic: Ident,
    pub(crate) from_beginning: bool,
    pub(crate) interval: Option<u64>,
    pub(crate) limit: Option<u64>,
}

/// A statement and its place in the script, the `;` included.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) statement: Statement,
    pub(crate) span: Span,
}
