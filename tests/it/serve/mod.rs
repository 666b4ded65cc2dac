//! `tenantry serve` and `tenantry verify-password`: the real binary, over a directory with people who owe a credential.

mod browser;
mod fixture;
mod pages;
mod stop;
mod webdriver;
