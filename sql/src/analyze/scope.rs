//! Which columns an expression may name, and what they are called in the rows.

use crate::catalog::source::{Column, Source};
use crate::error::{Span, SqlError, did_you_mean, near_names};
use crate::parser::ast::Ident;
use crate::types::SqlType;

/// One column that can be named.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ScopeColumn {
    /// The alias of its source; none behind an aggregate.
    pub(crate) source: Option<String>,
    pub(crate) name: String,
    pub(crate) ty: SqlType,
    /// Its name in the rows.
    pub(crate) physical: String,
    pub(crate) role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Key,
    Value,
    /// ROWTIME and the like: not part of `*`.
    Pseudo,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scope {
    pub(crate) columns: Vec<ScopeColumn>,
    /// The aliases of the sources, in order.
    pub(crate) sources: Vec<String>,
}

impl Scope {
    /// The columns of one source, under their own names.
    pub(crate) fn of_source(source: &Source, alias: &str) -> Self {
        let column = |c: &Column, role| ScopeColumn {
            source: Some(alias.to_owned()),
            name: c.name.clone(),
            ty: c.ty.clone(),
            physical: c.name.clone(),
            role,
        };
        let mut columns: Vec<ScopeColumn> =
            source.key.iter().map(|c| column(c, Role::Key)).collect();
        columns.extend(source.value.iter().map(|c| column(c, Role::Value)));
        let mut pseudo = vec![("ROWTIME", SqlType::Bigint), ("ROWPARTITION", SqlType::Integer)];
        pseudo.push(("ROWOFFSET", SqlType::Bigint));
        if source.window.is_some() {
            pseudo.push(("WINDOWSTART", SqlType::Bigint));
            pseudo.push(("WINDOWEND", SqlType::Bigint));
        }
        columns.extend(
            pseudo.into_iter().map(|(name, ty)| column(&Column::new(name, ty), Role::Pseudo)),
        );
        Self { columns, sources: vec![alias.to_owned()] }
    }

    /// The same columns under `ALIAS.NAME`, so that two sources do not clash.
    pub(crate) fn prefixed(mut self) -> Self {
        for column in &mut self.columns {
            if let Some(source) = &column.source {
                column.physical = format!("{source}.{}", column.name);
            }
        }
        self
    }

    pub(crate) fn join(mut self, other: Self) -> Self {
        self.columns.extend(other.columns);
        self.sources.extend(other.sources);
        self
    }

    /// The column that a name means.
    pub(crate) fn resolve(
        &self,
        source: Option<&Ident>,
        name: &Ident,
    ) -> Result<&ScopeColumn, SqlError> {
        if let Some(source) = source
            && !self.sources.contains(&source.name)
        {
            let known = self.sources.iter().map(String::as_str);
            let hint = did_you_mean(&near_names(&source.name, known));
            let message =
                format!("'{}' is not a valid stream/table name or alias.{hint}", source.name);
            return Err(SqlError::statement(message).at(source.span));
        }
        let wanted = |c: &&ScopeColumn| {
            c.name == name.name && source.is_none_or(|s| c.source.as_ref() == Some(&s.name))
        };
        let found: Vec<&ScopeColumn> = self.columns.iter().filter(wanted).collect();
        let span = source.map_or(name.span, |s| s.span.to(name.span));
        match found.as_slice() {
            [one] => Ok(one),
            [] => Err(self.unknown(source, name, span)),
            many => {
                let options: Vec<String> = many
                    .iter()
                    .map(|c| format!("{}.{}", c.source.as_deref().unwrap_or(""), c.name))
                    .collect();
                let message = format!(
                    "Column '{}' is ambiguous. Could be {}.",
                    name.name,
                    options.join(" or ")
                );
                Err(SqlError::statement(message).at(span))
            }
        }
    }

    fn unknown(&self, source: Option<&Ident>, name: &Ident, span: Span) -> SqlError {
        let known = self.columns.iter().map(|c| c.name.as_str());
        let hint = did_you_mean(&near_names(&name.name, known));
        let shown = match source {
            Some(source) => format!("{}.{}", source.name, name.name),
            None => name.name.clone(),
        };
        SqlError::statement(format!("Column '{shown}' cannot be resolved.{hint}")).at(span)
    }

    /// How many sources have a column of that name.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.columns.iter().filter(|c| c.name == name).count()
    }
}
