--
-- Where a run goes on: finished, grown, changed and held-back files; watermarks; append; what is not rewritten.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET datestyle = 'ISO';
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE log (n int, t text);
CREATE FUNCTION log_of(n int) RETURNS text LANGUAGE sql AS $$
	SELECT E'n,t\n' || coalesce(string_agg(format(E'%s,"line\n%s"\n', g, g), '' ORDER BY g), '') FROM generate_series(1, n) AS g
$$;
SELECT csv_file('log_a.csv', log_of(5));
SELECT etl_create_pipeline('log', source => $$etl_csv('etl_tmp/log_*.csv') AS t(n int, t text)$$, target => 'log', batch_size => 3);
CALL etl_run('log');
CALL etl_run('log');
-- a new file, before the one that is there, and one that has other columns
SELECT csv_file('log_0.csv', E't,more,n\nzero,,0\n');
CALL etl_run('log');
-- one that grew is continued, CR LF and all
SELECT csv_file('log_a.csv', log_of(7));
CALL etl_run('log');
SELECT csv_file('log_crlf.csv', E'n,t\r\n100,a\r\n');
CALL etl_run('log');
SELECT csv_file('log_crlf.csv', E'n,t\r\n100,a\r\n101,b\r\n');
CALL etl_run('log');
-- one that is another file is read again
SELECT csv_file('log_crlf.csv', E'n,t\n200,a\n');
CALL etl_run('log');
SELECT n, replace(t, E'\n', '/') FROM log ORDER BY n, t;
-- an unterminated last record counts once the file is still
SELECT csv_file('log_part.csv', E'n,t\n300,whole\n301,par');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = ''1h''', current_database()); END $$;
CALL etl_run('log');
SELECT csv_file('log_part.csv', E'n,t\n300,whole\n301,part\n302,"ope');
CALL etl_run('log');
SELECT csv_file('log_part.csv', E'n,t\n300,whole\n301,part\n302,"open\nand closed"\n');
CALL etl_run('log');
SELECT n, t FROM log WHERE n >= 300 ORDER BY n;
SELECT line, raw, message FROM etl_dead_letters WHERE pipeline = 'log';
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
-- after that the line may come to its end, as it is, and may not go on
SELECT csv_file('log_part.csv', E'n,t\n300,whole\n301,part\n302,"open\nand closed"\n303,a\n304,b');
CALL etl_run('log');
SELECT csv_file('log_part.csv', E'n,t\n300,whole\n301,part\n302,"open\nand closed"\n303,a\n304,b\n305,c\n306');
CALL etl_run('log');
SELECT csv_file('log_part.csv', E'n,t\n300,whole\n301,part\n302,"open\nand closed"\n303,a\n304,b\n305,c\n306,d\n307,e\r\n308,f');
CALL etl_run('log');
SELECT csv_file('log_part.csv', E'n,t\n300,whole\n301,part\n302,"open\nand closed"\n303,a\n304,b\n305,c\n306,d\n307,e\r\n308,f\r\n309,g\r\n');
CALL etl_run('log');
SELECT n, t FROM log WHERE n > 302 OR n IS NULL ORDER BY n;
SELECT line, raw, message, detail FROM etl_dead_letters WHERE pipeline = 'log' ORDER BY id;
SELECT csv_file('log_part.csv', E'n,t\n300,whole\n301,part\n302,"open\nand closed"\n');
-- from the start again
TRUNCATE log;
SELECT etl_reset('log');
CALL etl_run('log');
SELECT count(*), count(DISTINCT n) FROM log;
SELECT etl_drop_pipeline('log');

CREATE TABLE per_t (n int, t text PRIMARY KEY);
-- an empty directory is no failure; a file or a directory that is not there is one, as is a source of which nothing is seen
SELECT etl_create_pipeline('inbox', source => $$etl_csv('etl_tmp/inbox-*.csv') AS t(n int, t text)$$, target => 'log');
CALL etl_run('inbox');
SELECT state, sqlstate, read, message FROM etl_runs WHERE pipeline = 'inbox';
SELECT csv_file('inbox-1.csv', E'n,t\n1,came\n');
CALL etl_run('inbox');
SELECT etl_alter_pipeline('inbox', source => $$etl_csv('etl_tmp/nowhere/*.csv') AS t(n int, t text)$$);
CALL etl_run('inbox');
SELECT etl_alter_pipeline('inbox', source => $$etl_csv('etl_tmp/inbox-2.csv') AS t(n int, t text)$$);
CALL etl_run('inbox');
SELECT etl_alter_pipeline('inbox', source => $$etl_csv('etl_tmp/inbox-[2-9].csv') AS t(n int, t text)$$);
CALL etl_run('inbox');
SELECT etl_drop_pipeline('inbox');
SELECT etl_create_pipeline('inbox', source => $$etl_csv('etl_tmp/inbox-[2-9].csv') AS t(n int, t text)$$,
	query => 'SELECT count(*)::int AS n, t FROM batch GROUP BY t', target => 'per_t', key => '{t}', whole => true);
CALL etl_run('inbox');
SELECT etl_drop_pipeline('inbox');
DROP TABLE per_t;

-- compressed: not read again unless it changed
COPY (SELECT WHERE false) TO PROGRAM 'printf "n,t\n1,a\n2,b\n" | gzip > etl_tmp/packed.csv.gz';
TRUNCATE log;
SELECT etl_create_pipeline('packed', source => $$etl_csv('etl_tmp/packed.csv.gz') AS t(n int, t text)$$, target => 'log');
CALL etl_run('packed');
CALL etl_run('packed');
SELECT * FROM log;
SELECT etl_drop_pipeline('packed');

-- upsert: unchanged rows are not rewritten, older ones do not overwrite, the watermark grows
CREATE TABLE facts (id int PRIMARY KEY, v text, doc json, at timestamptz);
SELECT csv_file('facts.csv', E'id,v,at\n1,a,2026-01-05\n2,b,2026-01-06\n3,c,\n');
SELECT etl_create_pipeline('facts', source => $$etl_csv('etl_tmp/facts.csv') AS t(id int, v text, at timestamptz)$$,
	query => $$SELECT id, v, json_build_object('v', v) AS doc, at FROM batch$$,
	target => 'facts', key => '{id}', watermark => 'at', watermark_lag => '1 day');
SELECT etl_watermark('facts') IS NULL, etl_watermark('facts', '-infinity'::timestamptz);
CALL etl_run('facts');
CREATE TABLE before AS SELECT id, ctid AS place, xmin AS writer FROM facts;
SELECT etl_watermark('facts'), etl_watermark('facts', '-infinity'::timestamptz), etl_watermark('facts', '2000-01-01'::date);
SELECT csv_file('facts.csv', E'id,v,at\n1,old,2026-01-01\n2,b,2026-01-06\n3,c2,2026-01-04\n4,d,2026-01-02\n');
CALL etl_run('facts');
SELECT f.id, f.v, f.at, f.ctid = b.place AND f.xmin = b.writer AS untouched FROM facts f LEFT JOIN before b USING (id) ORDER BY id;
SELECT etl_watermark('facts');
-- twice all of it: from the second batch on, unchanged rows are not even locked
SELECT csv_file('facts.csv', E'id,v,at\n' || string_agg(format(E'%s,v,2026-01-01\n', g), '')) FROM generate_series(1, 100) AS g;
TRUNCATE facts;
SELECT etl_alter_pipeline('facts', batch_size => 20), etl_reset('facts');
CALL etl_run('facts');
SELECT etl_reset('facts');
CALL etl_run('facts');
SELECT count(*) FILTER (WHERE xmax = 0) AS not_locked, count(*) FROM facts;
-- what a user changed meanwhile is seen
UPDATE facts SET v = 'theirs', at = '2025-01-01' WHERE id > 95;
SELECT etl_reset('facts');
CALL etl_run('facts');
SELECT count(*) FROM facts WHERE v = 'theirs';
-- on_conflict
SELECT etl_reset('facts'), etl_alter_pipeline('facts', on_conflict => 'ignore');
UPDATE facts SET v = 'theirs' WHERE id > 95;
CALL etl_run('facts');
SELECT etl_reset('facts'), etl_alter_pipeline('facts', on_conflict => 'error');
CALL etl_run('facts');
SELECT count(*) FROM facts WHERE v = 'theirs';
SELECT sqlstate, count(*) FROM etl_dead_letters GROUP BY 1;
SELECT etl_drop_pipeline('facts');

-- targets: partitioned, identity, another schema and mixed case, triggers, a view, RLS
SELECT csv_file('targets.csv', E'id,v\n1,a\n11,b\n3,skip\n21,nowhere\n');
CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."Parts" ("Id" int PRIMARY KEY, v text) PARTITION BY RANGE ("Id");
CREATE TABLE part_1 PARTITION OF "Odd Schema"."Parts" FOR VALUES FROM (0) TO (10);
CREATE TABLE part_2 (v text, "Id" int NOT NULL);
ALTER TABLE "Odd Schema"."Parts" ATTACH PARTITION part_2 FOR VALUES FROM (10) TO (20);
SELECT etl_create_pipeline('parts', source => $$etl_csv('etl_tmp/targets.csv') AS t("Id" int, v text)$$, target => '"Odd Schema"."Parts"', key => '{Id}');
CALL etl_run('parts');
UPDATE "Odd Schema"."Parts" SET v = 'x';
SELECT etl_reset('parts');
CALL etl_run('parts');
SELECT tableoid::regclass, * FROM "Odd Schema"."Parts" ORDER BY 2;
CREATE TABLE ident (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, vv text GENERATED ALWAYS AS (v || v) STORED);
CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.v = 'skip' THEN RETURN NULL; END IF; RETURN NEW; END $$;
CREATE TRIGGER leave_out BEFORE INSERT ON ident FOR EACH ROW EXECUTE FUNCTION leave_out();
SELECT etl_create_pipeline('ident', source => $$etl_csv('etl_tmp/targets.csv') AS t(id int, v text)$$, target => 'ident', key => '{id}');
CALL etl_run('ident');
CALL etl_run('ident');
SELECT * FROM ident ORDER BY id;
CREATE VIEW ident_view AS SELECT v FROM ident;
SELECT etl_create_pipeline('view', source => $$etl_csv('etl_tmp/targets.csv') AS t(id int, v text)$$, query => 'SELECT v FROM batch WHERE id < 10', target => 'ident_view');
CALL etl_run('view');
SELECT etl_drop_pipeline(pipeline) FROM etl_status;
DROP VIEW ident_view;
DROP TABLE ident, "Odd Schema"."Parts", facts, before, log;
DROP FUNCTION leave_out(), log_of(int);
DROP SCHEMA "Odd Schema";
