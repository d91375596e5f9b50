-- The schema of ledger revision 1, as its program made it: what migrations begin with.

CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value TEXT, 
	PRIMARY KEY ("key")
);

CREATE TABLE incarnations (
	id VARCHAR NOT NULL, 
	started_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	pid INTEGER NOT NULL, 
	host VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	role VARCHAR DEFAULT 'daemon' NOT NULL, 
	PRIMARY KEY (id)
);

CREATE TABLE revisions (
	digest VARCHAR NOT NULL, 
	policy VARCHAR NOT NULL, 
	installed_at BIGINT NOT NULL, 
	PRIMARY KEY (digest)
);

CREATE TABLE schedules (
	uid VARCHAR NOT NULL, 
	session VARCHAR NOT NULL, 
	"trigger" TEXT NOT NULL, 
	anchor BIGINT NOT NULL, 
	decided_until BIGINT NOT NULL, 
	state VARCHAR NOT NULL, 
	runs INTEGER DEFAULT '0' NOT NULL, 
	failures_in_row INTEGER DEFAULT '0' NOT NULL, 
	paused_reason TEXT, 
	paused_at BIGINT, 
	revision VARCHAR NOT NULL, 
	PRIMARY KEY (uid)
);

CREATE TABLE fences (
	chain BIGINT NOT NULL, 
	sender VARCHAR NOT NULL, 
	nonce VARCHAR(78) NOT NULL, 
	run VARCHAR NOT NULL, 
	part INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	PRIMARY KEY (chain, sender, nonce), 
	UNIQUE (run, part, attempt)
);

CREATE TABLE grants (
	id INTEGER NOT NULL, 
	session VARCHAR NOT NULL, 
	generation INTEGER NOT NULL, 
	state VARCHAR NOT NULL, 
	chain BIGINT NOT NULL, 
	account VARCHAR NOT NULL, 
	wallet VARCHAR NOT NULL, 
	key_address VARCHAR NOT NULL, 
	key_sealed BLOB, 
	permissions TEXT NOT NULL, 
	scope VARCHAR NOT NULL, 
	requested_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	next_renewal_at BIGINT, 
	session_id VARCHAR, 
	entity_id INTEGER, 
	nonce VARCHAR(78), 
	context_sealed BLOB, 
	activated_at BIGINT, 
	draining_at BIGINT, 
	closed_at BIGINT, 
	detail TEXT, 
	version INTEGER DEFAULT '1' NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (session, generation)
);

CREATE UNIQUE INDEX grants_one_active ON grants (session) WHERE state = 'active';

CREATE TABLE budgets (
	budget VARCHAR NOT NULL, 
	period VARCHAR NOT NULL, 
	token VARCHAR NOT NULL, 
	reserved VARCHAR(78) NOT NULL, 
	spent VARCHAR(78) NOT NULL, 
	PRIMARY KEY (budget, period, token)
);

CREATE TABLE pins (
	wallet VARCHAR NOT NULL, 
	chain BIGINT NOT NULL, 
	paymaster VARCHAR NOT NULL, 
	pinned_at BIGINT NOT NULL, 
	PRIMARY KEY (wallet, chain)
);

CREATE TABLE events (
	incarnation VARCHAR NOT NULL, 
	seq INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	kind VARCHAR NOT NULL, 
	subject VARCHAR NOT NULL, 
	data TEXT NOT NULL, 
	mac BLOB NOT NULL, 
	PRIMARY KEY (incarnation, seq), 
	FOREIGN KEY(incarnation) REFERENCES incarnations (id)
);

CREATE INDEX events_subject ON events (subject);

