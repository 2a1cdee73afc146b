--
-- mode => 'replace': the target becomes what the source says.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE customers (region text, id int, name text, PRIMARY KEY (region, id));
CREATE VIEW names AS SELECT name FROM customers;
CREATE VIEW last_run AS SELECT state, read, malformed, convert_failed, emitted, invalid, superseded, loaded, inserted, updated, skipped, deleted, message
	FROM etl_runs ORDER BY run DESC LIMIT 1;

-- what it cannot be
\set VERBOSITY terse
SELECT etl_create_pipeline('c', source => $$etl_csv('etl_tmp/customers.csv') AS t(region text, id int, name text)$$, target => 'customers', mode => 'replace',
	key => 'region, id', watermark => 'id');
SELECT etl_create_pipeline('c', source => $$etl_csv('etl_tmp/customers.csv') AS t(region text, id int, name text)$$, target => 'customers', mode => 'replace',
	key => 'region, id', on_conflict => 'ignore');
SELECT etl_create_pipeline('c', source => $$etl_csv('etl_tmp/customers.csv') AS t(region text, id int, name text)$$, target => 'customers', mode => 'replace',
	key => 'region, id', on_bad_part => 'set_aside');
DO $$
DECLARE l text;
BEGIN
	FOREACH l IN ARRAY '{10,-1%,101%,0x1%,nan%,%,1 %}'::text[] LOOP
		BEGIN
			PERFORM etl_create_pipeline('c', source => $s$etl_csv('etl_tmp/customers.csv') AS t(region text, id int, name text)$s$, target => 'customers',
				mode => 'replace', key => 'region, id', delete_limit => l);
		EXCEPTION WHEN invalid_parameter_value THEN
			RAISE NOTICE '%', SQLERRM;
		END;
	END LOOP;
END $$;
SELECT etl_create_pipeline('c', source => $$etl_api('https://example.com', max_pages => 3) AS t(region text, id int, name text)$$, target => 'customers', mode => 'replace',
	key => 'region, id');
CREATE TABLE patterns (t text);
CREATE UNIQUE INDEX ON patterns (t text_pattern_ops);
SELECT etl_create_pipeline('c', source => $$etl_csv('etl_tmp/customers.csv') AS t(t text)$$, target => 'patterns', mode => 'replace', key => 't');
DROP TABLE patterns;
\set VERBOSITY default

-- the right to delete is wanted when it is defined; and row security says which rows there are
CREATE ROLE regress_etl_replace LOGIN;
GRANT SELECT, INSERT, UPDATE ON customers TO regress_etl_replace;
GRANT pg_read_server_files TO regress_etl_replace;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO regress_etl_replace;
SELECT csv_file('customers.csv', E'region,id,name\neu,1,one\n');
INSERT INTO customers VALUES ('eu', 2, 'gone'), ('us', 3, 'hidden');
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY eu ON customers TO regress_etl_replace USING (region = 'eu');
SET ROLE regress_etl_replace;
SELECT etl_create_pipeline('c', source => $$etl_csv('etl_tmp/customers.csv') AS t(region text, id int, name text)$$, target => 'customers', mode => 'replace',
	key => 'region, id');
RESET ROLE;
GRANT DELETE ON customers TO regress_etl_replace;
SET ROLE regress_etl_replace;
SELECT etl_create_pipeline('c', source => $$etl_csv('etl_tmp/customers.csv') AS t(region text, id int, name text)$$, target => 'customers', mode => 'replace',
	key => 'region, id');
CALL etl_run('c');
SELECT etl_drop_pipeline('c');
RESET ROLE;
SELECT * FROM customers ORDER BY id;
ALTER TABLE customers DISABLE ROW LEVEL SECURITY;
DROP POLICY eu ON customers;
DROP OWNED BY regress_etl_replace;
DROP ROLE regress_etl_replace;
TRUNCATE customers;
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;

-- what is new, other, the same, and gone; a key is more than its texts put together
SELECT csv_file('customers.csv', E'region,id,name\na,11,eleven\na1,1,one\n' || string_agg(format(E'eu,%s,name %s\n', g, g), '' ORDER BY g)) FROM generate_series(1, 100) AS g;
SELECT etl_create_pipeline('c', source => $$etl_csv('etl_tmp/customers.csv') AS t(region text, id int, name text)$$, target => 'customers', mode => 'replace',
	key => 'region, id', batch_size => 30);
