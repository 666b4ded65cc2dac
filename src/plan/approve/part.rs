//! What goes on of a change that is not approved as a whole.
//!
//! | differing field | goes on if |
//! |---|---|
//! | sign-in is shut off, for something above that is shut off after the plan, or an `expires` that was applied before | always: it follows from what was approved |
//! | sign-in is shut off, retired, or a privileged role given up for one that is not | it is approved: shutting off waits for nothing |
//! | something that stands for itself: what people read, who speaks for a company | it is approved |
//! | anything else | all of these are approved |
//!
//! So a cosmetic edit of somebody else's keeps no leaver in, and two merges that touch one person in different places do not
//! wait for each other.

use super::Approved;
use crate::{
    model::{Field, FieldChange, FieldValue, Key, Kind, Place, State},
    plan::{
        approve::ChangeKind,
        board::{After, Board, Draft, Found},
        tree::Closed,
        types::Reason,
    },
};

/// How much a field may stand for itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// It shuts off.
    Shuts,
    /// Nothing else depends on it.
    Alone,
    /// It belongs to others: the role to the place, the phone to the region, a name to whoever gives it up.
    Together,
}

impl Board<'_> {
    /// Whether a draft shuts somebody off, without a word of their own document, for what is decided of others or was long ago.
    pub(super) fn implied(&self, draft: &Draft<'_>, closed: &Closed) -> bool {
        let (Some(found), After::To(to)) = (draft.found.state(), &draft.after) else { return false };
        let silent = found.suspended == to.suspended && found.retired == to.retired && found.locked == to.locked;
        found.enabled && !to.enabled && silent && self.follows(found, to, closed).is_some()
    }

    /// Why somebody is shut off whatever their own document says, if so.
    fn follows(&self, found: &State, to: &State, closed: &Closed) -> Option<Reason> {
        if to.key.kind != Kind::User || !self.input.capabilities.disable {
            return None;
        }
        let expires = |state: &State| state.body.user().and_then(|user| user.expires);
        if let Some(above) = closed.by(self.above(to).as_ref()) {
            return Some(Reason::Above(above.clone()));
        }
        (self.over(to) && expires(found) == expires(to)).then_some(Reason::Expired)
    }

    /// What goes on of a draft that is taken back, with the reason where that is another one; nothing where it stays as it is
    /// found. `grounded` is whether what it needs is there.
    pub(super) fn part(&self, row: usize, approved: &Approved, closed: &Closed, grounded: bool) -> Option<(State, Option<Reason>)> {
        let draft = &self.drafts[row];
        let Found::Live(live) = &draft.found else { return None };
        let found = self.placed(&live.state);
        if !self.mine(&found) {
            return None;
        }
        let row =
            approved.changes.get(draft.key).filter(|it| it.kind == ChangeKind::Update && it.remote.as_ref() == Some(&live.id));
        let to = match &draft.after {
            After::To(to) => self.placed(to),
            After::Same | After::Gone => found.clone(),
        };
        let is = |change: &FieldChange| row.is_some_and(|row| row.fields.contains(change));
        let changes = found.changes(&to);
        let sort = |change: &FieldChange| self.sort(&found, &to, change);
        let together = grounded && changes.iter().filter(|change| sort(change) == Sort::Together).all(is);
        let kept = |change: &&FieldChange| match sort(change) {
            Sort::Shuts | Sort::Alone => is(change),
            Sort::Together => together,
        };
        let mut state = with(&found, &changes.iter().filter(kept).collect::<Vec<_>>())?;
        let follows = self.follows(&found, &state, closed).filter(|_| found.enabled && state.enabled);
        state.enabled &= follows.is_none();
        (state != found).then_some((state, follows))
    }

    /// A state under what is above it as that is called after the plan.
    fn placed(&self, state: &State) -> State {
        State { place: self.above(state).and_then(|key| Place::under(&key)), ..state.clone() }
    }

    fn sort(&self, found: &State, to: &State, change: &FieldChange) -> Sort {
        match change.field {
            Field::Enabled if change.after == FieldValue::Flag(false) && self.input.capabilities.disable => Sort::Shuts,
            Field::Suspended | Field::Retired if change.after == FieldValue::Flag(true) => Sort::Shuts,
            Field::Role if self.lesser_role(found, to).is_some() => Sort::Shuts,
            Field::DisplayName
            | Field::FirstName
            | Field::LastName
            | Field::Description
            | Field::Justification
            | Field::Logo
            | Field::ContactName
            | Field::ContactEmail
            | Field::ContactPhone
            | Field::Country
            | Field::State
            | Field::City
            | Field::Zip
            | Field::Line1
            | Field::Line2
                if found.key.kind != Kind::Customer =>
            {
                Sort::Alone
            }
            Field::Key
            | Field::Owner
            | Field::Retired
            | Field::Enabled
            | Field::Suspended
            | Field::Locked
            | Field::Deletion
            | Field::Parent
            | Field::Company
            | Field::Customer
            | Field::Username
            | Field::Email
            | Field::DisplayName
            | Field::FirstName
            | Field::LastName
            | Field::Phone
            | Field::Region
            | Field::Role
            | Field::Description
            | Field::Expires
            | Field::Justification
            | Field::Type
            | Field::Logo
            | Field::ContactName
            | Field::ContactEmail
            | Field::ContactPhone
            | Field::Country
            | Field::State
            | Field::City
            | Field::Zip
            | Field::Line1
            | Field::Line2
            | Field::LivesUnder
            | Field::MayAppoint
            | Field::Privileged
            | Field::ManageCompanies
            | Field::ManageCustomers
            | Field::Requires => Sort::Together,
        }
    }
}

/// A state with some of its fields as they are to be.
fn with(found: &State, changes: &[&FieldChange]) -> Option<State> {
    let after = |field: Field| changes.iter().find(|change| change.field == field).map(|change| change.after.clone());
    let fields: Vec<(Field, FieldValue)> =
        found.fields().into_iter().map(|(field, value)| (field, after(field).unwrap_or(value))).collect();
    let key = match after(Field::Key) {
        Some(key) => key.text()?.parse::<Key>().ok()?,
        None => found.key.clone(),
    };
    State::restored(key, &fields).ok()
}
