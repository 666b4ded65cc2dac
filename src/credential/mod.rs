//! Secrets themselves: what a password must look like, how one is made, hashed and checked. Knows no directory and no
//! document, and shows no secret to anybody: a plain one is a [`SecretString`], which has no `Display` and is overwritten
//! when it is dropped.

mod generate;
mod hash;
mod policy;
mod source;

pub use generate::{Token, password, token};
pub use hash::{HashError, Hasher, imported};
pub use policy::{Weakness, check};
pub use secrecy::{ExposeSecret, SecretString};
pub use source::{Fetched, SourceError, Vault};
