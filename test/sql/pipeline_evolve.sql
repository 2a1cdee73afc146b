--
-- Columns that the source has and the declaration has not: each is reported once, and no more than 100 are.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE grows (id int PRIMARY KEY, city text);
CREATE VIEW last_run AS SELECT state, read, loaded, columns_new, new_columns FROM etl_runs ORDER BY run DESC LIMIT 1;
\pset tuples_only on
\pset format unaligned
-- members of items, and not those inside of what a path leads into
SELECT csv_file('evolve-1.ndjson', E'{"id":1,"address":{"city":"Rome","zip":"1"},"Total Amount":5}\n{"id":2}\n');
SELECT etl_create_pipeline('grows', source => $$etl_json('etl_tmp/evolve-?.ndjson') AS t(id int, "address.city" text)$$,
	query => 'SELECT id, "address.city" AS city FROM batch', target => 'grows', key => '{id}', batch_size => 1);
CALL etl_run('grows');
TABLE last_run;
-- once, though all is read again; what is new is
SELECT csv_file('evolve-2.ndjson', E'{"id":3,"Total Amount":5}\n{"id":"x","bad":1}\n{"id":4,"note":"x","Total Amount":6,"":1,"\\u202eevil\\"":1}\n');
CALL etl_run('grows');
TABLE last_run;
SELECT etl_reset('grows');
CALL etl_run('grows');
TABLE last_run;
SELECT succeeded, columns_new FROM etl_catalog.totals AS t JOIN etl_pipelines AS p ON p.id = t.pipeline WHERE p.name = 'grows';
-- a batch that fails says nothing, the run that loads it does
SELECT csv_file('evolve-3.ndjson', E'{"id":5,"later":1}\n{"id":6,"last":1}\n');
SELECT etl_alter_pipeline('grows', batch_size => 10, query => 'SELECT id, "address.city" AS city FROM batch WHERE 1 / (id - 6) IS NOT NULL', on_error => 'fail');
\set VERBOSITY terse
CALL etl_run('grows');
\set VERBOSITY default
TABLE last_run;
SELECT etl_alter_pipeline('grows', query => 'SELECT id, "address.city" AS city FROM batch');
CALL etl_run('grows');
TABLE last_run;
-- declared by now
SELECT etl_alter_pipeline('grows', source => $$etl_json('etl_tmp/evolve-?.ndjson', missing_columns => 'null') AS t(id int, "address.city" text, more text)$$);
SELECT csv_file('evolve-4.ndjson', E'{"id":7,"more":1}\n');
CALL etl_run('grows');
TABLE last_run;
-- members that are called by what they hold: a list of names that ends, each clipped
SELECT csv_file('evolve-5.ndjson', (SELECT string_agg(format('{"id":%s,"%s%s":1}', i, lpad(i::text, 10, '0'), repeat('x', 100)), E'\n') || E'\n' FROM generate_series(1, 5000) AS i));
CALL etl_run('grows');
SELECT state, read, columns_new, cardinality(new_columns), (SELECT max(length(n)) FROM unnest(new_columns) AS n) FROM etl_runs ORDER BY run DESC LIMIT 1;
SELECT cardinality(undeclared) FROM etl_catalog.seen_columns;
SELECT csv_file('evolve-6.ndjson', E'{"id":8,"yet another":1}\n');
CALL etl_run('grows');
TABLE last_run;
-- frozen
SELECT etl_drop_pipeline('grows');
SELECT etl_create_pipeline('grows', source => $$etl_json('etl_tmp/evolve-1.ndjson') AS t(id int, address jsonb)$$,
	query => 'SELECT id FROM batch', target => 'grows', key => '{id}', evolve => 'freeze');
CALL etl_run('grows');
TABLE last_run;
SELECT evolve FROM etl_pipelines WHERE name = 'grows';
SELECT etl_alter_pipeline('grows', evolve => 'notice'), etl_reset('grows');
CALL etl_run('grows');
SELECT etl_alter_pipeline('grows', evolve => 'ad');
SELECT etl_drop_pipeline('grows');
-- headers; names that differ by their case only are two; what the query does not read is declared all the same
SELECT csv_file('evolve-1.csv', E'Id,City,CITY,"a\nb",\n1,Rome,x,y,z\n'), csv_file('evolve-2.csv', E'new,id\n1,2\n'), csv_file('evolve-3.csv', '');
SELECT etl_create_pipeline('grows', source => $$etl_csv('etl_tmp/evolve-?.csv', union_by_name => true) AS t(id int, "City" text)$$,
	query => 'SELECT id FROM batch', target => 'grows', key => '{id}');
CALL etl_run('grows');
TABLE last_run;
CALL etl_run('grows');
TABLE last_run;
-- a header that is no text is the fault of its file
COPY (SELECT WHERE false) TO PROGRAM $$printf 'id,\377\n9,1\n' > etl_tmp/evolve-3.csv$$;
\set VERBOSITY terse
CALL etl_run('grows');
\set VERBOSITY default
TABLE last_run;
-- by position there are no names; all of the source at once
SELECT etl_alter_pipeline('grows', source => $$etl_csv('etl_tmp/evolve-2.csv', match => 'position') AS t(a int, id int)$$), etl_reset('grows');
CALL etl_run('grows');
SELECT etl_drop_pipeline('grows');
SELECT etl_create_pipeline('grows', source => $$etl_csv('etl_tmp/evolve-2.csv') AS t(id int)$$, target => 'grows', mode => 'replace', delete_limit => '100%', key => '{id}');
CALL etl_run('grows');
TABLE last_run;
-- who does not own it sees how many, and no names
CREATE ROLE evolve_monitor IN ROLE pg_monitor;
SET ROLE evolve_monitor;
SELECT columns_new, new_columns FROM etl_runs ORDER BY run DESC LIMIT 1;
RESET ROLE;
DROP ROLE evolve_monitor;
SELECT etl_drop_pipeline('grows');
DROP VIEW last_run;
DROP TABLE grows;
