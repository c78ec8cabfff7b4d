-- The Config Database. Numbers inside, text at the edge: identity stands in one row of `tenant`, elsewhere a number.
-- Instants are microseconds since 1970 in UTC. Text is compared by its bytes, as on every other database of ours.

CREATE TABLE meta (
    key   TEXT COLLATE "C" PRIMARY KEY,
    value TEXT NOT NULL
);

-- One row, held by whoever writes until its commit: what stands in it therefore grows in commit order, in every process.
CREATE TABLE head (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    stamp       BIGINT NOT NULL,    -- no later transaction is stamped at or before it
    change_id   BIGINT NOT NULL,    -- of the newest change row
    tenant_id   BIGINT NOT NULL,    -- the newest tenant's number
    oldest_kept BIGINT NOT NULL,    -- change rows up to this one may have been removed
    admissions  BIGINT NOT NULL     -- how often keys and definitions have changed
) WITH (fillfactor = 10);
INSERT INTO head VALUES (1, 0, 0, 0, 0, 0);

CREATE TABLE api_key (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash         BYTEA NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    scopes       TEXT NOT NULL,     -- separated by blanks
    created_at   BIGINT NOT NULL,
    created_by   TEXT NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT,
    uses         BIGINT NOT NULL DEFAULT 0
);

-- Rows are never deleted, so numbers are never reused; an erased tenant's row has no name. A document's revision is the
-- sum of its preferences' versions.
CREATE TABLE tenant (
    id              BIGINT PRIMARY KEY,
    tenant_id       TEXT COLLATE "C" UNIQUE,
    timezone        TEXT,
    created_at      BIGINT NOT NULL,
    erased_at       BIGINT,
    profile_version BIGINT NOT NULL DEFAULT 0,  -- of timezone and labels
    profile_change  BIGINT                      -- the newest change row of timezone and labels
);

CREATE TABLE tenant_label (
    name   TEXT COLLATE "C" NOT NULL,
    value  TEXT COLLATE "C" NOT NULL,
    tenant BIGINT NOT NULL,
    PRIMARY KEY (name, value, tenant)
);
CREATE INDEX tenant_label_of ON tenant_label (tenant);

CREATE TABLE feature (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feature_type TEXT COLLATE "C" NOT NULL UNIQUE,
    version      BIGINT NOT NULL DEFAULT 0      -- of its definition; 0 where none is registered
);

CREATE TABLE feature_definition (
    feature    BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    actor      TEXT NOT NULL,
    definition TEXT NOT NULL,
    PRIMARY KEY (feature, version)
);

-- '-' stands for a part that was not stated. Counts change with every batch of writes: room in each page keeps that cheap.
CREATE TABLE stated_group (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feature     BIGINT NOT NULL REFERENCES feature (id),
    frequency   TEXT COLLATE "C" NOT NULL,
    time_key    TEXT COLLATE "C" NOT NULL,
    timezone    TEXT COLLATE "C" NOT NULL,
    count       BIGINT NOT NULL,
    since       BIGINT NOT NULL,
    empty_since BIGINT,
    UNIQUE (feature, frequency, time_key, timezone)
) WITH (fillfactor = 50);
CREATE INDEX stated_group_in_order ON stated_group (feature, id);

-- Append-only: history, feed and past memberships in one. What stood before is the row `previous`.
-- A membership that ended is [left_since, at) in left_group.
-- Without a tenant it is a change of the feature's definition; without a feature, of the tenant's timezone and labels.
CREATE TABLE change (
    id           BIGINT PRIMARY KEY,
    at           BIGINT NOT NULL,
    tenant       BIGINT,
    feature      BIGINT,
    version      BIGINT NOT NULL,
    previous     BIGINT,
    left_group   BIGINT,
    left_since   BIGINT,
    joined_group BIGINT,
    preference   TEXT,
    actor        TEXT NOT NULL,
    rules        BIGINT NOT NULL        -- the version of the feature's definition that it passed; 0 where none was
);
CREATE INDEX change_left ON change (left_group, at) WHERE left_group IS NOT NULL;

-- The state of now. A deleted preference keeps its row and version. The JSON stands in the change row only.
CREATE TABLE preference (
    tenant       BIGINT NOT NULL,
    feature      BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    change_id    BIGINT NOT NULL,
    stated_since BIGINT NOT NULL,       -- of its first version (T13)
    group_id     BIGINT,
    group_since  BIGINT,
    PRIMARY KEY (tenant, feature)
);

-- Covers a member list, so that a page reads beside it only the tenant's name and the change row.
CREATE INDEX preference_group ON preference (group_id, tenant) INCLUDE (group_since, change_id) WHERE group_id IS NOT NULL;

-- The size of a group after each stamp that changed it, kept apart from the member lists (M8).
CREATE TABLE group_count (
    group_id BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    count    BIGINT NOT NULL,
    PRIMARY KEY (group_id, at)
);
