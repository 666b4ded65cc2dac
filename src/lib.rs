//! Tenants as code: companies, customers and users are declared as documents, planned against what a directory holds, and
//! applied. `ARCHITECTURE.md` has the map.

pub mod apply;
pub mod cli;
pub mod config;
pub mod credential;
pub mod desired;
pub mod directory;
pub mod drivers;
pub mod git;
pub mod history;
pub mod issue;
pub mod k8s;
pub mod mail;
pub mod manifest;
pub mod model;
pub mod observed;
pub mod organisation;
pub mod pipeline;
pub mod plan;
pub mod report;
pub mod serve;
pub mod telemetry;