SELECT mode, delete_limit, whole FROM etl_pipelines;
CALL etl_run('c');
SELECT * FROM last_run;
CREATE TABLE before AS SELECT xmin::text AS was, * FROM customers;
SELECT csv_file('customers.csv', E'region,id,name\na,11,eleven\n' || string_agg(format(E'eu,%s,name %s\n', g, CASE g WHEN 50 THEN 'other' ELSE g::text END), '' ORDER BY g)) FROM generate_series(3, 101) AS g;
CALL etl_run('c');
SELECT * FROM last_run;
SELECT region, id, name, xmin::text = (SELECT b.was FROM before AS b WHERE (b.region, b.id) = (c.region, c.id)) AS untouched FROM customers AS c
WHERE id IN (1, 2, 11, 50, 51, 101) ORDER BY 1, 2;
SELECT count(*) FROM customers AS c JOIN before AS b USING (region, id) WHERE c.xmin::text <> b.was;
SELECT count(*) FROM names;
-- nothing is written when all is as it was
CALL etl_run('c');
SELECT * FROM last_run;
SELECT deleted FROM etl_catalog.totals;
SELECT value FROM etl_metric_samples WHERE metric = 'etl_rows_total' AND labels->>'stage' = 'deleted';

-- rows that are faulty are not gone
SELECT csv_file('customers.csv', E'region,id,name\na,11,eleven\n' || string_agg(format(E'eu,%s,name %s\n', g, g), '' ORDER BY g)) FROM generate_series(3, 101) AS g;
CALL etl_run('c');
ALTER TABLE customers ADD score int;
SELECT csv_file('customers.csv', E'region,id,name,score\na,11,eleven,x\n' || string_agg(format(E'eu,%s,name %s,1\n', g, g), '' ORDER BY g)) FROM generate_series(3, 101) AS g;
SELECT etl_alter_pipeline('c', source => $$etl_csv('etl_tmp/customers.csv') AS t(region text, id int, name text, score int)$$, rules => '{"not fifty": "id <> 50"}');
CALL etl_run('c');
SELECT * FROM last_run;
SELECT * FROM customers WHERE id IN (11, 50) ORDER BY 1, 2;
SELECT stage, rule, column_name, raw FROM etl_dead_letters WHERE NOT resolved ORDER BY id;
-- but when nobody knows which row it is, nothing is deleted
CREATE FUNCTION try_file(file text) RETURNS text LANGUAGE SQL AS $$
	SELECT csv_file('customers.csv', 'region,id,name,score' || chr(10) || file)
$$;
SELECT try_file(E'eu,y,name,1\n' || string_agg(format(E'eu,%s,name %s,1\n', g, g), '' ORDER BY g)) FROM generate_series(4, 101) AS g;
CALL etl_run('c');
SELECT * FROM last_run;
SELECT try_file(E'eu,3\n' || string_agg(format(E'eu,%s,name %s,1\n', g, g), '' ORDER BY g)) FROM generate_series(4, 101) AS g;
CALL etl_run('c');
SELECT try_file(E'eu,,three,1\n' || string_agg(format(E'eu,%s,name %s,1\n', g, g), '' ORDER BY g)) FROM generate_series(4, 101) AS g;
CALL etl_run('c');
SELECT try_file(E'eu,,three,x\n' || string_agg(format(E'eu,%s,name %s,1\n', g, g), '' ORDER BY g)) FROM generate_series(4, 101) AS g;
CALL etl_run('c');
-- nor when the query makes the key of what is faulty
SELECT try_file(E'eu,3,three,x\n' || string_agg(format(E'eu,%s,name %s,1\n', g, g), '' ORDER BY g)) FROM generate_series(4, 101) AS g;
SELECT etl_alter_pipeline('c', query => 'SELECT lower(region) AS region, id, name, score FROM batch');
CALL etl_run('c');
SELECT count(*) FROM customers;
SELECT etl_alter_pipeline('c', query => 'SELECT * FROM batch', rules => '{}');

