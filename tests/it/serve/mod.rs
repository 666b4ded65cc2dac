//! `tenantry serve` and `tenantry verify-password`: the real binary, over a directory with people who owe a credential.

pub(crate) mod browser;
mod fixture;
mod pages;
mod stop;
pub(crate) mod webdriver;
