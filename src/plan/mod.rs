//! Desired × observed → one decision per key. Pure, synchronous and total.
//!
//! | found \ wanted | nothing | a state |
//! |---|---|---|
//! | nothing | settled | create |
//! | a state | delete | no field differs and nothing owed → settled, else update |
//!
//! Ownership and removal policy turn a declaration into what is wanted (`decide`); after that there is only this table.
//! Disable, enable, rename, move, retire, release, adopt and re-key are fields that differ inside an update.
//!
//! Knows values alone: no directory, no document's text, no clock; `now` comes in with the [`Policy`].

mod able;
mod approve;
mod authority;
mod board;
mod claims;
mod decide;
mod digest;
mod gates;
mod leave;
mod order;
mod scope;
mod settings;
mod tally;
mod tree;
mod types;
mod unattended;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    desired::{Desired, Roles},
    model::{Key, Kind, Method, Name, Paragraph},
    observed::{Capabilities, Observed, Scope},
};

pub use approve::{Approved, ApprovedChange, Asked, ChangeKind};
pub use authority::{Acting, Actor, Authority, Barred, Forbidden, Why};
pub use gates::{Allow, Gate, Refusal};
pub use order::{Stage, Step};
pub use types::{Action, Change, CredentialAction, Decision, Held, Hold, LastHolder, Plan, Reason, Tally, Verb};

/// Which retired accounts are to be deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purge {
    /// `--purge`: all whose retention is over.
    pub due: bool,
    /// `--purge KEY`: these, at once.
    pub keys: BTreeSet<Key>,
}

/// What somebody asks for at once and without a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// `tenantry lock`: shut off against the declaration, for this reason.
    Lock(Paragraph),
    /// `tenantry unlock`: what is declared counts again. Who has nothing to sign in with gets a credential of this method.
    Unlock(Method),
    /// `tenantry reset`: a new credential of this method.
    Reset(Method),
}

/// What decides beside the declaration and the directory.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whose declaration.
    pub owner: Name,
    /// The time that `expires` and retention are judged by.
    pub now: Timestamp,
    /// How long a retired account is kept.
    pub retention: Duration,
    /// Things that lose nothing.
    pub protected: BTreeSet<Key>,
    /// Things that may be taken over from strangers or other owners.
    pub adopt: BTreeSet<Key>,
    /// What is to be deleted of the retired.
    pub purge: Purge,
    /// What is to be done against, or beside, the declaration.
    pub orders: BTreeMap<Key, Order>,
    /// What is not changed for now, whatever is declared of it, and why. What is not wanted to change is not held either.
    pub aside: BTreeMap<Key, Held>,
    /// What is not declared may only not have been written yet: it is shut off and kept for now, whatever its removal means.
    pub gently: bool,
}

/// Everything a plan is made of.
pub struct Input<'a> {
    /// The directory's name.
    pub directory: &'a str,
    /// What is wanted.
    pub desired: &'a Desired,
    /// What the roles in force say to that.
    pub roles: &'a Roles,
    /// What the directory holds: all of it, whatever the scope.
    pub observed: &'a Observed,
    /// What it can do.
    pub capabilities: &'a Capabilities,
    /// What is decided.
    pub scope: &'a Scope,
    /// What else decides.
    pub policy: &'a Policy,
    /// `--expect PLAN.json`: what goes on, the rest being held.
    pub approved: Option<&'a Approved>,
}

/// Decides every key in scope, exactly once.
pub fn plan(input: &Input<'_>) -> Plan {
    let mut board = board::Board::new(input);
    let mut closed = tree::Closed::default();
    for kind in Kind::ALL {
        for row in tree::top_first(&board, kind) {
            board.decide(row, &closed);
        }
        board.settle_claims(kind);
        closed.extend(&board, kind);
    }
    board.narrow();
    board.leave();
    board.approve();
    board.into_plan()
}
