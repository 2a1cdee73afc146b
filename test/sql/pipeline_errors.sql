--
-- What becomes of records that cannot be loaded: stages, isolation, retry, and counters that add up.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
CREATE FUNCTION counters_add_up(name text) RETURNS boolean
LANGUAGE sql AS $$
	SELECT bool_and(read = malformed + convert_failed + converted
		AND emitted = invalid + superseded + load_failed + loaded + skipped
		AND loaded = inserted + updated)
	FROM etl_runs WHERE pipeline = name
$$;
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent VALUES (1), (2);
CREATE TABLE child (
	id bigint PRIMARY KEY,
	email text NOT NULL,
	amount numeric(12,2) CHECK (amount >= 0),
	ref int REFERENCES parent,
	at timestamptz
);
SELECT csv_file('child.csv', $$id,email,amount,ref,at
1,a@x,10,1,2026-01-01
2,b@x,-5,1,2026-01-01
three,c@x,1,1,2026-01-01
4,d@x,1,9,2026-01-01
5,,1,1,2026-01-01
6,f@x,1,2,2026-01-01,extra
7,g@x,1,2,9999-01-01
1,A2@x,11,1,2026-01-02
,n@x,1,1,2026-01-01
8,h@x,3,2,2026-01-01
$$);
SELECT etl_create_pipeline('child',
	source => $$etl_csv('etl_tmp/child.csv') AS t(id bigint, email text, amount numeric, ref int, at timestamptz)$$,
	query => $$SELECT id, lower(email) AS email, amount, ref, at FROM batch$$,
	target => 'child', key => '{id}', watermark => 'at',
	rules => '{"email has no h": "email NOT LIKE ''h%''"}');
SET timezone = 'UTC';
CALL etl_run('child');
SELECT stage, line, column_name, value, raw, rule, sqlstate, message, detail, replayable
FROM etl_dead_letters WHERE pipeline = 'child' ORDER BY line;
SELECT * FROM child ORDER BY id;
SELECT etl_watermark('child');

-- What was fixed since loads; the rest has one attempt more, and no second letter.
INSERT INTO parent VALUES (9);
SELECT etl_alter_pipeline('child', rules => '{}');
CALL etl_retry_dead_letters('child');
SELECT line, stage, attempts, sqlstate, resolved FROM etl_dead_letters WHERE pipeline = 'child' ORDER BY line;
SELECT id, email FROM child ORDER BY id;
SELECT counters_add_up('child');

-- Many rows, many faults, spread and in a row; a foreign key, whose errors come at the end of the statement.
CREATE TABLE many (id int PRIMARY KEY, ref int REFERENCES parent, n int CHECK (n <> 7));
SELECT csv_file('many.csv', E'id,ref,n\n' || string_agg(format(E'%s,%s,%s\n', g,
	CASE WHEN g % 500 = 0 THEN 3 ELSE 1 END,
	CASE WHEN g % 300 = 0 OR g BETWEEN 1000 AND 1070 THEN 7 ELSE 0 END), '' ORDER BY g))
FROM generate_series(1, 4000) AS g;
SELECT etl_create_pipeline('many', source => $$etl_csv('etl_tmp/many.csv') AS t(id int, ref int, n int)$$,
	target => 'many', key => '{id}', batch_size => 1500);
CALL etl_run('many');
SELECT count(*), sum(id) FROM many;
SELECT count(*) = 4000 - (SELECT count(*) FROM many) AS rest_is_set_aside, count(DISTINCT raw) = count(*) AS once
FROM etl_dead_letters WHERE pipeline = 'many';
SELECT sqlstate, count(*), sum(split_part(raw, ',', 1)::int) FROM etl_dead_letters WHERE pipeline = 'many' GROUP BY 1 ORDER BY 1;
SELECT counters_add_up('many');

