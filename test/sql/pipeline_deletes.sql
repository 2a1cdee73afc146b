--
-- deletes => 'delete' and 'mark:column': upserts in batches that remove what the source has no more.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE goods (shop text, id numeric, name text, gone_at timestamptz, gone boolean DEFAULT true, PRIMARY KEY (shop, id));
CREATE VIEW last_run AS SELECT state, batches, read, emitted, invalid, superseded, load_failed, loaded, inserted, updated, skipped, deleted, marked, message
	FROM etl_runs ORDER BY run DESC LIMIT 1;
CREATE FUNCTION try_file(part int, file text) RETURNS text LANGUAGE SQL AS $$ SELECT csv_file(format('goods-%s.csv', part), 'shop,id,name' || chr(10) || file) $$;
SELECT try_file(1, E'a,1,one\na,2,two\naa,1,three\n');
SELECT try_file(2, E'b,1,four\nb,2,five\n');

-- what it cannot be
\set VERBOSITY terse
DO $$
DECLARE option text;
BEGIN
	FOREACH option IN ARRAY ARRAY['deletes => ''yes''', 'deletes => ''mark:''', 'deletes => ''mark:nowhere''', 'deletes => ''mark:name''', 'mode => ''append''', 'mode => ''replace''',
		'on_conflict => ''ignore''', 'delete_when => ''false''', 'continuous => true', 'on_bad_part => ''set_aside''', 'delete_limit => ''10''', 'delete_scope => ''shop''',
		'query => ''SELECT *, false AS gone FROM batch'', deletes => ''mark:gone''', 'snapshot => ''newest'', deletes => ''keep''', 'snapshot => ''oldest''',
		'delete_scope => ''true'', deletes => ''keep'''] LOOP
		BEGIN
			EXECUTE format($s$SELECT etl_create_pipeline('g', source => 'etl_csv(''etl_tmp/goods-*.csv'') AS t(shop text, id int, name text)', target => 'goods', key => 'shop, id' %s, %s)$s$,
				CASE WHEN option NOT LIKE '%deletes%' THEN ', deletes => ''delete''' END, option);
			RAISE NOTICE '%: accepted', option;
		EXCEPTION WHEN OTHERS THEN
			RAISE NOTICE '%: % %', option, SQLSTATE, SQLERRM;
		END;
	END LOOP;
END $$;
SELECT etl_create_pipeline('g', source => $$etl_api('https://example.com', max_pages => 3) AS t(shop text, id int, name text)$$, target => 'goods', key => 'shop, id', deletes => 'delete');
SELECT etl_create_pipeline('g', source => $$etl_csv('etl_tmp/goods-' || etl_watermark('g') || '.csv') AS t(shop text, id int, name text)$$, target => 'goods', key => 'shop, id', deletes => 'delete');
-- the right to delete is wanted
CREATE ROLE regress_etl_deletes LOGIN;
GRANT SELECT, INSERT, UPDATE ON goods TO regress_etl_deletes;
GRANT pg_read_server_files TO regress_etl_deletes;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO regress_etl_deletes;
SET ROLE regress_etl_deletes;
SELECT etl_create_pipeline('g', source => $$etl_csv('etl_tmp/goods-*.csv') AS t(shop text, id int, name text)$$, target => 'goods', key => 'shop, id', deletes => 'delete');
RESET ROLE;
DROP OWNED BY regress_etl_deletes;
DROP ROLE regress_etl_deletes;
\set VERBOSITY default

