-- scenario: cluster-mend/succeeds
-- has: TakeGarbage{"garbage":"Garbage 1"}
-- has: TakeGarbage{"garbage":"Garbage 2"}
-- ends with: TakeGarbage{"garbage":"Garbage 1"} TakeGarbage{"garbage":"Garbage 2"}
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
INSERT INTO epochs VALUES (1, 'boot-1', 29631, 639028224010000000);
INSERT INTO definitions VALUES ('64a60a713afea60e8db003c612eff966077cda2bbbaf3b5d6caaadd77c0ac516', 'cluster-mend', 1, '{"customProperties":{"lanes":[{"key":"cluster","mode":"Exclusive"}],"onFault":"Continue"},"definitionId":"cluster-mend","description":"What a host left that is gone, addresses of a subnet that nobody leases, pools, VNIs and configuration without a network; and the pool of a network that Docker has and etcd has lost is written again. Each is a transaction that holds only while it is still so.","inputs":[{"isArray":true,"name":"Garbage","type":"String"}],"name":"Take what belongs to nobody in the cluster","options":{},"outputs":[],"root":{"activities":[{"body":{"customProperties":{"retry":{"attempts":8,"backoff":2.0,"initialInterval":"00:00:00.25","jitter":0.2,"maximumInterval":"00:00:05"},"timeout":"00:00:10"},"garbage":{"expression":{"type":"Variable","value":"One"},"typeName":"String"},"id":"take-garbage","name":"take-garbage","type":"FlannelFlow.TakeGarbage","version":1},"currentValue":{"memoryReference":{"id":"One"},"typeName":"String"},"id":"each","items":{"expression":{"type":"Input","value":"Garbage"},"typeName":"String[]"},"name":"each","type":"Elsa.ForEach","version":1}],"id":"root","type":"Elsa.Sequence","version":1},"variables":[{"id":"One","name":"One","typeName":"String"}],"version":1}', 639028224010000000);
INSERT INTO instances VALUES (1, '019b76daabe87bb3854e3b21f5381ee4', 'cluster-mend', '64a60a713afea60e8db003c612eff966077cda2bbbaf3b5d6caaadd77c0ac516', 'key', 'Running', 2, '[{"key":"cluster","mode":"Exclusive"}]', '{"Garbage":["Garbage 1","Garbage 2"]}', '{"One":"Garbage 2"}', NULL, NULL, NULL, 639028224010000000, 639028224010000000, NULL, 0, '[]', NULL, NULL, NULL, NULL);
INSERT INTO executions VALUES (1, 1, 'each', 'Elsa.ForEach', 'Entered', 1, 0, '{"items":["Garbage 1","Garbage 2"]}', NULL, NULL, NULL, 'boot-1', 639028224010000000, NULL, NULL, '{"index":1,"active":[],"tokens":[],"passed":[]}', 0, 0);
INSERT INTO executions VALUES (1, 2, 'take-garbage', 'FlannelFlow.TakeGarbage', 'Completed', 1, 0, '{"garbage":"Garbage 1"}', '{"taken":true}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, 1, NULL, 1, 0);
INSERT INTO executions VALUES (1, 3, 'take-garbage', 'FlannelFlow.TakeGarbage', 'Running', 1, 0, '{"garbage":"Garbage 2"}', NULL, NULL, NULL, 'boot-1', 639028224010000000, NULL, 1, NULL, 0, 0);
INSERT INTO journal VALUES (1, 639028224010000000, '019b76daabe87bb3854e3b21f5381ee4', 'cluster-mend', 'Accepted', NULL, NULL, 0, NULL);
INSERT INTO journal VALUES (2, 639028224010000000, '019b76daabe87bb3854e3b21f5381ee4', 'cluster-mend', 'ScopeEntered', 'each', 'Elsa.ForEach', 1, NULL);
INSERT INTO journal VALUES (3, 639028224010000000, '019b76daabe87bb3854e3b21f5381ee4', 'cluster-mend', 'StepStarted', 'take-garbage', 'FlannelFlow.TakeGarbage', 1, NULL);
INSERT INTO journal VALUES (4, 639028224010000000, '019b76daabe87bb3854e3b21f5381ee4', 'cluster-mend', 'StepCompleted', 'take-garbage', 'FlannelFlow.TakeGarbage', 1, NULL);
INSERT INTO journal VALUES (5, 639028224010000000, '019b76daabe87bb3854e3b21f5381ee4', 'cluster-mend', 'StepStarted', 'take-garbage', 'FlannelFlow.TakeGarbage', 1, NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('instances', 1);
INSERT INTO sqlite_sequence VALUES ('journal', 5);
COMMIT;
