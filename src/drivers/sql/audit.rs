//! The audit trail: one record for each write, each with a hash over itself and the one before. The same in every database, so
//! that a trail can be carried from one to another and still be checked.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::{
    directory::{DirectoryError, ErrorKind},
    history::Chain,
};

/// What comes before the first record.
pub(crate) const GENESIS: Hash = [0; 32];

pub(crate) type Hash = [u8; 32];

/// The columns of a record without its hash, in the order in which they are hashed and stored.
const COLUMNS: [&str; 21] = [
    "seq",
    "at",
    "run",
    "actor",
    "owner",
    "verb",
    "kind",
    "namespace",
    "name",
    "remote",
    "reason",
    "cause",
    "changes",
    "loss",
    "loss_allowed",
    "loss_namespace",
    "source",
    "commit_id",
    "author",
    "digest",
    "prev",
];

/// Columns that came later: hashed where they are not NULL, each with its number before it, so that older records keep their
/// hashes.
const LATER: [&str; 2] = ["committed_at", "since"];

/// Columns of a record, with its hash at the end.
pub(crate) const WIDTH: usize = COLUMNS.len() + LATER.len() + 1;

/// Every column, in the order in which they are stored and read.
pub(crate) fn every_column() -> String {
    let columns: Vec<&str> = COLUMNS.into_iter().chain(LATER).chain(["hash"]).collect();
    columns.join(", ")
}

/// What stands in one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
}

/// What one record says, apart from its number and hashes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Record<'a> {
    /// Microseconds since 1970.
    pub(crate) at: i64,
    pub(crate) run: &'a str,
    pub(crate) actor: Option<&'a str>,
    pub(crate) owner: &'a str,
    pub(crate) verb: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) remote: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) cause: Option<&'a str>,
    /// JSON.
    pub(crate) changes: &'a str,
    /// It counts in the window.
    pub(crate) loss: u64,
    /// It is a loss that a flag allowed.
    pub(crate) loss_allowed: u64,
    pub(crate) loss_namespace: Option<&'a str>,
    pub(crate) source: Option<&'a str>,
    pub(crate) commit: Option<&'a str>,
    pub(crate) author: Option<&'a str>,
    pub(crate) digest: &'a str,
    /// Microseconds since 1970.
    pub(crate) committed_at: Option<i64>,
    /// Microseconds since 1970.
    pub(crate) since: Option<i64>,
}

/// The end of the trail within one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trail {
    pub(crate) seq: i64,
    pub(crate) hash: Hash,
}

impl Trail {
    /// Before the first record.
    pub(crate) const EMPTY: Self = Self { seq: 0, hash: GENESIS };

    /// Adds a record: what stands in its columns is for `store` to write.
    pub(crate) fn append<T>(&mut self, record: &Record<'_>, store: impl FnOnce([Value<'_>; WIDTH]) -> T) -> T {
        let Record {
            at,
            run,
            actor,
            owner,
            verb,
            kind,
            namespace,
            name,
            remote,
            reason,
            cause,
            changes,
            loss,
            loss_allowed,
            loss_namespace,
            source,
            commit,
            author,
            digest,
            committed_at,
            since,
        } = *record;
        let prev = self.hash;
        let mut values = [
            Value::Integer(self.seq + 1),
            Value::Integer(at),
            text(run),
            optional(actor),
            text(owner),
            text(verb),
            text(kind),
            text(namespace),
            text(name),
            text(remote),
            text(reason),
            optional(cause),
            text(changes),
            Value::Integer(loss.cast_signed()),
            Value::Integer(loss_allowed.cast_signed()),
            optional(loss_namespace),
            optional(source),
            optional(commit),
            optional(author),
            text(digest),
            Value::Blob(&prev),
            committed_at.map_or(Value::Null, Value::Integer),
            since.map_or(Value::Null, Value::Integer),
            Value::Null,
        ];
        let hash = hash(&values);
        values[WIDTH - 1] = Value::Blob(&hash);
        let stored = store(values);
        (self.seq, self.hash) = (self.seq + 1, hash);
        stored
    }
}

fn text(text: &str) -> Value<'_> {
    Value::Text(text.as_bytes())
}

