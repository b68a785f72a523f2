//! Operators in the test driver, record by record.

mod fixture;
mod grouping;
mod joining;
mod windows;
