-- Written to find out whether this database can be written (F12): one row.
CREATE TABLE write_probe (
    writes INTEGER NOT NULL
) STRICT;
INSERT INTO write_probe (writes) VALUES (0);
