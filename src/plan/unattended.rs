//! What a plan leaves to people.

use super::types::{Held, Hold, Plan, Reason};

impl Plan {
    /// Holds whatever would let somebody in again who was shut off outside: an incident, a lockout after failed sign-ins. Whoever
    /// did it may know something that the documents do not. The rest of such a change is held with it: writing to the account
    /// would count as having left it shut off.
    pub fn leave_shut(&mut self) {
        for decision in &mut self.decisions {
            if decision.change.as_ref().is_none_or(|change| change.reason != Reason::DisabledOutside) {
                continue;
            }
            let message = "it was shut off outside, and is declared enabled: `tenantry apply`, by a person, lets it in again; \
                           `enabled: false` in its document keeps it out";
            decision.change = None;
            decision.held = Some(Held { hold: Hold::DisabledOutside, message: message.into() });
        }
    }
}
