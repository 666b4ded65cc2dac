//! The removal gate of one Directory: what would be lost is gathered, judged as one set, and held until somebody approves or
//! rejects just that set. Pure: knows neither a server nor a clock.
//!
//! | a loss | then |
//! |---|---|
//! | of an object that was approved for this change | it passes, and does not count in the budget |
//! | that is held | it stays held: time alone lets nothing through |
//! | soon after one that joined what is held | it joins: a slow mass removal is one removal |
//! | new | it waits until three seconds after the first; then all are judged as one set |
//! | after a restart while something was held | held: nobody knows any more which of them were new |

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::{Duration, Instant},
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    model::{FieldChange, Key},
    plan::{Change, Gate as Name},
};

/// How long losses are gathered before they are judged.
pub(super) const GATHER: Duration = Duration::from_secs(3);
/// How long after the last that joined a new loss joins what is held as well.
const JOINS: Duration = Duration::from_mins(1);

/// Something that would be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) key: Key,
    /// What it is, and of which object: the digest that an approval of it is kept under.
    pub(super) line: String,
    /// What follows when this passes.
    pub(super) because: Option<Key>,
}

#[derive(Serialize)]
struct Line<'a> {
    key: &'a Key,
    uid: &'a str,
    generation: i64,
    verb: &'static str,
    changes: Vec<FieldChange>,
}

impl Loss {
    /// The loss that a change would be; `uid` and `generation` are of its object, where there is one.
    pub(super) fn of(change: &Change, uid: &str, generation: i64, because: Option<Key>) -> Self {
        let line = Line { key: &change.key, uid, generation, verb: change.verb().as_str(), changes: change.differences() };
        let line = sha256(&serde_json::to_vec(&line).unwrap_or_default());
        Self { key: change.key.clone(), line, because }
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::from("sha256:"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What is held, and what is gathered.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// What is held: of each the gate that refused it.
    held: BTreeMap<Key, Name>,
    /// Since when the losses that are neither held nor passed are gathered.
    gathering: Option<Instant>,
    /// When something joined what is held last.
    joined: Option<Instant>,
}

/// Losses, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sorted {
    /// To be judged as one set now.
    pub(super) due: BTreeSet<Key>,
    /// To be judged later, at this time.
    pub(super) waiting: BTreeSet<Key>,
    pub(super) until: Option<Instant>,
}

impl Gate {
    /// Holds all of these: what a controller does that finds its Directory saying that something was held.
    pub(super) fn resume(&mut self, losses: &[Loss], now: Instant) {
        self.hold(losses.iter().map(|loss| loss.key.clone()), Name::Budget, now);
    }

    /// Sorts the losses that were not approved. What is held and not wanted any more is forgotten.
    pub(super) fn sort(&mut self, losses: &[Loss], now: Instant) -> Sorted {
        let wanted: BTreeSet<&Key> = losses.iter().map(|loss| &loss.key).collect();
        self.held.retain(|key, _| wanted.contains(key));
        if self.held.is_empty() {
            self.joined = None;
        }
        let new: BTreeSet<Key> = losses.iter().map(|loss| &loss.key).filter(|key| !self.held.contains_key(*key)).cloned().collect();
        if new.is_empty() {
            self.gathering = None;
            return Sorted::default();
        }
        if self.joined.is_some_and(|joined| now.duration_since(joined) < JOINS) {
            self.hold(new, Name::Budget, now);
            return Sorted::default();
        }
        let since = *self.gathering.get_or_insert(now);
        let until = since + GATHER;
        if now < until {
            return Sorted { waiting: new, until: Some(until), due: BTreeSet::new() };
        }
        self.gathering = None;
        Sorted { due: new, ..Sorted::default() }
    }

    /// Holds these, since a gate refused the set they are in.
    pub(super) fn hold(&mut self, keys: impl IntoIterator<Item = Key>, by: Name, now: Instant) {
        for key in keys {
            self.joined = Some(now);
            self.held.entry(key).or_insert(by);
        }
    }

    /// Lets go of everything: it was approved, rejected, or is judged anew because the Directory is another one.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// By which gate something is held.
    pub(super) fn holds(&self, key: &Key) -> Option<Name> {
        self.held.get(key).copied()
    }

    /// The digest of what is held of these losses, sorted by key, with how many they are.
    pub(super) fn digest(&self, losses: &[Loss]) -> Option<(String, usize)> {
        let lines: BTreeMap<&Key, &str> =
            losses.iter().filter(|loss| self.held.contains_key(&loss.key)).map(|loss| (&loss.key, loss.line.as_str())).collect();
        let text: String = lines.values().map(|line| format!("{line}\n")).collect();
        (!lines.is_empty()).then(|| (sha256(text.as_bytes()), lines.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(name: &str) -> Loss {
        Loss { key: format!("user/nord/{name}").parse().unwrap(), line: format!("line of {name}"), because: None }
    }

    fn keys(names: &[&str]) -> BTreeSet<Key> {
        names.iter().map(|name| loss(name).key).collect()
    }

    #[test]
    fn losses_are_gathered_for_three_seconds_and_judged_as_one() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        let sorted = gate.sort(&[loss("a")], start);
        assert_eq!((sorted.due, sorted.waiting, sorted.until), (keys(&[]), keys(&["a"]), Some(start + GATHER)));
        let sorted = gate.sort(&[loss("a"), loss("b")], start + Duration::from_secs(2));
        assert_eq!((sorted.due, sorted.waiting), (keys(&[]), keys(&["a", "b"])));
        assert_eq!(gate.sort(&[loss("a"), loss("b")], start + GATHER).due, keys(&["a", "b"]));
        // What passed is no loss any more, and the next one begins anew.
        assert_eq!(gate.sort(&[loss("c")], start + GATHER).waiting, keys(&["c"]));
    }

    #[test]
    fn what_is_held_stays_held_and_what_follows_soon_joins() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        gate.hold(keys(&["a", "b"]), Name::Budget, start);
        let all = [loss("a"), loss("b"), loss("c")];
        assert_eq!(gate.sort(&all, start + Duration::from_secs(50)), Sorted::default(), "it joins");
        assert_eq!(gate.holds(&all[2].key), Some(Name::Budget));
        let (digest, count) = gate.digest(&all).unwrap();
        assert_eq!(count, 3);
        // A day later a single leaver is judged alone, and nothing that is held has come free.
        let late = start + Duration::from_hours(24);
        let more = [loss("a"), loss("b"), loss("c"), loss("d")];
        assert_eq!(gate.sort(&more, late).waiting, keys(&["d"]));
        assert_eq!(gate.sort(&more, late + GATHER).due, keys(&["d"]));
        assert_eq!(gate.digest(&more).unwrap(), (digest.clone(), 3));
        // One that is not wanted any more makes another set.
        gate.sort(&all[..2], late);
        assert_ne!(gate.digest(&all).unwrap().0, digest);
        gate.sort(&[], late);
        assert_eq!(gate.digest(&all), None);
    }

    #[test]
    fn after_a_restart_nothing_passes_that_may_have_been_held() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        gate.resume(&[loss("a"), loss("b")], now);
        assert_eq!(gate.sort(&[loss("a"), loss("b")], now + Duration::from_hours(30)), Sorted::default());
    }
}
