-- scenario: network-allocate/succeeds
-- has: AllocateVni{"pool":"Pool","requested":7,"hadVni":true}
-- has: LinkPool{"networkId":"NetworkId","pool":"Pool","wasLinked":true}
-- ends with: AllocateVni{"pool":"Pool","requested":7,"hadVni":true} LinkPool{"networkId":"NetworkId","pool":"Pool","wasLinked":true} WriteFlannelConfig{"pool":"Pool","vni":7,"hadVni":true}
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
INSERT INTO epochs VALUES (1, 'boot-1', 1632, 639028224010000000);
INSERT INTO definitions VALUES ('79527b22f37f573e5673707412c268e9ea75dc098ab4cb01c58b373cb8586478', 'network-allocate', 1, '{"customProperties":{"lanes":[{"key":"net/{NetworkId}","mode":"Exclusive"}],"onFault":"Compensate"},"definitionId":"network-allocate","description":"NetworkDriver.AllocateNetwork of the Swarm leader: Docker''s network gets its pool, its VNI and its flannel configuration. What was there before is not undone: Docker replays this call after each leader change.","inputs":[{"name":"NetworkId","type":"String"},{"name":"Pool","type":"String"},{"name":"RequestedVni","type":"Int32"}],"name":"Allocate a network","options":{},"outputs":[],"root":{"activities":[{"customProperties":{"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:10"},"hadVni":{"memoryReference":{"id":"HadVni"},"typeName":"Boolean"},"id":"find-pool","name":"find-pool","networkId":{"expression":{"type":"Input","value":"NetworkId"},"typeName":"String"},"pool":{"expression":{"type":"Input","value":"Pool"},"typeName":"String"},"type":"FlannelFlow.FindPool","version":1,"wasLinked":{"memoryReference":{"id":"WasLinked"},"typeName":"Boolean"}},{"customProperties":{"compensate":true,"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:10"},"id":"link-pool","name":"link-pool","networkId":{"expression":{"type":"Input","value":"NetworkId"},"typeName":"String"},"pool":{"expression":{"type":"Input","value":"Pool"},"typeName":"String"},"type":"FlannelFlow.LinkPool","version":1,"wasLinked":{"expression":{"type":"Variable","value":"WasLinked"},"typeName":"Boolean"}},{"customProperties":{"compensate":true,"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:10"},"hadVni":{"expression":{"type":"Variable","value":"HadVni"},"typeName":"Boolean"},"id":"allocate-vni","name":"allocate-vni","pool":{"expression":{"type":"Input","value":"Pool"},"typeName":"String"},"requested":{"expression":{"type":"Input","value":"RequestedVni"},"typeName":"Int32"},"type":"FlannelFlow.AllocateVni","version":1,"vni":{"memoryReference":{"id":"Vni"},"typeName":"Int32"}},{"customProperties":{"compensate":true,"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:10"},"hadVni":{"expression":{"type":"Variable","value":"HadVni"},"typeName":"Boolean"},"id":"write-flannel-config","name":"write-flannel-config","pool":{"expression":{"type":"Input","value":"Pool"},"typeName":"String"},"type":"FlannelFlow.WriteFlannelConfig","version":1,"vni":{"expression":{"type":"Variable","value":"Vni"},"typeName":"Int32"}},{"id":"respond","name":"respond","type":"FlannelFlow.Respond","version":1,"vni":{"expression":{"type":"Variable","value":"Vni"},"typeName":"Int32"}}],"id":"root","type":"Elsa.Sequence","version":1},"variables":[{"id":"WasLinked","name":"WasLinked","typeName":"Boolean"},{"id":"HadVni","name":"HadVni","typeName":"Boolean"},{"id":"Vni","name":"Vni","typeName":"Int32"}],"version":1}', 639028224010000000);
INSERT INTO instances VALUES (1, '019b76daabe878858eb175f8d3bd63c6', 'network-allocate', '79527b22f37f573e5673707412c268e9ea75dc098ab4cb01c58b373cb8586478', 'key', 'Running', 3, '[{"key":"net/NetworkId","mode":"Exclusive"}]', '{"NetworkId":"NetworkId","Pool":"Pool","RequestedVni":7}', '{"HadVni":true,"WasLinked":true}', NULL, NULL, NULL, 639028224010000000, 639028224010000000, NULL, 0, '[]', NULL, NULL, NULL, NULL);
INSERT INTO executions VALUES (1, 1, 'find-pool', 'FlannelFlow.FindPool', 'Completed', 1, 0, '{"networkId":"NetworkId","pool":"Pool"}', '{"wasLinked":true,"hadVni":true}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 1, 0);
INSERT INTO executions VALUES (1, 2, 'link-pool', 'FlannelFlow.LinkPool', 'Completed', 1, 0, '{"networkId":"NetworkId","pool":"Pool","wasLinked":true}', '{}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 2, 0);
INSERT INTO executions VALUES (1, 3, 'allocate-vni', 'FlannelFlow.AllocateVni', 'Running', 1, 0, '{"pool":"Pool","requested":7,"hadVni":true}', NULL, NULL, NULL, 'boot-1', 639028224010000000, NULL, NULL, NULL, 0, 0);
INSERT INTO journal VALUES (1, 639028224010000000, '019b76daabe878858eb175f8d3bd63c6', 'network-allocate', 'Accepted', NULL, NULL, 0, NULL);
INSERT INTO journal VALUES (2, 639028224010000000, '019b76daabe878858eb175f8d3bd63c6', 'network-allocate', 'StepStarted', 'find-pool', 'FlannelFlow.FindPool', 1, NULL);
INSERT INTO journal VALUES (3, 639028224010000000, '019b76daabe878858eb175f8d3bd63c6', 'network-allocate', 'StepCompleted', 'find-pool', 'FlannelFlow.FindPool', 1, NULL);
INSERT INTO journal VALUES (4, 639028224010000000, '019b76daabe878858eb175f8d3bd63c6', 'network-allocate', 'StepStarted', 'link-pool', 'FlannelFlow.LinkPool', 1, NULL);
INSERT INTO journal VALUES (5, 639028224010000000, '019b76daabe878858eb175f8d3bd63c6', 'network-allocate', 'StepCompleted', 'link-pool', 'FlannelFlow.LinkPool', 1, NULL);
INSERT INTO journal VALUES (6, 639028224010000000, '019b76daabe878858eb175f8d3bd63c6', 'network-allocate', 'StepStarted', 'allocate-vni', 'FlannelFlow.AllocateVni', 1, NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('instances', 1);
INSERT INTO sqlite_sequence VALUES ('journal', 6);
COMMIT;
