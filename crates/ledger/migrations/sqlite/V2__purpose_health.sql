-- How purposes do, for all agents together (D12): at most one row a purpose, none while nothing has ever failed. What handlers had asked
-- for before is left behind.
DROP TABLE purpose_pause;

CREATE TABLE purpose_health (
    purpose_id    TEXT PRIMARY KEY,
    state         TEXT NOT NULL,        -- healthy, slowed, failing, paused or disabled
    since         INTEGER NOT NULL,
    until         INTEGER,              -- slowed: until when; failing: when the next probe goes
    recovering    INTEGER NOT NULL,     -- 1: slowed because it has just recovered
    cause         TEXT,
    last_error    TEXT,
    calls_failed  INTEGER NOT NULL,     -- since the state began
    first_failure INTEGER,              -- since the last success
    last_success  INTEGER,              -- that was reported
    outage_from   INTEGER,              -- the last time in which it was failing: its first fault,
    outage_until  INTEGER,              -- and its recovery
    probes_failed INTEGER NOT NULL,     -- one after another
    probe_holder  TEXT,                 -- who makes the probe,
    probe_until   INTEGER,              -- and when another agent may go ahead
    recent        TEXT NOT NULL,        -- how many calls ended lately, as JSON
    set_by        TEXT,                 -- the operator who set the state
    revision      INTEGER NOT NULL      -- a change is stored only over the revision that it was decided on
) STRICT, WITHOUT ROWID;
