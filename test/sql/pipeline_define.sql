--
-- What etl_create_pipeline refuses, and who may do what.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
SELECT csv_file('define.csv', E'id,name,at\n1,a,2026-01-01\n2,b,2026-01-02\n');
CREATE TABLE goods (id int PRIMARY KEY, name varchar(10), at date, twice int GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE heap (id int, name text, doc json, p point);
CREATE VIEW goods_view AS SELECT id, name FROM goods;
CREATE FUNCTION try(source text DEFAULT $$etl_csv('etl_tmp/define.csv') AS t(id int, name text, at date)$$,
	query text DEFAULT NULL, target text DEFAULT 'goods', key text[] DEFAULT '{id}', mode text DEFAULT NULL,
	watermark text DEFAULT NULL, watermark_max text DEFAULT NULL, rules jsonb DEFAULT NULL,
	batch_size int DEFAULT NULL, redact text[] DEFAULT NULL, on_conflict text DEFAULT NULL,
	watermark_lag text DEFAULT NULL, watermark_as text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; detail text; hint text;
BEGIN
	PERFORM etl_create_pipeline('tried', source => source, query => query, target => target, key => key, mode => mode,
		watermark => watermark, watermark_max => watermark_max, rules => rules, batch_size => batch_size,
		redact => redact, on_conflict => on_conflict, watermark_lag => watermark_lag, watermark_as => watermark_as);
	PERFORM etl_drop_pipeline('tried');
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', state || ': ' || message, nullif(detail, ''), nullif(hint, ''));
END $$;
\pset format unaligned
\pset tuples_only on
-- the source
SELECT try();
SELECT try(source => NULL);
SELECT try(source => 'etl_csv(');
SELECT try(source => 'goods');
SELECT try(source => 'generate_series(1, 2) AS id');
SELECT try(source => $$ select * FROM etl_csv('etl_tmp/define.csv') AS t(id int)$$);
SELECT try(source => $$(SELECT * FROM etl_csv('etl_tmp/define.csv') AS t(id int)) AS t(id int)$$);
SELECT try(source => $$etl_csv('etl_tmp/define.csv') AS t(id int) WHERE id > 1$$);
SELECT try(source => $$etl_csv('etl_tmp/define.csv') AS t(id int), goods$$);
SELECT try(source => $$etl_csv('etl_tmp/define.csv') AS t(id int); DROP TABLE goods$$);
SELECT try(source => $$etl_csv('etl_tmp/define.csv', on_error => 'skip') AS t(id int)$$);
SELECT try(source => $$etl_csv('etl_tmp/define.csv')$$);
-- the query
SELECT try(query => 'SELECT id FROM batch WHERE');
SELECT try(query => 'SELECT id FROM batch) AS q; DELETE FROM goods; SELECT (1');
SELECT try(query => 'DELETE FROM goods RETURNING id');
SELECT try(query => 'SELECT id INTO TEMP x FROM batch');
SELECT try(query => 'SELECT nope AS id FROM batch');
SELECT try(query => 'SELECT id, id AS more FROM batch');
SELECT try(query => 'SELECT id, name, name FROM batch');
SELECT try(query => 'SELECT id, id AS twice FROM batch');
SELECT try(query => 'SELECT name AS id FROM batch');
SELECT try(query => 'SELECT max(id) AS id FROM batch');
SELECT try(query => 'SELECT DISTINCT id FROM batch');
SELECT try(query => 'SELECT id FROM batch LIMIT 1');
SELECT try(query => 'SELECT (row_number() OVER ())::int AS id FROM batch');
SELECT try(query => 'SELECT id FROM batch UNION ALL SELECT id FROM batch');
SELECT try(query => 'SELECT id FROM (SELECT id FROM batch ORDER BY id OFFSET 1) AS o');
SELECT try(query => 'SELECT id FROM batch WHERE id > (SELECT count(*) FROM heap)');
SELECT try(query => 'WITH d AS (DELETE FROM heap RETURNING id) SELECT id FROM d');
SELECT try(query => 'SELECT h.id FROM heap AS h, batch FOR UPDATE OF h');
SELECT try(query => 'SELECT id FROM batch WHERE NOT EXISTS (SELECT FROM goods g WHERE g.id = batch.id)');
SELECT try(query => 'SELECT id FROM batch -- with a comment at the end');
-- target, key, mode
SELECT try(target => NULL);
SELECT try(target => 'nowhere');
SELECT try(target => 'heap');
SELECT try(target => 'goods_view');
SELECT try(target => 'goods_view', query => 'SELECT id, name FROM batch', key => NULL);
SELECT try(target => 'heap', query => 'SELECT id, name FROM batch', key => NULL);
SELECT try(target => 'heap', query => 'SELECT id, name FROM batch', key => '{id,name}');
SELECT try(key => '{name}');
SELECT try(key => '{nope}');
SELECT try(key => NULL, mode => 'upsert');
SELECT try(mode => 'overwrite');
SELECT try(on_conflict => 'panic');
SELECT try(batch_size => 0);
CREATE UNIQUE INDEX heap_partial ON heap (id) WHERE id > 0;
SELECT try(target => 'heap', query => 'SELECT id, name FROM batch');
CREATE UNIQUE INDEX heap_whole ON heap (id);
SELECT try(target => 'heap', query => $$SELECT id, name, '{}'::json AS doc, point(1, 2) AS p FROM batch$$);
-- watermark, rules, redact
SELECT try(watermark => 'nope');
SELECT try(target => 'heap', query => 'SELECT id, point(1, 2) AS p FROM batch', watermark => 'p');
CREATE DOMAIN word AS text;
SELECT try(watermark => 'name');
SELECT try(query => 'SELECT id, name::name FROM batch', watermark => 'name');
SELECT try(query => 'SELECT id, name::word FROM batch', watermark => 'name');
SELECT try(query => 'SELECT id, at AS name FROM batch', watermark => 'name');
SELECT try(target => 'heap', key => NULL, query => 'SELECT id, at AS name FROM batch', watermark => 'name');
SELECT try(query => 'SELECT id, at AS name FROM batch', watermark => 'name', watermark_as => 'text');
SELECT try(watermark => 'name', watermark_as => 'text');
SELECT try(watermark => 'name', watermark_as => 'word');
SELECT try(watermark => 'at', watermark_as => 'text');
SELECT try(watermark => 'at', watermark_as => 'value');
SELECT try(watermark_as => 'text');
SELECT try(watermark => 'at', watermark_max => 'some day');
SELECT try(watermark_lag => '1 day');
SELECT try(watermark => 'at', watermark_max => 'tomorrow', watermark_lag => '1 day');
SELECT try(rules => '["id"]');
SELECT try(rules => '{"number": 1}');
SELECT try(rules => '{"no boolean": "id"}');
SELECT try(rules => '{"no column": "nope > 1"}');
SELECT try(rules => '{"positive": "id > 0"}');
SELECT try(redact => '{nope}');
-- names
SELECT etl_create_pipeline('', source => '', target => '');
SELECT etl_create_pipeline('one', source => $$etl_csv('etl_tmp/define.csv') AS t(id int, name text, at date)$$, target => 'goods', key => '{id}');
SELECT etl_create_pipeline('one', source => $$etl_csv('etl_tmp/define.csv') AS t(id int, name text, at date)$$, target => 'goods', key => '{id}');
SELECT etl_create_pipeline('timed', source => $$etl_csv('etl_tmp/define.csv') AS t(id int, name text, at date)$$, target => 'goods', key => '{id}', schedule => '61 * * * *');
SELECT etl_create_pipeline('timed', source => $$etl_csv('etl_tmp/define.csv') AS t(id int, name text, at date)$$, target => 'goods', key => '{id}', schedule => '@daily', timezone => 'Nowhere/Land');
SELECT etl_create_pipeline('timed', source => $$etl_csv('etl_tmp/define.csv') AS t(id int, name text, at date)$$, target => 'goods', key => '{id}', after => '{nobody}');
SELECT count(*) FROM etl_pipelines WHERE name = 'timed';
SELECT etl_drop_pipeline('none');
CALL etl_run('none');
-- inside a transaction
BEGIN;
CALL etl_run('one');
ROLLBACK;
BEGIN;
SELECT etl_start('one');
ROLLBACK;
-- paused, resumed, a copy, adopted
SELECT etl_pause('one');
CALL etl_run('one');
SELECT etl_resume('one');
UPDATE etl_catalog.pipelines SET database = 1;
SELECT state FROM etl_status;
CALL etl_run('one');
SELECT etl_adopt();
CALL etl_run('one');
-- roles: EXECUTE, membership, what views show
CREATE ROLE regress_etl_owner LOGIN;
CREATE ROLE regress_etl_monitor;
CREATE ROLE regress_etl_other;
GRANT pg_monitor TO regress_etl_monitor;
SET ROLE regress_etl_other;
SELECT etl_pause('one');
SELECT count(*) FROM etl_pipelines;
SELECT count(*) FROM etl_runs;
SELECT count(*) FROM etl_catalog.pipelines;
SELECT * FROM etl_internal.etl_batch() AS t(id int);
RESET ROLE;
GRANT EXECUTE ON FUNCTION etl_pause(text) TO regress_etl_other;
SET ROLE regress_etl_other;
SELECT etl_pause('one');
SELECT etl_pause('none');
RESET ROLE;
GRANT EXECUTE ON FUNCTION etl_pause(text) TO regress_etl_monitor;
SET ROLE regress_etl_monitor;
SELECT etl_pause('one');
SELECT name, source, query, rules FROM etl_pipelines;
SELECT pipeline, state, loaded, message FROM etl_runs;
SELECT count(*) FROM etl_dead_letters;
-- Rights count, not membership: who does not inherit sees nothing before SET ROLE.
RESET ROLE;
CREATE ROLE regress_etl_aloof NOINHERIT IN ROLE regress_etl_monitor;
CREATE ROLE regress_etl_heir IN ROLE regress_etl_monitor;
SET ROLE regress_etl_aloof;
SELECT (SELECT count(*) FROM etl_pipelines), (SELECT count(*) FROM etl_runs), (SELECT count(*) FROM etl_status);
SET ROLE regress_etl_heir;
SELECT (SELECT count(*) FROM etl_pipelines), (SELECT count(*) FROM etl_runs), (SELECT count(*) FROM etl_status);
RESET ROLE;
SELECT etl_drop_pipeline('one');
-- an owner that may not log in, or not connect
ALTER ROLE regress_etl_owner NOLOGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_etl_owner;
GRANT pg_read_server_files TO regress_etl_owner;
GRANT ALL ON goods TO regress_etl_owner;
SET ROLE regress_etl_owner;
SELECT etl_create_pipeline('theirs', source => $$etl_csv('etl_tmp/define.csv') AS t(id int, name text, at date)$$, target => 'goods', key => '{id}');
RESET ROLE;
CALL etl_run('theirs');
ALTER ROLE regress_etl_owner LOGIN;
DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()); END $$;
CALL etl_run('theirs');
DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO PUBLIC', current_database()); END $$;
CALL etl_run('theirs');
SELECT owner, pipeline FROM etl_status;
SELECT etl_drop_pipeline('theirs');
-- what would fail each run is seen here: EXECUTE on all functions that are called
CREATE ROLE regress_etl_loader LOGIN;
GRANT pg_read_server_files TO regress_etl_loader;
GRANT ALL ON goods TO regress_etl_loader;
GRANT EXECUTE ON FUNCTION etl_create_pipeline, etl_alter_pipeline, etl_drop_pipeline TO regress_etl_loader;
CREATE FUNCTION secret_function(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
REVOKE EXECUTE ON FUNCTION secret_function FROM PUBLIC;
SET ROLE regress_etl_loader;
\set create 'SELECT etl_create_pipeline(''loader'', source => $$etl_csv(''etl_tmp/define.csv'') AS t(id int, name text, at date)$$, target => ''goods'', key => ''{id}'''
\set VERBOSITY terse
:create);
\set VERBOSITY default
RESET ROLE;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_etl_loader;
REVOKE EXECUTE ON FUNCTION secret_function FROM regress_etl_loader;
SET ROLE regress_etl_loader;
:create, query => 'SELECT secret_function(id) AS id FROM batch');
:create, rules => '{"rule": "secret_function(id) > 0"}');
:create, query => 'SELECT id FROM batch JOIN LATERAL (SELECT max(secret_function(g)) FROM generate_series(1, 2) AS g) AS s ON true');
:create);
RESET ROLE;
-- an option that has nothing to do with the target is set whatever has become of that
ALTER TABLE goods DROP CONSTRAINT goods_pkey;
SELECT etl_alter_pipeline('loader', schedule => '', batch_size => 7, on_error => 'fail', max_runtime => '1 hour');
SELECT etl_alter_pipeline('loader', key => '{id}');
ALTER TABLE goods ADD PRIMARY KEY (id);
SELECT etl_drop_pipeline('loader');
DROP FUNCTION secret_function;
-- the hint is for an index that can be created
CREATE TABLE parted (id int, name text, at date) PARTITION BY RANGE (at);
SELECT try(target => 'parted');
SELECT try(target => 'parted', key => '{id,at}');
DROP TABLE parted;
CREATE TABLE parted (id int, name text, at date) PARTITION BY LIST (lower(name));
SELECT try(target => 'parted', key => '{id,name}');
DROP TABLE parted;
-- files that are not there may come yet
SELECT etl_create_pipeline('later', source => $$etl_csv('etl_tmp/not-there-*.csv') AS t(id int, name text, at date)$$, target => 'goods', key => '{id}');
SELECT etl_alter_pipeline('later', source => $$etl_json(source => concat('etl_tmp/', 'not-', 'there')) AS t(id int, name text, at date)$$);
SELECT etl_alter_pipeline('later', source => $$etl_csv('etl_tmp/define.csv') AS t(id int, name text, at date)$$);
-- results are no arguments
CALL etl_run('later', 5);
CALL etl_run('later', skipped => 1);
CALL etl_retry_dead_letters('later', NULL, 1);
CALL etl_run('later', NULL);
SELECT etl_drop_pipeline('later');
DROP OWNED BY regress_etl_loader;
DROP ROLE regress_etl_loader;
-- names: of pipelines, rules, dialects
CREATE FUNCTION named(name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text;
BEGIN
	PERFORM etl_create_pipeline(name, source => $s$etl_csv('etl_tmp/define.csv') AS t(id int, name text, at date)$s$, target => 'goods', key => '{id}');
	PERFORM etl_drop_pipeline(name);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(E'\n', SQLSTATE || ': ' || message, nullif(detail, ''));
END $$;
SELECT named(repeat('x', 63));
SELECT named(repeat('x', 64));
SELECT named(repeat('ä', 32));
SELECT named(repeat('x', 150000));
SELECT named(E'nl\nLOG:  fake line\r\x1b[2J');
SELECT named(E'tab\there');
SELECT named(E'\x7f');
SELECT named(U&'next\0085line');
SELECT named('Bestellungen für Zürich "täglich" №1');
SELECT try(rules => jsonb_build_object(repeat('x', 64), 'true'));
SELECT try(rules => jsonb_build_object(E'a\nb', 'true'));
SELECT etl_set_dialect(repeat('x', 64), '{"pagination": "none"}');
SELECT etl_set_dialect(E'a\tb', '{"pagination": "none"}');
DROP FUNCTION named;
-- intervals
CREATE FUNCTION lasting(what text, length interval) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT etl_create_pipeline($2, source => %L, target => $3, key => $4, %I => $1)',
			$s$etl_csv('etl_tmp/define.csv') AS t(id int, name text, at date)$s$, what)
		USING length, 'tried', 'goods', '{id}'::text[];
	EXECUTE format('SELECT %I FROM etl_pipelines WHERE name = $1', what) INTO result USING 'tried';
	PERFORM etl_drop_pipeline('tried');
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT what, length, lasting(what, length::interval) FROM unnest('{max_runtime,flush_interval}'::text[]) AS what,
	unnest('{178000000 years,300000 years,2147483647 months,2147483647 days,-178000000 years,10 years,11 years,1 month,0,-1 ms}'::text[]) AS length;
SELECT etl_create_pipeline('tried', source => $$etl_csv('etl_tmp/define.csv') AS t(id int, name text, at date)$$, target => 'goods', key => '{id}',
	max_runtime => '10 years', flush_interval => '10 years');
CALL etl_run('tried');
SELECT etl_purge('tried', '178000000 years');
SELECT etl_drop_pipeline('tried');
DROP FUNCTION lasting;
DROP FUNCTION try(text, text, text, text[], text, text, text, jsonb, int, text[], text, text, text);
DROP DOMAIN word;
DROP VIEW goods_view;
DROP TABLE goods, heap;
DROP OWNED BY regress_etl_owner, regress_etl_monitor, regress_etl_other;
DROP ROLE regress_etl_owner, regress_etl_monitor, regress_etl_other, regress_etl_aloof, regress_etl_heir;
