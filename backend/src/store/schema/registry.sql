-- Devices: types, registrations, keys, addresses.

-- What is known of a device from its readings. Missing are last_sequence - first_sequence + 1 - sequenced numbers.
ALTER TABLE device ADD COLUMN first_sequence INTEGER;
ALTER TABLE device ADD COLUMN sequenced INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN last_seen_ms INTEGER;            -- by the service's clock; NULL: before this was kept
UPDATE device SET
    first_sequence = (SELECT min(key) FROM reading WHERE reading.device = device.id AND by_sequence = 1),
    sequenced = (SELECT count(*) FROM reading WHERE reading.device = device.id AND by_sequence = 1);

-- Types that were made or changed. The others are as the program has them.
CREATE TABLE device_type (
    name       TEXT PRIMARY KEY,
    definition TEXT NOT NULL,           -- JSON, as the interface has it
    changed_ms INTEGER NOT NULL
) STRICT;

-- What people say of devices. A row of `device` is made by the first reading; the name joins them.
CREATE TABLE registration (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    type        TEXT NOT NULL,
    owner       INTEGER,                -- a user
    location    TEXT,
    firmware    TEXT,
    tags        TEXT NOT NULL,          -- JSON object
    addresses   TEXT NOT NULL,          -- JSON array of addresses and networks
    keyless     INTEGER NOT NULL,
    certificate INTEGER NOT NULL,
    patient     TEXT,                   -- a pseudonym
    disabled    INTEGER NOT NULL,
    public_key  BLOB,                   -- Ed25519
    created_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX registration_owner ON registration (owner, name);
CREATE INDEX registration_type ON registration (type, name);

-- API keys. The key itself is nowhere.
CREATE TABLE device_key (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    device     INTEGER NOT NULL REFERENCES registration (id) ON DELETE CASCADE,
    hash       BLOB NOT NULL UNIQUE,    -- SHA-256
    prefix     TEXT NOT NULL,
    label      TEXT,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    used_ms    INTEGER                  -- to a minute
) STRICT;
CREATE INDEX device_key_device ON device_key (device);
