//! Every integration test, in one binary.

mod architecture;
mod broken;
mod canary;
mod cli;
mod conformance;
mod core;
mod crds;
mod examples;
mod explain;
mod generated;
mod history;
mod hostile;
mod load;
mod mail;
mod memory;
mod page;
mod people;
mod pipelines;
mod place;
mod post;
mod project;
mod properties;
mod serve;
mod sqlite;
mod watch;
mod write;
