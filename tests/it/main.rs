//! Every integration test, in one binary.

mod architecture;
mod conformance;
mod crds;
mod hostile;
mod load;
mod memory;
mod project;
mod properties;
mod sqlite;
mod write;
