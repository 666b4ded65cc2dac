//! What fails is tried again, later and later, and not all at once.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, Instant},
};

use smol_str::SmolStr;

use crate::k8s::item::Item;

/// How soon something that failed is tried again; then twice as long each time.
const SOON: Duration = Duration::from_secs(1);
/// How long it takes at most.
const LATE: Duration = Duration::from_mins(5);

/// A change that failed, and when it is tried again.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    uid: SmolStr,
    generation: i64,
    times: u32,
    pub(super) until: Instant,
    pub(super) message: String,
}

impl Trouble {
    /// One more failure. Objects that fail together are not tried again together.
    pub(super) fn after(before: Option<Self>, item: &Item, message: String, now: Instant) -> Self {
        let times = before.map_or(0, |it| it.times + 1);
        Self { uid: item.uid.clone(), generation: item.generation, times, until: now + backoff(times, &item.key), message }
    }

    /// Whether it is about this state of the object.
    pub(super) fn concerns(&self, item: &Item) -> bool {
        self.uid == item.uid && self.generation == item.generation
    }
}

/// Twice as long each time, and between half and all of that by what it is for.
pub(super) fn backoff(times: u32, what: &impl Hash) -> Duration {
    let full = SOON.saturating_mul(1 << times.min(16)).min(LATE);
    let mut hasher = DefaultHasher::new();
    (what, times).hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 500).unwrap_or(0);
    full * (500 + share) / 1_000
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Key;

    #[test]
    fn what_fails_is_tried_again_later_and_later_and_not_all_at_once() {
        let keys: Vec<Key> = (0..64).map(|at| format!("user/nord/u{at}").parse().unwrap()).collect();
        for times in 0..12 {
            let full = (SOON * (1 << times)).min(LATE);
            let waits: BTreeMap<Duration, usize> = keys.iter().map(|key| (backoff(times, key), 0)).collect();
            assert!(waits.keys().all(|wait| *wait >= full / 2 && *wait <= full), "{times}");
            assert!(waits.len() > 32, "{times}");
        }
    }
}
