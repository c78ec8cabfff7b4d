-- Reruns, stops, and the versions of purposes that outcomes were made by (D13 to D15).

-- A job that was stopped: what its last pause found due or open was canceled (D14). NULL where the
-- last pause let open work finish.
ALTER TABLE job ADD COLUMN stopped_at INTEGER;

-- Of a rerun: whose work is done again, as JSON (D13). NULL for every other run.
ALTER TABLE run ADD COLUMN selection TEXT;

-- The version of the purpose that made the outcome (D15); NULL where nobody was called, and for a
-- purpose that is not stored.
ALTER TABLE outcome ADD COLUMN purpose_version INTEGER;
ALTER TABLE requeued_outcome ADD COLUMN purpose_version INTEGER;

-- Of a rerun: which work it repeats, as JSON (D13).
ALTER TABLE outcome ADD COLUMN repeats TEXT;
ALTER TABLE requeued_outcome ADD COLUMN repeats TEXT;

-- Who is in a rerun already, so that nobody is in it twice. Kept as long as the run.
CREATE TABLE rerun_member (
    run    INTEGER NOT NULL,
    tenant INTEGER NOT NULL,
    PRIMARY KEY (run, tenant)
) STRICT, WITHOUT ROWID;
