-- scenario: sync/succeeds
-- has: MendDifference{"difference":"differences of find-differences 1"}
-- ends with: MendDifference{"difference":"differences of find-differences 1"} MendDifference{"difference":"differences of find-differences 2"}
PRAGMA application_id=1181501036;
PRAGMA user_version=3;
BEGIN;
CREATE TABLE epochs (
    epoch INTEGER PRIMARY KEY, boot_id TEXT NOT NULL, pid INTEGER NOT NULL, started_at INTEGER NOT NULL);
CREATE TABLE definitions (
    hash TEXT PRIMARY KEY, definition_id TEXT NOT NULL, version INTEGER NOT NULL, json TEXT NOT NULL, first_seen INTEGER NOT NULL);
CREATE TABLE instances (
    row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, definition_id TEXT NOT NULL, definition_hash TEXT NOT NULL,
    key TEXT NOT NULL, status TEXT NOT NULL, rev INTEGER NOT NULL, claims TEXT NOT NULL, input TEXT NOT NULL,
    variables TEXT NOT NULL, answer TEXT, output TEXT, error TEXT, accepted_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    finished_at INTEGER, is_cancelled INTEGER NOT NULL DEFAULT 0, recoveries TEXT NOT NULL DEFAULT '[]', parent_id TEXT, parent_seq INTEGER, deadline INTEGER, fault_kind TEXT);
CREATE TABLE executions (
    instance INTEGER NOT NULL, seq INTEGER NOT NULL, activity_id TEXT NOT NULL, activity_type TEXT NOT NULL, status TEXT NOT NULL,
    attempt INTEGER NOT NULL, failures INTEGER NOT NULL, input TEXT NOT NULL, output TEXT, error TEXT, due_at INTEGER,
    boot_id TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER, scope INTEGER, progress TEXT, ended INTEGER NOT NULL DEFAULT 0, awaits_operator INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (instance, seq)) WITHOUT ROWID;
CREATE TABLE incidents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, instance INTEGER NOT NULL, execution_seq INTEGER, activity_id TEXT, message TEXT NOT NULL,
    opened_at INTEGER NOT NULL, closed_at INTEGER, kind TEXT NOT NULL DEFAULT 'Fault', failures INTEGER NOT NULL DEFAULT 0);
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, instance TEXT NOT NULL, definition_id TEXT NOT NULL,
    kind TEXT NOT NULL, activity_id TEXT, activity_type TEXT, attempt INTEGER NOT NULL, detail TEXT);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, instance INTEGER NOT NULL, at INTEGER NOT NULL, alteration TEXT NOT NULL,
    activity_id TEXT, detail TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL);
CREATE TABLE bookmarks (
    instance INTEGER NOT NULL, execution_seq INTEGER NOT NULL, attempt INTEGER NOT NULL, instance_id TEXT NOT NULL,
    name TEXT NOT NULL, correlation TEXT NOT NULL,
    PRIMARY KEY (instance, execution_seq)) WITHOUT ROWID;
CREATE TABLE signals (
    row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, correlation TEXT NOT NULL, payload TEXT,
    sent_at INTEGER NOT NULL, instance INTEGER, execution_seq INTEGER, consumed_at INTEGER);
