//! A plan as data.

use std::collections::BTreeMap;

use serde::Serialize;
use smol_str::SmolStr;

use crate::{
    manifest::{Extent, Origin},
    model::{Credential, Field, FieldChange, FieldValue, Key, Kind, Method, Name, Namespace, RemoteId, State, Version},
    observed::{Contents, CredentialMark},
};

/// What to do with one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Create it in this state.
    Create(Box<State>),
    /// Bring it into the state `to`; `fields` says what differs, sorted as [`State::fields`] gives them. A driver that
    /// patches uses the fields, one that puts uses the state.
    Update {
        /// What differs.
        fields: Vec<FieldChange>,
        /// The whole state afterwards.
        to: Box<State>,
    },
    /// Delete it.
    Delete,
}

/// A credential to issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialAction {
    /// As declared.
    pub credential: Credential,
    /// What the account's mark says from then on.
    pub mark: CredentialMark,
}

/// Why a change is wanted. It explains, and is never used to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The declaration says so.
    Declared,
    /// It is not declared any more.
    NotDeclared,
    /// It was retired and is declared again.
    DeclaredAgain,
    /// Something above it is disabled, or was enabled again.
    Above(Key),
    /// It was shut off outside, and is declared enabled.
    DisabledOutside,
    /// Its `expires` is over.
    Expired,
    /// Its document says where it was.
    MovedFrom(Key),
    /// Its document, or a flag, says to take it over.
    Adopted,
    /// It was retired, and its deletion was asked for.
    Purged,
    /// `tenantry lock`.
    Locked,
    /// `tenantry unlock`.
    Unlocked,
    /// `tenantry reset`.
    Reset,
    /// Its credential was asked for before, and has not been delivered.
    Owed,
    /// Its document is broken, and this much of it is certain.
    Salvaged,
    /// Its declared role is a step down, or its document says `enabled: false`, while the rest of it is held.
    ShuttingOff,
}

impl Reason {
    /// The name of the reason: `NotDeclared`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Declared => "Declared",
            Self::NotDeclared => "NotDeclared",
            Self::DeclaredAgain => "DeclaredAgain",
            Self::Above(_) => "Above",
            Self::DisabledOutside => "DisabledOutside",
            Self::Expired => "Expired",
            Self::MovedFrom(_) => "MovedFrom",
            Self::Adopted => "Adopted",
            Self::Purged => "Purged",
            Self::Locked => "Locked",
            Self::Unlocked => "Unlocked",
            Self::Reset => "Reset",
            Self::Owed => "Owed",
            Self::Salvaged => "Salvaged",
            Self::ShuttingOff => "ShuttingOff",
        }
    }
}

/// One change of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose it is afterwards; after a re-keying the new key.
    pub key: Key,
    /// What to do.
    pub action: Action,
    /// A credential that becomes due with it.
    pub credential: Option<CredentialAction>,
    /// Why.
    pub reason: Reason,
    /// What the directory holds, unless it is created. Names of re-keyed parents are the new ones.
    pub before: Option<Box<State>>,
    /// The object, unless it is created.
    pub remote: Option<RemoteId>,
    /// The object must still be like this.
    pub expect: Option<Version>,
    /// Where it is declared, or was last.
    pub source: Option<SmolStr>,
    /// What it counts in the change budget: 1 for a loss, more for a role edit that takes a privilege from its holders, and for
    /// what it [takes](Change::takes) with it.
    pub loss: u64,
    /// What of the directory's own goes with it where it is deleted; each counts in the budget.
    pub takes: Option<Box<Contents>>,
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// It is declared and broken.
    Invalid,
    /// The object belongs to another owner, or to nobody.
    NotOurs,
    /// Somebody else holds the value.
    Taken {
        /// Who: a key, or the directory's identifier of a stranger.
        by: String,
        /// Which value.
        field: Field,
    },
    /// What it refers to neither exists nor is about to.
    WaitingFor(Key),
    /// The directory has no place for it, or cannot change it; none is the credential.
    Unsupported(Option<Field>),
    /// It is protected.
    Protected,
    /// Others remain inside: the first ten.
    Blocked(Vec<String>),
    /// Part of the declaration cannot be read, so absence means nothing.
    Incomplete,
    /// Whoever acts may not.
    Denied,
    /// It was shut off outside, and nobody is there who could say that it is to be let in again.
    DisabledOutside,
    /// The plan that somebody approved does not have it, or it needs what that does not have.
    NotApproved,
    /// More would be lost at once than the budget allows: somebody has to approve or reject it.
    OverBudget,
    /// A gate other than the budget refuses it.
    Refused,
    /// Nobody has ever set a password there, and nothing is under way with which somebody could.
    PendingActivation,
    /// Somebody said that nothing is to be written for now.
    Paused,
    /// It is about to be done: it is judged together with what comes at the same time, or tried again after a failure.
    Progressing,
}

