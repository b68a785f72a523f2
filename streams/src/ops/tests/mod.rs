//! Operators in the test driver, record by record.

pub(crate) mod fixture;
mod grouping;
mod joining;
mod windows;

pub(crate) fn inner_join() -> crate::Topology {
    joining::join(crate::ops::JoinKind::Inner)
}
