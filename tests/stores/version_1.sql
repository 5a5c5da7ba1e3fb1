BEGIN TRANSACTION;
CREATE TABLE attempts (
	job INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	inputs TEXT NOT NULL, 
	columns TEXT NOT NULL, 
	endpoint TEXT NOT NULL, 
	price BIGINT NOT NULL, 
	sent_at BIGINT NOT NULL, 
	deadline BIGINT NOT NULL, 
	task_id TEXT NOT NULL, 
	progress INTEGER, 
	result TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	ended_at BIGINT, 
	reported BIGINT, 
	asked_at BIGINT, 
	body TEXT NOT NULL, 
	api_key TEXT NOT NULL, 
	run TEXT NOT NULL, 
	day TEXT NOT NULL, 
	charged BIGINT NOT NULL, 
	PRIMARY KEY (job, number), 
	FOREIGN KEY(job) REFERENCES jobs (id)
);
INSERT INTO "attempts" VALUES(1,1,'succeeded','{"prompt":"a fox"}','["prompt"]','imagine',4,1772366400000000,1772366460000000,'t-1',NULL,'{"urls": ["https://x/1.png"], "grid_url": "", "text": ""}','',1772366400000000,NULL,NULL,'{"prompt": "a fox"}','key','run','2026-03-01',4);
INSERT INTO "attempts" VALUES(2,1,'running','{"prompt":"a fox"}','["prompt"]','imagine',4,1772366400000000,1772366460000000,'t-2',NULL,'','',NULL,NULL,NULL,'{"prompt": "a fox"}','key','run','2026-03-01',4);
CREATE TABLE counters (
	api_key TEXT NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	name TEXT NOT NULL, 
	credits BIGINT NOT NULL, 
	PRIMARY KEY (api_key, kind, name)
);
INSERT INTO "counters" VALUES('key','run','run',8);
INSERT INTO "counters" VALUES('key','day','2026-03-01',8);
CREATE TABLE events (
	id INTEGER NOT NULL, 
	job INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(job) REFERENCES jobs (id)
);
INSERT INTO "events" VALUES(1,1,1,1772366400000000,'sent','{"endpoint": "imagine", "price": 4, "task_id": ""}');
INSERT INTO "events" VALUES(2,2,1,1772366400000000,'sent','{"endpoint": "imagine", "price": 4, "task_id": ""}');
INSERT INTO "events" VALUES(3,1,1,1772366400000000,'accepted','{"task_id":"t-1"}');
INSERT INTO "events" VALUES(4,2,1,1772366400000000,'accepted','{"task_id":"t-2"}');
INSERT INTO "events" VALUES(5,1,1,1772366400000000,'succeeded','{"result":{"urls":["https://x/1.png"],"grid_url":"","text":""},"task_id":"t-1","reported":null}');
CREATE TABLE files (
	job INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	url TEXT NOT NULL, 
	path TEXT NOT NULL, 
	PRIMARY KEY (job, digest), 
	FOREIGN KEY(job) REFERENCES jobs (id)
);
INSERT INTO "files" VALUES(1,'ad43d3ebb2d41f2e30f531c5e3a3c47f87ca7d43b73321bddcdd50301dea1670',1,'https://x/1.png','a.png');
CREATE TABLE jobs (
	id INTEGER NOT NULL, 
	sheet INTEGER NOT NULL, 
	row_id TEXT NOT NULL, 
	take BIGINT NOT NULL, 
	asked INTEGER NOT NULL, 
	made_at BIGINT, 
	moved BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (sheet, row_id, take), 
	FOREIGN KEY(sheet) REFERENCES sheets (id)
);
INSERT INTO "jobs" VALUES(1,1,'r_000000000',1,1,1772366400000000,5);
INSERT INTO "jobs" VALUES(2,1,'r_000000001',1,1,1772366400000000,3);
INSERT INTO "jobs" VALUES(3,1,'r_000000002',1,1,1772366400000000,1);
CREATE TABLE known_rows (
	sheet INTEGER NOT NULL, 
	row_id TEXT NOT NULL, 
	inputs TEXT NOT NULL, 
	first_take BIGINT NOT NULL, 
	standing VARCHAR(20) NOT NULL, 
	since BIGINT, 
	approved TEXT NOT NULL, 
	approved_for TEXT NOT NULL, 
	others TEXT NOT NULL, 
	PRIMARY KEY (sheet, row_id), 
	FOREIGN KEY(sheet) REFERENCES sheets (id)
)
 WITHOUT ROWID

;
INSERT INTO "known_rows" VALUES(1,'r_000000000','{"prompt":"a fox"}',1,'row',1772366400000000,'','','');
INSERT INTO "known_rows" VALUES(1,'r_000000001','{"prompt":"a fox"}',1,'row',1772366400000000,'','','');
INSERT INTO "known_rows" VALUES(1,'r_000000002','{"prompt":"a fox"}',1,'row',1772366400000000,'','','');
CREATE TABLE leases (
	sheet TEXT NOT NULL, 
	word TEXT NOT NULL, 
	holder TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	PRIMARY KEY (sheet)
);
CREATE TABLE orders (
	sheet INTEGER NOT NULL, 
	ids TEXT NOT NULL, 
	PRIMARY KEY (sheet), 
	FOREIGN KEY(sheet) REFERENCES sheets (id)
);
INSERT INTO "orders" VALUES(1,'["", "r_000000000", "r_000000001", "r_000000002"]');
CREATE TABLE paces (
	api_key TEXT NOT NULL, 
	counts TEXT NOT NULL, 
	not_before BIGINT, 
	PRIMARY KEY (api_key)
);
INSERT INTO "paces" VALUES('key','{"1772366400": 2}',NULL);
CREATE TABLE past (
	id INTEGER NOT NULL, 
	sheet INTEGER NOT NULL, 
	row_id TEXT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	inputs TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (sheet, row_id, digest), 
	FOREIGN KEY(sheet) REFERENCES sheets (id)
);
CREATE TABLE promptsheet (
	name VARCHAR(40) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "promptsheet" VALUES('version','1');
INSERT INTO "promptsheet" VALUES('id','a27c23c4d097ef4c');
CREATE TABLE sheets (
	id INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	config TEXT NOT NULL, 
	title TEXT NOT NULL, 
	place TEXT NOT NULL, 
	paused BOOLEAN NOT NULL, 
	hold TEXT NOT NULL, 
	ours TEXT NOT NULL, 
	columns TEXT, 
	counter BIGINT NOT NULL, 
	word TEXT NOT NULL, 
	moved BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE ("key")
);
INSERT INTO "sheets" VALUES(1,'sheet','','','',0,'','[]','["prompt"]',0,'',5);
CREATE INDEX known_rows_by_id ON known_rows (row_id);
CREATE INDEX jobs_by_moved ON jobs (sheet, moved);
CREATE INDEX attempts_by_deadline ON attempts (state, deadline);
CREATE INDEX attempts_by_task ON attempts (task_id);
CREATE INDEX events_by_job ON events (job);
COMMIT;
