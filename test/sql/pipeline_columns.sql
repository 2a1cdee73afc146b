--
-- Columns of a source that no record has: an error until some run has seen them, then a NOTICE and a counter.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE seen (id int PRIMARY KEY, amount int, note text);
CREATE VIEW last_run AS SELECT state, read, loaded, columns_missing, missing_columns, message FROM etl_runs ORDER BY run DESC LIMIT 1;
\pset tuples_only on
\pset format unaligned
-- misspelt: the last batch is not loaded, in no run
SELECT csv_file('columns-1.ndjson', (SELECT string_agg(format('{"id":%s,"amount":%s,"note":"x"}', i, i), E'\n') || E'\n' FROM generate_series(1, 25) AS i));
SELECT etl_create_pipeline('seen', source => $$etl_json('etl_tmp/columns-?.ndjson') AS t(id int, amout int, note text)$$,
	query => 'SELECT id, amout AS amount, note FROM batch', target => 'seen', key => '{id}', batch_size => 10);
CALL etl_run('seen');
SELECT count(*) FROM seen;
CALL etl_run('seen');
SELECT count(*) FROM seen;
TABLE last_run;
-- mended; from then on it may be absent, also after a reset
SELECT etl_alter_pipeline('seen', source => $$etl_json('etl_tmp/columns-?.ndjson') AS t(id int, amount int, note text)$$, query => ''), etl_reset('seen');
CALL etl_run('seen');
SELECT count(*), count(amount) FROM seen;
SELECT csv_file('columns-2.ndjson', E'{"id":1,"total":5}\n{"id":30,"total":6}\n');
CALL etl_run('seen');
TABLE last_run;
SELECT * FROM seen WHERE id IN (1, 30) ORDER BY id;
SELECT succeeded, failed, columns_missing FROM etl_catalog.totals AS t JOIN etl_pipelines AS p ON p.id = t.pipeline WHERE p.name = 'seen';
-- nothing read says nothing, nor do records that are no objects, or faulty lines
CALL etl_run('seen');
TABLE last_run;
SELECT csv_file('columns-3.ndjson', E'5\n{"id":\n');
CALL etl_run('seen');
TABLE last_run;
SELECT etl_reset('seen');
SELECT csv_file('columns-1.ndjson', E'{"id":1,"amount":5}\n');
CALL etl_run('seen');
TABLE last_run;
-- a new column is new
SELECT etl_alter_pipeline('seen', source => $$etl_json('etl_tmp/columns-?.ndjson') AS t(id int, amount int, note text, more int)$$,
	query => 'SELECT id, amount, note FROM batch'), etl_reset('seen');
CALL etl_run('seen');
-- as the source says
SELECT etl_alter_pipeline('seen', source => $$etl_json('etl_tmp/columns-?.ndjson', missing_columns => 'notice') AS t(id int, amount int, note text, more int)$$);
CALL etl_run('seen');
SELECT etl_alter_pipeline('seen', source => $$etl_json('etl_tmp/columns-?.ndjson', missing_columns => 'null') AS t(id int, amount int, note text, more int)$$), etl_reset('seen');
CALL etl_run('seen');
TABLE last_run;
-- a whole source, in several batches; a record that cannot be loaded counts, too
SELECT etl_drop_pipeline('seen');
SELECT count(*) FROM etl_catalog.seen_columns AS s WHERE NOT EXISTS (SELECT FROM etl_catalog.pipelines AS p WHERE p.id = s.pipeline);
TRUNCATE seen;
SELECT csv_file('columns-1.ndjson', E'{"id":1,"amount":5}\n{"id":2}\n{"id":null,"note":"x"}\n{"id":4}\n');
SELECT etl_create_pipeline('seen', source => $$etl_json('etl_tmp/columns-1.ndjson') AS t(id int, amout int, note text)$$,
	query => 'SELECT id, sum(amout) AS amount FROM batch GROUP BY 1', target => 'seen', key => '{id}', batch_size => 2, whole => true);
