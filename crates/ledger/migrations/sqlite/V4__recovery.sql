-- Whether this ledger was made from a copy, and how it goes on (F11): one row, none in a ledger that never was copied. A copy of a
-- backup is held until an operator decides.
CREATE TABLE recovery (
    as_of             INTEGER NOT NULL, -- the last moment of what was copied
    state             TEXT NOT NULL CHECK (state IN ('held', 'rerun', 'mark_missed', 'moved')),
    decided_at        INTEGER,
    decided_by        TEXT,
    names_compared_at INTEGER           -- when users' names were compared with those of the Config Database copied with it (W8)
) STRICT;