-- all parts together, finished ones too; keys are compared by their columns and types
SELECT etl_create_pipeline('g', source => $$etl_csv('etl_tmp/goods-*.csv') AS t(shop text, id int, name text)$$, target => 'goods', key => 'shop, id', deletes => 'delete', batch_size => 2);
SELECT deletes, snapshot, mode FROM etl_pipelines;
INSERT INTO goods VALUES ('a', 1.0, 'old'), ('a', 11, 'gone'), ('c', 1, 'gone');
CALL etl_run('g');
SELECT * FROM last_run;
SELECT shop, id, name FROM goods ORDER BY 1, 2;
CREATE TABLE before AS SELECT xmin::text AS was, shop, id FROM goods;
CALL etl_run('g');
SELECT * FROM last_run;
SELECT count(*) FROM goods AS g JOIN before AS b USING (shop, id) WHERE g.xmin::text = b.was;
SELECT try_file(2, E'b,1,four\n');
CALL etl_run('g');
SELECT * FROM last_run;
SELECT shop, id, name FROM goods ORDER BY 1, 2;
SELECT try_file(1, E'a,1,one\na,2,two\naa,1,three\n' || string_agg(format(E'd,%s,x\n', g), '')) FROM generate_series(1, 100) AS g;
SELECT etl_alter_pipeline('g', batch_size => 30);
CALL etl_run('g');
-- rows whose records are faulty are not gone; the dead letters of a run that has read all are all that there are
SELECT etl_alter_pipeline('g', rules => '{"not fifty": "NOT (shop = ''d'' AND id = 50)"}', source => $$etl_csv('etl_tmp/goods-*.csv') AS t(shop text, id int, name varchar(3))$$,
	query => 'SELECT shop, id, name FROM batch');
SELECT try_file(1, E'a,1,longer\n' || string_agg(format(E'd,%s,%s\n', g, CASE g WHEN 20 THEN 'longer' ELSE 'x' END), '')) FROM generate_series(1, 100) AS g;
CALL etl_run('g');
SELECT * FROM last_run;
SELECT count(*), count(*) FILTER (WHERE shop = 'd') FROM goods;
SELECT stage, rule, raw FROM etl_dead_letters WHERE NOT resolved ORDER BY id;
SELECT try_file(1, string_agg(format(E'd,%s,%s\n', g, CASE g WHEN 20 THEN 'longer' ELSE 'x' END), '')) FROM generate_series(1, 100) AS g;
CALL etl_run('g');
SELECT stage, rule, raw FROM etl_dead_letters WHERE NOT resolved ORDER BY id;
SELECT shop, id FROM goods WHERE shop < 'd' ORDER BY 1, 2;
-- a constraint of the target
ALTER TABLE goods ADD CHECK (name <> 'bad');
SELECT try_file(2, E'b,1,bad\n');
CALL etl_run('g');
SELECT load_failed, deleted FROM last_run;
SELECT shop, id FROM goods WHERE shop < 'd' ORDER BY 1, 2;
-- but when nobody knows which row it is, nothing is deleted; what was loaded stays
SELECT try_file(2, E'c,7,new\nb,y,bad\n');
CALL etl_run('g');
SELECT * FROM last_run;
SELECT try_file(2, E'c,8,new\nb,1\n');
CALL etl_run('g');
SELECT try_file(2, E'c,9,new\n,1,x\n');
CALL etl_run('g');
SELECT shop, id, name FROM goods WHERE shop < 'd' ORDER BY 1, 2;
CALL etl_retry_dead_letters('g');
SELECT count(*) FROM goods;
-- limits
SELECT try_file(2, E'b,1,ok\n');
SELECT try_file(1, string_agg(format(E'd,%s,x\n', g), '')) FROM generate_series(1, 80) AS g;
CALL etl_run('g');
SELECT * FROM last_run;
SELECT count(*) FROM goods;
SELECT etl_alter_pipeline('g', delete_scope => $$shop <> 'd'$$);
CALL etl_run('g');
SELECT deleted FROM last_run;
SELECT shop, count(*) FROM goods GROUP BY shop ORDER BY shop;
SELECT etl_alter_pipeline('g', delete_scope => '', delete_limit => '50%');
CALL etl_run('g');
SELECT deleted FROM last_run;
SELECT try_file(1, '');
SELECT try_file(2, '');
SELECT etl_alter_pipeline('g', delete_limit => '100%');
CALL etl_run('g');
SELECT shop, count(*) FROM goods GROUP BY shop ORDER BY shop;
-- a last line without an end counts when the file is still
SELECT csv_file('goods-1.csv', E'shop,id,name\na,1,one\na,2,two');
CALL etl_run('g');
SELECT deleted FROM last_run;
SELECT shop, id FROM goods ORDER BY 1, 2;
SELECT etl_drop_pipeline('g');

