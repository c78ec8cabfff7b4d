-- The ledger: what was to be done, what is being done, and how each user's work ended.
-- Instants are microseconds since 1970 (UTC). Users are the Config Database's numbers; their names stand in one table.
-- How long what is kept: runs with their chunks, attempts and outcomes for the retention after they were closed (400 days if not
-- said otherwise), settlements as long after they were recorded, names of users as long as a run may refer to them, the rest for good.

-- This life of the ledger (F11): one that was made anew or restored has another, and cursors carry it.
CREATE TABLE incarnation (
    id TEXT NOT NULL
) STRICT;
INSERT INTO incarnation (id) VALUES (lower(hex(randomblob(16))));

CREATE TABLE job (
    id          INTEGER PRIMARY KEY,
    job_id      TEXT NOT NULL UNIQUE,
    began       INTEGER NOT NULL,   -- nothing from before is ever planned (F1)
    mark        INTEGER NOT NULL,   -- everything up to here is planned (F1)
    known_until INTEGER NOT NULL,   -- groups that came to be later were not yet known when the mark was set
    replan_from INTEGER,            -- from here to the mark is planned anew by another time zone database (T11); NULL: nothing
    paused_at   INTEGER,            -- when its last pause began
    resumed_at  INTEGER             -- when that pause ended; NULL while it lasts
) STRICT;

-- Jobs and purposes as they were applied. No row is ever changed: the latest version of a name is in force.
CREATE TABLE definition (
    kind       TEXT NOT NULL CHECK (kind IN ('job', 'purpose')),
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    document   TEXT,                -- as it was written, as JSON; NULL: removed with this version
    applied_at INTEGER NOT NULL,
    applied_by TEXT NOT NULL,
    PRIMARY KEY (kind, name, version)
) STRICT, WITHOUT ROWID;