-- limits: a source that is empty, and one that has lost much
SELECT try_file('');
SELECT etl_alter_pipeline('c', delete_limit => '100%');
CALL etl_run('c');
SELECT try_file(string_agg(format(E'eu,%s,name %s,1\n', g, g), '' ORDER BY g)) FROM generate_series(3, 91) AS g;
SELECT etl_alter_pipeline('c', delete_limit => '');
SELECT delete_limit FROM etl_pipelines;
CALL etl_run('c');
SELECT count(*) FROM customers;
SELECT etl_alter_pipeline('c', delete_limit => '11%');
CALL etl_run('c');
SELECT count(*) FROM customers;
-- the rows that were there count, not those that come
SELECT etl_alter_pipeline('c', delete_limit => '10%');
SELECT try_file(string_agg(format(E'us,%s,name %s,1\n', g, g), '' ORDER BY g)) FROM generate_series(1, 2000) AS g;
CALL etl_run('c');
SELECT etl_alter_pipeline('c', delete_limit => '100%');
CALL etl_run('c');
SELECT region, count(*) FROM customers GROUP BY region;
-- fewer than ten are not held against it
DELETE FROM customers WHERE id > 10;
SELECT try_file(E'us,1,one,1\n');
SELECT etl_alter_pipeline('c', delete_limit => '0%');
CALL etl_run('c');
SELECT * FROM customers;
-- a last line without an end counts when the file is still
SELECT csv_file('customers.csv', E'region,id,name,score\nus,2,two,1\nus,1,one,1');
CALL etl_run('c');
SELECT * FROM customers ORDER BY id;
CALL etl_retry_dead_letters('c');
SELECT etl_drop_pipeline('c');

-- those that others refer to: nothing of the run is there
CREATE TABLE orders (region text, id int, FOREIGN KEY (region, id) REFERENCES customers);
INSERT INTO orders VALUES ('us', 2);
SELECT etl_create_pipeline('c', source => $$etl_csv('etl_tmp/customers.csv') AS t(region text, id int, name text)$$, target => 'customers', mode => 'replace',
	key => 'region, id');
SELECT csv_file('customers.csv', E'region,id,name\nus,1,first\n');
CALL etl_run('c');
SELECT * FROM customers ORDER BY id;
DROP TABLE orders;
-- triggers see each of them, and may keep it
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN OLD.name = 'kept' THEN NULL ELSE OLD END; END $$;
CREATE TRIGGER keep BEFORE DELETE ON customers FOR EACH ROW EXECUTE FUNCTION keep();
INSERT INTO customers VALUES ('us', 3, 'kept'), ('us', 4, 'four');
CALL etl_run('c');
SELECT * FROM last_run;
SELECT * FROM customers ORDER BY id;
SELECT etl_drop_pipeline('c');
DROP TRIGGER keep ON customers;

-- the query sees all rows, and its keys are of another type than those of the target, or of another collation
CREATE COLLATION regress_replace_any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE sums (n numeric, t text COLLATE regress_replace_any_case, total bigint, PRIMARY KEY (n, t));
INSERT INTO sums VALUES (1.0, 'a', 0), (1, 'b', 0), (2.0, 'A', 0);
SELECT csv_file('sums.csv', E'n,t,v\n1,A,1\n1,A,2\n1,a,3\n3,c,1\n');
SELECT etl_create_pipeline('sums', source => $$etl_csv('etl_tmp/sums.csv') AS t(n int, t text, v int)$$, target => 'sums', mode => 'replace', key => 'n, t',
	query => 'SELECT n, upper(t) AS t, sum(v) AS total FROM batch GROUP BY 1, 2');
