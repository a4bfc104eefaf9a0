-- scenario: endpoint-join/succeeds
-- has: ClaimAddress{"networkId":"NetworkId","endpointId":"EndpointId","address":"Address"}
-- has: CreateVeth{"networkId":"NetworkId","endpointId":"EndpointId","address":"Address","macAddress":"MacAddress"}
-- ends with: AttachToBridge{"networkId":"NetworkId","hostInterface":"hostInterface of create-veth"} ClaimAddress{"networkId":"NetworkId","endpointId":"EndpointId","address":"Address"} CreateVeth{"networkId":"NetworkId","endpointId":"EndpointId","address":"Address","macAddress":"MacAddress"}
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
INSERT INTO definitions VALUES ('afb3910bb35ccd4a229daf1de648fafd8f5295de71c7056c57a75b651955c1e4', 'endpoint-join', 1, '{"customProperties":{"lanes":[{"key":"ep/{EndpointId}","mode":"Exclusive"},{"key":"net/{NetworkId}","mode":"Shared"}],"onFault":"Compensate"},"definitionId":"endpoint-join","description":"NetworkDriver.CreateEndpoint, answered again to Join: a veth on the network''s bridge with the address that Docker was given.","inputs":[{"name":"NetworkId","type":"String"},{"name":"EndpointId","type":"String"},{"name":"Address","type":"String"},{"name":"MacAddress","type":"String"}],"name":"Join an endpoint","options":{},"outputs":[],"root":{"activities":[{"address":{"expression":{"type":"Input","value":"Address"},"typeName":"String"},"customProperties":{"compensate":true,"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:10"},"endpointId":{"expression":{"type":"Input","value":"EndpointId"},"typeName":"String"},"id":"claim-address","name":"claim-address","networkId":{"expression":{"type":"Input","value":"NetworkId"},"typeName":"String"},"nextHop":{"memoryReference":{"id":"NextHop"},"typeName":"String"},"poolRoute":{"memoryReference":{"id":"PoolRoute"},"typeName":"String"},"type":"FlannelFlow.ClaimAddress","version":1},{"address":{"expression":{"type":"Input","value":"Address"},"typeName":"String"},"containerInterface":{"memoryReference":{"id":"ContainerInterface"},"typeName":"String"},"customProperties":{"compensate":true,"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:05"},"endpointId":{"expression":{"type":"Input","value":"EndpointId"},"typeName":"String"},"hostInterface":{"memoryReference":{"id":"HostInterface"},"typeName":"String"},"id":"create-veth","mac":{"memoryReference":{"id":"Mac"},"typeName":"String"},"macAddress":{"expression":{"type":"Input","value":"MacAddress"},"typeName":"String"},"name":"create-veth","networkId":{"expression":{"type":"Input","value":"NetworkId"},"typeName":"String"},"type":"FlannelFlow.CreateVeth","version":1},{"customProperties":{"retry":{"attempts":6,"backoff":2.0,"initialInterval":"00:00:00.1","jitter":0.2,"maximumInterval":"00:00:02"},"timeout":"00:00:05"},"hostInterface":{"expression":{"type":"Variable","value":"HostInterface"},"typeName":"String"},"id":"attach-to-bridge","name":"attach-to-bridge","networkId":{"expression":{"type":"Input","value":"NetworkId"},"typeName":"String"},"type":"FlannelFlow.AttachToBridge","version":1},{"containerInterface":{"expression":{"type":"Variable","value":"ContainerInterface"},"typeName":"String"},"id":"respond","mac":{"expression":{"type":"Variable","value":"Mac"},"typeName":"String"},"name":"respond","nextHop":{"expression":{"type":"Variable","value":"NextHop"},"typeName":"String"},"poolRoute":{"expression":{"type":"Variable","value":"PoolRoute"},"typeName":"String"},"type":"FlannelFlow.Respond","version":1}],"id":"root","type":"Elsa.Sequence","version":1},"variables":[{"id":"HostInterface","name":"HostInterface","typeName":"String"},{"id":"ContainerInterface","name":"ContainerInterface","typeName":"String"},{"id":"Mac","name":"Mac","typeName":"String"},{"id":"NextHop","name":"NextHop","typeName":"String"},{"id":"PoolRoute","name":"PoolRoute","typeName":"String"}],"version":1}', 639028224010000000);
INSERT INTO instances VALUES (1, '019b76daabe8729cb46eaeff3ba5a12f', 'endpoint-join', 'afb3910bb35ccd4a229daf1de648fafd8f5295de71c7056c57a75b651955c1e4', 'key', 'Running', 2, '[{"key":"ep/EndpointId","mode":"Exclusive"},{"key":"net/NetworkId","mode":"Shared"}]', '{"Address":"Address","EndpointId":"EndpointId","MacAddress":"MacAddress","NetworkId":"NetworkId"}', '{"NextHop":"nextHop of claim-address","PoolRoute":"poolRoute of claim-address"}', NULL, NULL, NULL, 639028224010000000, 639028224010000000, NULL, 0, '[]', NULL, NULL, NULL, NULL);
INSERT INTO executions VALUES (1, 1, 'claim-address', 'FlannelFlow.ClaimAddress', 'Completed', 1, 0, '{"networkId":"NetworkId","endpointId":"EndpointId","address":"Address"}', '{"nextHop":"nextHop of claim-address","poolRoute":"poolRoute of claim-address"}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 1, 0);
INSERT INTO executions VALUES (1, 2, 'create-veth', 'FlannelFlow.CreateVeth', 'Running', 1, 0, '{"networkId":"NetworkId","endpointId":"EndpointId","address":"Address","macAddress":"MacAddress"}', NULL, NULL, NULL, 'boot-1', 639028224010000000, NULL, NULL, NULL, 0, 0);
INSERT INTO journal VALUES (1, 639028224010000000, '019b76daabe8729cb46eaeff3ba5a12f', 'endpoint-join', 'Accepted', NULL, NULL, 0, NULL);
INSERT INTO journal VALUES (2, 639028224010000000, '019b76daabe8729cb46eaeff3ba5a12f', 'endpoint-join', 'StepStarted', 'claim-address', 'FlannelFlow.ClaimAddress', 1, NULL);
INSERT INTO journal VALUES (3, 639028224010000000, '019b76daabe8729cb46eaeff3ba5a12f', 'endpoint-join', 'StepCompleted', 'claim-address', 'FlannelFlow.ClaimAddress', 1, NULL);
INSERT INTO journal VALUES (4, 639028224010000000, '019b76daabe8729cb46eaeff3ba5a12f', 'endpoint-join', 'StepStarted', 'create-veth', 'FlannelFlow.CreateVeth', 1, NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('instances', 1);
INSERT INTO sqlite_sequence VALUES ('journal', 4);
COMMIT;
