//! The planning core against its specification, by examples: a directory in sync, one change, the expected decisions.

mod able;
mod approve;
pub(crate) mod authority;
mod broken;
mod claims;
mod credentials;
pub(crate) mod fixture;
mod gates;
mod notation;
mod organisation;
mod removal;
mod roles;
mod settings;
mod stages;
mod table;
mod tree;
