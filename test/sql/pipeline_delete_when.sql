--
-- delete_when: rows that delete those of their keys.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, at int);
CREATE VIEW last_run AS SELECT state, read, emitted, invalid, superseded, load_failed, loaded, inserted, updated, skipped, tombstones, deleted, message
	FROM etl_runs ORDER BY run DESC LIMIT 1;
CREATE FUNCTION try_file(file text) RETURNS text LANGUAGE SQL AS $$ SELECT csv_file('people.csv', 'op,id,name,at' || chr(10) || file) $$;
SELECT try_file('');

-- what it cannot be
\set VERBOSITY terse
DO $$
DECLARE option text;
BEGIN
	FOREACH option IN ARRAY ARRAY['mode => ''append''', 'mode => ''replace''', 'whole => true', 'on_conflict => ''ignore''', 'delete_when => ''op''', 'delete_when => ''true, true''',
		'delete_when => ''nowhere = 1''', 'delete_when => ''op = ''''d'''') OR (true''', 'query => ''SELECT id, name, at, op AS operation FROM batch''',
		'query => ''SELECT op, id, name, at, 1 AS other FROM batch'''] LOOP
		BEGIN
			EXECUTE format($s$SELECT etl_create_pipeline('p', source => 'etl_csv(''etl_tmp/people.csv'') AS t(op text, id int, name text, at int)', target => 'people', key => 'id' %s, %s)$s$,
				CASE WHEN option NOT LIKE 'delete_when%' THEN ', delete_when => ''op = ''''d''''''' END, option);
			RAISE NOTICE '%: accepted', option;
		EXCEPTION WHEN OTHERS THEN
			RAISE NOTICE '%: % %', option, SQLSTATE, SQLERRM;
		END;
	END LOOP;
END $$;
-- the right to delete is wanted; and it is code
CREATE ROLE regress_etl_delete LOGIN;
GRANT SELECT, INSERT, UPDATE ON people TO regress_etl_delete;
GRANT pg_read_server_files TO regress_etl_delete;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO regress_etl_delete;
SET ROLE regress_etl_delete;
SELECT etl_create_pipeline('p', source => $$etl_csv('etl_tmp/people.csv') AS t(op text, id int, name text, at int)$$, target => 'people', key => 'id', delete_when => $$op = 'd'$$);
RESET ROLE;
SELECT etl_create_pipeline('p', source => $$etl_csv('etl_tmp/people.csv') AS t(op text, id int, name text, at int)$$, target => 'people', key => 'id', delete_when => $$op = 'd'$$);
SELECT etl_alter_pipeline('p', owner => 'regress_etl_delete');
SELECT etl_alter_pipeline('p', owner => current_user::regrole, source => source, target => target) FROM etl_pipelines;
SELECT accepted, delete_when FROM etl_pipelines;
SELECT etl_alter_pipeline('p', owner => current_user::regrole, source => source, target => target, delete_when => delete_when) FROM etl_pipelines;
SELECT accepted FROM etl_pipelines;
SELECT etl_resume('p');
DROP OWNED BY regress_etl_delete;
DROP ROLE regress_etl_delete;
\set VERBOSITY default

-- the last row of a key counts, within a batch and from one to the next; a column that only this looks at is none of the target
SELECT try_file(E'i,1,one,1\ni,2,two,1\nd,1,,2\ni,3,three,1\nd,4,,1\nd,2,,2\ni,2,again,3\n');
CALL etl_run('p');
SELECT * FROM last_run;
TABLE people;
SELECT try_file(E'd,2,,\nu,3,other,\ni,5,five,\nd,5,,\n');
SELECT etl_alter_pipeline('p', batch_size => 1);
CALL etl_run('p');
SELECT * FROM last_run;
TABLE people;
SELECT etl_alter_pipeline('p', batch_size => 10000);
-- rules do not hold for them, keys do; a NULL does not delete
SELECT etl_alter_pipeline('p', rules => '{"named": "name IS NOT NULL"}');
SELECT try_file(E'd,3,,\nd,,,\n,6,,\n,7,seven,\n');
CALL etl_run('p');
SELECT * FROM last_run;
SELECT stage, rule, raw FROM etl_dead_letters WHERE NOT resolved ORDER BY id;
TABLE people;
SELECT etl_alter_pipeline('p', rules => '{}');
-- what deletes supersedes earlier dead letters of its key
SELECT try_file(E'i,8,,\ni,9,,\n');
CALL etl_run('p');
SELECT try_file(E'd,8,,\n');
CALL etl_run('p');
SELECT rule, raw, state FROM etl_dead_letters ORDER BY id;
CALL etl_retry_dead_letters('p');
SELECT etl_purge('p', '0', open => true) > 0;
-- rows that are referred to stay, and the row is a dead letter until they are not
CREATE TABLE orders (person int REFERENCES people);
INSERT INTO orders VALUES (7);
INSERT INTO people VALUES (8, 'eight');
SELECT try_file(E'd,7,,\nd,8,,\ni,9,nine,\n');
CALL etl_run('p');
SELECT * FROM last_run;
TABLE people;
DELETE FROM orders;
UPDATE etl_catalog.dead_letters SET key = NULL, key_type = NULL, key_hash = NULL;
CALL etl_retry_dead_letters('p');
SELECT sqlstate, message FROM etl_dead_letters WHERE NOT resolved;
CALL etl_retry_dead_letters('p', overwrite => true);
SELECT tombstones, deleted FROM last_run;
TABLE people;
DROP TABLE orders;
-- a trigger may keep a row
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER keep BEFORE DELETE ON people FOR EACH ROW EXECUTE FUNCTION keep();
SELECT try_file(E'd,9,,\n');
CALL etl_run('p');
SELECT tombstones, deleted FROM last_run;
DROP TRIGGER keep ON people;
DROP FUNCTION keep;
SELECT etl_drop_pipeline('p');
TRUNCATE people;

-- with a watermark the highest counts: in a batch, from one batch to the next, from one run to the next
SELECT etl_create_pipeline('p', source => $$etl_csv('etl_tmp/people.csv') AS t(op text, id int, name text, at int)$$, target => 'people', key => 'id', watermark => 'at',
	delete_when => $$op = 'd'$$);
SELECT try_file(E'i,1,one,1\nd,1,,3\ni,1,late,2\ni,2,two,5\nd,2,,4\nd,3,,3\nd,4,,\ni,5,five,\n');
CALL etl_run('p');
SELECT * FROM last_run;
TABLE people;
SELECT etl_alter_pipeline('p', batch_size => 1);
SELECT try_file(E'd,1,,2\ni,1,later,2\ni,3,late,2\ni,3,null,\ni,4,four,1\nd,5,,\ni,5,late,\n');
CALL etl_run('p');
SELECT * FROM last_run;
SELECT * FROM people ORDER BY id;
SELECT try_file(E'd,6,,7\ni,6,late,6\ni,6,new,8\nd,6,,9\ni,6,late,8\ni,1,same,3\n');
CALL etl_run('p');
SELECT * FROM last_run;
SELECT * FROM people ORDER BY id;
SELECT key, key_type, key_order FROM etl_catalog.tombstones ORDER BY key, id;
SELECT etl_watermark('p');
-- retries, too
SELECT etl_alter_pipeline('p', rules => '{"short": "length(name) < 5"}', batch_size => 10000);
SELECT try_file(E'i,10,too long,1\n');
CALL etl_run('p');
UPDATE etl_catalog.dead_letters SET key = NULL, key_hash = NULL;
SELECT try_file(E'd,10,,2\n');
CALL etl_run('p');
SELECT etl_alter_pipeline('p', rules => '{}');
CALL etl_retry_dead_letters('p');
SELECT * FROM people WHERE id = 10;
-- the key may be of another type in the target, and the order is that of values
SELECT etl_alter_pipeline('p', query => 'SELECT op, id::numeric(10, 1) AS id, name, at FROM batch');
SELECT try_file(E'd,11,,10\n');
CALL etl_run('p');
SELECT try_file(E'i,11,late,9\n');
CALL etl_run('p');
SELECT tombstones, skipped, deleted FROM last_run;
-- what is kept of them goes with etl_purge and etl_reset
SELECT etl_purge('p', '1 day'), (SELECT count(*) > 3 FROM etl_catalog.tombstones);
UPDATE etl_catalog.tombstones SET deleted_at = now() - interval '2 days' WHERE key <> '{11}';
SELECT etl_purge('p', '1 day'), (SELECT count(*) FROM etl_catalog.tombstones);
SELECT count(*) FROM etl_catalog.tombstones;
SELECT etl_reset('p');
SELECT count(*) FROM etl_catalog.tombstones;
CALL etl_run('p');
SELECT * FROM people WHERE id = 11;
SELECT etl_drop_pipeline('p');

-- keys that are equal only in the target; partitions; items that lack members
CREATE COLLATION regress_delete_any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE words (word text COLLATE regress_delete_any_case PRIMARY KEY, n int DEFAULT 7) PARTITION BY HASH (word);
CREATE TABLE words_0 PARTITION OF words FOR VALUES WITH (modulus 2, remainder 0);
CREATE TABLE words_1 PARTITION OF words FOR VALUES WITH (modulus 2, remainder 1);
COPY (VALUES ('{"w": "a", "n": 1}'), ('{"w": "b"}'), ('{"w": "A", "gone": true}'), ('{"w": "c", "n": 1}'), ('{"w": "C"}'), ('{"w": "B", "gone": true}'), ('{"w": "b", "n": 2}'),
	('{"w": "d", "gone": true}'), ('{"w": "D", "n": 3}'), ('{"w": "E", "n": 4}'), ('{"w": "e", "gone": true}')) TO PROGRAM 'cat >etl_tmp/words.ndjson';
SELECT etl_create_pipeline('w', source => $$etl_json('etl_tmp/words.ndjson') AS t(w text, n int, gone boolean)$$, target => 'words', key => 'word',
	query => 'SELECT w AS word, n, gone FROM batch', delete_when => 'gone');
CALL etl_run('w');
SELECT read, emitted, superseded, loaded, skipped, tombstones, deleted FROM last_run;
SELECT * FROM words ORDER BY word;
SELECT etl_drop_pipeline('w');
DROP TABLE words;
DROP COLLATION regress_delete_any_case;

-- random changes, held against a model in plain SQL: by place, and by watermark
CREATE TABLE changes (n int, op text, id int, name text, at int);
CREATE TABLE by_place (id int PRIMARY KEY, name text);
CREATE TABLE by_time (id int PRIMARY KEY, name text, at int);
SELECT etl_create_pipeline(target, source => $$etl_csv('etl_tmp/changes-*.csv') AS t(op text, id int, name text, at int)$$, target => target, key => 'id',
	query => CASE target WHEN 'by_place' THEN 'SELECT op, id, name FROM batch' ELSE 'SELECT * FROM batch' END,
	watermark => CASE target WHEN 'by_time' THEN 'at' END, delete_when => $$op = 'd'$$, batch_size => 3)
FROM (VALUES ('by_place'), ('by_time')) AS v(target);
SELECT setseed(0.5);
CREATE FUNCTION next_changes(part int) RETURNS void LANGUAGE SQL AS $$
	INSERT INTO changes SELECT part * 1000 + g, CASE WHEN random() < 0.4 THEN 'd' ELSE 'i' END, (random() * 5)::int, part || '.' || g, (random() * 20)::int + part
	FROM generate_series(1, 1 + (random() * 12)::int) AS g;
	SELECT csv_file(format('changes-%s.csv', 1000 + part), 'op,id,name,at' || chr(10) ||
		(SELECT string_agg(format('%s,%s,%s,%s', op, id, CASE WHEN op = 'i' THEN name END, at), chr(10) ORDER BY n) FROM changes WHERE n / 1000 = part) || chr(10));
$$;
CREATE VIEW wrong AS
	WITH place AS (SELECT id, name FROM (SELECT DISTINCT ON (id) * FROM changes ORDER BY id, n DESC) AS c WHERE op = 'i'),
		time AS (SELECT id, name, at FROM (SELECT DISTINCT ON (id) * FROM changes ORDER BY id, at DESC, n DESC) AS c WHERE op = 'i')
	SELECT 'place' AS by, id, name, NULL::int AS at FROM ((TABLE place EXCEPT TABLE by_place) UNION ALL (TABLE by_place EXCEPT TABLE place)) AS p
	UNION ALL SELECT 'time', id, name, at FROM ((TABLE time EXCEPT TABLE by_time) UNION ALL (TABLE by_time EXCEPT TABLE time)) AS t;
CREATE TABLE wrongs AS SELECT 0 AS part, * FROM wrong;
\set ECHO none
\o /dev/null
SELECT format(command, g) FROM generate_series(1, 25) AS g, unnest(ARRAY['SELECT next_changes(%s)', 'CALL etl_run(''by_place'')', 'CALL etl_run(''by_time'')', 'INSERT INTO wrongs SELECT %s, * FROM wrong'])
	WITH ORDINALITY AS c(command, n) ORDER BY g, n
\gexec
\o
\set ECHO all
TABLE wrongs;
SELECT pipeline, count(*), bool_and(state = 'succeeded'), sum(deleted) > 10, bool_and(emitted = invalid + superseded + load_failed + loaded + skipped + tombstones),
	sum(inserted) - sum(deleted) = CASE pipeline WHEN 'by_place' THEN (SELECT count(*) FROM by_place) ELSE (SELECT count(*) FROM by_time) END
FROM etl_runs GROUP BY pipeline ORDER BY pipeline;
SELECT etl_drop_pipeline(pipeline) FROM etl_status;
SELECT count(*) FROM etl_catalog.tombstones;
DROP TABLE people, changes, by_place, by_time, wrongs CASCADE;
DROP FUNCTION next_changes, try_file;
DROP VIEW last_run;
COPY (SELECT WHERE false) TO PROGRAM 'rm etl_tmp/changes-*.csv';
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;
