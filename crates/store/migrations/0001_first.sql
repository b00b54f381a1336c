-- Times carry their unit in the name: `_ms` milliseconds and `_ns` nanoseconds since 1970, UTC.
-- `created_ns` of a session is finer than the rest because, with the id, it is the order of every listing.

CREATE TABLE tenants (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    id         TEXT PRIMARY KEY,
    tenant     TEXT NOT NULL REFERENCES tenants (id),
    name       TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    admin      INTEGER NOT NULL CHECK (admin IN (0, 1)),
    created_ms INTEGER NOT NULL,
    revoked_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_of_tenant ON keys (tenant);

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    tenant     TEXT NOT NULL REFERENCES tenants (id),
    node       TEXT NOT NULL,
    epoch      INTEGER NOT NULL,
    state      TEXT NOT NULL
               CHECK (state IN ('creating', 'running', 'pausing', 'paused', 'resuming', 'deleting', 'finished')),
    image      TEXT NOT NULL,
    sandbox    TEXT,
    limits     TEXT NOT NULL,
    client     TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    active_ms  INTEGER NOT NULL,
    idle_ms    INTEGER,
    expires_ms INTEGER,
    ended_ms   INTEGER,
    end_reason TEXT
) STRICT, WITHOUT ROWID;

-- Finished rows stay for a while; listings and counts of live sessions must not wade through them.
CREATE INDEX sessions_live ON sessions (tenant, created_ns DESC, id DESC) WHERE state NOT IN ('deleting', 'finished');
CREATE INDEX sessions_unfinished ON sessions (node) WHERE state <> 'finished';
CREATE INDEX sessions_ended ON sessions (ended_ms) WHERE state = 'finished';

CREATE TABLE labels (
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (session, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX labels_by_pair ON labels (key, value, session);

-- Secrets that the servers on this database share, such as the one that signs listing cursors.
CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL CHECK (length(value) = 32)
) STRICT, WITHOUT ROWID;