-- A row that refers to one that comes later in the batch, or later in the run, is loaded in the end.
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree);
SELECT csv_file('tree.csv', E'id,parent\n' || string_agg(format(E'%s,%s\n', g, CASE WHEN g < 100 THEN (g + 1)::text ELSE '' END), '' ORDER BY g))
FROM generate_series(1, 100) AS g;
SELECT etl_create_pipeline('tree', source => $$etl_csv('etl_tmp/tree.csv') AS t(id int, parent int)$$,
	target => 'tree', key => '{id}', batch_size => 10);
CALL etl_run('tree');
SELECT counters_add_up('tree');

-- Many of them, so many that they are loaded in several transactions, among others whose parents never come, or in a
-- chain that goes either way.
CREATE TABLE wood (id int PRIMARY KEY, parent int REFERENCES wood, n int CHECK (n = 0));
SELECT csv_file('wood.csv', E'id,parent,n\n' || string_agg(format(E'%s,%s,%s\n', id, parent, n), '' ORDER BY id))
FROM (SELECT g AS id, 1000 + g AS parent, 0 AS n FROM generate_series(1, 140) AS g
	UNION ALL SELECT 500 + g, CASE WHEN g < 40 THEN 501 + g END, CASE WHEN g = 30 THEN 1 ELSE 0 END FROM generate_series(1, 40) AS g
	UNION ALL SELECT 1000 + g, NULL, 0 FROM generate_series(1, 140, 2) AS g) AS v;
SELECT etl_create_pipeline('wood', source => $$etl_csv('etl_tmp/wood.csv') AS t(id int, parent int, n int)$$,
	target => 'wood', key => '{id}', batch_size => 100);
CALL etl_run('wood');
SELECT count(*) FILTER (WHERE id <= 140), count(*) FILTER (WHERE id BETWEEN 501 AND 540), count(*) FILTER (WHERE id > 1000) FROM wood;
SELECT count(*) FILTER (WHERE resolved) AS resolved, count(*) FILTER (WHERE NOT resolved) AS open,
	count(*) FILTER (WHERE resolved <> EXISTS (SELECT FROM wood WHERE id = split_part(raw, ',', 1)::int)) AS wrong
FROM etl_dead_letters WHERE pipeline = 'wood';
SELECT counters_add_up('wood');

-- An error that comes at commit: a trigger that is deferred writes to a table whose constraint it defers once more.
CREATE TABLE committed (id int PRIMARY KEY);
CREATE TABLE shadow (id int REFERENCES parent DEFERRABLE);
CREATE FUNCTION write_shadow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	SET CONSTRAINTS shadow_id_fkey DEFERRED;
	INSERT INTO shadow VALUES (CASE WHEN NEW.id IN (7, 8, 55, 100) THEN 77 ELSE 1 END);
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER shadow AFTER INSERT ON committed DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION write_shadow();
SELECT csv_file('committed.csv', E'id\n' || string_agg(g || E'\n', '' ORDER BY g)) FROM generate_series(1, 100) AS g;
SELECT etl_create_pipeline('committed', source => $$etl_csv('etl_tmp/committed.csv') AS t(id int)$$,
	target => 'committed', mode => 'append');
CALL etl_run('committed');
SELECT count(*), sum(id) FROM committed;
SELECT count(*) FROM shadow;
SELECT stage, line, raw, sqlstate, replayable FROM etl_dead_letters WHERE pipeline = 'committed' ORDER BY line;
SELECT counters_add_up('committed');

-- A record of which the query makes several rows is loaded with all of them or not at all, so that nothing is appended
-- twice when its dead letter is loaded; also where its rows are too many for one statement.
CREATE TABLE items (id int, item int);
SELECT csv_file('items.csv', E'id,n\n1,3\n2,5\n3,2\n4,3000\n5,1\n6,4000\n7,1\n');
SELECT etl_create_pipeline('items', source => $$etl_csv('etl_tmp/items.csv') AS t(id int, n int)$$,
	query => 'SELECT id, item FROM batch, LATERAL (SELECT generate_series(1, n) AS item) AS items', target => 'items',
	rules => '{"no 4": "item <> 4 OR id > 2", "no 2999": "item <> 2999 OR id <> 4"}', batch_size => 6);
