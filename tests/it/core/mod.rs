//! The planning core against its specification, by examples: a directory in sync, one change, the expected decisions.

mod broken;
mod claims;
mod credentials;
mod fixture;
mod gates;
mod notation;
mod removal;
mod roles;
mod stages;
mod table;
mod tree;
