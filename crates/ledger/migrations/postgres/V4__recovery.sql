-- Whether this ledger was made from a copy, and how it goes on (F11): one row, none in a ledger that never was copied. A copy of a
-- backup is held until an operator decides.
CREATE TABLE recovery (
    only_row          INTEGER PRIMARY KEY CHECK (only_row = 1),
    as_of             BIGINT NOT NULL,  -- the last moment of what was copied
    state             TEXT COLLATE "C" NOT NULL CHECK (state IN ('held', 'rerun', 'mark_missed', 'moved')),
    decided_at        BIGINT,
    decided_by        TEXT,
    names_compared_at BIGINT            -- when users' names were compared with those of the Config Database copied with it (W8)
);