CREATE INDEX instances_key ON instances (definition_id, key, row);
CREATE INDEX instances_open ON instances (row) WHERE finished_at IS NULL;
CREATE INDEX instances_finished ON instances (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX incidents_instance ON incidents (instance);
CREATE INDEX audit_instance ON audit (instance);
CREATE INDEX instances_status ON instances (status, row);
CREATE INDEX instances_parent ON instances (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX bookmarks_name ON bookmarks (name, correlation);
CREATE INDEX signals_free ON signals (name, correlation, row) WHERE instance IS NULL;
CREATE INDEX signals_matched ON signals (instance, execution_seq) WHERE instance IS NOT NULL AND consumed_at IS NULL;
INSERT INTO epochs VALUES (1, 'boot-1', 22527, 639028224010000000);
INSERT INTO definitions VALUES ('24701969a7886129a229d435c867650e73247ed9987b6a1acb53135df0c6aef4', 'sync', 1, '{"customProperties":{"lanes":[{"key":"sync","mode":"Exclusive"}],"onFault":"Continue"},"definitionId":"sync","description":"Begun when two comparisons in a row found the same difference between Docker, etcd, the kernel and this host''s files; a comparison that finds none leaves no trace. Each difference is mended by the workflow that owns it.","inputs":[],"name":"Mend what drifted","options":{},"outputs":[],"root":{"activities":[{"customProperties":{"retry":{"attempts":10,"backoff":2.0,"initialInterval":"00:00:01","jitter":0.2,"maximumInterval":"00:00:05"},"timeout":"00:00:30"},"differences":{"memoryReference":{"id":"Differences"},"typeName":"String[]"},"id":"find-differences","name":"find-differences","scope":{"expression":{"type":"Literal","value":"All"},"typeName":"String"},"type":"FlannelFlow.FindDifferences","version":1},{"body":{"customProperties":{"retry":{"attempts":10,"backoff":2.0,"initialInterval":"00:00:01","jitter":0.2,"maximumInterval":"00:00:05"},"timeout":"00:00:30"},"difference":{"expression":{"type":"Variable","value":"Difference"},"typeName":"String"},"id":"mend-difference","name":"mend-difference","type":"FlannelFlow.MendDifference","version":1},"currentValue":{"memoryReference":{"id":"Difference"},"typeName":"String"},"id":"each-difference","items":{"expression":{"type":"Variable","value":"Differences"},"typeName":"String[]"},"name":"each-difference","type":"Elsa.ForEach","version":1}],"id":"root","type":"Elsa.Sequence","version":1},"variables":[{"id":"Differences","name":"Differences","typeName":"String[]"},{"id":"Difference","name":"Difference","typeName":"String"}],"version":1}', 639028224010000000);
INSERT INTO instances VALUES (1, '019b76daabe87912868bfee6cfab6429', 'sync', '24701969a7886129a229d435c867650e73247ed9987b6a1acb53135df0c6aef4', 'key', 'Running', 2, '[{"key":"sync","mode":"Exclusive"}]', '{}', '{"Difference":"differences of find-differences 1","Differences":["differences of find-differences 1","differences of find-differences 2"]}', NULL, NULL, NULL, 639028224010000000, 639028224010000000, NULL, 0, '[]', NULL, NULL, NULL, NULL);
INSERT INTO executions VALUES (1, 1, 'find-differences', 'FlannelFlow.FindDifferences', 'Completed', 1, 0, '{"scope":"All"}', '{"differences":["differences of find-differences 1","differences of find-differences 2"]}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 1, 0);
INSERT INTO executions VALUES (1, 2, 'each-difference', 'Elsa.ForEach', 'Entered', 1, 0, '{"items":["differences of find-differences 1","differences of find-differences 2"]}', NULL, NULL, NULL, 'boot-1', 639028224010000000, NULL, NULL, '{"index":0,"active":[],"tokens":[],"passed":[]}', 0, 0);
INSERT INTO executions VALUES (1, 3, 'mend-difference', 'FlannelFlow.MendDifference', 'Running', 1, 0, '{"difference":"differences of find-differences 1"}', NULL, NULL, NULL, 'boot-1', 639028224010000000, NULL, 2, NULL, 0, 0);
INSERT INTO journal VALUES (1, 639028224010000000, '019b76daabe87912868bfee6cfab6429', 'sync', 'Accepted', NULL, NULL, 0, NULL);
INSERT INTO journal VALUES (2, 639028224010000000, '019b76daabe87912868bfee6cfab6429', 'sync', 'StepStarted', 'find-differences', 'FlannelFlow.FindDifferences', 1, NULL);
INSERT INTO journal VALUES (3, 639028224010000000, '019b76daabe87912868bfee6cfab6429', 'sync', 'StepCompleted', 'find-differences', 'FlannelFlow.FindDifferences', 1, NULL);
INSERT INTO journal VALUES (4, 639028224010000000, '019b76daabe87912868bfee6cfab6429', 'sync', 'ScopeEntered', 'each-difference', 'Elsa.ForEach', 1, NULL);
INSERT INTO journal VALUES (5, 639028224010000000, '019b76daabe87912868bfee6cfab6429', 'sync', 'StepStarted', 'mend-difference', 'FlannelFlow.MendDifference', 1, NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('instances', 1);
INSERT INTO sqlite_sequence VALUES ('journal', 5);
COMMIT;
