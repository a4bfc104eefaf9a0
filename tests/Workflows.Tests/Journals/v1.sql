-- A journal of schema version 1, recorded (sqlite3 .dump) from the engine as it was before alterations: an instance in doubt at a gate, one
-- suspended, one finished.
PRAGMA application_id=1181501036;
PRAGMA user_version=1;
BEGIN TRANSACTION;
CREATE TABLE definitions (
    hash TEXT PRIMARY KEY, definition_id TEXT NOT NULL, version INTEGER NOT NULL, json TEXT NOT NULL, first_seen INTEGER NOT NULL);
INSERT INTO "definitions" VALUES('41f21684b7f1beec2b0b071d71f80c7d6be28c3905212b31143a72e7455b64eb','recorded',1,'{"customProperties":{},"definitionId":"recorded","inputs":[{"isRequired":false,"name":"Net","type":"String"}],"name":"recorded","outputs":[{"name":"Handle","type":"String"}],"root":{"activities":[{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"a","thing":{"expression":{"type":"Literal","value":"a"},"typeName":"String"},"type":"Test.Ensure"},{"handle":{"expression":{"type":"Variable","value":{"id":"Handle","name":"Handle"}},"typeName":"String"},"id":"respond","type":"FlannelFlow.Respond"},{"gate":{"expression":{"type":"Literal","value":"g"},"typeName":"String"},"id":"gate-g","type":"Test.Gate"},{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"b","thing":{"expression":{"type":"Literal","value":"b"},"typeName":"String"},"type":"Test.Ensure"}],"id":"all","type":"Elsa.Sequence"},"variables":[{"id":"Handle","name":"Handle","typeName":"String"}],"version":1}',639310924232799757);
INSERT INTO "definitions" VALUES('233959f2f57b8d1b0c87ca5fbb69651135c82504ea70945edf29b069b3b14725','suspends',1,'{"customProperties":{"onFault":"Suspend"},"definitionId":"suspends","inputs":[{"isRequired":false,"name":"Net","type":"String"}],"name":"suspends","outputs":[{"name":"Handle","type":"String"}],"root":{"activities":[{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"c","thing":{"expression":{"type":"Literal","value":"c"},"typeName":"String"},"type":"Test.Ensure"},{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"d","thing":{"expression":{"type":"Literal","value":"d"},"typeName":"String"},"type":"Test.Ensure"},{"customProperties":{"compensate":true},"handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"id":"e","thing":{"expression":{"type":"Literal","value":"e"},"typeName":"String"},"type":"Test.Ensure"}],"id":"all","type":"Elsa.Sequence"},"variables":[{"id":"Handle","name":"Handle","typeName":"String"}],"version":1}',639310924232799757);
CREATE TABLE epochs (
    epoch INTEGER PRIMARY KEY, boot_id TEXT NOT NULL, pid INTEGER NOT NULL, started_at INTEGER NOT NULL);
INSERT INTO "epochs" VALUES(1,'boot-1',18757,639310924232799757);
CREATE TABLE executions (
    instance INTEGER NOT NULL, seq INTEGER NOT NULL, activity_id TEXT NOT NULL, activity_type TEXT NOT NULL, status TEXT NOT NULL,
    attempt INTEGER NOT NULL, failures INTEGER NOT NULL, input TEXT NOT NULL, output TEXT, error TEXT, due_at INTEGER,
    boot_id TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER, PRIMARY KEY (instance, seq)) WITHOUT ROWID;
INSERT INTO "executions" VALUES(1,1,'a','Test.Ensure','Completed',1,0,'{"thing":"a"}','{"handle":"h-a","size":1}',NULL,NULL,'boot-1',639310924233614634,639310924234237474);
INSERT INTO "executions" VALUES(1,2,'respond','FlannelFlow.Respond','Completed',1,0,'{"handle":"h-a"}','{}',NULL,NULL,'boot-1',639310924234237474,639310924234237474);
INSERT INTO "executions" VALUES(1,3,'gate-g','Test.Gate','Running',1,0,'{"gate":"g"}',NULL,NULL,NULL,'boot-1',639310924234237474,NULL);
INSERT INTO "executions" VALUES(2,1,'c','Test.Ensure','Completed',1,0,'{"thing":"c"}','{"handle":"h-c","size":1}',NULL,NULL,'boot-1',639310924234445443,639310924234452738);
INSERT INTO "executions" VALUES(2,2,'d','Test.Ensure','Faulted',1,1,'{"thing":"d"}',NULL,'disk on fire',NULL,'boot-1',639310924234452738,639310924234468538);
INSERT INTO "executions" VALUES(3,1,'c','Test.Ensure','Completed',1,0,'{"thing":"c"}','{"handle":"h-c","size":1}',NULL,NULL,'boot-1',639310924234487865,639310924234490765);
INSERT INTO "executions" VALUES(3,2,'d','Test.Ensure','Completed',1,0,'{"thing":"d"}','{"handle":"h-d","size":1}',NULL,NULL,'boot-1',639310924234490765,639310924234494497);
INSERT INTO "executions" VALUES(3,3,'e','Test.Ensure','Completed',1,0,'{"thing":"e"}','{"handle":"h-e","size":1}',NULL,NULL,'boot-1',639310924234494497,639310924234507536);
CREATE TABLE incidents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, instance INTEGER NOT NULL, execution_seq INTEGER, activity_id TEXT, message TEXT NOT NULL,
    opened_at INTEGER NOT NULL, closed_at INTEGER);
