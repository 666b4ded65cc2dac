//! Every integration test, in one binary.

mod conformance;
mod memory;
mod sqlite;
