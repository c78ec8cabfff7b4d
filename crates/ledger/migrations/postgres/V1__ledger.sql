-- The ledger: what was to be done, what is being done, and how each user's work ended.
-- Instants are microseconds since 1970 (UTC). Users are the Config Database's numbers; their names stand in one table.
-- Text is compared by its bytes, as on every other database of ours.
-- How long what is kept: runs with their chunks, attempts and outcomes for the retention after they were closed (400 days if not
-- said otherwise), settlements as long after they were recorded, names of users as long as a run may refer to them, the rest for good.

-- This life of the ledger (F11): one that was made anew or restored has another, and cursors carry it.
CREATE TABLE incarnation (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    id       TEXT NOT NULL
);
INSERT INTO incarnation VALUES (1, replace(gen_random_uuid()::text, '-', ''));

-- Rows that change with every planning: room in each page keeps a change there, and no index is touched.
CREATE TABLE job (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id      TEXT COLLATE "C" NOT NULL UNIQUE,
    began       BIGINT NOT NULL,    -- nothing from before is ever planned (F1)
    mark        BIGINT NOT NULL,    -- everything up to here is planned (F1)
    known_until BIGINT NOT NULL,    -- groups that came to be later were not yet known when the mark was set
    replan_from BIGINT,             -- from here to the mark is planned anew by another time zone database (T11); NULL: nothing
    paused_at   BIGINT,             -- when its last pause began
    resumed_at  BIGINT              -- when that pause ended; NULL while it lasts
) WITH (fillfactor = 50);

-- Jobs and purposes as they were applied. No row is ever changed: the latest version of a name is in force.
CREATE TABLE definition (
    kind       TEXT COLLATE "C" NOT NULL CHECK (kind IN ('job', 'purpose')),
    name       TEXT COLLATE "C" NOT NULL,
    version    INTEGER NOT NULL,
    document   TEXT,                -- as it was written, as JSON; NULL: removed with this version
    applied_at BIGINT NOT NULL,
    applied_by TEXT NOT NULL,
    PRIMARY KEY (kind, name, version)
);

-- One counter, raised by whatever changes a definition or a pause: agents ask for it to learn whether something has.
CREATE TABLE definition_revision (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision BIGINT NOT NULL
);
INSERT INTO definition_revision VALUES (1, 0);

-- With which documents each agent was last started: the same again is no act.
CREATE TABLE agent_start (
    agent     TEXT COLLATE "C" PRIMARY KEY,
    documents TEXT NOT NULL
);

-- The agents and when they last said that they live.
CREATE TABLE agent (
    name       TEXT COLLATE "C" PRIMARY KEY,
    tzdb       TEXT COLLATE "C" NOT NULL,   -- the release of the time zone database that it has
    renewed_at BIGINT NOT NULL
) WITH (fillfactor = 50);

-- The release of the time zone database by which is planned (T11): one row, none before the first agent.
CREATE TABLE tzdb (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    release  TEXT COLLATE "C" NOT NULL
);

-- Until when purposes are not called, because a handler has asked for it (D4).
CREATE TABLE purpose_pause (
    purpose_id TEXT COLLATE "C" PRIMARY KEY,
    not_before BIGINT NOT NULL
);

CREATE TABLE tenant (
    number    BIGINT PRIMARY KEY,
    seen_at   BIGINT NOT NULL,                  -- when the user was last a member of a run, at most 30 days too early
    tenant_id TEXT COLLATE "C" NOT NULL UNIQUE  -- 'erased:NUMBER' for one who was erased (W8)
);

-- Up to where in the Config Database's feed erasures have been taken over (W8): one row, none before the first time.
CREATE TABLE erased_until (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    cursor   TEXT NOT NULL
);

-- Counters change with every settlement, and no index knows them: with room in its page a run is changed where it stands.
CREATE TABLE run (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job          BIGINT NOT NULL,
    scheduled_at BIGINT NOT NULL,
    read_after   BIGINT NOT NULL,   -- the member list is not read before this instant; after a page, when that was read
    members      BIGINT NOT NULL DEFAULT 0,
    succeeded    BIGINT NOT NULL DEFAULT 0,
    failed       BIGINT NOT NULL DEFAULT 0,
    skipped      BIGINT NOT NULL DEFAULT 0,
    missed       BIGINT NOT NULL DEFAULT 0,
    unread       BIGINT NOT NULL DEFAULT 0, -- of the skipped: who were never put into a chunk and have no outcome of their own
    opened_at    BIGINT NOT NULL,
    canceled_at  BIGINT,            -- when an operator canceled it; NULL again once it is reopened
    closed_at    BIGINT,
    read_faults  INTEGER NOT NULL DEFAULT 0,
    priority     INTEGER NOT NULL,  -- 0 is most urgent
    job_version  INTEGER,           -- of the job's definition; NULL for a job that is not stored
    feature_type TEXT COLLATE "C" NOT NULL,
    frequency    TEXT COLLATE "C" NOT NULL,
    time_key     TEXT COLLATE "C" NOT NULL,
    timezone     TEXT COLLATE "C" NOT NULL,
    nominal      TEXT COLLATE "C" NOT NULL,
    nominal_date TEXT COLLATE "C",  -- NULL for a trigger, which belongs to no date (M6)
    state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('reading', 'processing', 'closed')),
    reason       TEXT,              -- why members were missed (A2)
    stated       TEXT NOT NULL,     -- the stated groups whose members it has, as JSON
    cursor       TEXT COLLATE "C",  -- where in the member list the next page begins; NULL before the first
    UNIQUE (job, frequency, time_key, timezone, nominal)    -- the insert is the election (F3)
) WITH (fillfactor = 60);
CREATE INDEX run_reading ON run (priority, job, scheduled_at, read_after) WHERE state = 'reading';
CREATE INDEX run_of_day ON run (job, nominal_date, scheduled_at);
CREATE INDEX run_at ON run (job, scheduled_at);
CREATE INDEX run_open ON run (job, scheduled_at) WHERE state <> 'closed';
CREATE INDEX run_canceled ON run (id) WHERE state <> 'closed' AND canceled_at IS NOT NULL;
CREATE INDEX run_closed ON run (closed_at) WHERE state = 'closed';

