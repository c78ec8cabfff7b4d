-- The Config Database. Numbers inside, text at the edge: identity stands in one row of `tenant`, elsewhere a number.
-- Instants are microseconds since 1970 in UTC.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE api_key (
    hash       BLOB PRIMARY KEY,
    name       TEXT NOT NULL,
    scope      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) WITHOUT ROWID;

-- Rows are never deleted, so numbers are never reused. A tenant's revision is the sum of its preferences' versions.
CREATE TABLE tenant (
    id         INTEGER PRIMARY KEY,
    tenant_id  TEXT NOT NULL UNIQUE,
    timezone   TEXT,
    labels     TEXT,
    created_at INTEGER NOT NULL
);

CREATE TABLE feature (
    id           INTEGER PRIMARY KEY,
    feature_type TEXT NOT NULL UNIQUE
);

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

-- Append-only: history, feed and past memberships in one. What stood before is the previous row of the same preference.
-- A membership that ended is [left_since, at) in left_group.
CREATE TABLE change (
    id           INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL,
    tenant       INTEGER NOT NULL,
    feature      INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    left_group   INTEGER,
    left_since   INTEGER,
    joined_group INTEGER,
    preference   TEXT,
    actor        TEXT NOT NULL
);

CREATE INDEX change_left ON change (left_group, at) WHERE left_group IS NOT NULL;

-- The state of now. A deleted preference keeps its row and version. The JSON stands in the change row only.
CREATE TABLE preference (
    tenant      INTEGER NOT NULL,
    feature     INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    change_id   INTEGER NOT NULL,
    group_id    INTEGER,
    group_since INTEGER,
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
