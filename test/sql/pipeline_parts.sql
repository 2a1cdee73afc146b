--
-- Parts of a source that cannot be read: set aside, so that the others load, and read on when they have changed.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
CREATE FUNCTION put(name text, content text, age int DEFAULT 60) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM csv_file(name, content);
	EXECUTE format('COPY (SELECT WHERE false) TO PROGRAM %L', format('touch -d "%s minutes ago" etl_tmp/%s', age, name));
END $$;
CREATE VIEW parts AS SELECT substr(part, strpos(part, '/') + 1) AS part, state, rows, version IS NOT NULL AS known, attempts, sqlstate, message
	FROM etl_parts WHERE pipeline = 'p' ORDER BY 1;
CREATE TABLE p (id int, v text);

-- A header that lacks a column.  By default it fails the run.
SELECT put('parts-1.csv', E'id,v\n1,a\n'), put('parts-2.csv', E'id,value\n2,b\n'), put('parts-3.csv', E'id,v\n3,c\n');
SELECT etl_create_pipeline('p', source => $$etl_csv('etl_tmp/parts-*.csv') AS t(id int, v text)$$, target => 'p');
CALL etl_run('p');
TABLE p;
SELECT etl_alter_pipeline('p', on_bad_part => 'set_aside');
CALL etl_run('p');
TABLE p;
TABLE parts;
SELECT run, state, read, loaded, parts_set_aside, message IS NULL AS "no message" FROM etl_runs WHERE pipeline = 'p' ORDER BY run;
SELECT parts_set_aside FROM etl_status WHERE pipeline = 'p';
SELECT value FROM etl_metric_samples WHERE metric = 'etl_parts_set_aside' AND labels->>'pipeline' = 'p';
-- As it is, it is passed over, but not where it would be an error.
CALL etl_run('p');
SELECT etl_alter_pipeline('p', on_bad_part => 'fail');
CALL etl_run('p');
SELECT etl_alter_pipeline('p', on_bad_part => 'set_aside');
-- It is tried again on request, when the source has another text, and when it changes.
SELECT etl_retry_parts('p', 'etl_tmp/parts-1.csv'), etl_retry_parts('p', 'etl_tmp/parts-2.csv');
CALL etl_run('p');
SELECT part, attempts FROM parts WHERE state = 'set_aside';
SELECT etl_alter_pipeline('p', source => $$etl_csv('etl_tmp/parts-*.csv') AS t(id int, v text) $$);
CALL etl_run('p');
SELECT part, attempts FROM parts WHERE state = 'set_aside';
SELECT put('parts-2.csv', E'id,v\n2,bb\n', 50);
CALL etl_run('p');
TABLE p;
TABLE parts;
SELECT parts_set_aside FROM etl_status WHERE pipeline = 'p';
SELECT etl_reset('p');
TABLE parts;
TRUNCATE p;

-- What comes before the fault is loaded, and once, however often the part is tried.
SELECT etl_alter_pipeline('p', source => $$etl_json('etl_tmp/parts-*.json') AS t(id int, v text)$$, batch_size => 2);
SELECT put('parts-1.json', '[{"id": 1}, {"id": 11}, {"id": 111}, {"id": }, {"id": 1111}]'), put('parts-2.json', '{"id": 2} {"id": 22}'), put('parts-3.json', '[{"id": 3'),
	put('parts-4.json', 'PK' || chr(3) || chr(4) || 'zip');
CALL etl_run('p');
SELECT etl_retry_parts('p');
CALL etl_run('p');
SELECT array_agg(id ORDER BY id) FROM p;
TABLE parts;
-- A file that is gone counts no more, and one that comes back is what it was.
COPY (SELECT WHERE false) TO PROGRAM 'rm etl_tmp/parts-4.json; mv etl_tmp/parts-3.json etl_tmp/parts-3.away';
CALL etl_run('p');
SELECT parts_set_aside FROM etl_status WHERE pipeline = 'p';
COPY (SELECT WHERE false) TO PROGRAM 'mv etl_tmp/parts-3.away etl_tmp/parts-3.json';
CALL etl_run('p');
SELECT parts_set_aside FROM etl_status WHERE pipeline = 'p';

-- One file and no other.
SELECT etl_alter_pipeline('p', source => $$etl_csv('etl_tmp/parts-9.csv') AS t(id int, v text)$$);
SELECT put('parts-9.csv', E'id\n9\n');
CALL etl_run('p');
SELECT part, state FROM parts WHERE part ~ '9';

-- How far the data goes is only known when all parts are read.
CREATE TABLE w (id int PRIMARY KEY);
SELECT put('parts-w1.csv', E'id\n1\n'), put('parts-w2.csv', E'ip\n2\n'), put('parts-w3.csv', E'id\n3\n');
SELECT etl_create_pipeline('w', source => $$etl_csv('etl_tmp/parts-w*.csv') AS t(id int)$$, target => 'w', key => '{id}', watermark => 'id', on_bad_part => 'set_aside');
CALL etl_run('w');
SELECT etl_watermark('w');
CALL etl_run('w');
SELECT etl_watermark('w');
SELECT put('parts-w2.csv', E'id\n2\n', 50);
CALL etl_run('w');
SELECT etl_watermark('w');

-- What is not the part's fault fails the run.
SELECT put('parts-w4.csv', E'id\n4\n');
ALTER TABLE w RENAME id TO i;
CALL etl_run('w');
ALTER TABLE w RENAME i TO id;
SELECT etl_alter_pipeline('w', whole => true);
SELECT etl_alter_pipeline('w', on_bad_part => 'leave');

-- Who sees what.
CREATE ROLE regress_etl_owner;
CREATE ROLE regress_etl_watcher IN ROLE pg_monitor;
GRANT EXECUTE ON FUNCTION etl_retry_parts TO regress_etl_owner, regress_etl_watcher;
SET ROLE regress_etl_owner;
TABLE etl_parts;
SELECT etl_retry_parts('p');
SET ROLE regress_etl_watcher;
SELECT pipeline, part, state, rows, version, attempts, sqlstate, message FROM etl_parts WHERE pipeline = 'p' ORDER BY 1, 3, 4, 7;
SELECT etl_retry_parts('p');
RESET ROLE;
SELECT etl_retry_parts(NULL), etl_retry_parts('none');

SELECT etl_drop_pipeline('p'), etl_drop_pipeline('w');
SELECT count(*) FROM etl_catalog.checkpoints;
DROP VIEW parts;
DROP FUNCTION put;
DROP TABLE p, w;
DROP OWNED BY regress_etl_owner, regress_etl_watcher;
DROP ROLE regress_etl_owner, regress_etl_watcher;
