//! Every integration test, in one binary.

mod architecture;
mod broken;
mod cli;
mod conformance;
mod core;
mod crds;
mod examples;
mod hostile;
mod load;
mod memory;
mod project;
mod properties;
mod serve;
mod sqlite;
mod write;
