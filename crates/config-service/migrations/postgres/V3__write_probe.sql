-- Written to find out whether this database can be written (F12): one row.
CREATE TABLE write_probe (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    writes   BIGINT NOT NULL
) WITH (fillfactor = 50);
INSERT INTO write_probe VALUES (1, 0);
