-- scenario: engine/parallel
-- has: a
-- has: b
-- has: c
-- has: p
-- has: q
-- ends with: a b c e p q
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
INSERT INTO definitions VALUES ('2031cdb255298f313462d417a989882b612b4bf77b28754fcd2c7dd0c911af3d', 'crash', 1, '{"customProperties":{},"definitionId":"crash","inputs":[{"isRequired":false,"name":"Net","type":"String"},{"isRequired":false,"name":"Items","type":"String[]"}],"name":"crash","outputs":[{"name":"Handle","type":"String"}],"root":{"activities":[{"activities":[{"activities":[{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"a","thing":{"expression":{"type":"Literal","value":"a"},"typeName":"String"},"type":"Test.Ensure"},{"id":"d","timeSpan":{"expression":{"type":"Literal","value":"00:01:00"},"typeName":"TimeSpan"},"type":"Elsa.Delay"},{"customProperties":{"compensate":true,"retry":{"attempts":3,"initialInterval":"00:00:00.1"}},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"b","thing":{"expression":{"type":"Literal","value":"b"},"typeName":"String"},"type":"Test.Ensure"}],"id":"one","type":"Elsa.Sequence"},{"body":{"customProperties":{"compensate":true},"id":"each","thing":{"expression":{"type":"Variable","value":{"id":"Item"}},"typeName":"String"},"type":"Test.Ensure"},"currentValue":{"memoryReference":{"id":"Item"},"typeName":"String"},"id":"loop","items":{"expression":{"type":"Input","value":"Items"},"typeName":"String[]"},"type":"Elsa.ForEach"},{"condition":{"expression":{"type":"Variable","value":"Yes"},"typeName":"Boolean"},"else":null,"id":"if","then":{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"c","thing":{"expression":{"type":"Literal","value":"c"},"typeName":"String"},"type":"Test.Ensure"},"type":"Elsa.If"}],"id":"fork","type":"Elsa.Parallel"},{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"e","thing":{"expression":{"type":"Literal","value":"e"},"typeName":"String"},"type":"Test.Ensure"}],"id":"all","type":"Elsa.Sequence"},"variables":[{"id":"Handle","name":"Handle","typeName":"String"},{"id":"Item","name":"Item","typeName":"String"},{"id":"Yes","name":"Yes","typeName":"Boolean","value":true},{"id":"No","name":"No","typeName":"Boolean","value":false},{"id":"Payload","name":"Payload","typeName":"Object"}],"version":1}', 639028224010000000);
INSERT INTO instances VALUES (1, '019b76daabe87e93bd2e22ee76c09358', 'crash', '2031cdb255298f313462d417a989882b612b4bf77b28754fcd2c7dd0c911af3d', 'key', 'Running', 8, '[]', '{"Items":["p","q"]}', '{"Handle":"h-c","Item":"q","No":false,"Yes":true}', NULL, NULL, NULL, 639028224010000000, 639028224611000000, NULL, 0, '[]', NULL, NULL, NULL, NULL);
INSERT INTO executions VALUES (1, 1, 'fork', 'Elsa.Parallel', 'Entered', 1, 0, '{}', NULL, NULL, NULL, 'boot-1', 639028224010000000, NULL, NULL, '{"index":0,"active":["one"],"tokens":[],"passed":[]}', 0, 0);
INSERT INTO executions VALUES (1, 2, 'a', 'Test.Ensure', 'Completed', 1, 0, '{"thing":"a"}', '{"handle":"h-a","size":1}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, 1, NULL, 1, 0);
INSERT INTO executions VALUES (1, 3, 'loop', 'Elsa.ForEach', 'Completed', 1, 0, '{"items":["p","q"]}', '{}', NULL, NULL, 'boot-1', 639028224010000000, 639028224610000000, 1, '{"index":2,"active":[],"tokens":[],"passed":[]}', 7, 0);
INSERT INTO executions VALUES (1, 4, 'each', 'Test.Ensure', 'Completed', 1, 0, '{"thing":"p"}', '{"handle":"h-p","size":1}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, 3, NULL, 2, 0);
INSERT INTO executions VALUES (1, 5, 'if', 'Elsa.If', 'Completed', 1, 0, '{"condition":true}', '{}', NULL, NULL, 'boot-1', 639028224010000000, 639028224610000000, 1, '{"index":0,"active":[],"tokens":[],"passed":[]}', 4, 0);
INSERT INTO executions VALUES (1, 6, 'c', 'Test.Ensure', 'Completed', 1, 0, '{"thing":"c"}', '{"handle":"h-c","size":1}', NULL, NULL, 'boot-1', 639028224010000000, 639028224610000000, 5, NULL, 3, 0);
INSERT INTO executions VALUES (1, 7, 'd', 'Elsa.Delay', 'Completed', 1, 0, '{"timeSpan":"00:01:00"}', '{}', NULL, NULL, 'boot-1', 639028224010000000, 639028224610000000, 1, NULL, 5, 0);
INSERT INTO executions VALUES (1, 8, 'each', 'Test.Ensure', 'Completed', 1, 0, '{"thing":"q"}', '{"handle":"h-q","size":1}', NULL, NULL, 'boot-1', 639028224010000000, 639028224610000000, 3, NULL, 6, 0);
INSERT INTO executions VALUES (1, 9, 'b', 'Test.Ensure', 'Running', 2, 1, '{"thing":"b"}', NULL, '1', NULL, 'boot-1', 639028224610000000, NULL, 1, NULL, 0, 0);
INSERT INTO journal VALUES (1, 639028224010000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'Accepted', NULL, NULL, 0, NULL);
INSERT INTO journal VALUES (2, 639028224010000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'ScopeEntered', 'fork', 'Elsa.Parallel', 1, NULL);
INSERT INTO journal VALUES (3, 639028224010000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'StepStarted', 'a', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (4, 639028224010000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'ScopeEntered', 'loop', 'Elsa.ForEach', 1, NULL);
INSERT INTO journal VALUES (5, 639028224010000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'StepStarted', 'each', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (6, 639028224010000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'ScopeEntered', 'if', 'Elsa.If', 1, '{"condition":true}');
INSERT INTO journal VALUES (7, 639028224010000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'StepStarted', 'c', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (8, 639028224010000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'StepCompleted', 'a', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (9, 639028224010000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'StepWaits', 'd', 'Elsa.Delay', 1, 'until 2026-01-01T00:01:01.0000000+00:00');
INSERT INTO journal VALUES (10, 639028224010000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'StepCompleted', 'each', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (11, 639028224010000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'StepStarted', 'each', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (12, 639028224610000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'StepCompleted', 'c', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (13, 639028224610000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'ScopeLeft', 'if', 'Elsa.If', 1, NULL);
INSERT INTO journal VALUES (14, 639028224610000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'StepCompleted', 'd', 'Elsa.Delay', 1, NULL);
INSERT INTO journal VALUES (15, 639028224610000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'StepStarted', 'b', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (16, 639028224610000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'StepCompleted', 'each', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (17, 639028224610000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'ScopeLeft', 'loop', 'Elsa.ForEach', 1, NULL);
INSERT INTO journal VALUES (18, 639028224610000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'RetryScheduled', 'b', 'Test.Ensure', 1, 'due 2026-01-01T00:01:01.1000000+00:00: 1');
INSERT INTO journal VALUES (19, 639028224611000000, '019b76daabe87e93bd2e22ee76c09358', 'crash', 'StepStarted', 'b', 'Test.Ensure', 2, NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('instances', 1);
INSERT INTO sqlite_sequence VALUES ('journal', 19);
COMMIT;