-- the newest part alone; an older row by the watermark is there all the same
TRUNCATE goods;
ALTER TABLE goods ADD v int;
SELECT csv_file('goods-' || p || '.csv', E'shop,id,name,v\n' || f) FROM (VALUES (1, E'a,1,one,1\na,2,two,1\n'), (2, E'a,1,older,0\na,3,three,1\n'), (10, E'x,1,x,1\n')) AS t(p, f);
SELECT etl_create_pipeline('g', source => $$etl_csv('etl_tmp/goods-*.csv') AS t(shop text, id int, name text, v int)$$, target => 'goods', key => 'shop, id', watermark => 'v',
	deletes => 'delete', snapshot => 'newest');
INSERT INTO goods (shop, id, name, v) VALUES ('a', 1, 'mine', 7), ('b', 1, 'gone', 7);
CALL etl_run('g');
SELECT read, loaded, skipped, deleted FROM last_run;
SELECT shop, id, name, v FROM goods ORDER BY 1, 2;
SELECT csv_file('goods-3.csv', E'shop,id,name,v\na,2,two,1\n');
CALL etl_run('g');
SELECT read, loaded, skipped, deleted FROM last_run;
SELECT shop, id, name, v FROM goods ORDER BY 1, 2;
SELECT etl_drop_pipeline('g');
COPY (SELECT WHERE false) TO PROGRAM 'rm etl_tmp/goods-2.csv etl_tmp/goods-3.csv etl_tmp/goods-10.csv';

-- marks: set once, and taken back when the key comes again, be its row the same
TRUNCATE goods;
SELECT etl_create_pipeline(m, source => $$etl_csv('etl_tmp/goods-1.csv') AS t(shop text, id int, name text)$$, target => 'goods', key => 'shop, id', deletes => 'mark:' || m, whole => w)
FROM (VALUES ('gone_at', false), ('gone', true)) AS v(m, w);
SELECT try_file(1, E'a,1,one\na,2,two\n');
CALL etl_run('gone_at');
CALL etl_run('gone');
SELECT shop, id, gone_at, gone FROM goods ORDER BY 1, 2;
SELECT try_file(1, E'a,2,two\n');
CALL etl_run('gone_at');
SELECT deleted, marked, skipped FROM last_run;
CALL etl_run('gone');
SELECT deleted, marked, skipped FROM last_run;
SELECT shop, id, gone_at IS NOT NULL, gone FROM goods ORDER BY 1, 2;
CREATE TABLE marks AS SELECT gone_at FROM goods;
CALL etl_run('gone_at');
SELECT deleted, marked, skipped FROM last_run;
SELECT count(*) FROM goods JOIN marks USING (gone_at);
SELECT try_file(1, E'a,1,one\n');
CALL etl_run('gone_at');
SELECT deleted, marked, skipped FROM last_run;
CALL etl_run('gone');
SELECT shop, id, gone_at IS NOT NULL, gone FROM goods ORDER BY 1, 2;
-- those that are marked are held against no limit
INSERT INTO goods SELECT 'z', g, 'z', now(), true FROM generate_series(1, 1000) AS g;
INSERT INTO goods SELECT 'y', g, 'y' FROM generate_series(1, 20) AS g;
CALL etl_run('gone_at');
SELECT state, marked, message FROM last_run;
SELECT etl_alter_pipeline('gone_at', delete_limit => '100%');
CALL etl_run('gone_at');
SELECT state, marked, message FROM last_run;
SELECT etl_drop_pipeline(pipeline) FROM etl_status;

