//! What a plan leaves to people.

use std::collections::BTreeSet;

use super::types::{Action, Change, Held, Hold, Plan, Reason};
use crate::{
    model::{Key, Kind},
    observed::Observed,
};

impl Plan {
    /// Holds whatever would let somebody in again who was shut off outside: an incident, a lockout after failed sign-ins. Whoever
    /// did it may know something that the documents do not. The rest of such a change is held with it: writing to the account
    /// would count as having left it shut off. And nobody is let in below a company or customer that stays shut off like this.
    pub fn leave_shut(&mut self, observed: &Observed) {
        let mut shut: BTreeSet<Key> = BTreeSet::new();
        for decision in &mut self.decisions {
            if decision.change.as_ref().is_none_or(|change| change.reason != Reason::DisabledOutside) {
                continue;
            }
            let message = "it was shut off outside, and is declared enabled: `tenantry apply`, by a person, lets it in again; \
                           `enabled: false` in its document keeps it out";
            decision.change = None;
            decision.held = Some(Held { hold: Hold::DisabledOutside, message: message.into() });
            shut.insert(decision.key.clone());
        }
        if shut.iter().all(|key| key.kind == Kind::User) {
            return;
        }
        for decision in &mut self.decisions {
            let Some(above) = decision.change.as_ref().and_then(|change| below(change, &shut, observed)) else { continue };
            let message = format!("`{above}` above it was shut off outside, and stays so until a person lets it in again");
            decision.change = None;
            decision.held = Some(Held { hold: Hold::DisabledOutside, message });
        }
    }
}

/// What of these stands above somebody whom a change lets in.
fn below<'a>(change: &Change, shut: &'a BTreeSet<Key>, observed: &Observed) -> Option<&'a Key> {
    let (Action::Create(to) | Action::Update { fields: _, to }) = &change.action else { return None };
    let enters = to.enabled && to.key.kind == Kind::User && change.before.as_ref().is_none_or(|before| !before.enabled);
    let mut at = to.above().filter(|_| enters);
    // Longer than there are objects is a cycle.
    for _ in 0..=observed.ours.len() {
        let key = at?;
        if let Some(found) = shut.get(&key) {
            return Some(found);
        }
        at = observed.get(&key).and_then(|live| live.state.above());
    }
    None
}
