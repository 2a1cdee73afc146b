--
-- mode => 'history': the target keeps each version of a row.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE past (version int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, shop text, id int, name text, price numeric, at int, valid_from int NOT NULL, valid_to int);
CREATE VIEW last_run AS SELECT state, read, emitted, invalid, superseded, load_failed, loaded, inserted, updated, skipped, tombstones, deleted, marked, closed, message
	FROM etl_runs ORDER BY run DESC LIMIT 1;
CREATE FUNCTION try_file(file text) RETURNS text LANGUAGE sql AS $$ SELECT csv_file('history.csv', file) $$;
SELECT try_file(E'shop,id,name,price,at,op\n');

\set make 'SELECT etl_create_pipeline(''h'', source => $$etl_csv(''etl_tmp/history.csv'') AS t(shop text, id int, name text, price numeric, at int)$$, target => ''past'', key => ''shop, id'', mode => ''history'', watermark => ''at'', compared => ''name'', batch_size => 3);'
-- the hint is the statement that helps; an index of all rows, or of others, does not
:make
CREATE UNIQUE INDEX ON past (shop, id, valid_from);
CREATE UNIQUE INDEX ON past (shop, id) WHERE valid_from IS NULL;
:make
CREATE UNIQUE INDEX ON past (shop, id) WHERE valid_to IS NULL;
:make
SELECT mode, valid_from, valid_to, compared FROM etl_pipelines;
CREATE TABLE other (LIKE past);
SELECT etl_add_target('h', 'other', query => 'SELECT * FROM batch');
SELECT etl_alter_pipeline('h', mode => 'append', compared => '', watermark => '');
SELECT etl_add_target('h', 'other', mode => 'history', key => 'id', query => 'SELECT * FROM batch');
SELECT etl_add_target('h', 'other', query => 'SELECT name, 1 AS valid_from FROM batch');
SELECT etl_alter_pipeline('h', mode => 'history');
SELECT etl_drop_pipeline('h');

-- what it cannot be
\set VERBOSITY terse
DO $$
DECLARE option text;
BEGIN
	FOREACH option IN ARRAY ARRAY['whole => true', 'on_conflict => ''ignore''', 'deletes => ''mark:name''', 'deletes => ''delete''', 'valid_from => ''at''', 'valid_from => ''nowhere''',
		'valid_to => ''valid_from''', 'compared => ''shop''', 'compared => ''none''', 'mode => ''upsert'', valid_to => ''v''', 'mode => ''append'', compared => ''name''',
		'watermark => ''name'', watermark_as => ''text''', 'watermark => NULL', 'replace_by => ''truncate''', 'key => ''id'''] LOOP
		BEGIN
			EXECUTE format($s$SELECT etl_create_pipeline('h', source => 'etl_csv(''etl_tmp/history.csv'') AS t(shop text, id int, name text, price numeric, at int)', target => 'past' %s, %s)$s$,
				concat(CASE WHEN option NOT LIKE '%key%' THEN ', key => ''shop, id''' END, CASE WHEN option NOT LIKE '%mode%' THEN ', mode => ''history''' END,
					CASE WHEN option NOT LIKE '%watermark%' THEN ', watermark => ''at''' END), option);
			RAISE NOTICE '%: accepted', option;
		EXCEPTION WHEN OTHERS THEN
			RAISE NOTICE '%: % %', option, SQLSTATE, SQLERRM;
		END;
	END LOOP;
END $$;
\set VERBOSITY default
-- versions by watermark, several of a key in one batch and in any order there; an older one is skipped; what is not compared is updated
:make
SELECT try_file(E'shop,id,name,price,at\na,1,two,1,2\na,1,one,1,1\nb,1,x,1,1\na,1,three,1,3\nb,1,x,2,4\nc,1,late,1,5\n');
CALL etl_run('h');
SELECT shop, id, name, price, at, valid_from, valid_to FROM past ORDER BY 1, 2, valid_from;
SELECT * FROM last_run;
SELECT try_file(E'shop,id,name,price,at\nc,1,older,1,4\nb,1,x,2,4\na,1,same time,9,3\na,1,,1,\n');
CALL etl_run('h');
SELECT shop, id, name, price, at, valid_from, valid_to FROM past ORDER BY 1, 2, valid_from;
SELECT * FROM last_run;
SELECT stage, rule, message FROM etl_dead_letters WHERE NOT resolved;
-- a row that was changed without another version is not older than that change
SELECT try_file(E'shop,id,name,price,at\nb,1,y,2,3\nb,1,y,2,6\n');
CALL etl_run('h');
SELECT name, price, at, valid_from, valid_to FROM past WHERE shop = 'b' ORDER BY valid_from;
SELECT etl_drop_pipeline('h');

-- tombstones close a version; a key that returns opens another
TRUNCATE past;
SELECT etl_create_pipeline('h', source => $$etl_csv('etl_tmp/history.csv') AS t(shop text, id int, name text, at int, op text)$$, target => 'past', key => 'shop, id', mode => 'history',
	watermark => 'at', delete_when => $$op = 'd'$$);
