//! Statements with their names looked up and their types checked.

mod arithmetic;
pub(crate) mod coerce;
mod compare;
pub(crate) mod ddl;
pub(crate) mod grouping;
pub(crate) mod insert;
pub(crate) mod join;
pub(crate) mod lower;
pub(crate) mod projection;
pub(crate) mod render;
pub(crate) mod scope;
pub(crate) mod select;
mod structure;
pub(crate) mod with;
