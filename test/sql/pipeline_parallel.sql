--
-- Runs that several processes share: whoever reads a part, the result is that of one that reads all.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE serial (id int, at int, name text);
CREATE TABLE shared (LIKE serial);
CREATE TABLE serial_keyed (id int PRIMARY KEY, at int, name text, parent int REFERENCES parents);
CREATE TABLE shared_keyed (id int PRIMARY KEY, at int, name text, parent int REFERENCES parents);
-- nine files, in which keys come again, and some records are none
SELECT count(csv_file(format('shared-%s.csv', f), lines)) FROM (
	SELECT f, E'id,at,name,parent\n' || string_agg(format(E'%s,%s,%s,%s\n', CASE WHEN g % 37 = f THEN 'x' ELSE ((f * 7 + g) % 150)::text END,
		(f * 31 + g * 17) % 1000, 'n' || f || '-' || g, g % 5), '' ORDER BY g) AS lines
	FROM generate_series(1, 9) AS f, generate_series(1, 60) AS g GROUP BY f) AS files;
CREATE FUNCTION source(columns text) RETURNS text LANGUAGE sql AS $$ SELECT format($f$etl_csv('etl_tmp/shared-*.csv') AS t(%s)$f$, columns) $$;
CREATE VIEW letters AS SELECT pipeline, source, line, stage, sqlstate, state FROM etl_dead_letters;
CREATE FUNCTION compare(a text, b text) RETURNS TABLE (letters bigint, counters text) LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM ((SELECT source, line, stage, sqlstate, state FROM letters WHERE pipeline = a
			EXCEPT SELECT source, line, stage, sqlstate, state FROM letters WHERE pipeline = b)
		UNION ALL (SELECT source, line, stage, sqlstate, state FROM letters WHERE pipeline = b
			EXCEPT SELECT source, line, stage, sqlstate, state FROM letters WHERE pipeline = a)) AS d),
		(SELECT CASE WHEN count(DISTINCT (read, convert_failed, emitted, load_failed, loaded + skipped)) = 1
			THEN 'the same' ELSE string_agg(r::text, ' ') END FROM etl_runs AS r WHERE pipeline IN (a, b)) $$;

-- what cannot be
\set VERBOSITY terse
SELECT etl_create_pipeline('p', source('id int, at int, name text'), target => 'shared', parallel => 0);
SELECT etl_create_pipeline('p', source('id int, at int, name text'), target => 'shared', parallel => 65);
\set VERBOSITY default
SELECT etl_create_pipeline('p', source('id int, at int, name text'), target => 'shared_keyed', key => 'id', parallel => 2);
\set VERBOSITY terse
SELECT etl_create_pipeline('p', source('id int, at int, name text'), target => 'shared_keyed', key => 'id', watermark => 'at', on_conflict => 'ignore', parallel => 2);
SELECT etl_create_pipeline('p', source('id int, at int, name text'), target => 'shared_keyed', key => 'id', mode => 'replace', parallel => 2);
SELECT etl_create_pipeline('p', source('id int, at int, name text'), target => 'shared_keyed', key => 'id', deletes => 'delete', parts_disjoint => true, parallel => 2);
SELECT etl_create_pipeline('p', source('id int, at int, name text'), target => 'shared_keyed', key => 'id', whole => true, parallel => 2);
SELECT etl_create_pipeline('p', source('id int, at int, name text'), target => 'shared', continuous => true, parallel => 2);
SELECT etl_create_pipeline('p', $$etl_ingest() AS t(id int, at int, name text)$$, target => 'shared', parallel => 2);
SELECT etl_create_pipeline('p', source('id int, at int, name text'), target => 'shared', parallel => 2);
SELECT etl_add_target('p', 'shared_keyed', key => 'id');
SELECT etl_drop_pipeline('p');