SELECT try_file(E'shop,id,name,at,op\na,1,one,1,\na,1,,3,d\na,1,again,5,\na,1,lost,4,\nb,1,one,1,\n');
CALL etl_run('h');
SELECT * FROM last_run;
SELECT try_file(E'shop,id,name,at,op\nb,1,,7,d\na,1,late,2,\n');
CALL etl_run('h');
SELECT try_file(E'shop,id,name,at,op\nb,1,too old,6,\nb,1,,7,d\n');
CALL etl_run('h');
SELECT try_file(E'shop,id,name,at,op\nb,1,back,9,\n');
CALL etl_run('h');
SELECT shop, id, name, at, valid_from, valid_to FROM past ORDER BY 1, 2, valid_from;
SELECT etl_drop_pipeline('h');

-- members that a record lacks are as in the version before; those of a new key have their defaults
TRUNCATE past;
ALTER TABLE past ALTER price SET DEFAULT 7;
SELECT etl_create_pipeline('h', source => $$etl_json('etl_tmp/history.json') AS t(shop text, id int, name text, price numeric, at int)$$, target => 'past', key => 'shop, id', mode => 'history',
	watermark => 'at');
SELECT csv_file('history.json', '[{"shop": "a", "id": 1, "name": "one", "at": 1}, {"shop": "a", "id": 1, "price": 2, "at": 2}, {"shop": "a", "id": 1, "price": null, "at": 3}, {"shop": "b", "id": 1, "price": 3, "at": 1}]');
CALL etl_run('h');
SELECT csv_file('history.json', '[{"shop": "a", "id": 1, "name": "two", "at": 4}, {"shop": "b", "id": 1, "at": 5}, {"shop": "c", "id": 1, "price": 3, "at": 1}]');
CALL etl_run('h');
SELECT shop, id, name, price, at, valid_from, valid_to FROM past ORDER BY 1, 2, valid_from;
SELECT * FROM last_run;
SELECT etl_drop_pipeline('h');
ALTER TABLE past ALTER price DROP DEFAULT;

-- snapshots: one time for all that a run has seen; keys that are gone are closed, and never more than delete_limit
CREATE TABLE seen (id int, name text, since timestamptz NOT NULL, till timestamptz);
CREATE UNIQUE INDEX ON seen (id) WHERE till IS NULL;
SELECT etl_create_pipeline('h', source => $$etl_csv('etl_tmp/history.csv') AS t(id int, name text)$$, target => 'seen', key => 'id', mode => 'history', valid_from => 'since', valid_to => 'till',
	deletes => 'delete', batch_size => 4);
SELECT try_file(E'id,name\n' || string_agg(format(E'%s,x\n', g), '')) FROM generate_series(1, 20) AS g;
CALL etl_run('h');
SELECT try_file(E'id,name\n1,first\n' || string_agg(format(E'%s,%s\n', g, CASE WHEN g > 18 THEN 'y' ELSE 'x' END), '') || E'1,last\n') FROM generate_series(3, 20) AS g;
CALL etl_run('h');
SELECT * FROM last_run;
SELECT count(*), count(DISTINCT since), count(till), count(DISTINCT till), count(*) FILTER (WHERE since >= till) FROM seen;
SELECT id, name, till IS NULL AS open FROM seen WHERE id IN (1, 2, 19) ORDER BY id, since;
SELECT try_file(E'id,name\n2,back\n3,x\n');
CALL etl_run('h');
SELECT state, closed, message FROM last_run;
SELECT id, name, till IS NULL AS open FROM seen WHERE id = 2 ORDER BY id, since;
SELECT try_file(E'id,name\n');
CALL etl_run('h');
SELECT count(*) FILTER (WHERE till IS NULL) FROM seen;
SELECT etl_drop_pipeline('h');

