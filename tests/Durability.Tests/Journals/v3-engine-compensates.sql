-- scenario: engine/compensates
-- has: a
-- has: b
-- has: keep
-- ends with: keep
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
INSERT INTO definitions VALUES ('07f4f7d4630f3fb477f5212426aca386a3c3382fba479b3a72dd58dff64a82cb', 'crash', 1, '{"customProperties":{},"definitionId":"crash","inputs":[{"isRequired":false,"name":"Net","type":"String"}],"name":"crash","outputs":[{"name":"Handle","type":"String"}],"root":{"activities":[{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"a","thing":{"expression":{"type":"Literal","value":"a"},"typeName":"String"},"type":"Test.Ensure"},{"customProperties":{"compensate":true,"retry":{"attempts":3,"initialInterval":"00:00:00.1"}},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"b","thing":{"expression":{"type":"Literal","value":"b"},"typeName":"String"},"type":"Test.Ensure"},{"customProperties":{},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"keep","thing":{"expression":{"type":"Literal","value":"keep"},"typeName":"String"},"type":"Test.Ensure"},{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"c","thing":{"expression":{"type":"Literal","value":"c"},"typeName":"String"},"type":"Test.Ensure"}],"id":"all","type":"Elsa.Sequence"},"variables":[{"id":"Handle","name":"Handle","typeName":"String"}],"version":1}', 639028224010000000);
INSERT INTO instances VALUES (1, '019b76daabe87c6ebc623663a92859ad', 'crash', '07f4f7d4630f3fb477f5212426aca386a3c3382fba479b3a72dd58dff64a82cb', 'key', 'Compensating', 5, '[]', '{}', '{"Handle":"h-keep"}', NULL, NULL, 'no', 639028224010000000, 639028224010000000, NULL, 0, '[]', NULL, NULL, NULL, 'Refusal');
INSERT INTO executions VALUES (1, 1, 'a', 'Test.Ensure', 'Completed', 1, 0, '{"thing":"a"}', '{"handle":"h-a","size":1}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 1, 0);
INSERT INTO executions VALUES (1, 2, 'b', 'Test.Ensure', 'Completed', 1, 0, '{"thing":"b"}', '{"handle":"h-b","size":1}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 2, 0);
INSERT INTO executions VALUES (1, 3, 'keep', 'Test.Ensure', 'Completed', 1, 0, '{"thing":"keep"}', '{"handle":"h-keep","size":1}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 3, 0);
INSERT INTO executions VALUES (1, 4, 'c', 'Test.Ensure', 'Compensating', 1, 0, '{"thing":"c"}', NULL, 'no', NULL, 'boot-1', 639028224010000000, NULL, NULL, NULL, 4, 0);
INSERT INTO journal VALUES (1, 639028224010000000, '019b76daabe87c6ebc623663a92859ad', 'crash', 'Accepted', NULL, NULL, 0, NULL);
INSERT INTO journal VALUES (2, 639028224010000000, '019b76daabe87c6ebc623663a92859ad', 'crash', 'StepStarted', 'a', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (3, 639028224010000000, '019b76daabe87c6ebc623663a92859ad', 'crash', 'StepCompleted', 'a', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (4, 639028224010000000, '019b76daabe87c6ebc623663a92859ad', 'crash', 'StepStarted', 'b', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (5, 639028224010000000, '019b76daabe87c6ebc623663a92859ad', 'crash', 'StepCompleted', 'b', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (6, 639028224010000000, '019b76daabe87c6ebc623663a92859ad', 'crash', 'StepStarted', 'keep', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (7, 639028224010000000, '019b76daabe87c6ebc623663a92859ad', 'crash', 'StepCompleted', 'keep', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (8, 639028224010000000, '019b76daabe87c6ebc623663a92859ad', 'crash', 'StepStarted', 'c', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (9, 639028224010000000, '019b76daabe87c6ebc623663a92859ad', 'crash', 'StepFaulted', 'c', 'Test.Ensure', 1, 'no');
INSERT INTO journal VALUES (10, 639028224010000000, '019b76daabe87c6ebc623663a92859ad', 'crash', 'CompensationStarted', 'c', 'Test.Ensure', 1, NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('instances', 1);
INSERT INTO sqlite_sequence VALUES ('journal', 10);
COMMIT;
