//! What a plan counts, the same in text and JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::{Plan, Verb};

/// How many objects meet which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Summary {
    /// New objects.
    pub(crate) create: u64,
    /// Edited objects; renamed and moved ones count here.
    pub(crate) edit: u64,
    /// Objects that are enabled.
    pub(crate) enable: u64,
    /// Objects that are disabled.
    pub(crate) disable: u64,
    /// Objects that are deleted.
    pub(crate) delete: u64,
    /// Objects that are released from management.
    pub(crate) release: u64,
    /// Objects that are taken under management.
    pub(crate) adopt: u64,
    /// Credentials that become due: counted beside the verb.
    pub(crate) credential: u64,
    /// Objects of which something is held.
    pub(crate) held: u64,
    /// Objects that are as they should be.
    pub(crate) unchanged: u64,
}

impl Summary {
    /// Counts each change once under its verb; a hold beside a change counts too.
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut summary = Self { unchanged: plan.tally.settled, held: plan.held().count() as u64, ..Self::default() };
        for change in plan.changes() {
            match change.verb() {
                Verb::Create => summary.create += 1,
                Verb::Edit | Verb::Rename | Verb::Move => summary.edit += 1,
                Verb::Enable => summary.enable += 1,
                Verb::Disable => summary.disable += 1,
                Verb::Delete => summary.delete += 1,
                Verb::Release => summary.release += 1,
                Verb::Adopt => summary.adopt += 1,
                // One that is edited as well counts as that.
                Verb::Credential => summary.edit += u64::from(!change.fields().is_empty()),
                Verb::Held => {}
            }
            summary.credential += u64::from(change.owes());
        }
        summary
    }
}
