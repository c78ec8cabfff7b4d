-- What `cohort status` tells, and the proof that this database can be written (F12, A4).

-- The program of an agent; empty before its first sign of life by a program that says it.
ALTER TABLE agent ADD COLUMN version TEXT NOT NULL DEFAULT '';

-- Written to find out whether this database can be written: one row.
CREATE TABLE write_probe (
    at INTEGER NOT NULL
) STRICT;
INSERT INTO write_probe (at) VALUES (0);

CREATE INDEX run_trouble ON run (scheduled_at) WHERE failed > 0 OR missed > 0;