CALL etl_run('sums');
SELECT * FROM last_run;
SELECT * FROM sums ORDER BY n, t;
-- keys that are equal only in the target show when they are there: the run begins the transaction anew, with the keys in files
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''64kB''', current_database()); END $$;
INSERT INTO sums SELECT g, 'gone', 0 FROM generate_series(1, 500) AS g;
SELECT csv_file('sums.csv', E'n,t,v\n' || string_agg(format(E'%s,%s,%s\n', g / 2, CASE g % 2 WHEN 0 THEN 'x' ELSE 'X' END, g), '' ORDER BY g)) FROM generate_series(0, 39999) AS g;
SELECT etl_alter_pipeline('sums', query => 'SELECT n, t, v AS total FROM batch', delete_limit => '100%');
CALL etl_run('sums');
SELECT * FROM last_run;
SELECT count(*), sum(total), count(*) FILTER (WHERE t = 'gone') FROM sums;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET work_mem', current_database()); END $$;
-- keys with NULL, which an index may take to be equal
CREATE TABLE nulls (a int, b int, v int, UNIQUE NULLS NOT DISTINCT (a, b));
INSERT INTO nulls VALUES (NULL, NULL, 0), (NULL, 1, 0), (1, NULL, 0), (1, 1, 0), (2, NULL, 0), (NULL, 2, 0), (2, 2, 0);
SELECT csv_file('nulls.csv', E'a,b,v\n,,1\n,1,1\n1,,1\n1,1,1\n');
SELECT etl_create_pipeline('nulls', source => $$etl_csv('etl_tmp/nulls.csv') AS t(a int, b int, v int)$$, target => 'nulls', mode => 'replace', key => 'a, b');
CALL etl_run('nulls');
SELECT * FROM last_run;
SELECT * FROM nulls ORDER BY a, b;
-- partitions; and the rows of a table that inherits are its own
CREATE TABLE parts (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (5);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (5) TO (10);
CREATE TABLE parent (id int PRIMARY KEY, v int);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parts SELECT g, 0 FROM generate_series(1, 9) AS g;
INSERT INTO parent SELECT g, 0 FROM generate_series(1, 9) AS g;
INSERT INTO child VALUES (20, 0);
SELECT csv_file('parts.csv', E'id,v\n1,0\n7,1\n');
SELECT etl_create_pipeline(target, source => $$etl_csv('etl_tmp/parts.csv') AS t(id int, v int)$$, target => target, mode => 'replace', key => 'id')
FROM (VALUES ('parts'), ('parent')) AS v(target);
CALL etl_run('parts');
CALL etl_run('parent');
SELECT loaded, skipped, deleted FROM etl_runs ORDER BY run DESC LIMIT 2;
SELECT tableoid::regclass, * FROM parts ORDER BY id;
SELECT tableoid::regclass, * FROM parent ORDER BY id;
SELECT etl_drop_pipeline(pipeline) FROM etl_status;
DROP TABLE customers, before, sums, nulls, parts, parent, child CASCADE;
DROP COLLATION regress_replace_any_case;

-- snapshots of some rows: no other row is deleted, nor counted
CREATE TABLE regions (region text, id int, v int, PRIMARY KEY (region, id));
INSERT INTO regions SELECT r, g, 0 FROM unnest('{eu,us}'::text[]) AS r, generate_series(1, 100) AS g;
INSERT INTO regions VALUES ('', 1, 0);
\set VERBOSITY terse
SELECT etl_create_pipeline('eu', source => $$etl_csv('etl_tmp/regions.csv') AS t(region text, id int, v int)$$, target => 'regions', key => 'region, id',
	delete_scope => 'true');
DO $$
DECLARE scope text;
BEGIN
	FOREACH scope IN ARRAY ARRAY['region', 'region = ''eu'') OR (true', 'continent = ''eu''', 'count(*) > 1', 'true, true', 'region = ''eu'' -- ', 'e.c1 = region',
		'pg_sleep(0) IS NOT NULL AND t.region = ''eu''', 'region = ''eu'''] LOOP
		BEGIN
			PERFORM etl_create_pipeline('eu', source => $s$etl_csv('etl_tmp/regions.csv') AS t(region text, id int, v int)$s$, target => 'regions',
				mode => 'replace', key => 'region, id', delete_scope => scope);
			RAISE NOTICE '%: accepted', scope;
			PERFORM etl_drop_pipeline('eu') WHERE scope <> 'region = ''eu''';
		EXCEPTION WHEN OTHERS THEN
			RAISE NOTICE '%: % %', scope, SQLSTATE, SQLERRM;
		END;
	END LOOP;
