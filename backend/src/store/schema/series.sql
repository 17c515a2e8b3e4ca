-- Readings that are packed, and what is summed up of them.

-- The append table anew, clustered by device, so that packing a device empties whole pages: it was ordered by id, and a
-- device's rows lay on as many pages as there were rows.
-- by_sequence is 1: key is a sequence number; 0: key is a time in µs; 2: no reading came, and key is when that was noticed.
CREATE TABLE reading_by_key (
    device        INTEGER NOT NULL REFERENCES device (id),
    by_sequence   INTEGER NOT NULL,
    key           INTEGER NOT NULL,
    number        INTEGER NOT NULL DEFAULT 0,   -- counts all rows in the order in which they were committed
    time_us       INTEGER NOT NULL,
    metrics       TEXT NOT NULL,                -- JSON object, sorted by metric; '' once erased
    score         REAL NOT NULL,
    threshold     REAL NOT NULL,
    label         INTEGER NOT NULL,             -- 0 normal, 1 anomaly, 2 warming up
    model_version TEXT NOT NULL,
    entry         INTEGER,                      -- index in the log, for an anomaly that has its entry
    PRIMARY KEY (device, by_sequence, key)
) STRICT, WITHOUT ROWID;
INSERT INTO reading_by_key
    SELECT device, by_sequence, key, id, time_us, metrics, score, threshold, label, model_version, entry
    FROM reading ORDER BY device, by_sequence, key;
-- What waits to become a log entry, with the key of its reading, if it has one.
CREATE TABLE queue_by_key (
    id          INTEGER PRIMARY KEY,
    device      INTEGER,
    by_sequence INTEGER,
    key         INTEGER,
    pending     TEXT NOT NULL
) STRICT;
INSERT INTO queue_by_key
    SELECT queue.id, device, by_sequence, key, pending FROM queue LEFT JOIN reading ON reading.id = queue.reading;
DROP TABLE queue;
DROP TABLE reading;
ALTER TABLE reading_by_key RENAME TO reading;
ALTER TABLE queue_by_key RENAME TO queue;

-- The number that the next row of `reading` gets. One row.
CREATE TABLE next_number (number INTEGER NOT NULL) STRICT;
INSERT INTO next_number SELECT coalesce(max(number), 0) + 1 FROM reading;

-- Rows that were taken out of `reading`: a run of one device's, at most 4,096, and at most a day from first to last.
-- docs/spec/chunk.md fixes the bytes, which hold all that the other columns say.
CREATE TABLE chunk (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used again: what was erased has another
    device        INTEGER NOT NULL REFERENCES device (id),
    first_us      INTEGER NOT NULL,
    last_us       INTEGER NOT NULL,
    first_number  INTEGER NOT NULL,
    last_number   INTEGER NOT NULL,
    readings      INTEGER NOT NULL,                    -- its rows, silences too
    sequence_low  INTEGER,
    sequence_high INTEGER,
    entry_low     INTEGER,
    entry_high    INTEGER,
    bytes         BLOB NOT NULL
) STRICT;
CREATE INDEX chunk_time ON chunk (device, first_us, last_us);
CREATE INDEX chunk_sequence ON chunk (device, sequence_low, sequence_high) WHERE sequence_low IS NOT NULL;
CREATE INDEX chunk_number ON chunk (first_number, last_number);
CREATE INDEX chunk_entry ON chunk (entry_low, entry_high) WHERE entry_low IS NOT NULL;

-- What is summed up of packed rows: a day of minutes, or thirty days of hours, of one metric of a device. The metric ''
-- is the score. docs/spec/chunk.md fixes the bytes.
CREATE TABLE rollup (
    id     INTEGER PRIMARY KEY,
    device INTEGER NOT NULL REFERENCES device (id),
    metric TEXT NOT NULL,
    step   INTEGER NOT NULL,                           -- seconds: 60 or 3600
    start  INTEGER NOT NULL,                           -- seconds since 1970
    bytes  BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX rollup_key ON rollup (device, metric, step, start);

-- Findings of an hour (step 3600) and of a day (86400), by the reading's time. As public as the log's entries.
CREATE TABLE finding_count (
    step     INTEGER NOT NULL,
    start    INTEGER NOT NULL,                         -- seconds since 1970
    device   INTEGER NOT NULL REFERENCES device (id),
    type     TEXT NOT NULL,
    severity TEXT NOT NULL,
    findings INTEGER NOT NULL,
    PRIMARY KEY (step, start, device, type, severity)
) STRICT, WITHOUT ROWID;
-- Of a log that is older than this table, as far as its payloads are there.
INSERT INTO finding_count
    SELECT step, time_us / 1000000 / step * step, device, json_extract(CAST(bytes AS TEXT), '$.type'),
        json_extract(CAST(bytes AS TEXT), '$.severity'), count(*)
    FROM reading JOIN payload ON payload.idx = reading.entry, (SELECT 3600 AS step UNION ALL SELECT 86400)
    WHERE json_valid(CAST(bytes AS TEXT)) AND json_extract(CAST(bytes AS TEXT), '$.type') IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5;
