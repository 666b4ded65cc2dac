//! Every integration test, in one binary.

mod architecture;
mod conformance;
mod load;
mod memory;
mod properties;
mod sqlite;
