-- Ledger: notes about a directory that has no tables of its own.

CREATE TABLE notes (
    name TEXT PRIMARY KEY,
    note TEXT NOT NULL
) STRICT, WITHOUT ROWID;