-- append
SELECT etl_create_pipeline('serial', source('id int, at int, name text'), target => 'serial', batch_size => 7);
SELECT etl_create_pipeline('shared', source('id int, at int, name text'), target => 'shared', batch_size => 7, parallel => 4);
CALL etl_run('serial');
CALL etl_run('shared');
(TABLE serial EXCEPT ALL TABLE shared) UNION ALL (TABLE shared EXCEPT ALL TABLE serial);
SELECT * FROM compare('serial', 'shared');
SELECT count(*), sum(rows), min(state), max(state) FROM etl_parts WHERE pipeline = 'shared';
-- a file that grew, and one that is new
SELECT count(csv_file(f, E'id,at,name,parent\n1,1,new,\n2,2,new,\n')) FROM unnest('{shared-91.csv,shared-0.csv}'::text[]) AS f;
CALL etl_run('serial');
CALL etl_run('shared');
(TABLE serial EXCEPT ALL TABLE shared) UNION ALL (TABLE shared EXCEPT ALL TABLE serial);
SELECT read, loaded FROM etl_runs ORDER BY run DESC LIMIT 2;

-- an upsert by its watermark, with foreign keys whose parents come late
SELECT etl_create_pipeline('serial_keyed', source('id int, at int, name text, parent int'), target => 'serial_keyed', key => 'id', watermark => 'at', batch_size => 7);
SELECT etl_create_pipeline('shared_keyed', source('id int, at int, name text, parent int'), target => 'shared_keyed', key => 'id', watermark => 'at', batch_size => 7, parallel => 4);
INSERT INTO parents SELECT generate_series(0, 3);
CALL etl_run('serial_keyed') \g /dev/null
CALL etl_run('shared_keyed') \g /dev/null
-- of rows with the same watermark either may be there
SELECT id, at FROM serial_keyed EXCEPT SELECT id, at FROM shared_keyed;
SELECT count(*) FROM shared_keyed;
SELECT etl_watermark('serial_keyed') = etl_watermark('shared_keyed') AS same, etl_watermark('shared_keyed');

-- rows that refer to each other, over parts and within one
CREATE TABLE nodes (id int PRIMARY KEY, next int REFERENCES nodes);
SELECT count(csv_file(format('nodes-%s.csv', f), lines)) FROM (
	SELECT g / 40 AS f, E'id,next\n' || string_agg(format(E'%s,%s\n', g, (g + 1) / 2), '' ORDER BY g DESC) AS lines FROM generate_series(1, 199) AS g GROUP BY 1) AS files;
SELECT etl_create_pipeline('nodes', $$etl_csv('etl_tmp/nodes-*.csv') AS t(id int, next int)$$, target => 'nodes', key => 'id', parts_disjoint => true, batch_size => 5, parallel => 3);
CALL etl_run('nodes') \g /dev/null
-- what waits for a row that waited itself, in another part, may need another try
CALL etl_retry_dead_letters('nodes') \g /dev/null
SELECT count(*), count(next) FROM nodes;

-- a limit counts for all
SELECT etl_create_pipeline('limited', source('id date, at int, name text'), query => 'SELECT NULL::int AS id, at, name FROM batch', target => 'shared', batch_size => 7, reject_limit => 100, parallel => 4);
\set VERBOSITY terse
CALL etl_run('limited');
\set VERBOSITY default
SELECT state, sqlstate, read < 300 FROM etl_runs ORDER BY run DESC LIMIT 1;

-- a part that cannot be read: the others are loaded, and the watermark waits for it
SELECT etl_create_pipeline('aside', source('id int, at int, name text'), target => 'shared', watermark => 'at', batch_size => 7, on_bad_part => 'set_aside', parallel => 4);
SELECT csv_file('shared-5.csv', '\x1f8b0800'::bytea);
CALL etl_run('aside');
SELECT parts_set_aside, etl_watermark('aside') FROM etl_runs ORDER BY run DESC LIMIT 1;
SELECT part, state, sqlstate FROM etl_parts WHERE pipeline = 'aside' AND state <> 'done';
SELECT csv_file('shared-5.csv', E'id,at,name,parent\n1,2000,whole,1\n');
CALL etl_run('aside');
SELECT parts_set_aside, read, etl_watermark('aside') FROM etl_runs ORDER BY run DESC LIMIT 1;

