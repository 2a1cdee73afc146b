--
-- Dead letters of records that are read again: one open letter for each.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE letters (id int PRIMARY KEY, n int);
CREATE TABLE letters_log (id int, n int);
CREATE VIEW open_letters AS SELECT pipeline, source, line, raw, attempts,
	first_at < last_at AS again
	FROM etl_dead_letters WHERE NOT resolved AND pipeline LIKE 'letters%';

-- An upsert: a record with the same text is the same, where it stands now and why it fails now.
SELECT csv_file('letters.csv', E'id,n\n1,5\n2,x\n2,x\n3,x\n');
SELECT etl_create_pipeline('letters', source => $$etl_csv('etl_tmp/letters.csv') AS t(id int, n int)$$, target => 'letters', key => '{id}',
	rules => '{"small": "n < 100"}');
CALL etl_run('letters') \gset
SELECT :convert_failed, :invalid, :loaded;
SELECT * FROM open_letters ORDER BY line;
CALL etl_run('letters') \gset
SELECT * FROM open_letters ORDER BY line;
SELECT csv_file('letters.csv', E'id,n\n9,9\n1,500\n2,x\n2,x\n3,x\n3,y\n');
CALL etl_run('letters') \gset
SELECT :convert_failed, :invalid, :loaded;
SELECT * FROM open_letters ORDER BY line;
-- limits are held against what fails in the run
SELECT etl_reset('letters'), etl_alter_pipeline('letters', reject_limit => 4);
CALL etl_run('letters');
SELECT etl_alter_pipeline('letters', reject_limit => 5);
CALL etl_run('letters') \gset
SELECT line, attempts FROM open_letters ORDER BY line;
-- the reason is that of the last time
SELECT etl_reset('letters'), etl_alter_pipeline('letters', source => $$etl_csv('etl_tmp/letters.csv') AS t(id int, n numeric)$$,
	query => 'SELECT id, n::int AS n FROM batch', rules => '{"little": "n < 10"}');
CALL etl_run('letters') \gset
SELECT line, stage, rule, attempts FROM etl_dead_letters WHERE pipeline = 'letters' AND NOT resolved ORDER BY id;
-- another header makes it another record
SELECT csv_file('letters.csv', E'n,id\n3,x\n');
CALL etl_run('letters') \gset
SELECT line, raw, attempts FROM open_letters WHERE raw = '3,x' ORDER BY attempts;
-- one that was resolved is not opened again
SELECT etl_alter_pipeline('letters', source => $$etl_csv('etl_tmp/letters.csv') AS t(id text, n text)$$, rules => '{}',
	query => $$SELECT id::int, CASE WHEN n ~ '^\d+$' THEN n::int ELSE -1 END AS n FROM batch$$);
CALL etl_retry_dead_letters('letters') \gset
SELECT raw, attempts FROM open_letters ORDER BY raw;
SELECT * FROM letters ORDER BY id;
SELECT csv_file('letters.csv', E'id,n\n2,x\n');
SELECT etl_alter_pipeline('letters', source => $$etl_csv('etl_tmp/letters.csv') AS t(id int, n int)$$, query => 'SELECT * FROM batch');
CALL etl_run('letters') \gset
SELECT resolved, count(*), max(attempts) FROM etl_dead_letters WHERE pipeline = 'letters' AND raw = '2,x' GROUP BY resolved ORDER BY resolved;

-- An append: only what stands at the same place is the same record.
SELECT csv_file('letters_log.csv', E'id,n\n1,x\n1,x\n');
SELECT etl_create_pipeline('letters_log', source => $$etl_csv('etl_tmp/letters_*.csv') AS t(id int, n int)$$, target => 'letters_log');
CALL etl_run('letters_log') \gset
SELECT csv_file('letters_log.csv', E'id,n\n1,x\n1,x\n1,x\n');
SELECT csv_file('letters_more.csv', E'id,n\n1,x\n');
CALL etl_run('letters_log') \gset
SELECT source, line, attempts FROM open_letters WHERE pipeline = 'letters_log' ORDER BY source COLLATE "C", line;
SELECT etl_reset('letters_log');
CALL etl_run('letters_log') \gset
SELECT source, line, attempts FROM open_letters WHERE pipeline = 'letters_log' ORDER BY source COLLATE "C", line;

-- Those that wait for what they refer to are tried in the order of the source, whatever letters they have had.
CREATE TABLE letters_parents (id int PRIMARY KEY);
CREATE TABLE letters_children (id int PRIMARY KEY, parent int REFERENCES letters_parents, n int);
SELECT csv_file('children.csv', E'id,parent,n\n1,7,1\n1,7,2\n');
SELECT etl_create_pipeline('letters_children', source => $$etl_csv('etl_tmp/children.csv') AS t(id int, parent int, n int)$$,
	target => 'letters_children', key => '{id}', batch_size => 1);
CALL etl_run('letters_children') \gset
SELECT csv_file('children.csv', E'id,parent,n\n1,7,2\n1,7,1\n');
CALL etl_run('letters_children') \gset
SELECT line, raw, attempts > 1 AS again FROM open_letters WHERE pipeline = 'letters_children' ORDER BY line;
INSERT INTO letters_parents VALUES (7);
CALL etl_retry_dead_letters('letters_children') \gset
SELECT * FROM letters_children;

SELECT count(etl_drop_pipeline(name)::text) FROM etl_pipelines WHERE name LIKE 'letters%';
DROP VIEW open_letters;
DROP TABLE letters, letters_log, letters_children, letters_parents;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;
