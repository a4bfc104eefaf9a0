-- scenario: engine/child
-- has: a
-- has: c1
-- has: c2
-- ends with: a b c1 c2
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
INSERT INTO definitions VALUES ('eb5c215069d9ac8cb9ebb125d181958c79ad70aec4c2b6ee05d186a519931096', 'outer', 1, '{"customProperties":{"lanes":[{"key":"net/{Net}","mode":"Exclusive"}]},"definitionId":"outer","inputs":[{"name":"Net","type":"String"}],"name":"outer","outputs":[{"name":"Handle","type":"String"}],"root":{"activities":[{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"a","thing":{"expression":{"type":"Literal","value":"a"},"typeName":"String"},"type":"Test.Ensure"},{"customProperties":{"inputs":{"Net":{"expression":{"type":"Input","value":"Net"},"typeName":"String"}},"outputs":{"Handle":{"memoryReference":{"id":"Handle"},"typeName":"String"}}},"id":"child","type":"Elsa.DispatchWorkflow","waitForCompletion":{"expression":{"type":"Literal","value":true},"typeName":"Boolean"},"workflowDefinitionId":{"expression":{"type":"Literal","value":"inner"},"typeName":"String"}},{"handle":{"expression":{"type":"Variable","value":{"id":"Handle","name":"Handle"}},"typeName":"String"},"id":"respond","type":"FlannelFlow.Respond"},{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"b","thing":{"expression":{"type":"Literal","value":"b"},"typeName":"String"},"type":"Test.Ensure"}],"id":"all","type":"Elsa.Sequence"},"variables":[{"id":"Handle","name":"Handle","typeName":"String"}],"version":1}', 639028224010000000);
INSERT INTO definitions VALUES ('7749f338494340588cf9a23cd434a9e2edf98da1361b0f9e67185a218e1349ea', 'inner', 1, '{"customProperties":{"lanes":[{"key":"net/{Net}","mode":"Exclusive"}]},"definitionId":"inner","inputs":[{"name":"Net","type":"String"}],"name":"inner","outputs":[{"name":"Handle","type":"String"}],"root":{"activities":[{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"c1","thing":{"expression":{"type":"Literal","value":"c1"},"typeName":"String"},"type":"Test.Ensure"},{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"c2","thing":{"expression":{"type":"Literal","value":"c2"},"typeName":"String"},"type":"Test.Ensure"}],"id":"all","type":"Elsa.Sequence"},"variables":[{"id":"Handle","name":"Handle","typeName":"String"}],"version":1}', 639028224010000000);
INSERT INTO instances VALUES (1, '019b76daabe877babbefcb5509e75f7b', 'outer', 'eb5c215069d9ac8cb9ebb125d181958c79ad70aec4c2b6ee05d186a519931096', 'key', 'Running', 2, '[{"key":"net/n","mode":"Exclusive"}]', '{"Net":"n"}', '{"Handle":"h-a"}', NULL, NULL, NULL, 639028224010000000, 639028224010000000, NULL, 0, '[]', NULL, NULL, NULL, NULL);
INSERT INTO instances VALUES (2, '019b76daabe879f8a5e9b899cd713ea1', 'inner', '7749f338494340588cf9a23cd434a9e2edf98da1361b0f9e67185a218e1349ea', '019b76daabe877babbefcb5509e75f7b/2-child/0', 'Running', 2, '[{"key":"net/n","mode":"Exclusive"}]', '{"Net":"n"}', '{"Handle":"h-c1"}', NULL, NULL, NULL, 639028224010000000, 639028224010000000, NULL, 0, '[]', '019b76daabe877babbefcb5509e75f7b', 2, NULL, NULL);
INSERT INTO executions VALUES (1, 1, 'a', 'Test.Ensure', 'Completed', 1, 0, '{"thing":"a"}', '{"handle":"h-a","size":1}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 1, 0);
INSERT INTO executions VALUES (1, 2, 'child', 'Elsa.DispatchWorkflow', 'Running', 1, 0, '{"workflowDefinitionId":"inner","waitForCompletion":true,"input":{"Net":"n"}}', NULL, NULL, NULL, 'boot-1', 639028224010000000, NULL, NULL, NULL, 0, 0);
INSERT INTO executions VALUES (2, 1, 'c1', 'Test.Ensure', 'Completed', 1, 0, '{"thing":"c1"}', '{"handle":"h-c1","size":1}', NULL, NULL, 'boot-1', 639028224010000000, 639028224010000000, NULL, NULL, 1, 0);
INSERT INTO executions VALUES (2, 2, 'c2', 'Test.Ensure', 'Running', 1, 0, '{"thing":"c2"}', NULL, NULL, NULL, 'boot-1', 639028224010000000, NULL, NULL, NULL, 0, 0);
INSERT INTO journal VALUES (1, 639028224010000000, '019b76daabe877babbefcb5509e75f7b', 'outer', 'Accepted', NULL, NULL, 0, NULL);
INSERT INTO journal VALUES (2, 639028224010000000, '019b76daabe877babbefcb5509e75f7b', 'outer', 'StepStarted', 'a', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (3, 639028224010000000, '019b76daabe877babbefcb5509e75f7b', 'outer', 'StepCompleted', 'a', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (4, 639028224010000000, '019b76daabe877babbefcb5509e75f7b', 'outer', 'StepStarted', 'child', 'Elsa.DispatchWorkflow', 1, NULL);
INSERT INTO journal VALUES (5, 639028224010000000, '019b76daabe879f8a5e9b899cd713ea1', 'inner', 'Accepted', NULL, NULL, 0, NULL);
INSERT INTO journal VALUES (6, 639028224010000000, '019b76daabe879f8a5e9b899cd713ea1', 'inner', 'StepStarted', 'c1', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (7, 639028224010000000, '019b76daabe879f8a5e9b899cd713ea1', 'inner', 'StepCompleted', 'c1', 'Test.Ensure', 1, NULL);
INSERT INTO journal VALUES (8, 639028224010000000, '019b76daabe879f8a5e9b899cd713ea1', 'inner', 'StepStarted', 'c2', 'Test.Ensure', 1, NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('instances', 2);
INSERT INTO sqlite_sequence VALUES ('journal', 8);
COMMIT;
