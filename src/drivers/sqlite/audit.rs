//! The audit trail: one record for each write, each with a hash over itself and the one before.

use std::{fmt::Write, path::Path};

use rusqlite::{
    Connection, OptionalExtension, Statement,
    types::{ToSqlOutput, ValueRef},
};
use sha2::{Digest, Sha256};

use crate::{
    directory::{DirectoryError, ErrorKind},
    history::Chain,
};

use super::{failed, schema};

/// What comes before the first record.
const GENESIS: Hash = [0; 32];

type Hash = [u8; 32];

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

/// What one record says, apart from its number and hashes.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    /// Microseconds since 1970.
    pub(super) at: i64,
    pub(super) run: &'a str,
    pub(super) actor: Option<&'a str>,
    pub(super) owner: &'a str,
    pub(super) verb: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) remote: &'a str,
    pub(super) reason: &'a str,
    pub(super) cause: Option<&'a str>,
    /// JSON.
    pub(super) changes: &'a str,
    /// It counts in the window.
    pub(super) loss: u64,
    /// It is a loss that a flag allowed.
    pub(super) loss_allowed: u64,
    pub(super) loss_namespace: Option<&'a str>,
    pub(super) source: Option<&'a str>,
    pub(super) commit: Option<&'a str>,
    pub(super) author: Option<&'a str>,
    pub(super) digest: &'a str,
    /// Microseconds since 1970.
    pub(super) committed_at: Option<i64>,
    /// Microseconds since 1970.
    pub(super) since: Option<i64>,
}

/// The end of the trail within one transaction.
#[derive(Debug)]
pub(super) struct Trail {
    seq: i64,
    hash: Hash,
}

impl Trail {
    /// Takes up the trail where it ends.
    pub(super) fn continued(connection: &Connection) -> rusqlite::Result<Self> {
        connection.query_row("SELECT seq, hash FROM head", [], |row| Ok(Self { seq: row.get(0)?, hash: row.get(1)? }))
    }

    /// The statement that [`Trail::append`] takes.
    pub(super) fn statement(connection: &Connection) -> rusqlite::Result<Statement<'_>> {
        let marks = vec!["?"; COLUMNS.len() + LATER.len() + 1].join(", ");
        connection.prepare(&format!("INSERT INTO audit ({}) VALUES ({marks})", every_column()))
    }

    /// Adds a record.
    pub(super) fn append(&mut self, statement: &mut Statement<'_>, record: &Record<'_>) -> rusqlite::Result<()> {
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
        let values: [ValueRef<'_>; COLUMNS.len()] = [
            ValueRef::Integer(self.seq + 1),
            ValueRef::Integer(at),
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
            ValueRef::Integer(loss.cast_signed()),
            ValueRef::Integer(loss_allowed.cast_signed()),
            optional(loss_namespace),
            optional(source),
            optional(commit),
            optional(author),
            text(digest),
            ValueRef::Blob(&prev),
        ];
        let later = [committed_at, since].map(|micros| micros.map_or(ValueRef::Null, ValueRef::Integer));
        let hash = hash(values.iter().copied(), later.iter().copied());
        let with_hash = values.into_iter().chain(later).chain([ValueRef::Blob(&hash)]);
        for (column, value) in with_hash.enumerate() {
            statement.raw_bind_parameter(column + 1, ToSqlOutput::Borrowed(value))?;
        }
        statement.raw_execute()?;
        (self.seq, self.hash) = (self.seq + 1, hash);
        Ok(())
    }

    /// Says where the trail ends now.
    pub(super) fn finish(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute("UPDATE head SET seq = ?1, hash = ?2", rusqlite::params![self.seq, self.hash])?;
        Ok(())
    }
}

fn text(text: &str) -> ValueRef<'_> {
    ValueRef::Text(text.as_bytes())
}

fn optional(it: Option<&str>) -> ValueRef<'_> {
    it.map_or(ValueRef::Null, text)
}

/// Every column, in the order in which they are stored and read.
pub(super) fn every_column() -> String {
    let columns: Vec<&str> = COLUMNS.into_iter().chain(LATER).chain(["hash"]).collect();
    columns.join(", ")
}

/// The hash of a record: of each column its type, its length in bytes where it has one (64 bits, little-endian), and the
/// value; then of each later column that is not NULL a 5, its place among those, and the same. No two records are encoded alike.
fn hash<'a>(values: impl Iterator<Item = ValueRef<'a>>, later: impl Iterator<Item = ValueRef<'a>>) -> Hash {
    let mut hasher = Sha256::new_with_prefix(b"tenantry-audit-1");
    for value in values {
        update(&mut hasher, value);
    }
    for (place, value) in (0_u8..).zip(later).filter(|(_, value)| *value != ValueRef::Null) {
        hasher.update([5, place]);
        update(&mut hasher, value);
    }
    hasher.finalize().into()
}