impl Hold {
    /// The name of the hold, as scripts and conditions see it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Invalid => "Invalid",
            Self::NotOurs => "NotOurs",
            Self::Taken { .. } => "Taken",
            Self::WaitingFor(_) => "WaitingFor",
            Self::Unsupported(_) => "Unsupported",
            Self::Protected => "Protected",
            Self::Blocked(_) => "Blocked",
            Self::Incomplete => "Incomplete",
            Self::Denied => "Denied",
            Self::DisabledOutside => "DisabledOutside",
            Self::NotApproved => "NotApproved",
            Self::OverBudget => "OverBudget",
            Self::Refused => "Refused",
            Self::PendingActivation => "PendingActivation",
            Self::Paused => "Paused",
            Self::Progressing => "Progressing",
        }
    }
}

/// Something that is wanted and not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Why.
    pub hold: Hold,
    /// For people: why, and literally what to write.
    pub message: String,
}

/// What is decided about one key; a key without one is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whose it is.
    pub key: Key,
    /// What is done.
    pub change: Option<Change>,
    /// What is not done, and why. Both may be there: a company in which people remain is retired, its deletion held.
    pub held: Option<Held>,
    /// The document, where there is one.
    pub origin: Option<Origin>,
}

/// What happens to an object, weightiest first: the order decides which word a decision gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// The object goes.
    Delete,
    /// Sign-in is shut off.
    Disable,
    /// Released from management.
    Release,
    /// Nothing is done, with a reason.
    Held,
    /// To another place or namespace.
    Move,
    /// Another username, or another name in Git.
    Rename,
    /// A new object.
    Create,
    /// Sign-in is possible again.
    Enable,
    /// Taken under management.
    Adopt,
    /// A credential becomes due.
    Credential,
    /// Anything else.
    Edit,
}

impl Verb {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Disable => "disable",
            Self::Release => "release",
            Self::Held => "held",
            Self::Move => "move",
            Self::Rename => "rename",
            Self::Create => "create",
            Self::Enable => "enable",
            Self::Adopt => "adopt",
            Self::Credential => "credential",
            Self::Edit => "edit",
        }
    }
}

impl Change {
    /// The weightiest of what happens.
    pub fn verb(&self) -> Verb {
        match &self.action {
            Action::Create(_) => Verb::Create,
            Action::Delete => Verb::Delete,
            Action::Update { fields, to: _ } => {
                fields.iter().map(field_verb).chain(self.owes().then_some(Verb::Credential)).min().unwrap_or(Verb::Edit)
            }
        }
    }

    /// Whether a credential becomes due with it.
    pub fn owes(&self) -> bool {
        self.credential.as_ref().is_some_and(|action| action.mark.is_owed())
    }

    /// The credential that is issued once the change is made: one that is owed by an account that can sign in.
    pub fn issues(&self) -> Option<&Credential> {
        let enabled = match &self.action {
            Action::Create(to) | Action::Update { fields: _, to } => to.enabled && !to.retired && to.owner.is_some(),
            Action::Delete => false,
        };
        let credential = self.credential.as_ref().filter(|_| enabled && self.owes()).map(|action| &action.credential);
        credential.filter(|credential| credential.method != Method::None)
    }

    /// Whether that credential goes out by mail.
    pub fn mailed(&self) -> bool {
        self.issues().is_some_and(|credential| match credential.method {
            Method::Invite | Method::Temporary => true,
            Method::Secret | Method::Hash | Method::None => false,
        })
    }

    /// The fields that differ; none for a create or a delete.
    pub fn fields(&self) -> &[FieldChange] {
        match &self.action {
            Action::Update { fields, to: _ } => fields,
            Action::Create(_) | Action::Delete => &[],
        }
    }
}

