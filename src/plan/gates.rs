//! The safety gates: what a plan must not do all at once, however it came about.

use std::collections::BTreeSet;

use serde::Serialize;

use super::types::{LastHolder, Plan};
use crate::manifest::Budget;

/// What somebody allows for one plan, by flag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allow {
    /// `--allow-removals N`: up to N losses, whatever the window says.
    pub removals: Option<u64>,
    /// `--allow-creates N`.
    pub creates: Option<u64>,
    /// `--allow-empty`.
    pub empty: bool,
    /// `--whole`: the root is meant to be another one.
    pub whole: bool,
    /// `--allow-last-holder NAMESPACE/ROLE`.
    pub last_holders: BTreeSet<LastHolder>,
}

/// The name of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Too many losses.
    Budget,
    /// Too many creates.
    Creates,
    /// A whole declaration without documents.
    EmptyInput,
    /// Another root than last time, and something would be removed.
    RootChanged,
    /// A privileged role would lose its last holder.
    LastHolder,
    /// The plan is not the one that was approved.
    StalePlan,
}

/// Why a plan is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Which gate.
    pub gate: Gate,
    /// Why, with the numbers.
    pub message: String,
    /// The flag that allows exactly this, where there is one.
    pub flag: Option<String>,
}

impl Plan {
    /// Every gate that this plan does not pass, in the order of [`Gate`].
    pub fn check(&self, _budget: &Budget, _allow: &Allow) -> Vec<Refusal> {
        todo!()
    }
}
