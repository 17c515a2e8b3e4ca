-- People: users, sessions, tokens, invitations. Secrets are kept as SHA-256 (hash), passwords as Argon2id.
-- A user's number is never given again: what names it elsewhere would become somebody else's.
CREATE TABLE user (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    roles       TEXT NOT NULL,          -- names, separated by spaces
    password    TEXT NOT NULL,          -- PHC string
    active      INTEGER NOT NULL,
    must_change INTEGER NOT NULL,
    created_ms  INTEGER NOT NULL
) STRICT;
CREATE TABLE session (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       BLOB NOT NULL UNIQUE,
    user       INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    created_ms INTEGER NOT NULL,
    seen_ms    INTEGER NOT NULL,
    came_from  TEXT NOT NULL,
    agent      TEXT NOT NULL
) STRICT;
CREATE INDEX session_user ON session (user);
CREATE TABLE token (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       BLOB NOT NULL UNIQUE,
    user       INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    prefix     TEXT NOT NULL,
    name       TEXT NOT NULL,
    scopes     TEXT NOT NULL,           -- names, separated by spaces
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    used_ms    INTEGER,
    revoked_ms INTEGER
) STRICT;
CREATE INDEX token_user ON token (user);
CREATE TABLE invitation (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       BLOB NOT NULL UNIQUE,
    roles      TEXT NOT NULL,
    made_by    TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;