-- columns that no record has: at the first run an error, which one process tells
SELECT count(csv_file(format('shared-%s.json', f), string_agg)) FROM (
	SELECT f, string_agg(format(E'{"id": %s%s}\n', g, CASE WHEN f = 9 THEN ', "late": 1' ELSE '' END), '') FROM generate_series(1, 9) AS f, generate_series(1, 30) AS g GROUP BY f) AS files;
CREATE TABLE items (id int, late int, never int);
SELECT etl_create_pipeline('items', $$etl_json('etl_tmp/shared-*.json') AS t(id int, late int, never int)$$, target => 'items', batch_size => 7, parallel => 3);
\set VERBOSITY terse
CALL etl_run('items');
\set VERBOSITY default
SELECT etl_alter_pipeline('items', source => $$etl_json('etl_tmp/shared-*.json') AS t(id int, late int)$$, query => 'SELECT id, late FROM batch');
CALL etl_run('items');
SELECT count(*), sum(late) FROM items;
SELECT etl_reset('items');
CALL etl_run('items');
SELECT read, columns_missing FROM etl_runs ORDER BY run DESC LIMIT 1;
SELECT count(csv_file(format('shared-%s.json', f), (SELECT string_agg(format(E'{"id": %s}\n', g), '') FROM generate_series(1, 30) AS g))) FROM generate_series(1, 9) AS f;
SELECT etl_reset('items');
CALL etl_run('items');
SELECT read, columns_missing, missing_columns FROM etl_runs ORDER BY run DESC LIMIT 1;

-- late parents, of rows that have no watermark
CREATE TABLE owned (id int PRIMARY KEY, parent int REFERENCES parents);
INSERT INTO parents VALUES (4);
CREATE FUNCTION bear() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO parents SELECT 9 ON CONFLICT DO NOTHING; RETURN NEW; END $$;
SELECT count(csv_file(format('owned-%s.csv', f), lines)) FROM (
	SELECT f, E'id,parent\n' || string_agg(format(E'%s,%s\n', f * 100 + g, CASE WHEN f < 9 AND g % 3 = 0 THEN 9 ELSE g % 4 END), '') AS lines
	FROM generate_series(1, 9) AS f, generate_series(1, 30) AS g GROUP BY f) AS files;
CREATE TRIGGER bear AFTER INSERT ON owned FOR EACH ROW WHEN (NEW.id > 900) EXECUTE FUNCTION bear();
SELECT etl_create_pipeline('owned', $$etl_csv('etl_tmp/owned-*.csv') AS t(id int, parent int)$$, target => 'owned', key => 'id', parts_disjoint => true, batch_size => 5, parallel => 3);
CALL etl_run('owned');
SELECT count(*), count(*) FILTER (WHERE parent = 9) FROM owned;
SELECT DISTINCT state FROM etl_dead_letters WHERE pipeline = 'owned';

-- several targets
CREATE TABLE firsts (id int PRIMARY KEY);
CREATE TABLE seconds (id int REFERENCES firsts, n int, PRIMARY KEY (id, n));
SELECT etl_create_pipeline('targets', $$etl_csv('etl_tmp/nodes-*.csv') AS t(id int, next int)$$, 'SELECT id FROM batch', 'firsts', key => 'id', parts_disjoint => true, batch_size => 5, parallel => 3);
SELECT etl_add_target('targets', 'seconds', 'SELECT id, n FROM batch, generate_series(1, 3) AS n', key => 'id, n');
CALL etl_run('targets');
SELECT (SELECT count(*) FROM firsts), (SELECT count(*) FROM seconds);
SELECT target, emitted, loaded, inserted FROM etl_run_targets ORDER BY run DESC, target COLLATE "C" LIMIT 2;

SELECT etl_drop_pipeline(pipeline) FROM etl_status;
DROP VIEW letters CASCADE;
DROP FUNCTION source(text), compare(text, text);

DROP TABLE serial, shared, serial_keyed, shared_keyed, owned, parents, nodes, items, seconds, firsts;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;
DROP FUNCTION bear();