CALL etl_run('items');
SELECT id, count(*), count(DISTINCT item) FROM items GROUP BY id ORDER BY id;
SELECT line, stage, rule, sqlstate FROM etl_dead_letters WHERE pipeline = 'items' ORDER BY line;
SELECT etl_alter_pipeline('items', rules => '{}');
CALL etl_retry_dead_letters('items');
SELECT id, count(*), count(DISTINCT item) FROM items GROUP BY id ORDER BY id;
SELECT counters_add_up('items');

-- A deadlock is nobody's fault, and passes.
CREATE SEQUENCE deadlocks;
CREATE FUNCTION deadlock_twice(id int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF id = 50 AND nextval('deadlocks') <= 2 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = 'deadlock_detected'; END IF;
	RETURN true;
END $$;
TRUNCATE committed;
DROP TRIGGER shadow ON committed;
SELECT etl_create_pipeline('unlucky', source => $$etl_csv('etl_tmp/committed.csv') AS t(id int)$$,
	query => 'SELECT id FROM batch WHERE deadlock_twice(id)', target => 'committed', mode => 'append');
CALL etl_run('unlucky');
SELECT count(*), last_value FROM committed, deadlocks GROUP BY 2;

-- One key twice in a batch: the last wins, or the one with the highest watermark.
CREATE TABLE twice (id char(3) PRIMARY KEY, n int, at date);
SELECT csv_file('twice.csv', E'id,n,at\na,1,2026-01-03\nb,2,2026-01-01\na  ,3,2026-01-01\nb,4,2026-01-01\n');
SELECT etl_create_pipeline('twice', source => $$etl_csv('etl_tmp/twice.csv') AS t(id text, n int, at date)$$,
	target => 'twice', key => '{id}');
CALL etl_run('twice');
SELECT * FROM twice ORDER BY id;
SELECT etl_reset('twice'), etl_alter_pipeline('twice', watermark => 'at');
CALL etl_run('twice');
SELECT * FROM twice ORDER BY id;
SELECT counters_add_up('twice');

-- A trigger makes keys equal that are not in the query: no statement takes both, so they go one by one, and the last wins.
CREATE TABLE folded (id int PRIMARY KEY, n int);
CREATE FUNCTION fold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.id := NEW.id % 10; RETURN NEW; END $$;
CREATE TRIGGER fold BEFORE INSERT ON folded FOR EACH ROW EXECUTE FUNCTION fold();
SELECT csv_file('folded.csv', E'id,n\n1,1\n2,2\n11,3\n3,4\n21,5\n12,6\n12,7\n');
SELECT etl_create_pipeline('folded', source => $$etl_csv('etl_tmp/folded.csv') AS t(id int, n int)$$,
	target => 'folded', key => '{id}');
CALL etl_run('folded');
SELECT * FROM folded ORDER BY id;
SELECT counters_add_up('folded');

-- Keys that are new for two batches, so that the third does without ON CONFLICT; then some are not, and one comes twice.
CREATE TABLE fresh (id int PRIMARY KEY, n int);
SELECT csv_file('fresh.csv', E'id,n\n' || string_agg(format(E'%s,%s\n', CASE g WHEN 35 THEN 1 WHEN 38 THEN 37 WHEN 45 THEN 2 ELSE g END, g), '' ORDER BY g))
FROM generate_series(1, 60) AS g;
SELECT etl_create_pipeline('fresh', source => $$etl_csv('etl_tmp/fresh.csv') AS t(id int, n int)$$,
	target => 'fresh', key => '{id}', batch_size => 10);
CALL etl_run('fresh');
SELECT * FROM fresh WHERE id <> n ORDER BY id;
SELECT counters_add_up('fresh');

-- on_error 'fail', and reject_limit: the run fails, and what it had committed stays.
TRUNCATE many;
SELECT etl_reset('many'), etl_alter_pipeline('many', on_error => 'fail', batch_size => 100);
CALL etl_run('many');
SELECT count(*) FROM many;
SELECT etl_alter_pipeline('many', on_error => 'dead_letter', reject_limit => 80);
CALL etl_run('many');
SELECT count(*) FROM many;
SELECT etl_alter_pipeline('many', reject_limit => -1);
CALL etl_run('many');
SELECT count(*), sum(id) FROM many;
SELECT state, sqlstate, message FROM etl_runs WHERE pipeline = 'many' ORDER BY run;

-- A deferred constraint fails as one that is not.
CREATE TABLE late (id int PRIMARY KEY, ref int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
SELECT csv_file('late.csv', E'id,ref\n1,1\n2,5\n3,2\n');
SELECT etl_create_pipeline('late', source => $$etl_csv('etl_tmp/late.csv') AS t(id int, ref int)$$,
	target => 'late', mode => 'append');
CALL etl_run('late');
SELECT * FROM late;

-- A query whose plan collects all rows first: the right records are found all the same.
CREATE TABLE sorted (id int PRIMARY KEY, n int CHECK (n <> 7));
SELECT etl_create_pipeline('sorted', source => $$etl_csv('etl_tmp/many.csv') AS t(id int, n int)$$,
	query => 'SELECT id, 100 / (id - 77) AS n FROM batch ORDER BY id DESC',
	rules => '{"not 11": "id <> 11"}', target => 'sorted', key => '{id}');
CALL etl_run('sorted');
SELECT stage, raw, sqlstate FROM etl_dead_letters WHERE pipeline = 'sorted' ORDER BY line;
SELECT counters_add_up('sorted');

-- Values of redacted columns are nowhere.
CREATE TABLE secret (ssn text PRIMARY KEY CHECK (ssn NOT LIKE '666%'), n int);
SELECT csv_file('secret.csv', E'ssn,n\n666-12-3456,1\n123-45-6789,x\n123-45-6780,5\n"666,9",6\n');
SELECT etl_create_pipeline('secret', source => $$etl_csv('etl_tmp/secret.csv') AS t(ssn text, n int)$$,
	target => 'secret', key => '{ssn}', redact => '{ssn}');
CALL etl_run('secret');
SELECT line, column_name, value, raw, message, detail, replayable FROM etl_dead_letters WHERE pipeline = 'secret' ORDER BY line;

-- What is old goes, but no record that is nowhere else.
SELECT etl_purge('child', '-1 day');
SELECT etl_purge('child', '1 day');
CREATE VIEW kept AS SELECT (SELECT count(*) FROM etl_runs WHERE pipeline = 'child') AS runs,
	count(*) FILTER (WHERE resolved) AS resolved, count(*) FILTER (WHERE NOT resolved) AS open
FROM etl_dead_letters WHERE pipeline = 'child';
TABLE kept;
SELECT etl_purge('child', '0');
TABLE kept;
UPDATE etl_catalog.dead_letters SET last_at = last_at - interval '1 year' WHERE line = 3;
SELECT etl_purge('child', '1 day', open => true);
TABLE kept;
-- by age, each run does so
UPDATE etl_catalog.dead_letters SET last_at = last_at - interval '1 year', resolved_at = CASE WHEN line = 6 THEN now() - interval '31 days' END;
CALL etl_run('child');
TABLE kept;
DROP VIEW kept;

SELECT etl_drop_pipeline(pipeline) FROM etl_status;
SELECT count(*) FROM etl_catalog.dead_letters;
DROP TABLE folded, items, committed, shadow, wood, child, many, tree, twice, late, fresh, sorted, secret, parent;
DROP SEQUENCE deadlocks;
DROP FUNCTION counters_add_up(text), write_shadow(), deadlock_twice(int), fold();
