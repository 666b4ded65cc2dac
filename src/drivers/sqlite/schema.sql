-- Times are microseconds since 1970, UTC. Booleans are 0 and 1.

-- Companies, customers, users and roles. What nobody manages has no owner and no key.
CREATE TABLE objects (
    row          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    kind         TEXT    NOT NULL CHECK (kind IN ('role', 'company', 'customer', 'user')),
    namespace    TEXT,                    -- '' is the place of global roles
    name         TEXT,
    owner        TEXT,
    parent       INTEGER REFERENCES objects (row) ON DELETE RESTRICT CHECK (parent <> row),
    enabled      INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    suspended    INTEGER NOT NULL DEFAULT 0 CHECK (suspended IN (0, 1)),
    retired_at   INTEGER,
    deletion     TEXT,
    left_enabled INTEGER NOT NULL DEFAULT 1 CHECK (left_enabled IN (0, 1)),
    credential   TEXT,                    -- 'owed:RESET' or 'given:RESET'
    username     TEXT    COLLATE NOCASE,  -- users: in normal form, whoever manages them
    email        TEXT    COLLATE NOCASE,  -- users: in normal form, whoever manages them
    title        TEXT,                    -- customers of a company: unique within it
    body         TEXT    NOT NULL,        -- JSON: what it says of itself
    version      INTEGER NOT NULL DEFAULT 1,
    created_at   INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at   INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    source       TEXT,                    -- where it was declared at the last write
    formerly     TEXT,                    -- the key it had before it was released
    CHECK ((owner IS NULL) = (name IS NULL) AND (owner IS NULL) = (namespace IS NULL) AND (owner IS NULL) = (deletion IS NULL)),
    CHECK ((kind = 'user') = (username IS NOT NULL) AND (kind = 'user' OR email IS NULL))
) STRICT;

CREATE UNIQUE INDEX objects_key ON objects (kind, namespace, name) WHERE name IS NOT NULL;
CREATE UNIQUE INDEX objects_username ON objects (username) WHERE username IS NOT NULL;
CREATE UNIQUE INDEX objects_email ON objects (email) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX objects_title ON objects (parent, title) WHERE title IS NOT NULL;
CREATE INDEX objects_parent ON objects (parent) WHERE parent IS NOT NULL;
CREATE INDEX objects_strangers ON objects (id) WHERE name IS NULL;
CREATE INDEX objects_place ON objects (kind) WHERE kind IN ('company', 'customer');

-- One record for each write, in the same transaction; `hash` is over every other column and the hash before.
CREATE TABLE audit (
    seq            INTEGER PRIMARY KEY,
    at             INTEGER NOT NULL,
    run            TEXT    NOT NULL,
    actor          TEXT,                  -- NULL: the operator of the tool
    owner          TEXT    NOT NULL,
    verb           TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    namespace      TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    remote         TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    cause          TEXT,                  -- the key that the reason names
    changes        TEXT    NOT NULL,      -- JSON: {field: [before, after]}
    loss           INTEGER NOT NULL,      -- how much counts in the window
    loss_allowed   INTEGER NOT NULL,      -- what a flag allowed, so that it does not count
    loss_namespace TEXT,                  -- where it counts
    source         TEXT,
    commit_id      TEXT,
    author         TEXT,
    digest         TEXT    NOT NULL,      -- of the plan
    prev           BLOB    NOT NULL,
    hash           BLOB    NOT NULL
) STRICT;

CREATE INDEX audit_losses ON audit (at, loss_namespace) WHERE loss > 0;
CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;

-- The last record of the trail, so that a shortened one is noticed.
CREATE TABLE head (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seq  INTEGER NOT NULL,
    hash BLOB    NOT NULL
) STRICT;
INSERT INTO head VALUES (1, 0, zeroblob(32));

-- What was applied last, for each owner.
CREATE TABLE applied (
    owner TEXT PRIMARY KEY,
    root  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- For people who look with sqlite3.
CREATE VIEW roles AS
    SELECT id, namespace, name, owner, body ->> 'privileged' AS privileged, body ->> 'livesUnder' AS lives_under,
           body ->> 'mayAppoint' AS may_appoint, retired_at IS NOT NULL AS retired
    FROM objects WHERE kind = 'role';
CREATE VIEW companies AS
    SELECT o.id, o.namespace, o.name, o.owner, o.body ->> 'displayName' AS display_name, o.body ->> 'type' AS type,
           o.body ->> 'region' AS region, p.name AS parent, o.enabled, o.retired_at IS NOT NULL AS retired
    FROM objects o LEFT JOIN objects p ON p.row = o.parent WHERE o.kind = 'company';
CREATE VIEW customers AS
    SELECT o.id, o.namespace, o.name, o.owner, o.body ->> 'displayName' AS display_name, p.name AS company, o.enabled,
           o.retired_at IS NOT NULL AS retired
    FROM objects o LEFT JOIN objects p ON p.row = o.parent WHERE o.kind = 'customer';
CREATE VIEW users AS
    SELECT o.id, o.namespace, o.name, o.owner, o.username, o.email, o.body ->> 'role' AS role,
           o.body ->> 'displayName' AS display_name, p.kind AS parent_kind, p.name AS parent, o.enabled,
           o.retired_at IS NOT NULL AS retired
    FROM objects o LEFT JOIN objects p ON p.row = o.parent WHERE o.kind = 'user';