CALL etl_run('seen');
SELECT etl_alter_pipeline('seen', source => $$etl_json('etl_tmp/columns-1.ndjson') AS t(id int, amount int, note text)$$, query => 'SELECT id, sum(amount) AS amount FROM batch GROUP BY 1');
CALL etl_run('seen');
TABLE last_run;
SELECT csv_file('columns-1.ndjson', E'{"id":1,"amount":5}\n');
CALL etl_run('seen');
TABLE last_run;
SELECT etl_drop_pipeline('seen');
-- the verdict is the same wherever batches end: some records are not loaded, so that each run has what to judge by
SELECT csv_file('columns-1.ndjson', (SELECT string_agg(format('{"id":%s,"amount":%s%s}', i, i, CASE WHEN i = 17 THEN ',"note":"x"' ELSE '' END), E'\n') || E'\n' FROM generate_series(1, 20) AS i));
SELECT csv_file('columns-1.csv', (SELECT E'id,amount\n' || string_agg(format(E'%s,%s\n', i, i), '') FROM generate_series(1, 12) AS i)),
	csv_file('columns-2.csv', (SELECT E'amount,id,note\n' || string_agg(format(E'%s,%s,x\n', i, i), '') FROM generate_series(13, 20) AS i)), csv_file('columns-3.csv', E'id\n');
CREATE TABLE ends (source text, name text);
CREATE VIEW last_two AS SELECT (SELECT count(*) FROM seen) AS loaded, string_agg(concat_ws(' ', state, read, sqlstate), ', ' ORDER BY run) FROM (SELECT * FROM etl_runs ORDER BY run DESC LIMIT 2) AS r;
INSERT INTO ends VALUES ($$etl_json('etl_tmp/columns-1.ndjson')$$, 'json'), ($$etl_csv('etl_tmp/columns-?.csv', union_by_name => true)$$, 'csv');
SELECT etl_create_pipeline(name, source => source || ' AS t(id int, amout int, note text)', query => 'SELECT id, amout AS amount, note FROM batch', target => 'seen', key => '{id}') FROM ends;
\set VERBOSITY sqlstate
SELECT format(statement, name, size) FROM ends, unnest('{1,3,7,10,12,19,20,21}'::int[]) AS size,
	(VALUES (1, 'SELECT etl_alter_pipeline(%L, batch_size => %s), etl_reset(%1$L)'), (2, 'TRUNCATE seen'), (3, 'CALL etl_run(%L)'), (4, 'CALL etl_run(%L)'), (5, 'TABLE last_two')) AS s(n, statement)
ORDER BY name DESC, size, n
\gexec
\set VERBOSITY default
CALL etl_run('csv');
-- mended it may be absent from then on; a run that reads nothing neither judges nor forgets
SELECT etl_alter_pipeline(name, source => source || ' AS t(id int, amount int, note text)', query => '', batch_size => 10), etl_reset(name) FROM ends;
CALL etl_run('json');
CALL etl_run('csv');
SELECT csv_file('columns-4.csv', E'id,other\n30,1\n31,2\n');
CALL etl_run('csv');
TABLE last_run;
SELECT etl_alter_pipeline(name, source => source || ' AS t(id int, amount int, note text, more int)', query => 'SELECT id, amount, note FROM batch') FROM ends;
CALL etl_run('json');
CALL etl_run('csv');
COPY (SELECT WHERE false) TO PROGRAM $$printf '{"id":21,"note":"y"}\n' >> etl_tmp/columns-1.ndjson; printf '32,3\n' >> etl_tmp/columns-4.csv$$;
CALL etl_run('json');
CALL etl_run('csv');
CALL etl_run('json');
CALL etl_run('csv');
SELECT etl_alter_pipeline('csv', whole => true);
CALL etl_run('csv');
SELECT etl_alter_pipeline('csv', source => source || ' AS t(id int, amount int, note text)', query => '') FROM ends WHERE name = 'csv';
SELECT csv_file('columns-1.csv', E'id\n1\n'), csv_file('columns-2.csv', E'id\n'), csv_file('columns-4.csv', E'id\n');
CALL etl_run('csv');
TABLE last_run;
SELECT etl_drop_pipeline(name) FROM ends;
DROP VIEW last_two;
DROP TABLE ends;
-- names that are kept secret are no values, but what items have may be
SELECT etl_create_pipeline('seen', source => $$etl_json('etl_tmp/columns-1.ndjson') AS t(id int, amout int)$$,
	query => 'SELECT id, amout AS amount FROM batch', target => 'seen', key => '{id}', redact => '{id}');
CALL etl_run('seen');
TABLE last_run;
SELECT etl_drop_pipeline('seen');
DROP VIEW last_run;
DROP TABLE seen;
