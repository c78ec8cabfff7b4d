-- The Config Database. Numbers inside, text at the edge: identity stands in one row of `tenant`, elsewhere a number.
-- Instants are microseconds since 1970 in UTC.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE api_key (
    id           INTEGER PRIMARY KEY,
    hash         BLOB NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    scopes       TEXT NOT NULL,     -- separated by blanks
    created_at   INTEGER NOT NULL,
    created_by   TEXT NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER,
    uses         INTEGER NOT NULL DEFAULT 0
);

-- Rows are never deleted, so numbers are never reused; an erased tenant's row has no name. A document's revision is the
-- sum of its preferences' versions.
CREATE TABLE tenant (
    id              INTEGER PRIMARY KEY,
    tenant_id       TEXT UNIQUE,
    timezone        TEXT,
    created_at      INTEGER NOT NULL,
    erased_at       INTEGER,
    profile_version INTEGER NOT NULL DEFAULT 0,     -- of timezone and labels
    profile_change  INTEGER                         -- the newest change row of timezone and labels
);

CREATE TABLE tenant_label (
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    tenant INTEGER NOT NULL,
    PRIMARY KEY (name, value, tenant)
) WITHOUT ROWID;
CREATE INDEX tenant_label_of ON tenant_label (tenant);

CREATE TABLE feature (
    id           INTEGER PRIMARY KEY,
    feature_type TEXT NOT NULL UNIQUE,
    version      INTEGER NOT NULL DEFAULT 0     -- of its definition; 0 where none is registered
);

CREATE TABLE feature_definition (
    feature    INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    definition TEXT NOT NULL,
    PRIMARY KEY (feature, version)
) WITHOUT ROWID;

-- '-' stands for a part that was not stated.
CREATE TABLE stated_group (
    id          INTEGER PRIMARY KEY,
    feature     INTEGER NOT NULL REFERENCES feature (id),
    frequency   TEXT NOT NULL,
    time_key    TEXT NOT NULL,
    timezone    TEXT NOT NULL,
    count       INTEGER NOT NULL,
    since       INTEGER NOT NULL,
    empty_since INTEGER,
    UNIQUE (feature, frequency, time_key, timezone)
);
CREATE INDEX stated_group_in_order ON stated_group (feature, id);

-- Append-only: history, feed and past memberships in one. What stood before is the row `previous`.
-- A membership that ended is [left_since, at) in left_group.
-- Without a tenant it is a change of the feature's definition; without a feature, of the tenant's timezone and labels.
CREATE TABLE change (
    id           INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL,
    tenant       INTEGER,
    feature      INTEGER,
    version      INTEGER NOT NULL,
    previous     INTEGER,
    left_group   INTEGER,
    left_since   INTEGER,
    joined_group INTEGER,
    preference   TEXT,
    actor        TEXT NOT NULL,
    rules        INTEGER NOT NULL       -- the version of the feature's definition that it passed; 0 where none was
);

CREATE INDEX change_left ON change (left_group, at) WHERE left_group IS NOT NULL;

-- The state of now. A deleted preference keeps its row and version. The JSON stands in the change row only.
CREATE TABLE preference (
    tenant       INTEGER NOT NULL,
    feature      INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    change_id    INTEGER NOT NULL,
    stated_since INTEGER NOT NULL,      -- of its first version (T13)
    group_id     INTEGER,
    group_since  INTEGER,
    PRIMARY KEY (tenant, feature)
) WITHOUT ROWID;

-- Covers a member list, so that a page reads beside it only the tenant's name and the change row.
CREATE INDEX preference_group ON preference (group_id, tenant, group_since, change_id) WHERE group_id IS NOT NULL;

-- The size of a group after each stamp that changed it, kept apart from the member lists (M8).
CREATE TABLE group_count (
    group_id INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (group_id, at)
) WITHOUT ROWID;