-- One counter, raised by whatever changes a definition or a pause: agents ask for it to learn whether something has.
CREATE TABLE definition_revision (
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO definition_revision (revision) VALUES (0);

-- With which documents each agent was last started: the same again is no act.
CREATE TABLE agent_start (
    agent     TEXT PRIMARY KEY,
    documents TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The agents and when they last said that they live.
CREATE TABLE agent (
    name       TEXT PRIMARY KEY,
    tzdb       TEXT NOT NULL,       -- the release of the time zone database that it has
    renewed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The release of the time zone database by which is planned (T11): one row, none before the first agent.
CREATE TABLE tzdb (
    release TEXT NOT NULL
) STRICT;

-- Until when purposes are not called, because a handler has asked for it (D4).
CREATE TABLE purpose_pause (
    purpose_id TEXT PRIMARY KEY,
    not_before INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tenant (
    number    INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL UNIQUE, -- 'erased:NUMBER' for one who was erased (W8)
    seen_at   INTEGER NOT NULL      -- when the user was last a member of a run, at most 30 days too early
) STRICT;

-- Up to where in the Config Database's feed erasures have been taken over (W8): one row, none before the first time.
CREATE TABLE erased_until (
    cursor TEXT NOT NULL
) STRICT;

CREATE TABLE run (
    id           INTEGER PRIMARY KEY,
    job          INTEGER NOT NULL,
    job_version  INTEGER,           -- of the job's definition; NULL for a job that is not stored
    feature_type TEXT NOT NULL,
    frequency    TEXT NOT NULL,
    time_key     TEXT NOT NULL,
    timezone     TEXT NOT NULL,
    nominal      TEXT NOT NULL,
    nominal_date TEXT,              -- NULL for a trigger, which belongs to no date (M6)
    scheduled_at INTEGER NOT NULL,
    priority     INTEGER NOT NULL,  -- 0 is most urgent
    state        TEXT NOT NULL CHECK (state IN ('reading', 'processing', 'closed')),
    reason       TEXT,              -- why members were missed (A2)
    stated       TEXT NOT NULL,     -- the stated groups whose members it has, as JSON
    cursor       TEXT,              -- where in the member list the next page begins; NULL before the first
    read_after   INTEGER NOT NULL,  -- the member list is not read before this instant; after a page, when that was read
    read_faults  INTEGER NOT NULL DEFAULT 0,
    members      INTEGER NOT NULL DEFAULT 0,
    succeeded    INTEGER NOT NULL DEFAULT 0,
    failed       INTEGER NOT NULL DEFAULT 0,
    skipped      INTEGER NOT NULL DEFAULT 0,
    missed       INTEGER NOT NULL DEFAULT 0,
    unread       INTEGER NOT NULL DEFAULT 0,    -- of the skipped: who were never put into a chunk and have no outcome of their own
    opened_at    INTEGER NOT NULL,
    canceled_at  INTEGER,           -- when an operator canceled it; NULL again once it is reopened
    closed_at    INTEGER,
    UNIQUE (job, frequency, time_key, timezone, nominal)    -- the insert is the election (F3)
) STRICT;
CREATE INDEX run_reading ON run (priority, job, scheduled_at, read_after) WHERE state = 'reading';
CREATE INDEX run_of_day ON run (job, nominal_date, scheduled_at);
CREATE INDEX run_at ON run (job, scheduled_at);
CREATE INDEX run_open ON run (job, scheduled_at) WHERE state <> 'closed';
CREATE INDEX run_canceled ON run (id) WHERE state <> 'closed' AND canceled_at IS NOT NULL;
CREATE INDEX run_failed ON run (job, id) WHERE failed > 0;
CREATE INDEX run_closed ON run (closed_at) WHERE state = 'closed';

CREATE TABLE chunk (
    id            INTEGER PRIMARY KEY,
    run           INTEGER NOT NULL,
    first_tenant  INTEGER NOT NULL, -- members ascend by number: chunks of a run overlap only where users were requeued, or wait for their turns
    last_tenant   INTEGER NOT NULL,
    first_ordinal INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('ready', 'claimed', 'done')),
    priority      INTEGER NOT NULL, -- of its run
    job           INTEGER NOT NULL, -- of its run: both name the lane that it waits in (D7)
    ready_at      INTEGER NOT NULL,
    open_members  TEXT NOT NULL,    -- who has no outcome yet, as JSON
    attempt       INTEGER NOT NULL, -- attempts begun
    holder        TEXT,
    lease_until   INTEGER,
    token         INTEGER NOT NULL, -- grows with each claim; fences off earlier holders (F3)
    deaths        INTEGER NOT NULL DEFAULT 0,   -- holders that died with it in hand (D5)
    split_from    INTEGER,          -- the chunk that was split into this one and others (D5)
    turn          INTEGER NOT NULL DEFAULT 0    -- when it is served among those of its lane that wait for their turns; 0: it has had its turn
) STRICT;
CREATE INDEX chunk_of_run ON chunk (run, first_tenant);
CREATE INDEX chunk_open ON chunk (run, first_tenant, last_tenant) WHERE state <> 'done';
CREATE INDEX chunk_ready ON chunk (priority, job, ready_at) WHERE state = 'ready' AND deaths = 0 AND turn = 0;
CREATE INDEX chunk_turn ON chunk (priority, job, turn) WHERE state = 'ready' AND deaths = 0 AND turn > 0;
CREATE INDEX chunk_suspect ON chunk (priority, job, ready_at) WHERE state = 'ready' AND deaths > 0;
CREATE INDEX chunk_claimed ON chunk (lease_until) WHERE state = 'claimed';

-- The last turn of each value by which a job's work is shared out (D7).
CREATE TABLE fair_share (
    priority INTEGER NOT NULL,
    job      INTEGER NOT NULL,
    value    TEXT NOT NULL,         -- of the label; empty for who has none
    turn     INTEGER NOT NULL,
    PRIMARY KEY (priority, job, value)
) STRICT, WITHOUT ROWID;

-- Attempts after which a user was tried again by itself; the last attempt stands in the outcome.
CREATE TABLE attempt (
    run     INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    attempt INTEGER NOT NULL,       -- counted from 1
    tenant  INTEGER NOT NULL,
    at      INTEGER NOT NULL,       -- when its result was recorded
    error   TEXT,
    PRIMARY KEY (run, ordinal, attempt)
) STRICT, WITHOUT ROWID;

-- Each recording of outcomes, in the order of commits: the outcome feed (F7). A number is never given twice.
CREATE TABLE settlement (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    run           INTEGER NOT NULL,
    first_ordinal INTEGER NOT NULL, -- its outcomes are among these of the run
    last_ordinal  INTEGER NOT NULL,
    at            INTEGER NOT NULL
) STRICT;

-- Settlements up to this one are no longer kept.
CREATE TABLE feed_pruned (
    settlement INTEGER NOT NULL
) STRICT;
INSERT INTO feed_pruned (settlement) VALUES (0);

CREATE TABLE outcome (
    run                INTEGER NOT NULL,
    ordinal            INTEGER NOT NULL,
    tenant             INTEGER NOT NULL,
    chunk              INTEGER NOT NULL,
    status             INTEGER NOT NULL,    -- 0 succeeded, 1 failed, 2 skipped, 3 requeued after it failed
    reason             TEXT,                -- A2; NULL where it succeeded
    detail             TEXT,
    attempts           INTEGER NOT NULL,
    preference_version INTEGER,
    stale              INTEGER NOT NULL,    -- 1: settings were older than the feed could vouch for (M3)
    result             TEXT,
    finished_at        INTEGER NOT NULL,
    settlement         INTEGER NOT NULL,    -- with which it was recorded
    key_nonce          TEXT,                -- part of the key since a requeue asked for a new one (D1)
    PRIMARY KEY (run, ordinal)
) STRICT, WITHOUT ROWID;

-- Failures as they were recorded, of users who were requeued afterwards (D6).
CREATE TABLE requeued_outcome (
    run                INTEGER NOT NULL,
    ordinal            INTEGER NOT NULL,
    tenant             INTEGER NOT NULL,
    chunk              INTEGER NOT NULL,
    status             INTEGER NOT NULL,
    reason             TEXT,
    detail             TEXT,
    attempts           INTEGER NOT NULL,
    preference_version INTEGER,
    stale              INTEGER NOT NULL,
    result             TEXT,
    finished_at        INTEGER NOT NULL,
    settlement         INTEGER NOT NULL,
    key_nonce          TEXT,
    PRIMARY KEY (run, ordinal, settlement)
) STRICT, WITHOUT ROWID;
