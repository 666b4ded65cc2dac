-- People: secrets, locks, settings. `objects.credential` can be 'ordered:METHOD:RESET' as well.

ALTER TABLE objects ADD COLUMN locked TEXT;            -- why a user is shut off against the declaration
ALTER TABLE objects ADD COLUMN unused_until INTEGER;   -- when the secret given last dies; NULL once it was used

-- What is kept of the one secret that a user has. Nothing here can be turned back into it: a PHC string (argon2id), or the
-- SHA-256 of a token of 256 bits.
CREATE TABLE secrets (
    object      INTEGER PRIMARY KEY REFERENCES objects (row) ON DELETE CASCADE,
    password    TEXT,
    token       BLOB    UNIQUE,
    must_change INTEGER NOT NULL CHECK (must_change IN (0, 1)),
    issued_at   INTEGER NOT NULL,
    CHECK ((password IS NULL) <> (token IS NULL))
) STRICT;

-- The settings of the last apply of each owner.
CREATE TABLE settings (
    owner    TEXT PRIMARY KEY,
    project  TEXT NOT NULL,
    settings TEXT NOT NULL       -- JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX settings_project ON settings (project);
