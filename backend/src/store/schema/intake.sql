-- What intake remembers of requests.

-- Requests with an Idempotency-Key, for 24 hours.
CREATE TABLE keyed_request (
    caller     TEXT NOT NULL,
    key        TEXT NOT NULL,
    number     INTEGER NOT NULL,        -- of the caller's: ascending, so that they need not be counted
    digest     BLOB NOT NULL,           -- SHA-256 of the body
    arrived_us INTEGER NOT NULL,        -- the time of its readings that have none
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX keyed_request_number ON keyed_request (caller, number);
CREATE INDEX keyed_request_age ON keyed_request (arrived_us);
