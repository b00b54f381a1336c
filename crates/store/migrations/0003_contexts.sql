-- Named data that outlives sessions. The files themselves are objects; `files` and `bytes` count them.
-- `writers`: changes of files that are under way. What is left after a crash says that the counts may be wrong.
CREATE TABLE contexts (
    id         TEXT PRIMARY KEY,
    tenant     TEXT NOT NULL REFERENCES tenants (id),
    name       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('available', 'clearing', 'deleting')),
    epoch      INTEGER NOT NULL,
    created_ns INTEGER NOT NULL,
    used_ms    INTEGER NOT NULL,
    files      INTEGER NOT NULL DEFAULT 0 CHECK (files >= 0),
    bytes      INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    writers    INTEGER NOT NULL DEFAULT 0 CHECK (writers >= 0)
) STRICT, WITHOUT ROWID;

-- A name is free again as soon as its context is gone for its user.
CREATE UNIQUE INDEX contexts_by_name ON contexts (tenant, name) WHERE state <> 'deleting';
CREATE INDEX contexts_listed ON contexts (tenant, created_ns DESC, id DESC) WHERE state <> 'deleting';
CREATE INDEX contexts_unsettled ON contexts (id) WHERE state <> 'available' OR writers > 0;
