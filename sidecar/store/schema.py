"""The tables. Forward only: a released script is never changed, a new one is added below.

Times are Unix seconds (REAL, UTC). Repositories are full names. Events travel as JSON (`records`).
"""

from typing import Final

DATABASE_FILE: Final = "sidecar.db"  #: below data_volume

_FIRST: Final = """
CREATE TABLE intents (
    id TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    opened_at REAL NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE held (
    event_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    client TEXT NOT NULL,
    due_at REAL NOT NULL,
    needs_blob INTEGER NOT NULL DEFAULT 0,
    blob_fetched INTEGER NOT NULL DEFAULT 0,
    event TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX held_due ON held (due_at);
CREATE INDEX held_digest ON held (repository, digest);

CREATE TABLE tags (
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    seen_at REAL NOT NULL,
    PRIMARY KEY (repository, tag)
) WITHOUT ROWID;
CREATE INDEX tags_digest ON tags (repository, digest, seen_at DESC, tag);

CREATE TABLE manifests (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    seen_at REAL NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (repository, digest)
) WITHOUT ROWID;
CREATE INDEX manifests_seen ON manifests (seen_at);

CREATE TABLE traces (
    kind TEXT NOT NULL,
    client TEXT NOT NULL,
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    tag TEXT NOT NULL,
    seen_at REAL NOT NULL,
    taken_at REAL,
    PRIMARY KEY (kind, client, repository, digest, tag, seen_at)
) WITHOUT ROWID;
CREATE INDEX traces_seen ON traces (seen_at);

CREATE TABLE repositories (
    repository TEXT PRIMARY KEY,
    created_at REAL,
    uploaded_at REAL
) WITHOUT ROWID;

CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: whoever follows events goes by it
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    repository TEXT NOT NULL,
    occurred_at REAL NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX events_occurred ON events (occurred_at);

CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    policy_id TEXT NOT NULL,
    target_index INTEGER NOT NULL,
    project TEXT NOT NULL,
    repository TEXT NOT NULL,
    content_type TEXT NOT NULL,
    body BLOB NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    finished_at REAL,
    next_attempt_at REAL,
    failures INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX deliveries_waiting ON deliveries (policy_id, target_index, next_attempt_at, seq, created_at)
    WHERE state = 'waiting';
CREATE INDEX deliveries_sending ON deliveries (seq) WHERE state = 'sending';
CREATE INDEX deliveries_event ON deliveries (event_id);
-- For lists: what is asked for stands in the index, so that a million bodies are not read to find ten.
CREATE INDEX deliveries_created ON deliveries (created_at, policy_id, project, event_type);
CREATE INDEX deliveries_finished ON deliveries (finished_at, state, policy_id, project, event_type)
    WHERE finished_at IS NOT NULL;
CREATE INDEX deliveries_policy_finished ON deliveries (policy_id, finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE attempts (
    delivery_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    started_at REAL NOT NULL,
    duration_ms REAL NOT NULL,
    status INTEGER,
    error TEXT NOT NULL DEFAULT '',
    address TEXT NOT NULL DEFAULT '',
    excerpt TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (delivery_id, number, started_at)
) WITHOUT ROWID;

CREATE TABLE last_triggered (
    policy_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (policy_id, event_type)
) WITHOUT ROWID
"""

_DISABLED_TARGETS: Final = """
CREATE TABLE disabled_targets (
    policy_id TEXT NOT NULL,
    target_index INTEGER NOT NULL,
    address_hash TEXT NOT NULL, -- SHA-256: an address may hold a token
    at REAL NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (policy_id, target_index)
) WITHOUT ROWID
"""

_AWAY_TARGETS: Final = """
CREATE TABLE away_targets (
    policy_id TEXT NOT NULL,
    target_index INTEGER NOT NULL,
    address_hash TEXT NOT NULL, -- SHA-256: an address may hold a token
    since REAL NOT NULL,
    until REAL NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (policy_id, target_index)
) WITHOUT ROWID
"""

#: What the target asked for; no schedule of ours goes before it.
_RETRY_AFTER: Final = "ALTER TABLE attempts ADD COLUMN retry_after_s REAL"

#: By which its target is found when its place in the policy has changed; "" of those stored before.
_TARGET_MARK: Final = "ALTER TABLE deliveries ADD COLUMN target_mark TEXT NOT NULL DEFAULT ''"

#: What tells pulls of one client apart; of those held before, nothing is known.
_PULLS_APART: Final = """
ALTER TABLE held ADD COLUMN connection TEXT NOT NULL DEFAULT '';
ALTER TABLE held ADD COLUMN layers TEXT NOT NULL DEFAULT '';
ALTER TABLE held ADD COLUMN layer_fetched INTEGER NOT NULL DEFAULT 0;
ALTER TABLE held ADD COLUMN asked INTEGER NOT NULL DEFAULT 1;
ALTER TABLE traces ADD COLUMN untaken INTEGER NOT NULL DEFAULT 1;
ALTER TABLE traces ADD COLUMN connection TEXT NOT NULL DEFAULT ''
"""