END $$;
\set VERBOSITY default
SELECT csv_file('regions.csv', E'region,id,v\nus,1,1\n' || string_agg(format(E'eu,%s,0\n', g), '')) FROM generate_series(1, 90) AS g;
CALL etl_run('eu');
SELECT region, count(*), sum(v) FROM regions GROUP BY region ORDER BY region;
SELECT csv_file('regions.csv', E'region,id,v\nus,1,2\n' || string_agg(format(E'eu,%s,0\n', g), '')) FROM generate_series(1, 80) AS g;
CALL etl_run('eu');
SELECT csv_file('regions.csv', E'region,id,v\nus,1,2\n');
SELECT etl_alter_pipeline('eu', delete_scope => $$region NOT IN ('eu', 'us') OR region IS NULL$$);
CALL etl_run('eu');
SELECT region, count(*), sum(v) FROM regions GROUP BY region ORDER BY region;
SELECT delete_scope, delete_limit FROM etl_pipelines;
-- it is code: of whom gets the pipeline, only with all the rest of it
CREATE ROLE regress_etl_replace LOGIN;
SELECT etl_alter_pipeline('eu', owner => 'regress_etl_replace');
SELECT accepted FROM etl_pipelines;
SELECT etl_alter_pipeline('eu', owner => current_user::regrole, source => source, target => target, query => query) FROM etl_pipelines;
SELECT accepted FROM etl_pipelines;
SELECT etl_alter_pipeline('eu', owner => 'regress_etl_replace');
SELECT etl_alter_pipeline('eu', owner => current_user::regrole, source => source, target => target, query => query, delete_scope => '') FROM etl_pipelines;
SELECT accepted, delete_scope FROM etl_pipelines;
SELECT etl_drop_pipeline('eu');
DROP ROLE regress_etl_replace;
DROP TABLE regions;

-- random snapshots, held against a model in plain SQL
CREATE TABLE snapshots (a text, b text, v int, PRIMARY KEY (a, b));
CREATE TABLE snapshot (a text, b text, v int);
SELECT etl_create_pipeline('s', source => $$etl_csv('etl_tmp/snapshot.csv') AS t(a text, b text, v int)$$, target => 'snapshots', mode => 'replace', key => 'a, b',
	batch_size => 7, delete_limit => '100%');
SELECT setseed(0.5);
CREATE FUNCTION next_snapshot() RETURNS void LANGUAGE SQL AS $$
	TRUNCATE snapshot;
	INSERT INTO snapshot SELECT repeat('a', (random() * 4)::int), repeat('a', (random() * 4)::int), (random() * 2)::int FROM generate_series(1, 1 + (random() * 20)::int);
	SELECT csv_file('snapshot.csv', 'a,b,v' || chr(10) || (SELECT string_agg(format('"%s","%s",%s', a, b, v), chr(10) ORDER BY ctid) FROM snapshot) || chr(10));
$$;
CREATE VIEW wrong AS WITH last AS (SELECT DISTINCT ON (a, b) a, b, v FROM snapshot ORDER BY a, b, ctid DESC)
	(TABLE last EXCEPT TABLE snapshots) UNION ALL (TABLE snapshots EXCEPT TABLE last);
CREATE TABLE wrongs AS TABLE wrong;
\set ECHO none
\o /dev/null
SELECT command FROM generate_series(1, 25) AS g, unnest(ARRAY['SELECT next_snapshot()', 'CALL etl_run(''s'')', 'INSERT INTO wrongs TABLE wrong'])
	WITH ORDINALITY AS c(command, n) ORDER BY g, n
\gexec
\o
\set ECHO all
TABLE wrongs;
SELECT count(*), bool_and(state = 'succeeded'), sum(deleted) > 25, bool_and(emitted = invalid + superseded + load_failed + loaded + skipped) FROM etl_runs WHERE pipeline = 's';
SELECT etl_drop_pipeline('s');
DROP TABLE snapshots, snapshot, wrongs CASCADE;
DROP FUNCTION next_snapshot, keep, try_file;
DROP VIEW last_run;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;
