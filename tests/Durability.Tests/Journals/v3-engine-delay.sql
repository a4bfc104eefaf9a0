-- scenario: engine/delay
-- has: a
-- has: b
-- ends with: a b
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
CREATE TABLE tallies (name TEXT PRIMARY KEY, n INTEGER NOT NULL, CHECK (n BETWEEN 0 AND 1));
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
INSERT INTO definitions VALUES ('03bd07a4597244e172d6cc400abc558716d25333ced897a85830a3285df53785', 'crash', 1, '{"customProperties":{},"definitionId":"crash","inputs":[{"isRequired":false,"name":"Net","type":"String"},{"isRequired":false,"name":"Items","type":"String[]"}],"name":"crash","outputs":[{"name":"Handle","type":"String"}],"root":{"activities":[{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"a","thing":{"expression":{"type":"Literal","value":"a"},"typeName":"String"},"type":"Test.Ensure"},{"id":"d","timeSpan":{"expression":{"type":"Literal","value":"00:10:00"},"typeName":"TimeSpan"},"type":"Elsa.Delay"},{"handle":{"expression":{"type":"Variable","value":{"id":"Handle","name":"Handle"}},"typeName":"String"},"id":"respond","type":"FlannelFlow.Respond"},{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"b","thing":{"expression":{"type":"Literal","value":"b"},"typeName":"String"},"type":"Test.Ensure"}],"id":"all","type":"Elsa.Sequence"},"variables":[{"id":"Handle","name":"Handle","typeName":"String"},{"id":"Item","name":"Item","typeName":"String"},{"id":"Yes","name":"Yes","typeName":"Boolean","value":true},{"id":"No","name":"No","typeName":"Boolean","value":false},{"id":"Payload","name":"Payload","typeName":"Object"}],"version":1}', 639028224010000000);
INSERT INTO instances VALUES (1, '019b76daabe87effb23ba52c093e50de', 'crash', '03bd07a4597244e172d6cc400abc558716d25333ced897a85830a3285df53785', 'key', 'Running', 3, '[]', '{"Items":["p","q"]}', '{"Handle":"h-a","No":false,"Yes":true}', '{"handle":"h-a"}', NULL, NULL, 639028224010000000, 639028230010000000, NULL, 0, '[]', NULL, NULL, NULL, NULL);
INSERT INTO executions VALUES (1, 1, 'a', 'Test.Ensure', 'Completed', 1, 0, '{"thing":"a"}', '{"handle":"h-a","size":1}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 1, 0);
INSERT INTO executions VALUES (1, 2, 'd', 'Elsa.Delay', 'Completed', 1, 0, '{"timeSpan":"00:10:00"}', '{}', NULL, NULL, 'boot-1', 639028224010000000, 639028230010000000, NULL, NULL, 2, 0);
INSERT INTO executions VALUES (1, 3, 'respond', 'FlannelFlow.Respond', 'Completed', 1, 0, '{"handle":"h-a"}', '{}', NULL, NULL, 'boot-1', 639028230010000000, 639028230010000000, NULL, NULL, 3, 0);
INSERT INTO executions VALUES (1, 4, 'b', 'Test.Ensure', 'Running', 1, 0, '{"thing":"b"}', NULL, NULL, NULL, 'boot-1', 639028230010000000, NULL, NULL, NULL, 0, 0);
INSERT INTO journal VALUES (1, 639028224010000000, '019b76daabe87effb23ba52c093e50de', 'crash', 'Accepted', NULL, NULL, 0, NULL);
INSERT INTO journal VALUES (2, 639028224010000000, '019b76daabe87effb23ba52c093e50de', 'crash', 'StepStarted', 'a', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (3, 639028224010000000, '019b76daabe87effb23ba52c093e50de', 'crash', 'StepCompleted', 'a', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (4, 639028224010000000, '019b76daabe87effb23ba52c093e50de', 'crash', 'StepWaits', 'd', 'Elsa.Delay', 1, 'until 2026-01-01T00:10:01.0000000+00:00');
INSERT INTO journal VALUES (5, 639028230010000000, '019b76daabe87effb23ba52c093e50de', 'crash', 'StepCompleted', 'd', 'Elsa.Delay', 1, NULL);
INSERT INTO journal VALUES (6, 639028230010000000, '019b76daabe87effb23ba52c093e50de', 'crash', 'Responded', 'respond', 'FlannelFlow.Respond', 1, NULL);
INSERT INTO journal VALUES (7, 639028230010000000, '019b76daabe87effb23ba52c093e50de', 'crash', 'StepStarted', 'b', 'Test.Ensure', 1, NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('instances', 1);
INSERT INTO sqlite_sequence VALUES ('journal', 7);
COMMIT;