fn optional(it: Option<&str>) -> Value<'_> {
    it.map_or(Value::Null, text)
}

/// The hash of a record: of each column its type, its length in bytes where it has one (64 bits, little-endian), and the
/// value; then of each later column that is not NULL a 5, its place among those, and the same. No two records are encoded alike.
fn hash(values: &[Value<'_>; WIDTH]) -> Hash {
    let mut hasher = Sha256::new_with_prefix(b"tenantry-audit-1");
    let (values, later) = values.split_at(COLUMNS.len());
    for value in values {
        update(&mut hasher, *value);
    }
    for (place, value) in (0_u8..).zip(&later[..LATER.len()]).filter(|(_, value)| **value != Value::Null) {
        hasher.update([5, place]);
        update(&mut hasher, *value);
    }
    hasher.finalize().into()
}

fn update(hasher: &mut Sha256, value: Value<'_>) {
    match value {
        Value::Null => hasher.update([0]),
        Value::Integer(number) => {
            hasher.update([1]);
            hasher.update(number.to_le_bytes());
        }
        Value::Real(number) => {
            hasher.update([2]);
            hasher.update(number.to_le_bytes());
        }
        Value::Text(bytes) | Value::Blob(bytes) => {
            hasher.update([if matches!(value, Value::Text(_)) { 3 } else { 4 }]);
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
    }
}

/// Goes through a trail, one record after another.
#[derive(Debug)]
pub(crate) struct Verifier {
    prev: Hash,
    seq: u64,
    wanted: Option<Hash>,
    at: Option<u64>,
}

impl Verifier {
    /// Before the first record; `head` is one to look for.
    pub(crate) fn new(head: Option<&str>) -> Self {
        let genesis = head.is_some_and(|head| head == hex(&GENESIS));
        Self { prev: GENESIS, seq: 0, wanted: head.map(|head| unhex(head).unwrap_or_default()), at: genesis.then_some(0) }
    }

    /// The next record, or what is wrong with it.
    pub(crate) fn add(&mut self, values: &[Value<'_>; WIDTH]) -> Result<(), Chain> {
        let broken = |reason| Err(Chain::Broken { record: self.seq + 1, reason });
        if values[0] != Value::Integer((self.seq + 1).try_into().unwrap_or(i64::MAX)) {
            return broken("it is missing");
        }
        if values[COLUMNS.len() - 1] != Value::Blob(&self.prev) {
            return broken("it does not follow the one before");
        }
        let found = hash(values);
        if values[WIDTH - 1] != Value::Blob(&found) {
            return broken("it was changed");
        }
        (self.prev, self.seq) = (found, self.seq + 1);
        if self.wanted.is_some_and(|wanted| wanted == found) {
            self.at = Some(self.seq);
        }
        Ok(())
    }

    /// After the last one, given where the trail says it ends.
    pub(crate) fn finish(self, end: Trail) -> Chain {
        let Self { prev, seq, wanted: _, at } = self;
        if u64::try_from(end.seq) != Ok(seq) || end.hash != prev {
            return Chain::Broken { record: seq + 1, reason: "the trail does not end where it should" };
        }
        Chain::Whole { records: seq, head: hex(&prev), at }
    }
}

/// 64 hexadecimal digits.
fn unhex(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(hash)
}

pub(crate) fn hex(hash: &[u8]) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The failure of a directory without a single object while the trail knows of one that nobody deleted: that is no new
/// directory, and its accounts must not be created anew. `anew` says how to begin anew all the same.
pub(crate) fn emptied(key: &str, anew: &str) -> DirectoryError {
    let cause =
        format!("an empty list from a directory that held things: the audit trail has no deletion of {key}; to begin anew, {anew}");
    DirectoryError::new("read the directory", ErrorKind::Incomplete).because(cause)
}

/// Refuses a trail that does not end where it ended: the budget counts from it. `last` is the last record, `head` where the
/// trail says it ends.
pub(crate) fn check_head(last: Option<Trail>, head: Trail) -> Result<(), DirectoryError> {
    if last.unwrap_or(Trail::EMPTY) == head {
        return Ok(());
    }
    Err(DirectoryError::new("read the audit trail", ErrorKind::Incomplete).because("it does not end where it ended"))
}
