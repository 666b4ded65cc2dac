//! Words, tables and JSON. Takes data, gives text; writes nowhere.

mod detail;
pub(crate) mod diagnostics;
pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod objects;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod style;