INSERT INTO "incidents" VALUES(1,2,2,'d','d: disk on fire',639310924234468538,NULL);
CREATE TABLE instances (
    row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, definition_id TEXT NOT NULL, definition_hash TEXT NOT NULL,
    key TEXT NOT NULL, status TEXT NOT NULL, rev INTEGER NOT NULL, claims TEXT NOT NULL, input TEXT NOT NULL,
    variables TEXT NOT NULL, answer TEXT, output TEXT, error TEXT, accepted_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    finished_at INTEGER);
INSERT INTO "instances" VALUES(1,'01a20be0fab376c8a0ead8a8cd817b54','recorded','41f21684b7f1beec2b0b071d71f80c7d6be28c3905212b31143a72e7455b64eb','in-doubt','Running',2,'[]','{}','{"Handle":"h-a"}','{"handle":"h-a"}',NULL,NULL,639310924233474596,639310924234237474,NULL);
INSERT INTO "instances" VALUES(2,'01a20be0fb14750a96f0002766fba36a','suspends','233959f2f57b8d1b0c87ca5fbb69651135c82504ea70945edf29b069b3b14725','suspended','Suspended',3,'[]','{}','{"Handle":"h-c"}',NULL,NULL,'disk on fire',639310924234443553,639310924234468538,NULL);
INSERT INTO "instances" VALUES(3,'01a20be0fb1877fb92787bea714f7132','suspends','233959f2f57b8d1b0c87ca5fbb69651135c82504ea70945edf29b069b3b14725','finished','Finished',4,'[]','{}','{"Handle":"h-e"}',NULL,'{"Handle":"h-e"}',NULL,639310924234487173,639310924234507536,639310924234507536);
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, instance TEXT NOT NULL, definition_id TEXT NOT NULL,
    kind TEXT NOT NULL, activity_id TEXT, activity_type TEXT, attempt INTEGER NOT NULL, detail TEXT);
INSERT INTO "journal" VALUES(1,639310924233614634,'01a20be0fab376c8a0ead8a8cd817b54','recorded','Accepted',NULL,NULL,0,NULL);
INSERT INTO "journal" VALUES(2,639310924233614634,'01a20be0fab376c8a0ead8a8cd817b54','recorded','StepStarted','a','Test.Ensure',1,NULL);
INSERT INTO "journal" VALUES(3,639310924234237474,'01a20be0fab376c8a0ead8a8cd817b54','recorded','StepCompleted','a','Test.Ensure',1,NULL);
INSERT INTO "journal" VALUES(4,639310924234237474,'01a20be0fab376c8a0ead8a8cd817b54','recorded','Responded','respond','FlannelFlow.Respond',1,NULL);
INSERT INTO "journal" VALUES(5,639310924234237474,'01a20be0fab376c8a0ead8a8cd817b54','recorded','StepStarted','gate-g','Test.Gate',1,NULL);
INSERT INTO "journal" VALUES(6,639310924234445443,'01a20be0fb14750a96f0002766fba36a','suspends','Accepted',NULL,NULL,0,NULL);
INSERT INTO "journal" VALUES(7,639310924234445443,'01a20be0fb14750a96f0002766fba36a','suspends','StepStarted','c','Test.Ensure',1,NULL);
INSERT INTO "journal" VALUES(8,639310924234452738,'01a20be0fb14750a96f0002766fba36a','suspends','StepCompleted','c','Test.Ensure',1,NULL);
INSERT INTO "journal" VALUES(9,639310924234452738,'01a20be0fb14750a96f0002766fba36a','suspends','StepStarted','d','Test.Ensure',1,NULL);
INSERT INTO "journal" VALUES(10,639310924234468538,'01a20be0fb14750a96f0002766fba36a','suspends','StepFaulted','d','Test.Ensure',1,'disk on fire');
INSERT INTO "journal" VALUES(11,639310924234468538,'01a20be0fb14750a96f0002766fba36a','suspends','Suspended',NULL,NULL,0,'d: disk on fire');
INSERT INTO "journal" VALUES(12,639310924234487865,'01a20be0fb1877fb92787bea714f7132','suspends','Accepted',NULL,NULL,0,NULL);
INSERT INTO "journal" VALUES(13,639310924234487865,'01a20be0fb1877fb92787bea714f7132','suspends','StepStarted','c','Test.Ensure',1,NULL);
INSERT INTO "journal" VALUES(14,639310924234490765,'01a20be0fb1877fb92787bea714f7132','suspends','StepCompleted','c','Test.Ensure',1,NULL);
INSERT INTO "journal" VALUES(15,639310924234490765,'01a20be0fb1877fb92787bea714f7132','suspends','StepStarted','d','Test.Ensure',1,NULL);
INSERT INTO "journal" VALUES(16,639310924234494497,'01a20be0fb1877fb92787bea714f7132','suspends','StepCompleted','d','Test.Ensure',1,NULL);
INSERT INTO "journal" VALUES(17,639310924234494497,'01a20be0fb1877fb92787bea714f7132','suspends','StepStarted','e','Test.Ensure',1,NULL);
INSERT INTO "journal" VALUES(18,639310924234507536,'01a20be0fb1877fb92787bea714f7132','suspends','StepCompleted','e','Test.Ensure',1,NULL);
INSERT INTO "journal" VALUES(19,639310924234507536,'01a20be0fb1877fb92787bea714f7132','suspends','Finished',NULL,NULL,0,NULL);
CREATE INDEX instances_key ON instances (definition_id, key, row);
CREATE INDEX instances_open ON instances (row) WHERE finished_at IS NULL;
CREATE INDEX instances_finished ON instances (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX incidents_instance ON incidents (instance);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('instances',3);
INSERT INTO "sqlite_sequence" VALUES('journal',19);
INSERT INTO "sqlite_sequence" VALUES('incidents',1);
COMMIT;
