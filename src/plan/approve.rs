//! What somebody approved, and what it lets through of a plan that is made later.
//!
//! | wanted now | the approved plan has | then |
//! |---|---|---|
//! | a create | a create of the same key, equal in every field, with the same credential | it goes on |
//! | an update | one of the same key and object, in which every field that differs now stands with the same before and after, and the credential, if one is asked for | it goes on |
//! | a delete | a delete of the same key and object | it goes on |
//! | a credential that is still owed, and nothing else | a create of the same key that asks for the same credential | it goes on: the rest of that create is done |
//! | what shuts off because something above is shut off, or because `expires` is over | whatever | it goes on: it follows from what was approved |
//! | anything else | whatever | held `NotApproved`, but for what goes on of it: `approve/part.rs` |
//!
//! A subset is enough, since part of what was approved may have been done meanwhile. What nobody wants any more is left out.
//! What goes on by this table and needs something that does not is held as well: `approve/hold.rs`.

mod hold;
mod part;

use std::collections::BTreeMap;

use smol_str::{SmolStr, ToSmolStr};

use super::{
    gates::{Gate, Refusal},
    types::{Action, Change, CredentialAction, Plan, Reason, Verb},
};
use crate::model::{Credential, Field, FieldChange, FieldValue, Key, Method, RemoteId, visible};

/// The plan that somebody approved, as far as it counts later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approved {
    /// The name of the directory it was made for.
    pub directory: String,
    /// Whose declaration it was made of.
    pub owner: String,
    /// What it said that the project loosens.
    pub loosens: Vec<String>,
    /// What it changes.
    pub changes: BTreeMap<Key, ApprovedChange>,
}

/// One change of an approved plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedChange {
    /// What is done.
    pub kind: ChangeKind,
    /// The object, unless it is created.
    pub remote: Option<RemoteId>,
    /// What differs.
    pub fields: Vec<FieldChange>,
    /// The credential that is asked for.
    pub credential: Option<Asked>,
}

/// What a change does, as coarsely as approvals are compared: the fields say the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// A new object.
    Create,
    /// Anything of one that is there, and stays.
    Update,
    /// One that goes.
    Delete,
}

/// A credential as a plan shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// How.
    pub method: Method,
    /// Where the secret is, for those that come from outside.
    pub from: Option<SmolStr>,
    /// The `credential.reset` that asks.
    pub reset: Option<SmolStr>,
    /// What the account's mark says from then on, in a word.
    pub mark: SmolStr,
}

impl Asked {
    /// How a plan shows a credential.
    pub fn of(action: &CredentialAction) -> Self {
        let CredentialAction { credential: Credential { method, source, reset }, mark } = action;
        let from = source.as_ref().map(ToSmolStr::to_smolstr);
        Self { method: *method, from, reset: reset.clone(), mark: SmolStr::new_static(mark.word()) }
    }
}

impl ApprovedChange {
    fn of(change: &Change) -> Self {
        Self {
            kind: kind(change),
            remote: change.remote.clone(),
            fields: change.differences(),
            credential: change.credential.as_ref().map(Asked::of),
        }
    }
}

fn kind(change: &Change) -> ChangeKind {
    match &change.action {
        Action::Create(_) => ChangeKind::Create,
        Action::Update { fields: _, to: _ } => ChangeKind::Update,
        Action::Delete => ChangeKind::Delete,
    }
}

/// What to do about something that is held here.
const NEXT: &str = "its own merge carries it out, or `tenantry apply` without `--expect`";

impl Approved {
    /// A plan as somebody approves it.
    pub fn of(plan: &Plan) -> Self {
        Self {
            directory: plan.directory.clone(),
            owner: plan.owner.to_string(),
            loosens: plan.loosens.clone(),
            changes: plan.changes().map(|change| (change.key.clone(), ApprovedChange::of(change))).collect(),
        }
    }

    /// How many of its changes a plan neither makes nor holds.
    pub fn unwanted(&self, plan: &Plan) -> usize {
        self.changes.keys().filter(|key| plan.decision(key).is_none()).count()
    }