-- A lease is in no index, so that renewing it changes the row alone.
CREATE TABLE chunk (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run           BIGINT NOT NULL,
    first_tenant  BIGINT NOT NULL,  -- members ascend by number: chunks of a run overlap only where users were requeued, or wait for their turns
    last_tenant   BIGINT NOT NULL,
    first_ordinal BIGINT NOT NULL,
    size          BIGINT NOT NULL,
    ready_at      BIGINT NOT NULL,
    lease_until   BIGINT,
    token         BIGINT NOT NULL,  -- grows with each claim; fences off earlier holders (F3)
    job           BIGINT NOT NULL,  -- of its run: with the priority it names the lane that it waits in (D7)
    split_from    BIGINT,           -- the chunk that was split into this one and others (D5)
    turn          BIGINT NOT NULL DEFAULT 0,    -- when it is served among those of its lane that wait for their turns; 0: it has had its turn
    priority      INTEGER NOT NULL, -- of its run
    attempt       INTEGER NOT NULL, -- attempts begun
    deaths        INTEGER NOT NULL DEFAULT 0,   -- holders that died with it in hand (D5)
    state         TEXT COLLATE "C" NOT NULL CHECK (state IN ('ready', 'claimed', 'done')),
    holder        TEXT COLLATE "C",
    open_members  TEXT NOT NULL     -- who has no outcome yet, as JSON
) WITH (fillfactor = 80);
CREATE INDEX chunk_of_run ON chunk (run, first_tenant);
CREATE INDEX chunk_open ON chunk (run, first_tenant, last_tenant) WHERE state <> 'done';
CREATE INDEX chunk_ready ON chunk (priority, job, ready_at) WHERE state = 'ready' AND deaths = 0 AND turn = 0;
CREATE INDEX chunk_turn ON chunk (priority, job, turn) WHERE state = 'ready' AND deaths = 0 AND turn > 0;
CREATE INDEX chunk_suspect ON chunk (priority, job, ready_at) WHERE state = 'ready' AND deaths > 0;
CREATE INDEX chunk_claimed ON chunk (holder) WHERE state = 'claimed';

-- The last turn of each value by which a job's work is shared out (D7).
CREATE TABLE fair_share (
    priority INTEGER NOT NULL,
    job      BIGINT NOT NULL,
    value    TEXT COLLATE "C" NOT NULL,     -- of the label; empty for who has none
    turn     BIGINT NOT NULL,
    PRIMARY KEY (priority, job, value)
);

-- Attempts after which a user was tried again by itself; the last attempt stands in the outcome.
CREATE TABLE attempt (
    run     BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    tenant  BIGINT NOT NULL,
    at      BIGINT NOT NULL,        -- when its result was recorded
    attempt INTEGER NOT NULL,       -- counted from 1
    error   TEXT,
    PRIMARY KEY (run, ordinal, attempt)
);

-- Each recording of outcomes: the outcome feed (F7). Numbers are given before transactions commit, so that the order of the feed
-- is (transaction, id), and what a transaction that may still be open could come before is not shown.
CREATE TABLE settlement (
    transaction   BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    id            BIGINT GENERATED ALWAYS AS IDENTITY,
    run           BIGINT NOT NULL,
    first_ordinal BIGINT NOT NULL,  -- its outcomes are among these of the run
    last_ordinal  BIGINT NOT NULL,
    at            BIGINT NOT NULL,
    PRIMARY KEY (transaction, id)
);

-- Settlements up to this one are no longer kept.
CREATE TABLE feed_pruned (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    transaction BIGINT NOT NULL,
    settlement  BIGINT NOT NULL
);
INSERT INTO feed_pruned VALUES (1, 0, 0);

CREATE TABLE outcome (
    run                BIGINT NOT NULL,
    ordinal            BIGINT NOT NULL,
    tenant             BIGINT NOT NULL,
    chunk              BIGINT NOT NULL,
    finished_at        BIGINT NOT NULL,
    preference_version BIGINT,
    settlement         BIGINT NOT NULL,     -- with which it was recorded
    status             INTEGER NOT NULL,    -- 0 succeeded, 1 failed, 2 skipped, 3 requeued after it failed
    attempts           INTEGER NOT NULL,
    stale              BOOLEAN NOT NULL,    -- whether settings were older than the feed could vouch for (M3)
    reason             TEXT,                -- A2; NULL where it succeeded
    detail             TEXT,
    result             TEXT,
    key_nonce          TEXT,                -- part of the key since a requeue asked for a new one (D1)
    PRIMARY KEY (run, ordinal)
);

-- Failures as they were recorded, of users who were requeued afterwards (D6).
CREATE TABLE requeued_outcome (
    run                BIGINT NOT NULL,
    ordinal            BIGINT NOT NULL,
    tenant             BIGINT NOT NULL,
    chunk              BIGINT NOT NULL,
    finished_at        BIGINT NOT NULL,
    preference_version BIGINT,
    settlement         BIGINT NOT NULL,
    status             INTEGER NOT NULL,
    attempts           INTEGER NOT NULL,
    stale              BOOLEAN NOT NULL,
    reason             TEXT,
    detail             TEXT,
    result             TEXT,
    key_nonce          TEXT,
    PRIMARY KEY (run, ordinal, settlement)
);
