--
-- whole => true: the query sees all of the source at once, loaded in one transaction.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE per_day (day date PRIMARY KEY, n bigint CHECK (n <> 13), total numeric, last int);
SELECT csv_file('whole_1.csv', E'id,day,amount\n' || string_agg(format(E'%s,2026-01-%s,%s\n', g, 1 + g % 3, g), '' ORDER BY g))
FROM generate_series(1, 300) AS g;

-- refused without it, and why
SELECT etl_create_pipeline('day', source => $$etl_csv('etl_tmp/whole_*.csv') AS t(id int, day date, amount numeric)$$,
	query => 'SELECT day, count(*) AS n, sum(amount) AS total, max(id) AS last FROM batch GROUP BY day',
	target => 'per_day', key => '{day}');
\set VERBOSITY terse
SELECT etl_create_pipeline('q', source => $$etl_csv('etl_tmp/whole_*.csv') AS t(id int, day date, amount numeric)$$, target => 'per_day', key => '{day}',
	query => 'SELECT a.day FROM batch a JOIN batch b USING (id)');
SELECT etl_create_pipeline('q', source => $$etl_csv('etl_tmp/whole_*.csv') AS t(id int, day date, amount numeric)$$, target => 'per_day', key => '{day}',
	query => 'WITH x AS (SELECT * FROM batch) SELECT a.day FROM x AS a, x AS b');
SELECT etl_create_pipeline('q', source => $$etl_csv('etl_tmp/whole_*.csv') AS t(id int, day date, amount numeric)$$, target => 'per_day', key => '{day}',
	query => 'WITH x AS (SELECT * FROM batch) SELECT g::date AS day FROM generate_series(date ''2026-01-01'', ''2026-01-05'', ''1 day'') AS g LEFT JOIN x ON x.day = g WHERE x.id IS NULL');
SELECT etl_create_pipeline('q', source => $$etl_csv('etl_tmp/whole_*.csv') AS t(id int, day date, amount numeric)$$, target => 'per_day', key => '{day}',
	query => 'SELECT g::date AS day FROM generate_series(date ''2026-01-01'', ''2026-01-05'', ''1 day'') AS g WHERE NOT EXISTS (SELECT FROM batch WHERE day = g)');
-- a key is needed: all rows come again with each run
SELECT etl_create_pipeline('q', source => $$etl_csv('etl_tmp/whole_*.csv') AS t(id int, day date, amount numeric)$$, target => 'per_day',
	query => 'SELECT DISTINCT day FROM batch', whole => true);
\set VERBOSITY default

SELECT etl_create_pipeline('day', source => $$etl_csv('etl_tmp/whole_*.csv') AS t(id int, day date, amount numeric)$$,
	query => 'SELECT day, count(*) AS n, sum(amount) AS total, max(id) AS last FROM batch GROUP BY day',
	target => 'per_day', key => '{day}', whole => true, batch_size => 100);
SELECT whole FROM etl_pipelines;
CALL etl_run('day');
SELECT * FROM per_day ORDER BY day;
-- another file: all is read again, so that sums are those of everything; what did not change is not written
SELECT csv_file('whole_2.csv', E'id,day,amount\n301,2026-01-03,1000\n302,2026-01-04,1\n');
CALL etl_run('day');
SELECT * FROM per_day ORDER BY day;
CALL etl_run('day');
SELECT part, position LIKE '%finished=1%' AS finished, skipped FROM etl_catalog.checkpoints ORDER BY part;

-- faulty records are dead letters; the next run has the last word on them
SELECT csv_file('whole_2.csv', E'id,day,amount\n301,2026-01-03,1000\n302,2026-01-04,much\n303,2026-01-04\nxx,2026-01-04,1\n304,2026-01-05,2\n');
CALL etl_run('day');
SELECT run, stage, line, column_name, value, raw, sqlstate, replayable, resolved FROM etl_dead_letters ORDER BY id;
CALL etl_retry_dead_letters('day');
SELECT csv_file('whole_2.csv', E'id,day,amount\n301,2026-01-03,1000\n302,2026-01-04,5\n303,2026-01-04,\nxx,2026-01-04,1\n304,2026-01-05,2\n');
CALL etl_run('day');
SELECT run, line, raw, sqlstate, resolved, resolved_by FROM etl_dead_letters ORDER BY id;
SELECT open_dead_letters FROM etl_status;

-- a row that the query gives, and that no rule lets through, is a dead letter, too
SELECT etl_alter_pipeline('day', rules => '{"more than one": "n > 1"}');
CALL etl_run('day');
SELECT stage, rule, source, raw, replayable FROM etl_dead_letters WHERE NOT resolved ORDER BY id;
SELECT etl_alter_pipeline('day', reject_limit => 1);
CALL etl_run('day');
SELECT etl_alter_pipeline('day', reject_limit => -1, on_error => 'fail');
CALL etl_run('day');
SELECT etl_alter_pipeline('day', on_error => 'dead_letter', redact => '{amount}');
CALL etl_run('day');
SELECT stage, rule, raw, message, replayable FROM etl_dead_letters WHERE NOT resolved ORDER BY id;
SELECT etl_alter_pipeline('day', redact => '{}', rules => '{}');

