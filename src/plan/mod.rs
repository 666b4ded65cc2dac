//! Desired × observed → one decision per key. Pure, synchronous and total.

mod types;

pub use types::{Action, Change, CredentialAction, Decision, Held, Hold, LastHolder, Plan, Reason, Tally, Verb};
