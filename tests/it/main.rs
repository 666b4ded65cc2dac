//! Every integration test, in one binary.

mod architecture;
mod broken;
mod canary;
mod cli;
mod conformance;
mod core;
mod crds;
mod examples;
mod hostile;
mod load;
mod mail;
mod memory;
mod people;
mod pipelines;
mod post;
mod project;
mod properties;
mod serve;
mod sqlite;
mod write;
