--
-- Parts with nothing in them: counted where runs read what is new, an error where what is not there counts.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset null '<null>'
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE PROCEDURE sh(command text) LANGUAGE plpgsql AS
	$$ BEGIN EXECUTE format('COPY (SELECT WHERE false) TO PROGRAM %L', 'cd etl_tmp && ' || command); END $$;
-- How a run ends, and what the target has.
CREATE FUNCTION fate(pipeline text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	SELECT concat_ws(', ', state, sqlstate, message, 'read ' || read, 'deleted ' || deleted, 'empty ' || parts_empty) INTO result
	FROM etl_runs AS r WHERE r.pipeline = fate.pipeline ORDER BY run DESC LIMIT 1;
	RETURN result;
END $$;
\pset tuples_only on
\pset format unaligned
\set rows 'SELECT string_agg(id::text, '' '' ORDER BY id) AS rows FROM kept'
CREATE TABLE kept (id int PRIMARY KEY, t text, gone boolean);
SELECT csv_file('part_a.csv', E'id,t\n1,a\n2,a\n'), csv_file('part_b.csv', E'id,t\n3,b\n');
SELECT csv_file('part_a.json', '[{"id": 1}, {"id": 2}]'), csv_file('part_b.json', '[{"id": 3}]');
SELECT csv_file('part_a.log', E'1 a\n2 a\n'), csv_file('part_b.log', E'3 b\n');

-- Runs that read what is new pass it over, and say so; when there is something in it, it is read.
SELECT etl_create_pipeline('new', source => $$etl_csv('etl_tmp/part_?.csv') AS t(id int, t text)$$, target => 'kept', key => 'id');
SELECT csv_file('part_c.csv', ''), csv_file('part_d.csv', E'\uFEFF');
CALL etl_run('new');
SELECT fate('new');
CALL etl_run('new');
SELECT fate('new');
SELECT csv_file('part_c.csv', E'id,t\n4,c\n');
CALL etl_run('new');
SELECT fate('new');
:rows;
SELECT etl_drop_pipeline('new');
SELECT etl_create_pipeline('new', source => $$etl_json('etl_tmp/part_?.json') AS t(id int)$$, target => 'kept', key => 'id');
SELECT csv_file('part_c.json', E' \n');
CALL etl_run('new');
SELECT fate('new');
SELECT etl_drop_pipeline('new');
CALL sh('rm part_[cd].*');
TRUNCATE kept;

-- Runs that remove rows, or read all of the source: each mode, each format, each way to be empty.  A header alone, and [], are no rows.
CREATE FUNCTION define(source text, options text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT etl_create_pipeline(''all'', source => %L, target => ''kept'', delete_limit => ''100%%'', %s)', source, options);
END $$;
\set QUIET on
CREATE FUNCTION source_of(format text) RETURNS text LANGUAGE sql AS $$
	SELECT CASE format
		WHEN 'csv' THEN 'etl_csv(''etl_tmp/part_?.csv'') AS t(id int, t text)'
		WHEN 'union' THEN 'etl_csv(''etl_tmp/part_?.csv'', union_by_name => true) AS t(id int, t text)'
		WHEN 'none' THEN 'etl_csv(''etl_tmp/part_?.csv*'', header => false, skip_lines => 0, ragged => ''pad'') AS t(id int, t text)'
		WHEN 'json' THEN 'etl_json(''etl_tmp/part_?.json'') AS t(id int)'
		ELSE 'etl_lines(''etl_tmp/part_?.log'', pattern => ''(?<id>\d+) (?<t>.)'') AS t(id int, t text)' END $$;
\set QUIET off
SELECT format('SELECT define(source_of(%L), %L)', format, options), 'CALL etl_run(''all'')',
	format('SELECT csv_file(%L, %s)', 'part_c.' || suffix, content), 'CALL etl_run(''all'')', 'SELECT fate(''all'')', :'rows',
	'SELECT etl_drop_pipeline(''all'')', 'CALL sh(''rm -f part_c*'')', 'TRUNCATE kept'
FROM (VALUES ('csv', 'csv', 'no byte', $$''$$, $$key => 'id', mode => 'replace'$$),
	('csv', 'csv', 'no byte', $$''$$, $$mode => 'replace', replace_by => 'truncate'$$),
	('csv', 'csv', 'no byte', $$''$$, $$key => 'id', deletes => 'delete'$$),
	('csv', 'csv', 'no byte', $$''$$, $$key => 'id', deletes => 'mark:gone'$$),
	('csv', 'csv', 'no byte', $$''$$, $$key => 'id', deletes => 'delete', snapshot => 'newest'$$),
	('csv', 'csv', 'no byte', $$''$$, $$key => 'id', mode => 'replace', delete_scope => 'id > 1'$$),
	('csv', 'csv', 'a mark', $$E'\uFEFF'$$, $$key => 'id', mode => 'replace'$$),
	('union', 'csv', 'no byte', $$''$$, $$key => 'id', deletes => 'delete'$$),
	('csv', 'csv', 'a header', $$E'id,t\n'$$, $$key => 'id', deletes => 'delete'$$),
	('json', 'json', 'no byte', $$''$$, $$key => 'id', deletes => 'delete'$$),
	('json', 'json', 'white space', $$E' \n '$$, $$key => 'id', mode => 'replace'$$),
	('json', 'json', 'a list', $$'[]'$$, $$key => 'id', mode => 'replace'$$),
	('lines', 'log', 'no byte', $$''$$, $$key => 'id', deletes => 'delete'$$),
	('lines', 'log', 'no byte', $$''$$, $$key => 'id', mode => 'replace'$$),
	('lines', 'log', 'a line', $$E'4 c\n'$$, $$key => 'id', mode => 'replace'$$)) AS v(format, suffix, what, content, options)
\gexec
-- compressed, and without a header
CALL sh('printf "1,a\n" > part_a.csv; printf "3,b\n" > part_b.csv');
SELECT define(source_of('none'), $$key => 'id', deletes => 'delete'$$);
CALL etl_run('all');
CALL sh('gzip -c /dev/null > part_c.csv.gz');
CALL etl_run('all');
SELECT fate('all');
SELECT etl_drop_pipeline('all');
CALL sh('rm -f part_*');
TRUNCATE kept;

-- A dialect that gives less than all there is: an error before anything is asked for.
SELECT format($$SELECT define('etl_api(''https://example.com'', options => ''%s'') AS t(id int)', $o$key => 'id', deletes => 'delete'$o$)$$, less),
	'CALL etl_run(''all'')', 'SELECT etl_drop_pipeline(''all'')'
FROM unnest(ARRAY['{"max_pages": 3}', '{"stop": "older:id=3"}', '{"on_truncation": "warning"}']) AS less
\gexec

-- A file that grows while it is read is no complete one.
SELECT csv_file('grows.csv', E'id,t\n1,a\n2,b\n3,c\n');
CREATE FUNCTION grow() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN COPY (SELECT 4, 'd') TO PROGRAM 'cat >>etl_tmp/grows.csv' (FORMAT csv); RETURN NEW; END $$;
CREATE TRIGGER grow BEFORE INSERT ON kept FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION grow();
INSERT INTO kept VALUES (4, 'd');
SELECT etl_create_pipeline('all', source => $$etl_csv('etl_tmp/grows.csv') AS t(id int, t text)$$, target => 'kept', key => 'id', deletes => 'delete', batch_size => 1);
CALL etl_run('all');
SELECT fate('all');
:rows;
CALL etl_run('all');
SELECT fate('all');
:rows;
SELECT etl_drop_pipeline('all');
DROP TRIGGER grow ON kept;
DROP FUNCTION grow;
TRUNCATE kept;

-- A last line that was taken for complete, since the file was still, and has gone on: the rest of it is a fault.
SELECT csv_file('grows.log', E'1 a\n2 b'), csv_file('grows.txt', E'01a\n02b');
SELECT etl_create_pipeline('lines', source => $$etl_lines('etl_tmp/grows.log', pattern => '(?<id>\d+) (?<t>\w+)') AS t(id int, t text, _etl_line bigint)$$, target => 'kept', key => 'id', query => 'SELECT id, t FROM batch');
SELECT etl_create_pipeline('fixed', source => $$etl_fixed('etl_tmp/grows.txt', widths => '{2,1}') AS t(id int, t text)$$, target => 'kept', key => 'id');
CALL etl_run('lines');
CALL etl_run('fixed');
SELECT csv_file('grows.log', E'1 a\n2 b3 c\n4 d'), csv_file('grows.txt', E'01a\n02b03c\n04d');
CALL etl_run('lines');
CALL etl_run('fixed');
SELECT csv_file('grows.log', E'1 a\n2 b3 c\n4 d\n5 e\n'), csv_file('grows.txt', E'01a\n02b03c\n04d\r\n05e\n');
CALL etl_run('lines');
CALL etl_run('fixed');
:rows;
SELECT pipeline, line, raw, message FROM etl_dead_letters WHERE pipeline IN ('lines', 'fixed') ORDER BY id;
SELECT etl_drop_pipeline('lines'), etl_drop_pipeline('fixed');

DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;
DROP TABLE kept;
DROP FUNCTION fate, define, source_of;
DROP PROCEDURE sh;
