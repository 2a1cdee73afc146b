--
-- Backfills: the source of a pipeline is called with one range after the other, beside its other runs.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
SET DateStyle = 'ISO';
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE days (id int, at date, CONSTRAINT small CHECK (id < 100));
-- a file for each day, with a row for each number
CREATE FUNCTION day_file(day date, VARIADIC ids int[]) RETURNS text LANGUAGE sql AS $$
	SELECT csv_file('backfill-' || to_char(day, 'YYYY-MM-DD') || '.csv', 'id,at' || (SELECT string_agg(format(E'\n%s,%s', i, to_char(day, 'YYYY-MM-DD')), '') FROM unnest(ids) AS i) || E'\n') $$;
SELECT etl_create_pipeline('days', source => $$etl_csv('etl_tmp/backfill-' || to_char(etl_since(date '2026-02-01'), 'YYYY-MM-DD') || '*.csv') AS t(id int, at date)$$,
	target => 'days', watermark => 'at', on_error => 'fail', batch_size => 1);

-- what cannot be
CALL etl_backfill('none', date '2026-01-01', date '2026-01-02', '1 day');
CALL etl_backfill('days', NULL::date, date '2026-01-02', '1 day');
CALL etl_backfill('days', date '2026-01-01', date '2026-01-01', '1 day');
CALL etl_backfill('days', date '2026-01-01', date '2026-01-02', '0 days');
CALL etl_backfill('days', date '2026-01-01', date '2026-01-02', '-1 day');
CALL etl_backfill('days', date '2026-01-01', date '2026-01-02', 'day');
CALL etl_backfill('days', 'a'::text, 'b', '1');
CALL etl_backfill('days', true, false, '1');
BEGIN;
CALL etl_backfill('days', date '2026-01-01', date '2026-01-02', '1 day');
ROLLBACK;
TABLE etl_backfills;
CALL etl_backfill('days', timestamp '2026-01-01', timestamp '2026-01-02', '1 day');
-- texts have the type that the source asks for
CALL etl_backfill('days', '2026-01-01', '2026-01-01', '1 day');
CALL etl_backfill('days', '2026-01-01', 'soon', '1 day');
CALL etl_backfill('days', '2026-01-01', NULL, '1 day');
CALL etl_backfill('days', since => '2026-01-01', until => NULL::text, step => '1 day');
SELECT etl_drop_pipeline('days');
SELECT count(*) FROM etl_catalog.backfills;
SELECT etl_create_pipeline('days', source => $$etl_csv('etl_tmp/backfill-2026-01-01.csv') AS t(id int, at date)$$, target => 'days');
SELECT day_file('2026-01-01', 1);
CALL etl_backfill('days', date '2026-01-01', date '2026-01-02', '1 day');
CALL etl_backfill('days', '2026-01-01', '2026-01-02', '1 day');
SELECT etl_alter_pipeline('days', key => 'id', mode => 'upsert', whole => true);
ALTER TABLE days ADD UNIQUE (id);
SELECT etl_alter_pipeline('days', key => 'id', mode => 'upsert', whole => true);
CALL etl_backfill('days', date '2026-01-01', date '2026-01-02', '1 day');
SELECT etl_drop_pipeline('days');
ALTER TABLE days DROP CONSTRAINT days_id_key;
TABLE days;

-- ranges, one of which has no file, and the last one is shorter; the watermark and the checkpoints of the other runs stay
SELECT etl_create_pipeline('days', source => $$etl_csv('etl_tmp/backfill-' || to_char(etl_since(date '2026-02-01'), 'YYYY-MM-DD') || '*.csv') AS t(id int, at date)$$,
	query => $$SELECT id, at FROM batch$$, target => 'days', watermark => 'at', on_error => 'fail', batch_size => 1);
SELECT day_file('2026-02-01', 50, 51);
CALL etl_run('days');
SELECT day_file('2026-01-01', 1, 2), day_file('2026-01-03', 3), day_file('2026-01-07', 4, 5);
CALL etl_backfill('days', date '2026-01-01', date '2026-01-08', '2 days');
SELECT * FROM days ORDER BY id;
SELECT run, kind, state, read, inserted FROM etl_runs WHERE pipeline = 'days' ORDER BY run;
TABLE etl_backfills;
SELECT etl_watermark('days');
SELECT part, state, rows FROM etl_parts;
CALL etl_run('days');