#: When a tag was last created or moved; NULL where nobody saw it.
_TAG_MOVED: Final = """
ALTER TABLE tags ADD COLUMN moved_at REAL;
UPDATE tags SET moved_at = seen_at
"""

#: One event for one push that is refused, however many of its requests are.
_REFUSED_PUSHES: Final = """
CREATE TABLE refused_pushes (
    client TEXT NOT NULL,
    agent TEXT NOT NULL, -- the client without its user
    repository TEXT NOT NULL,
    refused_at REAL NOT NULL,
    until REAL NOT NULL,
    since REAL NOT NULL,
    opened_at REAL,
    pinged_at REAL,
    status INTEGER NOT NULL,
    what TEXT NOT NULL,
    connection TEXT NOT NULL,
    PRIMARY KEY (client, repository)
) WITHOUT ROWID;
CREATE INDEX refused_pushes_agent ON refused_pushes (agent);
CREATE INDEX refused_pushes_until ON refused_pushes (until)
"""

#: What the clock showed last, in one row, and the newest delivery by then; it was a row of `traces`.
_CLOCK: Final = """
CREATE TABLE clock (
    shown_at REAL NOT NULL,
    newest_seq INTEGER NOT NULL
);
INSERT INTO clock (shown_at, newest_seq)
    SELECT seen_at, CAST(tag AS INTEGER) FROM traces WHERE kind = 'clock' ORDER BY seen_at DESC LIMIT 1;
DELETE FROM traces WHERE kind = 'clock'
"""

#: A process's lease; what it has begun and claimed says which run it belongs to.
_RUNS: Final = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    started_at REAL NOT NULL,
    renewals INTEGER NOT NULL,
    ended_at REAL
) WITHOUT ROWID;
ALTER TABLE deliveries ADD COLUMN run TEXT NOT NULL DEFAULT ''
"""

#: Room for a write that is under way; it ends with the intent.
_RESERVATIONS: Final = """
CREATE TABLE reservations (
    intent_id TEXT PRIMARY KEY REFERENCES intents (id) ON DELETE CASCADE,
    project TEXT NOT NULL,
    bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX reservations_project ON reservations (project)
"""

#: A target's id in place of its position: that of its address, as marks and hashes had it. Where earlier versions told targets
#: by the position alone, or two have one address, the position stands after it until the configuration is applied.
_TARGET_IDS: Final = """
DROP INDEX deliveries_waiting;
ALTER TABLE deliveries RENAME COLUMN target_mark TO target_id;
ALTER TABLE deliveries RENAME COLUMN target_index TO position;
UPDATE deliveries SET target_id = CASE WHEN target_id = '' THEN '#' || position ELSE substr(target_id, 1, 16) END;
CREATE INDEX deliveries_waiting ON deliveries (policy_id, target_id, next_attempt_at, seq, created_at)
    WHERE state = 'waiting';
CREATE TABLE policy_targets (
    policy_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    target_id TEXT NOT NULL,
    PRIMARY KEY (policy_id, position)
) WITHOUT ROWID;
INSERT INTO policy_targets (policy_id, position, target_id)
    SELECT policy_id, position, target_id FROM (
        SELECT policy_id, position, target_id, max(seq) FROM deliveries
        WHERE target_id NOT LIKE '#%' GROUP BY policy_id, position);
UPDATE deliveries SET target_id = target_id || '#' || position
    WHERE state IN ('waiting', 'sending') AND (policy_id, target_id) IN (
        SELECT policy_id, target_id FROM policy_targets GROUP BY policy_id, target_id HAVING count(*) > 1);
ALTER TABLE disabled_targets RENAME TO disabled_before;
CREATE TABLE disabled_targets (
    policy_id TEXT NOT NULL,
    target_id TEXT NOT NULL,
    address_hash TEXT NOT NULL, -- SHA-256: an address may hold a token
    at REAL NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (policy_id, target_id)
) WITHOUT ROWID;
INSERT OR IGNORE INTO disabled_targets (policy_id, target_id, address_hash, at, reason)
    SELECT policy_id, substr(address_hash, 1, 16), address_hash, at, reason FROM disabled_before;
DROP TABLE disabled_before;
ALTER TABLE away_targets RENAME TO away_before;
CREATE TABLE away_targets (
    policy_id TEXT NOT NULL,
    target_id TEXT NOT NULL,
    address_hash TEXT NOT NULL, -- SHA-256: an address may hold a token
    since REAL NOT NULL,
    until REAL NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (policy_id, target_id)
) WITHOUT ROWID;
INSERT OR IGNORE INTO away_targets (policy_id, target_id, address_hash, since, until, reason)
    SELECT policy_id, substr(address_hash, 1, 16), address_hash, since, until, reason FROM away_before;
DROP TABLE away_before
"""

MIGRATIONS: Final = (
    _FIRST,
    _DISABLED_TARGETS,
    _RETRY_AFTER,
    _TARGET_MARK,
    _PULLS_APART,
    _AWAY_TARGETS,
    _TAG_MOVED,
    _REFUSED_PUSHES,
    _CLOCK,
    _RUNS,
    _RESERVATIONS,
    _TARGET_IDS,
)