CREATE TABLE occurrences (
	id INTEGER NOT NULL, 
	schedule VARCHAR NOT NULL, 
	slot VARCHAR NOT NULL, 
	due_at BIGINT NOT NULL, 
	decision VARCHAR NOT NULL, 
	reason VARCHAR, 
	by_slot VARCHAR, 
	decided_at BIGINT NOT NULL, 
	count INTEGER DEFAULT '1' NOT NULL, 
	last_slot VARCHAR, 
	last_due_at BIGINT, 
	PRIMARY KEY (id), 
	UNIQUE (schedule, slot), 
	FOREIGN KEY(schedule) REFERENCES schedules (uid)
);

CREATE INDEX occurrences_due ON occurrences (due_at);

CREATE TABLE runs (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	occurrence INTEGER, 
	schedule VARCHAR NOT NULL, 
	session VARCHAR NOT NULL, 
	part INTEGER DEFAULT '0' NOT NULL, 
	attempt INTEGER NOT NULL, 
	state VARCHAR NOT NULL, 
	reason VARCHAR, 
	detail TEXT, 
	running BOOLEAN NOT NULL, 
	"exclusive" BOOLEAN DEFAULT 1 NOT NULL, 
	due_at BIGINT NOT NULL, 
	claimed_at BIGINT NOT NULL, 
	deadline_at BIGINT, 
	expires_at BIGINT, 
	intent TEXT, 
	revision VARCHAR, 
	grant_id INTEGER, 
	version INTEGER DEFAULT '1' NOT NULL, 
	incarnation VARCHAR NOT NULL, 
	closed_at BIGINT, 
	PRIMARY KEY (id), 
	UNIQUE (occurrence, part, attempt), 
	FOREIGN KEY(occurrence) REFERENCES occurrences (id)
);

CREATE INDEX runs_schedule ON runs (schedule, due_at);

CREATE INDEX runs_open ON runs (closed_at, state);

CREATE UNIQUE INDEX runs_one_running ON runs (schedule) WHERE running = 1 AND exclusive = 1;

CREATE TABLE transfers (
	run VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	token VARCHAR NOT NULL, 
	symbol VARCHAR NOT NULL, 
	decimals INTEGER NOT NULL, 
	receiver VARCHAR NOT NULL, 
	receiver_name VARCHAR NOT NULL, 
	amount VARCHAR(78) NOT NULL, 
	kind VARCHAR NOT NULL, 
	memo TEXT, 
	ref TEXT, 
	PRIMARY KEY (run, position), 
	FOREIGN KEY(run) REFERENCES runs (id)
);

CREATE TABLE operations (
	hash VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	call_id VARCHAR NOT NULL, 
	chain BIGINT NOT NULL, 
	sender VARCHAR NOT NULL, 
	nonce VARCHAR(78) NOT NULL, 
	max_fee_per_gas VARCHAR(78) NOT NULL, 
	max_priority_fee_per_gas VARCHAR(78) NOT NULL, 
	max_cost VARCHAR(78) NOT NULL, 
	sponsored BOOLEAN NOT NULL, 
	request_sealed BLOB NOT NULL, 
	status VARCHAR NOT NULL, 
	signed_at BIGINT NOT NULL, 
	from_block BIGINT NOT NULL, 
	block_number BIGINT, 
	block_hash VARCHAR, 
	block_at BIGINT, 
	transaction_hash VARCHAR, 
	gas_cost VARCHAR(78), 
	detail TEXT, 
	PRIMARY KEY (hash), 
	FOREIGN KEY(run) REFERENCES runs (id)
);

CREATE INDEX operations_run ON operations (run);

CREATE INDEX operations_status ON operations (status);

CREATE INDEX operations_fees ON operations (chain, sender, signed_at);

CREATE TABLE reservations (
	run VARCHAR NOT NULL, 
	budget VARCHAR NOT NULL, 
	period VARCHAR NOT NULL, 
	token VARCHAR NOT NULL, 
	amount VARCHAR(78) NOT NULL, 
	state VARCHAR NOT NULL, 
	PRIMARY KEY (run, budget, period, token), 
	FOREIGN KEY(run) REFERENCES runs (id)
);

INSERT INTO meta (key, value) VALUES ('revision', '1');