fn update(hasher: &mut Sha256, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => hasher.update([0]),
        ValueRef::Integer(number) => {
            hasher.update([1]);
            hasher.update(number.to_le_bytes());
        }
        ValueRef::Real(number) => {
            hasher.update([2]);
            hasher.update(number.to_le_bytes());
        }
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            hasher.update([if matches!(value, ValueRef::Text(_)) { 3 } else { 4 }]);
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
    }
}

/// Reads the whole trail, one record at a time.
pub(super) fn verify(path: &Path, head: Option<&str>) -> Result<Chain, DirectoryError> {
    let genesis = |head: &str| head == hex(&GENESIS);
    if !schema::exists(path)? {
        return Ok(Chain::Whole { records: 0, head: hex(&GENESIS), at: head.is_some_and(genesis).then_some(0) });
    }
    let mut connection = schema::reader(path)?;
    let mut verify = || -> rusqlite::Result<Chain> {
        let transaction = connection.transaction()?;
        let mut statement = transaction.prepare(&format!("SELECT {} FROM audit ORDER BY seq", every_column()))?;
        let mut rows = statement.query([])?;
        let (mut prev, mut seq) = (GENESIS, 0);
        let wanted = head.map(|head| unhex(head).unwrap_or_default());
        let mut at = head.is_some_and(genesis).then_some(0);
        while let Some(row) = rows.next()? {
            let broken = |reason| Ok(Chain::Broken { record: seq + 1, reason });
            if row.get_ref(0)? != ValueRef::Integer((seq + 1).try_into().unwrap_or(i64::MAX)) {
                return broken("it is missing");
            }
            if row.get_ref(COLUMNS.len() - 1)? != ValueRef::Blob(&prev) {
                return broken("it does not follow the one before");
            }
            let values = (0..COLUMNS.len() + LATER.len()).map(|column| row.get_ref(column)).collect::<Result<Vec<_>, _>>()?;
            let (values, later) = values.split_at(COLUMNS.len());
            let found = hash(values.iter().copied(), later.iter().copied());
            if row.get_ref(COLUMNS.len() + LATER.len())? != ValueRef::Blob(&found) {
                return broken("it was changed");
            }
            (prev, seq) = (found, seq + 1);
            if wanted.as_ref().is_some_and(|wanted| *wanted == prev) {
                at = Some(seq);
            }
        }
        let Trail { seq: last, hash } = Trail::continued(&transaction)?;
        if u64::try_from(last) != Ok(seq) || hash != prev {
            return Ok(Chain::Broken { record: seq + 1, reason: "the trail does not end where it should" });
        }
        Ok(Chain::Whole { records: seq, head: hex(&prev), at })
    };
    verify().map_err(|error| failed("verify the audit trail", error))
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

pub(super) fn hex(hash: &[u8]) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Refuses a directory without a single object while the trail knows of one that nobody deleted: that is no new directory,
/// and its accounts must not be created anew.
pub(super) fn check_emptied(connection: &Connection) -> Result<(), DirectoryError> {
    // Beside `max` SQLite takes the other columns from the row that has it.
    let left = "SELECT kind || '/' || namespace || '/' || name FROM \
                (SELECT kind, namespace, name, verb, max(seq) FROM audit WHERE kind <> 'project' AND owner <> '' GROUP BY remote) WHERE verb <> 'delete' LIMIT 1";
    let left: Option<String> =
        connection.query_row(left, [], |row| row.get(0)).optional().map_err(|error| failed("read the audit trail", error))?;
    let Some(key) = left else { return Ok(()) };
    let cause = format!(
        "an empty list from a directory that held things: the audit trail has no deletion of {key}; to begin anew, remove the file"
    );
    Err(DirectoryError::new("read the directory", ErrorKind::Incomplete).because(cause))
}

/// Refuses a trail that does not end where it ended: the budget counts from it.
pub(super) fn check_head(connection: &Connection) -> Result<(), DirectoryError> {
    let failed = |error| failed("read the audit trail", error);
    let Trail { seq, hash } = Trail::continued(connection).map_err(failed)?;
    let last = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
    let last: Option<(i64, Hash)> =
        connection.query_row(last, [], |row| Ok((row.get(0)?, row.get(1)?))).optional().map_err(failed)?;
    if last.unwrap_or((0, GENESIS)) == (seq, hash) {
        return Ok(());
    }
    Err(DirectoryError::new("read the audit trail", ErrorKind::Incomplete).because("it does not end where it ended"))
}
