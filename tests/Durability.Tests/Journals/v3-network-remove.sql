-- scenario: network-remove/succeeds
-- has: FlannelEnv{"networkId":"NetworkId","pool":"pool of find-network"}
-- has: PoolIfLast{"pool":"pool of find-network"}
-- has: SubnetLease{"pool":"pool of find-network"}
-- ends with: 
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
INSERT INTO definitions VALUES ('e786fd0f0277f488665a1d6bc1f0bdfbd246ee1c562832f8be3feadb7fb264f2', 'network-remove', 1, '{"customProperties":{"lanes":[{"key":"net/{NetworkId}","mode":"Exclusive"}],"onFault":"Suspend"},"definitionId":"network-remove","description":"NetworkDriver.DeleteNetwork on a node: nothing of the network stays on this host; the last host of a freed network also clears etcd.","inputs":[{"name":"NetworkId","type":"String"},{"name":"Forced","type":"Boolean"}],"name":"Remove a network from this host","options":{},"outputs":[],"root":{"activities":[{"customProperties":{"timeout":"00:00:05"},"forced":{"expression":{"type":"Input","value":"Forced"},"typeName":"Boolean"},"id":"find-network","name":"find-network","networkId":{"expression":{"type":"Input","value":"NetworkId"},"typeName":"String"},"pool":{"memoryReference":{"id":"Pool"},"typeName":"String"},"type":"FlannelFlow.FindIdleNetwork","version":1,"vni":{"memoryReference":{"id":"Vni"},"typeName":"Int32"}},{"customProperties":{"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:15"},"id":"stop-flannel","name":"stop-flannel","pool":{"expression":{"type":"Variable","value":"Pool"},"typeName":"String"},"type":"FlannelFlow.StopFlannel","version":1},{"customProperties":{"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:10"},"id":"remove-forwarding-rules","name":"remove-forwarding-rules","pool":{"expression":{"type":"Variable","value":"Pool"},"typeName":"String"},"type":"FlannelFlow.RemoveForwardingRules","version":1,"vni":{"expression":{"type":"Variable","value":"Vni"},"typeName":"Int32"}},{"customProperties":{"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:10"},"id":"remove-devices","name":"remove-devices","type":"FlannelFlow.RemoveNetworkDevices","version":1,"vni":{"expression":{"type":"Variable","value":"Vni"},"typeName":"Int32"}},{"customProperties":{"retry":{"attempts":1000,"backoff":2.0,"initialInterval":"00:00:00.25","jitter":0.2,"maximumInterval":"00:00:15"},"timeout":"00:00:10"},"id":"release-lease","name":"release-lease","pool":{"expression":{"type":"Variable","value":"Pool"},"typeName":"String"},"type":"FlannelFlow.ReleaseSubnetLease","version":1},{"customProperties":{"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:05"},"id":"delete-flannel-env","name":"delete-flannel-env","networkId":{"expression":{"type":"Input","value":"NetworkId"},"typeName":"String"},"pool":{"expression":{"type":"Variable","value":"Pool"},"typeName":"String"},"type":"FlannelFlow.DeleteFlannelEnv","version":1},{"customProperties":{"retry":{"attempts":1000,"backoff":2.0,"initialInterval":"00:00:00.25","jitter":0.2,"maximumInterval":"00:00:15"},"timeout":"00:00:10"},"id":"release-pool-if-last","name":"release-pool-if-last","pool":{"expression":{"type":"Variable","value":"Pool"},"typeName":"String"},"type":"FlannelFlow.ReleasePoolIfLast","version":1}],"id":"root","type":"Elsa.Sequence","version":1},"variables":[{"id":"Pool","name":"Pool","typeName":"String"},{"id":"Vni","name":"Vni","typeName":"Int32"}],"version":1}', 639028224010000000);
INSERT INTO instances VALUES (1, '019b76daabe8756f9ec9f976d15a25cd', 'network-remove', 'e786fd0f0277f488665a1d6bc1f0bdfbd246ee1c562832f8be3feadb7fb264f2', 'key', 'Running', 4, '[{"key":"net/NetworkId","mode":"Exclusive"}]', '{"Forced":true,"NetworkId":"NetworkId"}', '{"Pool":"pool of find-network","Vni":7}', NULL, NULL, NULL, 639028224010000000, 639028224010000000, NULL, 0, '[]', NULL, NULL, NULL, NULL);
INSERT INTO executions VALUES (1, 1, 'find-network', 'FlannelFlow.FindIdleNetwork', 'Completed', 1, 0, '{"networkId":"NetworkId","forced":true}', '{"pool":"pool of find-network","vni":7}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 1, 0);
INSERT INTO executions VALUES (1, 2, 'stop-flannel', 'FlannelFlow.StopFlannel', 'Completed', 1, 0, '{"pool":"pool of find-network"}', '{}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 2, 0);
INSERT INTO executions VALUES (1, 3, 'remove-forwarding-rules', 'FlannelFlow.RemoveForwardingRules', 'Completed', 1, 0, '{"pool":"pool of find-network","vni":7}', '{}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 3, 0);
INSERT INTO executions VALUES (1, 4, 'remove-devices', 'FlannelFlow.RemoveNetworkDevices', 'Running', 1, 0, '{"vni":7}', NULL, NULL, NULL, 'boot-1', 639028224010000000, NULL, NULL, NULL, 0, 0);
INSERT INTO journal VALUES (1, 639028224010000000, '019b76daabe8756f9ec9f976d15a25cd', 'network-remove', 'Accepted', NULL, NULL, 0, NULL);
INSERT INTO journal VALUES (2, 639028224010000000, '019b76daabe8756f9ec9f976d15a25cd', 'network-remove', 'StepStarted', 'find-network', 'FlannelFlow.FindIdleNetwork', 1, NULL);
INSERT INTO journal VALUES (3, 639028224010000000, '019b76daabe8756f9ec9f976d15a25cd', 'network-remove', 'StepCompleted', 'find-network', 'FlannelFlow.FindIdleNetwork', 1, NULL);
INSERT INTO journal VALUES (4, 639028224010000000, '019b76daabe8756f9ec9f976d15a25cd', 'network-remove', 'StepStarted', 'stop-flannel', 'FlannelFlow.StopFlannel', 1, NULL);
INSERT INTO journal VALUES (5, 639028224010000000, '019b76daabe8756f9ec9f976d15a25cd', 'network-remove', 'StepCompleted', 'stop-flannel', 'FlannelFlow.StopFlannel', 1, NULL);
INSERT INTO journal VALUES (6, 639028224010000000, '019b76daabe8756f9ec9f976d15a25cd', 'network-remove', 'StepStarted', 'remove-forwarding-rules', 'FlannelFlow.RemoveForwardingRules', 1, NULL);
INSERT INTO journal VALUES (7, 639028224010000000, '019b76daabe8756f9ec9f976d15a25cd', 'network-remove', 'StepCompleted', 'remove-forwarding-rules', 'FlannelFlow.RemoveForwardingRules', 1, NULL);
INSERT INTO journal VALUES (8, 639028224010000000, '019b76daabe8756f9ec9f976d15a25cd', 'network-remove', 'StepStarted', 'remove-devices', 'FlannelFlow.RemoveNetworkDevices', 1, NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('instances', 1);
INSERT INTO sqlite_sequence VALUES ('journal', 8);
COMMIT;