fn field_verb(change: &FieldChange) -> Verb {
    let FieldChange { field, before, after } = change;
    match (field, before, after) {
        (Field::Enabled, _, FieldValue::Flag(false)) => Verb::Disable,
        (Field::Enabled, _, FieldValue::Flag(true)) => Verb::Enable,
        (Field::Owner, _, FieldValue::None) => Verb::Release,
        (Field::Owner, _, _) => Verb::Adopt,
        (Field::Key, FieldValue::Text(before), FieldValue::Text(after)) => {
            // KIND/NAMESPACE/NAME: another namespace is a move, another name a rename.
            if before.rsplit_once('/').map(|it| it.0) == after.rsplit_once('/').map(|it| it.0) { Verb::Rename } else { Verb::Move }
        }
        (Field::Parent | Field::Company | Field::Customer, _, _) => Verb::Move,
        (Field::Username, _, _) => Verb::Rename,
        _ => Verb::Edit,
    }
}

impl Decision {
    /// The weightiest of what happens.
    pub fn verb(&self) -> Verb {
        let held = self.held.as_ref().map(|_| Verb::Held);
        self.change.as_ref().map(Change::verb).into_iter().chain(held).min().unwrap_or(Verb::Edit)
    }
}

/// What a plan counts. Everything here is about objects of the plan's owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Objects under management.
    pub managed: u64,
    /// Enabled objects under management, by namespace: what the budget's percentage is of.
    pub enabled: BTreeMap<Namespace, u64>,
    /// Objects that nobody manages.
    pub strangers: u64,
    /// Losses of this plan, by namespace.
    pub losses: BTreeMap<Namespace, u64>,
    /// Losses within the window before it, by namespace.
    pub spent: BTreeMap<Namespace, u64>,
    /// Privileged roles that would lose their last holder.
    pub last_holders: Vec<LastHolder>,
    /// Users whom this plan gives a privileged role, or whose account it takes to another namespace, sorted.
    pub grants: Vec<Key>,
    /// Retired accounts whose retention is over.
    pub purgeable: u64,
    /// Credentials that are owed, and that this plan does not issue: the account cannot sign in, or nothing is declared.
    pub owed: u64,
    /// Secrets that died before anybody used them, and that this plan does not replace.
    pub expired: u64,
    /// Enabled users who have never set a password: the directory lets them in when they do.
    pub pending: u64,
    /// Users that are locked.
    pub locked: u64,
    /// Keys in scope that are as they should be.
    pub settled: u64,
    /// Documents, broken ones included.
    pub documents: u64,
    /// Documents whose identity could not be read.
    pub unreadable: u64,
}

/// A privileged role that somebody holds today and nobody would hold afterwards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LastHolder {
    /// Where.
    pub namespace: Namespace,
    /// Which role.
    pub role: Name,
}

/// Everything that is decided, in one value: printed, counted, hashed, approved, carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The directory's name.
    pub directory: String,
    /// Whose declaration.
    pub owner: Name,
    /// How much of it.
    pub extent: Extent,
    /// The root of the last whole apply, where there was one.
    pub last_root: Option<String>,
    /// What is not settled, sorted by key, each key once.
    pub decisions: Vec<Decision>,
    /// Companies that move, each with the nearest above it that moves as well: that one goes first, so that an edge turned
    /// round never makes a cycle.
    pub after: BTreeMap<Key, Key>,
    /// What the project loosens of what was applied last, each with before and after.
    pub loosens: Vec<String>,
    /// What it counts.
    pub tally: Tally,
}

impl Plan {
    /// The changes, sorted by key.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.decisions.iter().filter_map(|decision| decision.change.as_ref())
    }

    /// What is held, sorted by key.
    pub fn held(&self) -> impl Iterator<Item = (&Key, &Held)> {
        self.decisions.iter().filter_map(|decision| Some((&decision.key, decision.held.as_ref()?)))
    }

    /// What is decided about a key in scope; nothing means settled.
    pub fn decision(&self, key: &Key) -> Option<&Decision> {
        self.decisions.binary_search_by(|decision| decision.key.cmp(key)).ok().map(|row| &self.decisions[row])
    }

    /// How many changes create something of a kind.
    pub fn creates(&self, kind: Option<Kind>) -> u64 {
        let fits = |change: &&Change| matches!(change.action, Action::Create(_)) && kind.is_none_or(|kind| change.key.kind == kind);
        self.changes().filter(fits).count() as u64
    }
}
