-- scenario: endpoint-mend/succeeds
-- has: AdoptAddress{"networkId":"NetworkId","endpointId":"EndpointId","address":"Address"}
-- has: AttachToBridge{"networkId":"NetworkId","hostInterface":"HostInterface"}
-- ends with: AdoptAddress{"networkId":"NetworkId","endpointId":"EndpointId","address":"Address"} AttachToBridge{"networkId":"NetworkId","hostInterface":"HostInterface"}
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
INSERT INTO definitions VALUES ('35c0cfee44de21391ef95bb8d16906b371f744547d25f7bbaca895551d317cae', 'endpoint-mend', 1, '{"customProperties":{"lanes":[{"key":"ep/{EndpointId}","mode":"Exclusive"},{"key":"net/{NetworkId}","mode":"Shared"}],"onFault":"Suspend"},"definitionId":"endpoint-mend","description":"The endpoint runs in Docker, but its address is not its own in etcd, or its veth is not a port of the network''s bridge.","inputs":[{"name":"NetworkId","type":"String"},{"name":"EndpointId","type":"String"},{"name":"Address","type":"String"},{"name":"HostInterface","type":"String"}],"name":"Mend an endpoint","options":{},"outputs":[],"root":{"activities":[{"address":{"expression":{"type":"Input","value":"Address"},"typeName":"String"},"customProperties":{"retry":{"attempts":1000,"backoff":2.0,"initialInterval":"00:00:00.25","jitter":0.2,"maximumInterval":"00:00:15"},"timeout":"00:00:10"},"endpointId":{"expression":{"type":"Input","value":"EndpointId"},"typeName":"String"},"id":"adopt-address","name":"adopt-address","networkId":{"expression":{"type":"Input","value":"NetworkId"},"typeName":"String"},"type":"FlannelFlow.AdoptAddress","version":1},{"customProperties":{"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:05"},"hostInterface":{"expression":{"type":"Input","value":"HostInterface"},"typeName":"String"},"id":"attach-to-bridge","name":"attach-to-bridge","networkId":{"expression":{"type":"Input","value":"NetworkId"},"typeName":"String"},"type":"FlannelFlow.AttachToBridge","version":1}],"id":"root","type":"Elsa.Sequence","version":1},"variables":[],"version":1}', 639028224010000000);
INSERT INTO instances VALUES (1, '019b76daabe873caae327d1d6df36f3c', 'endpoint-mend', '35c0cfee44de21391ef95bb8d16906b371f744547d25f7bbaca895551d317cae', 'key', 'Running', 2, '[{"key":"ep/EndpointId","mode":"Exclusive"},{"key":"net/NetworkId","mode":"Shared"}]', '{"Address":"Address","EndpointId":"EndpointId","HostInterface":"HostInterface","NetworkId":"NetworkId"}', '{}', NULL, NULL, NULL, 639028224010000000, 639028224010000000, NULL, 0, '[]', NULL, NULL, NULL, NULL);
INSERT INTO executions VALUES (1, 1, 'adopt-address', 'FlannelFlow.AdoptAddress', 'Completed', 1, 0, '{"networkId":"NetworkId","endpointId":"EndpointId","address":"Address"}', '{}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 1, 0);
INSERT INTO executions VALUES (1, 2, 'attach-to-bridge', 'FlannelFlow.AttachToBridge', 'Running', 1, 0, '{"networkId":"NetworkId","hostInterface":"HostInterface"}', NULL, NULL, NULL, 'boot-1', 639028224010000000, NULL, NULL, NULL, 0, 0);
INSERT INTO journal VALUES (1, 639028224010000000, '019b76daabe873caae327d1d6df36f3c', 'endpoint-mend', 'Accepted', NULL, NULL, 0, NULL);
INSERT INTO journal VALUES (2, 639028224010000000, '019b76daabe873caae327d1d6df36f3c', 'endpoint-mend', 'StepStarted', 'adopt-address', 'FlannelFlow.AdoptAddress', 1, NULL);
INSERT INTO journal VALUES (3, 639028224010000000, '019b76daabe873caae327d1d6df36f3c', 'endpoint-mend', 'StepCompleted', 'adopt-address', 'FlannelFlow.AdoptAddress', 1, NULL);
INSERT INTO journal VALUES (4, 639028224010000000, '019b76daabe873caae327d1d6df36f3c', 'endpoint-mend', 'StepStarted', 'attach-to-bridge', 'FlannelFlow.AttachToBridge', 1, NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('instances', 1);
INSERT INTO sqlite_sequence VALUES ('journal', 4);
COMMIT;
