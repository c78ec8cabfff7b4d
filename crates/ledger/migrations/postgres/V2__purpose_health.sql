-- How purposes do, for all agents together (D12): at most one row a purpose, none while nothing has ever failed. What handlers had asked
-- for before is left behind.
DROP TABLE purpose_pause;

CREATE TABLE purpose_health (
    purpose_id    TEXT COLLATE "C" PRIMARY KEY,
    state         TEXT NOT NULL,        -- healthy, slowed, failing, paused or disabled
    since         BIGINT NOT NULL,
    until         BIGINT,               -- slowed: until when; failing: when the next probe goes
    recovering    BOOLEAN NOT NULL,     -- slowed because it has just recovered
    cause         TEXT,
    last_error    TEXT,
    calls_failed  BIGINT NOT NULL,      -- since the state began
    first_failure BIGINT,               -- since the last success
    last_success  BIGINT,               -- that was reported
    outage_from   BIGINT,               -- the last time in which it was failing: its first fault,
    outage_until  BIGINT,               -- and its recovery
    probes_failed BIGINT NOT NULL,      -- one after another
    probe_holder  TEXT,                 -- who makes the probe,
    probe_until   BIGINT,               -- and when another agent may go ahead
    recent        TEXT NOT NULL,        -- how many calls ended lately, as JSON
    set_by        TEXT,                 -- the operator who set the state
    revision      BIGINT NOT NULL       -- a change is stored only over the revision that it was decided on
) WITH (fillfactor = 50);