-- rows that wait for what they refer to are there; those that are referred to fail the run, and none is deleted
CREATE TABLE nodes (id int PRIMARY KEY, parent int REFERENCES nodes);
SELECT csv_file('nodes.csv', E'id,parent\n1,2\n2,3\n3,\n');
SELECT etl_create_pipeline('n', source => $$etl_csv('etl_tmp/nodes.csv') AS t(id int, parent int)$$, target => 'nodes', key => 'id', deletes => 'delete', batch_size => 1);
INSERT INTO nodes VALUES (4, NULL);
CALL etl_run('n');
SELECT load_failed, loaded, deleted FROM last_run;
SELECT * FROM nodes ORDER BY id;
SELECT csv_file('nodes.csv', E'id,parent\n1,2\n3,\n');
INSERT INTO nodes VALUES (4, NULL);
CALL etl_run('n');
SELECT * FROM nodes ORDER BY id;
SELECT etl_drop_pipeline('n');

-- random snapshots in two parts, held against a model in plain SQL
CREATE TABLE kept (a text, b text, v int, PRIMARY KEY (a, b));
CREATE TABLE marked (a text, b text, v int, gone boolean, PRIMARY KEY (a, b));
CREATE TABLE snapshot (part int, a text, b text, v int);
SELECT etl_create_pipeline(t, source => $$etl_csv('etl_tmp/snapshot-*.csv') AS t(a text, b text, v int)$$, target => t, key => 'a, b', deletes => d, delete_limit => '100%', batch_size => 3)
FROM (VALUES ('kept', 'delete'), ('marked', 'mark:gone')) AS v(t, d);
SELECT setseed(0.25);
-- no file is no snapshot
INSERT INTO kept VALUES ('', '', 0);
CALL etl_run('kept');
TRUNCATE kept;
CREATE FUNCTION next_snapshot() RETURNS void LANGUAGE SQL AS $$
	DELETE FROM snapshot WHERE part = (random() * 1)::int OR random() < 0.1;
	INSERT INTO snapshot SELECT (random() * 1)::int, repeat('a', (random() * 4)::int), repeat('a', (random() * 4)::int), (random() * 2)::int FROM generate_series(1, 1 + (random() * 12)::int) AS g;
	SELECT csv_file(format('snapshot-%s.csv', p), 'a,b,v' || chr(10) ||
		coalesce((SELECT string_agg(format('"%s","%s",%s', a, b, v), chr(10) ORDER BY ctid) || chr(10) FROM snapshot WHERE part = p), '')) FROM generate_series(0, 1) AS p;
$$;
CREATE VIEW wrong AS WITH last AS (SELECT DISTINCT ON (a, b) a, b, v FROM snapshot ORDER BY a, b, part DESC, ctid DESC), present AS (SELECT a, b, v FROM marked WHERE gone IS NOT TRUE)
	(TABLE last EXCEPT TABLE kept) UNION ALL (TABLE kept EXCEPT TABLE last) UNION ALL (TABLE last EXCEPT TABLE present) UNION ALL (TABLE present EXCEPT TABLE last);
CREATE TABLE wrongs AS TABLE wrong;
\set ECHO none
\o /dev/null
SELECT command FROM generate_series(1, 25) AS g, unnest(ARRAY['SELECT next_snapshot()', 'CALL etl_run(''kept'')', 'CALL etl_run(''marked'')', 'INSERT INTO wrongs TABLE wrong'])
	WITH ORDINALITY AS c(command, n) ORDER BY g, n
\gexec
\o
\set ECHO all
TABLE wrongs;
SELECT pipeline, count(*), count(*) FILTER (WHERE state <> 'succeeded'), sum(deleted) > 20, sum(marked) > 20, bool_and(emitted = invalid + superseded + load_failed + loaded + skipped + tombstones)
FROM etl_runs WHERE pipeline IN ('kept', 'marked') GROUP BY pipeline ORDER BY pipeline;
SELECT etl_drop_pipeline(pipeline) FROM etl_status;
DROP TABLE goods, before, marks, nodes, kept, marked, snapshot, wrongs CASCADE;
DROP FUNCTION next_snapshot, try_file;
DROP VIEW last_run;
COPY (SELECT WHERE false) TO PROGRAM 'rm etl_tmp/snapshot-*.csv etl_tmp/goods-1.csv';
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;