    /// Why a change is not approved, if so, and what to do. `implied` is whether its shutting off follows from others.
    fn objection(&self, change: &Change, implied: bool) -> Option<String> {
        let fields = change.fields();
        if implied && change.credential.is_none() && fields.iter().all(shuts_off) {
            return None;
        }
        let Some(approved) = self.changes.get(&change.key) else {
            return Some(format!("the approved plan does not {}: {NEXT}", doing(change.verb())));
        };
        let what = difference(approved, change, implied)?;
        Some(format!(
            "the approved plan has something else of it ({what}): approve the plan of today, or `tenantry apply` without `--expect`"
        ))
    }
}

/// What distinguishes a change from the one that was approved.
fn difference(approved: &ApprovedChange, change: &Change, implied: bool) -> Option<String> {
    let ApprovedChange { kind: _, remote, fields, credential } = approved;
    let now = ApprovedChange::of(change);
    let owed = change.reason == Reason::Owed && now.fields.is_empty() && now.credential.is_some();
    if owed && approved.kind == ChangeKind::Create && *credential == now.credential {
        return None;
    }
    if approved.kind != now.kind {
        return Some(format!("it was to be {}, and is to be {}", past(approved.kind), past(now.kind)));
    }
    if *remote != now.remote {
        return Some("it was another object of the directory".to_owned());
    }
    let mut differing: Vec<Field> =
        now.fields.iter().filter(|it| !(fields.contains(it) || implied && shuts_off(it))).map(|it| it.field).collect();
    if now.kind == ChangeKind::Create {
        // What was to be given and is not given any more makes another object.
        differing.extend(fields.iter().map(|it| it.field).filter(|field| now.fields.iter().all(|it| it.field != *field)));
    }
    let mut names: Vec<&str> = differing.into_iter().map(Field::name).collect();
    let created = now.kind == ChangeKind::Create;
    if (created || now.credential.is_some()) && *credential != now.credential {
        names.push("credential");
    }
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn shuts_off(change: &FieldChange) -> bool {
    change.field == Field::Enabled && change.after == FieldValue::Flag(false)
}

fn past(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Create => "created",
        ChangeKind::Update => "changed",
        ChangeKind::Delete => "deleted",
    }
}

fn doing(verb: Verb) -> &'static str {
    match verb {
        Verb::Delete => "delete it",
        Verb::Disable => "shut it off",
        Verb::Release => "release it",
        Verb::Move => "move it",
        Verb::Rename => "rename it",
        Verb::Create => "create it",
        Verb::Enable => "enable it",
        Verb::Adopt => "take it over",
        Verb::Credential => "issue its credential",
        Verb::Held | Verb::Edit => "change it",
    }
}

impl Plan {
    /// The gate `stale-plan`: what was approved is the plan of another directory or of another declaration.
    pub fn strays(&self, approved: &Approved) -> Option<Refusal> {
        let Approved { directory, owner, loosens: _, changes: _ } = approved;
        let told = |what: &str, theirs: &str, ours: &str| {
            let message = format!(
                "the approved plan was made for the {what} `{}`, and this is a run for `{}`",
                visible(theirs),
                visible(ours)
            );
            Some(Refusal { gate: Gate::StalePlan, message, flag: None })
        };
        if *directory != self.directory {
            return told("directory", directory, &self.directory);
        }
        if *owner == self.owner.as_str() { None } else { told("owner", owner, self.owner.as_str()) }
    }

    /// The gate `settings` once more: nobody approved that the project is loosened like this, and a run that has nothing else
    /// to do would take that over.
    pub fn loosened_unapproved(&self, approved: &Approved) -> Option<Refusal> {
        let lines: String =
            self.loosens.iter().filter(|line| !approved.loosens.contains(line)).map(|line| format!("\n{line}")).collect();
        if lines.is_empty() {
            return None;
        }
        let message = format!("the project is looser than what was last applied, and the approved plan does not say so{lines}");
        Some(Refusal { gate: Gate::Settings, message, flag: None })
    }
}