-- one that the target refuses ends the run, and nothing of it is there
SELECT csv_file('whole_3.csv', E'id,day,amount\n' || string_agg(format(E'%s,2026-01-06,1\n', 400 + g), '')) FROM generate_series(1, 13) AS g;
CALL etl_run('day');
SELECT count(*) FROM per_day WHERE day = '2026-01-06';
SELECT etl_alter_pipeline('day', redact => '{day}');
CALL etl_run('day');
SELECT etl_alter_pipeline('day', redact => '{}');
SELECT state, sqlstate, read, loaded FROM etl_runs ORDER BY run DESC LIMIT 1;
SELECT csv_file('whole_3.csv', E'id,day,amount\n401,2026-01-06,1\n');
CALL etl_run('day');
SELECT * FROM per_day ORDER BY day;

-- several looks at the batch side by side, keys that come twice, a watermark, more than work_mem
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''64kB''', current_database()); END $$;
CREATE TABLE pairs (id int PRIMARY KEY, next int, n bigint, day date);
SELECT etl_create_pipeline('pairs', source => $$etl_csv('etl_tmp/whole_1.csv') AS t(id int, day date, amount numeric)$$,
	query => 'SELECT a.id % 250 AS id, (SELECT min(b.id) FROM batch b WHERE b.id > a.id) AS next, count(*) OVER () AS n, a.day
		FROM batch a LEFT JOIN batch c ON c.id = a.id + 1 WHERE c.id IS NOT NULL OR a.id = 300',
	target => 'pairs', key => '{id}', watermark => 'day', whole => true);
CALL etl_run('pairs');
SELECT count(*), sum(next), min(n), max(n) FROM pairs;
SELECT etl_watermark('pairs');
CREATE TABLE numbers (id int PRIMARY KEY, t text);
SELECT csv_file('numbers.csv', E'id,t\n' || string_agg(format(E'%s,%s\n', CASE WHEN g % 1000 = 0 THEN 'x' ELSE g::text END, repeat('n', g % 50)), '' ORDER BY g)) FROM generate_series(1, 20000) AS g;
SELECT etl_create_pipeline('numbers', source => $$etl_csv('etl_tmp/numbers.csv') AS t(id int, t text)$$,
	query => 'SELECT id, t FROM batch UNION ALL SELECT -id, t FROM batch', target => 'numbers', key => '{id}', whole => true);
CALL etl_run('numbers');
SELECT count(*), sum(id), sum(length(t)) FROM numbers;
SELECT count(*), bool_and(sqlstate = '22P02') FROM etl_dead_letters WHERE pipeline = 'numbers';
CALL etl_run('numbers');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET work_mem', current_database()); END $$;

-- the items of JSON, whose dead letters say which they were
CREATE TABLE kinds (kind text PRIMARY KEY, n bigint, total bigint);
SELECT csv_file('kinds.json', '[{"kind": "a", "v": 1}, {"kind": "b", "v": 2}, {"kind": "a", "v": "x"}, {"kind": "a", "v": 4}]'::text);
SELECT etl_create_pipeline('kinds', source => $$etl_json('etl_tmp/kinds.json') AS t(kind text, v int)$$,
	query => 'SELECT kind, count(*) AS n, sum(v) AS total FROM batch GROUP BY kind', target => 'kinds', key => '{kind}', whole => true);
CALL etl_run('kinds');
CALL etl_run('kinds');
SELECT * FROM kinds ORDER BY kind;
SELECT source, line, page, index, column_name, value, raw, resolved FROM etl_dead_letters WHERE pipeline = 'kinds' ORDER BY id;

-- a source without a row is one that has been seen whole
CREATE TABLE total (one int PRIMARY KEY, n bigint);
SELECT csv_file('none.csv', E'id\n');
SELECT etl_create_pipeline('total', source => $$etl_csv('etl_tmp/none.csv') AS t(id int)$$,
	query => 'SELECT 1 AS one, count(*) AS n FROM batch', target => 'total', key => '{one}', whole => true);
CALL etl_run('total');
SELECT * FROM total;

-- a row that breaks a rule ends the run, if it is to
SELECT etl_alter_pipeline('total', rules => '{"some": "n > 0"}', on_error => 'fail');
CALL etl_run('total');

-- and back: what is finished is not read again
SELECT etl_alter_pipeline('numbers', query => 'SELECT id, t FROM batch', whole => false);
CALL etl_run('numbers');
SELECT bool_and(read = malformed + convert_failed + converted
	AND emitted = invalid + superseded + load_failed + loaded + skipped AND loaded = inserted + updated) FROM etl_runs;
SELECT etl_drop_pipeline(pipeline) FROM etl_status;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;
DROP TABLE per_day, pairs, numbers, kinds, total;
