//! From what became of an object to what stands in its status: conditions as `kubectl wait`, Flux and Argo CD read them. `Ready`
//! is always there; `Reconciling` and `Stalled` only while they are true (kstatus,
//! <https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md>). Pure.

use jiff::Timestamp;
use smol_str::SmolStr;

use super::item::Item;
use crate::{
    manifest::{Condition, ConditionStatus, DirectoryStatus, HeldStatus, HourStatus, PlanStatus, Status},
    model::Name,
    plan::{Hold, Verb},
};

/// The conditions that are ours: those of others stay as they are.
pub(super) const CONDITIONS: [&str; 4] = ["Ready", "Reconciling", "Stalled", "CredentialDelivered"];
/// The most that a message holds; a status is no place for a list of everything.
const LONGEST: usize = 1_024;

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// What it declares is true.
    True(&'static str),
    /// It is not, yet.
    Pending {
        /// One of the reasons of `interface.md`.
        reason: &'static str,
        /// What would be done.
        verb: Verb,
        message: String,
        /// Nothing but somebody's doing can mend it.
        stalled: bool,
    },
}

/// Whether it takes somebody to mend a hold: `Stalled` is what Flux and Argo CD take for a failure.
pub(super) fn stalls(hold: &Hold) -> bool {
    match hold {
        Hold::WaitingFor(_) | Hold::Progressing | Hold::Incomplete | Hold::Paused => false,
        Hold::Invalid
        | Hold::NotOurs
        | Hold::Taken { .. }
        | Hold::Unsupported(_)
        | Hold::Protected
        | Hold::Blocked(_)
        | Hold::Denied
        | Hold::DisabledOutside
        | Hold::PendingActivation
        | Hold::NotApproved
        | Hold::OverBudget
        | Hold::Refused => true,
    }
}

/// How it stands with the credential of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It went out.
    Given,
    /// It is owed, and why.
    Owed(String),
    /// It died before it was used.
    Expired,
}

/// Everything that a status says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) verdict: Verdict,
    pub(super) directory: Option<SmolStr>,
    pub(super) directory_id: Option<SmolStr>,
    pub(super) delivery: Option<Delivery>,
    pub(super) reset: Option<SmolStr>,
    /// What a person decided about it: the digest of the change that was approved, or rejected.
    pub(super) approved: Option<String>,
    pub(super) rejected: Option<String>,
}

/// The status that an object is to have; nothing where that is what it has.
pub(super) fn status(item: &Item, said: Said, now: Timestamp) -> Option<Status> {
    let Said { verdict, directory, directory_id, delivery, reset, approved, rejected } = said;
    let old = &item.status;
    let mut conditions = Conditions { old: &old.conditions, new: Vec::new(), generation: item.generation, now };
    let plan = conditions.verdict(verdict);
    if let Some(delivery) = delivery {
        let (status, reason, message) = match delivery {
            Delivery::Given => (ConditionStatus::True, "Succeeded", "the credential was delivered".to_owned()),
            Delivery::Owed(message) => (ConditionStatus::False, "Progressing", message),
            Delivery::Expired => {
                let message = "it was not used in time: `credential.reset`, or enabling the account again, makes a new one";
                (ConditionStatus::False, "Expired", message.to_owned())
            }
        };
        conditions.add("CredentialDelivered", status, reason, message);
    }
    let new = Status {
        observed_generation: Some(item.generation),
        directory: directory.map(Into::into),
        directory_id: directory_id.map(Into::into),
        conditions: conditions.all(),
        plan,
        approved,
        rejected,
        last_handled_reset: reset.map(Into::into),
        last_handled_reconcile_at: item.asks.reconcile_at.clone().map(Into::into),
        authorization_code: old.authorization_code.clone(),
    };
    (new != *old).then_some(new)
}

/// What a Directory says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DirectorySaid {
    pub(super) verdict: Verdict,
    pub(super) window: Vec<HourStatus>,
    pub(super) held: Option<HeldStatus>,
    pub(super) handled: Handled,
}

/// What of approvals and rejections has been seen to: each counts once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Handled {
    pub(super) approval: Option<String>,
    pub(super) rejection: Option<String>,
}

impl Handled {
    pub(super) fn of(status: &DirectoryStatus) -> Self {
        Self { approval: status.last_handled_approval.clone(), rejection: status.last_handled_rejection.clone() }
    }
}

/// The status that a Directory is to have; nothing where that is what it has.
pub(super) fn directory(generation: i64, old: &DirectoryStatus, said: DirectorySaid, now: Timestamp) -> Option<DirectoryStatus> {
    let DirectorySaid { verdict, window, held, handled } = said;
    let mut conditions = Conditions { old: &old.conditions, new: Vec::new(), generation, now };
    conditions.verdict(verdict);
    let new = DirectoryStatus {
        observed_generation: Some(generation),
        conditions: conditions.all(),
        window,
        held,
        last_handled_approval: handled.approval,
        last_handled_rejection: handled.rejection,
    };
    (new != *old).then_some(new)
}

/// What an object says that belongs to no Directory, or to several.
pub(super) fn homeless(home: &str, listed: &[Name]) -> Verdict {
    let message = if listed.is_empty() {
        format!("no Directory lists the namespace `{home}`: nothing is written")
    } else {
        let names: Vec<&str> = listed.iter().map(Name::as_str).collect();
        format!("several Directories list the namespace `{home}` ({}): nothing is written", names.join(", "))
    };
    Verdict::Pending { reason: "Refused", verb: Verb::Held, message, stalled: true }
}

struct Conditions<'a> {
    old: &'a [Condition],
    new: Vec<Condition>,
    generation: i64,
    now: Timestamp,
}

impl Conditions<'_> {
    fn verdict(&mut self, verdict: Verdict) -> Option<PlanStatus> {
        match verdict {
            Verdict::True(message) => {
                self.add("Ready", ConditionStatus::True, "Succeeded", message.to_owned());
                None
            }
            Verdict::Pending { reason, verb, message, stalled } => {
                let message = shortened(message);
                self.add("Ready", ConditionStatus::False, reason, message.clone());
                self.add(if stalled { "Stalled" } else { "Reconciling" }, ConditionStatus::True, reason, message.clone());
                Some(PlanStatus { verb: verb.as_str().to_owned(), reason: reason.to_owned(), message })
            }
        }
    }

    /// Adds a condition; the time is that of the last change of `status`, whatever else is said differently.
    fn add(&mut self, type_: &str, status: ConditionStatus, reason: &str, message: String) {
        let since = self.old.iter().find(|it| it.type_ == type_ && it.status == status).map(|it| it.last_transition_time);
        self.new.push(Condition {
            type_: type_.to_owned(),
            status,
            observed_generation: Some(self.generation),
            last_transition_time: since.unwrap_or(self.now),
            reason: reason.to_owned(),
            message,
        });
    }

    /// Ours, and those that somebody else has put there, in the order they have there.
    fn all(self) -> Vec<Condition> {
        let Self { old, mut new, generation: _, now: _ } = self;
        new.extend(old.iter().filter(|it| !CONDITIONS.contains(&it.type_.as_str())).cloned());
        let place = |it: &Condition| old.iter().position(|old| old.type_ == it.type_).unwrap_or(usize::MAX);
        new.sort_by_key(place);
        new
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
