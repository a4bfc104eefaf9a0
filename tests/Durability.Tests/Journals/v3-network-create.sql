-- scenario: network-create/succeeds
-- has: AllocateVni{"pool":"Pool","requested":7,"hadVni":true}
-- has: EnsurePool{"networkId":"NetworkId","pool":"Pool"}
-- has: WriteFlannelConfig{"pool":"Pool","vni":7,"hadVni":true}
-- has: WriteFlannelEnv{"networkId":"NetworkId","pool":"Pool","vni":7,"mtu":7}
-- ends with: AllocateVni{"pool":"Pool","requested":7,"hadVni":true} CreateBridge{"networkId":"NetworkId","vni":7,"hostSubnet":"hostSubnet of start-flannel","mtu":7} EnsurePool{"networkId":"NetworkId","pool":"Pool"} InstallForwardingRules{"pool":"Pool","vni":7} StartFlannel{"networkId":"NetworkId"} WriteFlannelConfig{"pool":"Pool","vni":7,"hadVni":true} WriteFlannelEnv{"networkId":"NetworkId","pool":"Pool","vni":7,"mtu":7}
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
INSERT INTO definitions VALUES ('09aea56df70c50678a53adc84c8b0e2ee65b26e9b15cf7b0270c45078fc198c7', 'network-create', 1, '{"customProperties":{"lanes":[{"key":"net/{NetworkId}","mode":"Exclusive"}],"onFault":"Compensate"},"definitionId":"network-create","description":"NetworkDriver.CreateNetwork at the first use of a network on a node. What the cluster shares is only ensured (Docker has the network, so etcd must); what this host makes is undone when the network cannot be completed.","inputs":[{"name":"NetworkId","type":"String"},{"name":"Pool","type":"String"},{"name":"RequestedVni","type":"Int32"},{"name":"Mtu","type":"Int32"}],"name":"Create a network on this host","options":{},"outputs":[],"root":{"activities":[{"customProperties":{"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:10"},"id":"allocate-pool","name":"allocate-pool","networkId":{"expression":{"type":"Input","value":"NetworkId"},"typeName":"String"},"pool":{"expression":{"type":"Input","value":"Pool"},"typeName":"String"},"type":"FlannelFlow.EnsurePool","version":1},{"customProperties":{"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:10"},"hadVni":{"expression":{"type":"Literal","value":true},"typeName":"Boolean"},"id":"allocate-vni","name":"allocate-vni","pool":{"expression":{"type":"Input","value":"Pool"},"typeName":"String"},"requested":{"expression":{"type":"Input","value":"RequestedVni"},"typeName":"Int32"},"type":"FlannelFlow.AllocateVni","version":1,"vni":{"memoryReference":{"id":"Vni"},"typeName":"Int32"}},{"customProperties":{"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:10"},"hadVni":{"expression":{"type":"Literal","value":true},"typeName":"Boolean"},"id":"write-flannel-config","name":"write-flannel-config","pool":{"expression":{"type":"Input","value":"Pool"},"typeName":"String"},"type":"FlannelFlow.WriteFlannelConfig","version":1,"vni":{"expression":{"type":"Variable","value":"Vni"},"typeName":"Int32"}},{"customProperties":{"compensate":true,"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:05"},"id":"write-flannel-env","mtu":{"expression":{"type":"Input","value":"Mtu"},"typeName":"Int32"},"name":"write-flannel-env","networkId":{"expression":{"type":"Input","value":"NetworkId"},"typeName":"String"},"pool":{"expression":{"type":"Input","value":"Pool"},"typeName":"String"},"type":"FlannelFlow.WriteFlannelEnv","version":1,"vni":{"expression":{"type":"Variable","value":"Vni"},"typeName":"Int32"}},{"customProperties":{"compensate":true,"retry":{"attempts":2,"backoff":2.0,"initialInterval":"00:00:00.2","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:10"},"fabricMtu":{"memoryReference":{"id":"FabricMtu"},"typeName":"Int32"},"hostSubnet":{"memoryReference":{"id":"HostSubnet"},"typeName":"String"},"id":"start-flannel","name":"start-flannel","networkId":{"expression":{"type":"Input","value":"NetworkId"},"typeName":"String"},"type":"FlannelFlow.StartFlannel","version":1},{"customProperties":{"compensate":true,"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:05"},"hostSubnet":{"expression":{"type":"Variable","value":"HostSubnet"},"typeName":"String"},"id":"create-bridge","mtu":{"expression":{"type":"Variable","value":"FabricMtu"},"typeName":"Int32"},"name":"create-bridge","networkId":{"expression":{"type":"Input","value":"NetworkId"},"typeName":"String"},"type":"FlannelFlow.CreateBridge","version":1,"vni":{"expression":{"type":"Variable","value":"Vni"},"typeName":"Int32"}},{"customProperties":{"compensate":true,"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:10"},"id":"install-forwarding-rules","name":"install-forwarding-rules","pool":{"expression":{"type":"Input","value":"Pool"},"typeName":"String"},"type":"FlannelFlow.InstallForwardingRules","version":1,"vni":{"expression":{"type":"Variable","value":"Vni"},"typeName":"Int32"}},{"hostSubnet":{"expression":{"type":"Variable","value":"HostSubnet"},"typeName":"String"},"id":"respond","mtu":{"expression":{"type":"Variable","value":"FabricMtu"},"typeName":"Int32"},"name":"respond","type":"FlannelFlow.Respond","version":1,"vni":{"expression":{"type":"Variable","value":"Vni"},"typeName":"Int32"}}],"id":"root","type":"Elsa.Sequence","version":1},"variables":[{"id":"Vni","name":"Vni","typeName":"Int32"},{"id":"HostSubnet","name":"HostSubnet","typeName":"String"},{"id":"FabricMtu","name":"FabricMtu","typeName":"Int32"}],"version":1}', 639028224010000000);
INSERT INTO instances VALUES (1, '019b76daabe877d39550f83b2b463b8f', 'network-create', '09aea56df70c50678a53adc84c8b0e2ee65b26e9b15cf7b0270c45078fc198c7', 'key', 'Running', 4, '[{"key":"net/NetworkId","mode":"Exclusive"}]', '{"Mtu":7,"NetworkId":"NetworkId","Pool":"Pool","RequestedVni":7}', '{"Vni":7}', NULL, NULL, NULL, 639028224010000000, 639028224010000000, NULL, 0, '[]', NULL, NULL, NULL, NULL);
INSERT INTO executions VALUES (1, 1, 'allocate-pool', 'FlannelFlow.EnsurePool', 'Completed', 1, 0, '{"networkId":"NetworkId","pool":"Pool"}', '{}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 1, 0);
INSERT INTO executions VALUES (1, 2, 'allocate-vni', 'FlannelFlow.AllocateVni', 'Completed', 1, 0, '{"pool":"Pool","requested":7,"hadVni":true}', '{"vni":7}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 2, 0);
INSERT INTO executions VALUES (1, 3, 'write-flannel-config', 'FlannelFlow.WriteFlannelConfig', 'Completed', 1, 0, '{"pool":"Pool","vni":7,"hadVni":true}', '{}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 3, 0);
INSERT INTO executions VALUES (1, 4, 'write-flannel-env', 'FlannelFlow.WriteFlannelEnv', 'Running', 1, 0, '{"networkId":"NetworkId","pool":"Pool","vni":7,"mtu":7}', NULL, NULL, NULL, 'boot-1', 639028224010000000, NULL, NULL, NULL, 0, 0);
INSERT INTO journal VALUES (1, 639028224010000000, '019b76daabe877d39550f83b2b463b8f', 'network-create', 'Accepted', NULL, NULL, 0, NULL);
INSERT INTO journal VALUES (2, 639028224010000000, '019b76daabe877d39550f83b2b463b8f', 'network-create', 'StepStarted', 'allocate-pool', 'FlannelFlow.EnsurePool', 1, NULL);
INSERT INTO journal VALUES (3, 639028224010000000, '019b76daabe877d39550f83b2b463b8f', 'network-create', 'StepCompleted', 'allocate-pool', 'FlannelFlow.EnsurePool', 1, NULL);
INSERT INTO journal VALUES (4, 639028224010000000, '019b76daabe877d39550f83b2b463b8f', 'network-create', 'StepStarted', 'allocate-vni', 'FlannelFlow.AllocateVni', 1, NULL);
INSERT INTO journal VALUES (5, 639028224010000000, '019b76daabe877d39550f83b2b463b8f', 'network-create', 'StepCompleted', 'allocate-vni', 'FlannelFlow.AllocateVni', 1, NULL);
INSERT INTO journal VALUES (6, 639028224010000000, '019b76daabe877d39550f83b2b463b8f', 'network-create', 'StepStarted', 'write-flannel-config', 'FlannelFlow.WriteFlannelConfig', 1, NULL);
INSERT INTO journal VALUES (7, 639028224010000000, '019b76daabe877d39550f83b2b463b8f', 'network-create', 'StepCompleted', 'write-flannel-config', 'FlannelFlow.WriteFlannelConfig', 1, NULL);
INSERT INTO journal VALUES (8, 639028224010000000, '019b76daabe877d39550f83b2b463b8f', 'network-create', 'StepStarted', 'write-flannel-env', 'FlannelFlow.WriteFlannelEnv', 1, NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('instances', 1);
INSERT INTO sqlite_sequence VALUES ('journal', 8);
COMMIT;