-- it stops at an error, and goes on inside of that range: each row comes once, though the target has no key
TRUNCATE days;
SELECT day_file('2026-01-03', 6, 7, 100, 8);
CALL etl_backfill('days', date '2026-01-01', date '2026-01-08', '2 days');
SELECT pipeline, type, since, until, step, next FROM etl_backfills;
SELECT * FROM days ORDER BY id;
CALL etl_run('days');
ALTER TABLE days DROP CONSTRAINT small;
CALL etl_backfill('days', date '2026-01-01', date '2026-01-08', '2 days');
SELECT * FROM days ORDER BY id;
SELECT count(*) FROM etl_catalog.checkpoints AS c WHERE NOT EXISTS (SELECT FROM etl_catalog.pipelines AS p WHERE p.id = c.pipeline);
-- with other arguments it begins anew
TRUNCATE days;
ALTER TABLE days ADD CONSTRAINT small CHECK (id < 100);
CALL etl_backfill('days', date '2026-01-01', date '2026-01-08', '2 days');
CALL etl_backfill('days', date '2026-01-01', date '2026-01-02', '1 day');
SELECT * FROM days ORDER BY id;
TABLE etl_backfills;
-- a paused pipeline is not backfilled; a dropped one leaves nothing
CALL etl_backfill('days', date '2026-01-01', date '2026-01-08', '2 days');
SELECT etl_pause('days');
CALL etl_backfill('days', date '2026-01-01', date '2026-01-08', '2 days');
SELECT etl_drop_pipeline('days');
SELECT count(*) FROM etl_catalog.checkpoints AS c WHERE NOT EXISTS (SELECT FROM etl_catalog.pipelines AS p WHERE p.id = c.pipeline);

-- numbers, and times of the zone that the pipeline keeps; both ends
CREATE TABLE asked (since text, until text);
CREATE FUNCTION note(since text, until text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO asked VALUES (since, until);
	RETURN 'etl_tmp/backfill-2026-01-01.csv';
END $$;
SELECT etl_create_pipeline('numbers', source => $$etl_csv(note(etl_since(-1)::text, etl_until(-2)::text)) AS t(id int, at date)$$, target => 'days');
CALL etl_backfill('numbers', 1, 25, '10');
SELECT DISTINCT * FROM asked ORDER BY since;
TRUNCATE asked;
SET TimeZone = 'Europe/Berlin';
SELECT etl_create_pipeline('times', source => $$etl_csv(note(etl_since(now())::text, etl_until(now())::text)) AS t(id int, at date)$$, target => 'days');
RESET TimeZone;
CALL etl_backfill('times', timestamptz '2026-03-28 00:00+01', timestamptz '2026-03-30 12:00+02', '1 day');
SELECT DISTINCT * FROM asked ORDER BY since;
TRUNCATE asked;
CALL etl_backfill('times', '2026-03-28', '2026-03-30 12:00', '1 day');
SELECT DISTINCT * FROM asked ORDER BY since;
TRUNCATE asked;
CALL etl_backfill('numbers', '1', '25', '10');
SELECT DISTINCT * FROM asked ORDER BY since;
-- outside of a backfill
SELECT etl_since(7), etl_until('x'::text), etl_since(NULL::int);

-- rights
CREATE ROLE regress_etl_backfill LOGIN;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO regress_etl_backfill;
SET ROLE regress_etl_backfill;
CALL etl_backfill('numbers', 1, 25, '10');
CALL etl_backfill('numbers', '1', '25', '10');
TABLE etl_backfills;
RESET ROLE;
-- nothing of a source is looked at that its owner has not accepted
SELECT etl_alter_pipeline('numbers', owner => 'regress_etl_backfill');
CALL etl_backfill('numbers', '1', '25', '10');
SELECT etl_alter_pipeline('numbers', owner => current_user::regrole);
DROP OWNED BY regress_etl_backfill;
DROP ROLE regress_etl_backfill;

SELECT etl_drop_pipeline('numbers'), etl_drop_pipeline('times');
DROP FUNCTION day_file(date, int[]), note(text, text);
DROP TABLE days, asked;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;
