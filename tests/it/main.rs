//! Every integration test, in one binary.

mod conformance;
mod core;
mod load;
mod memory;
mod properties;
mod sqlite;