-- a partitioned target; a rule, and a version that violates a constraint; a key of another type only without a watermark
CREATE TABLE parted (id bigint, name text CHECK (name <> 'bad'), at int, valid_from int, valid_to int) PARTITION BY LIST (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 PARTITION OF parted DEFAULT;
CREATE UNIQUE INDEX ON parted (id) WHERE valid_to IS NULL;
SELECT etl_create_pipeline('h', source => $$etl_csv('etl_tmp/history.csv') AS t(id int, name text, at int)$$, target => 'parted', key => 'id', mode => 'history', watermark => 'at');
SELECT etl_create_pipeline('h', source => $$etl_csv('etl_tmp/history.csv') AS t(id bigint, name text, at int)$$, target => 'parted', key => 'id', mode => 'history', watermark => 'at',
	rules => '{"not ugly": "name <> ''ugly''"}');
SELECT try_file(E'id,name,at\n1,a,1\n1,bad,2\n1,ugly,3\n1,b,4\n2,a,1\n2,b,2\n,a,1\n');
CALL etl_run('h');
SELECT * FROM last_run;
SELECT tableoid::regclass, id, name, valid_from, valid_to FROM parted ORDER BY id, valid_from;
SELECT stage, rule, message FROM etl_dead_letters WHERE NOT resolved ORDER BY id;
SELECT etl_drop_pipeline('h');
DROP TABLE parted;

-- dead letters whose keys are computed: a retry opens no second version, unless it is told to overwrite
CREATE TABLE retried (id int, name text CONSTRAINT short CHECK (length(name) < 4), since timestamptz NOT NULL, till timestamptz);
CREATE UNIQUE INDEX ON retried (id) WHERE till IS NULL;
SELECT etl_create_pipeline('h', source => $$etl_csv('etl_tmp/history.csv') AS t(id int, name text)$$, query => 'SELECT id + 0 AS id, name FROM batch', target => 'retried', key => 'id', mode => 'history',
	valid_from => 'since', valid_to => 'till');
SELECT try_file(E'id,name\n1,older\n2,alone\n');
CALL etl_run('h');
SELECT try_file(E'id,name\n1,new\n');
CALL etl_run('h');
ALTER TABLE retried DROP CONSTRAINT short;
CALL etl_retry_dead_letters('h');
SELECT id, name, till IS NULL AS open FROM retried ORDER BY id, since;
SELECT stage, message, resolved FROM etl_dead_letters ORDER BY id;
CALL etl_retry_dead_letters('h', overwrite => true);
SELECT id, name, till IS NULL AS open FROM retried ORDER BY id, since;
SELECT etl_drop_pipeline('h');
DROP TABLE retried;

-- a model in SQL: random changes, and random snapshots
CREATE TABLE wrong (step int, difference text);
CREATE TABLE changes (nr serial, id int, name text, price int, at int, gone boolean);
CREATE TABLE kept (id int, name text, price int, at int, valid_from int NOT NULL, valid_to int);
CREATE UNIQUE INDEX ON kept (id) WHERE valid_to IS NULL;
-- the versions that all changes make together, whatever the order in which they came, if those of a run are not older than those of the one before
CREATE VIEW versions AS
	WITH numbered AS (SELECT DISTINCT ON (id, at) * FROM changes ORDER BY id, at, nr DESC),
	steps AS (SELECT *, lag(gone, 1, true) OVER w AS was_gone, lag(name) OVER w AS old_name, lag(price) OVER w AS old_price FROM numbered WINDOW w AS (PARTITION BY id ORDER BY at)),
	events AS (SELECT * FROM steps WHERE gone <> was_gone OR (NOT gone AND (name, price) IS DISTINCT FROM (old_name, old_price))),
	spans AS (SELECT *, lead(at) OVER (PARTITION BY id ORDER BY at) AS until FROM events)
	SELECT id, name, price, at AS valid_from, until AS valid_to FROM spans WHERE NOT gone;
SELECT etl_create_pipeline('h', source => $$etl_csv('etl_tmp/history.csv') AS t(id int, name text, price int, at int, gone boolean)$$, target => 'kept', key => 'id', mode => 'history',
	watermark => 'at', delete_when => 'gone', batch_size => 17);
-- the changes of a run: several of a key in any order, some of them twice
CREATE FUNCTION new_changes(step int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO changes(id, name, price, at, gone)
		SELECT id, (ARRAY['a', 'b', NULL])[1 + abs(hash) % 3], abs(hash / 3) % 2, at, abs(hash / 7) % 5 = 0
		FROM (SELECT id, at, hashint4(id * 1000 + at) AS hash FROM (SELECT (random() * 6)::int AS id, (step * 20 + random() * 18)::int AS at FROM generate_series(1, 15)) AS r) AS c;
	RETURN try_file((SELECT E'id,name,price,at,gone\n' || string_agg(format(E'%s,%s,%s,%s,%s\n', id, name, price, at, gone), '' ORDER BY nr) FROM changes WHERE at >= step * 20));
END $$;
CREATE FUNCTION differences() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('kept %s', d) FROM (SELECT id, name, price, valid_from, valid_to FROM kept EXCEPT ALL TABLE versions) AS d
	UNION ALL SELECT format('model %s', d) FROM (TABLE versions EXCEPT ALL SELECT id, name, price, valid_from, valid_to FROM kept) AS d $$;
SELECT setseed(0.5);
\o /dev/null
SELECT format('SELECT new_changes(%s)', step), 'CALL etl_run(''h'')', format('INSERT INTO wrong SELECT %s, d FROM differences() AS d', step) FROM generate_series(1, 40) AS step
\gexec
\o
TABLE wrong;
SELECT count(*) > 300, count(valid_to) > 250 FROM kept;
SELECT (SELECT count(*) FROM kept) = sum(inserted), (SELECT count(valid_to) FROM kept) = sum(closed) FROM etl_runs WHERE pipeline = 'h';

SELECT etl_drop_pipeline('h');
DROP VIEW versions, last_run;
DROP TABLE past, other, seen, changes, kept, wrong;
DROP FUNCTION try_file(text), new_changes(int), differences();
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;
