--
-- A run reads and writes values as the session did that gave its texts, whatever other sessions, roles, the
-- database and the owner's own code have set.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
SET TIME ZONE 'UTC';
SELECT csv_file('settings.csv', E'id,day,at,much,length\n1,03/02/2018,2018-03-25 12:00,"1.234,50",-1 days 02:03:04\n2,25/02/2018,2018-12-01 12:00,7,1-2\n');
CREATE ROLE regress_etl_owner LOGIN;
GRANT pg_read_server_files TO regress_etl_owner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_etl_owner;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO regress_etl_owner;
GRANT CREATE, USAGE ON SCHEMA public TO regress_etl_owner;
SET ROLE regress_etl_owner;
CREATE TABLE settings (id int PRIMARY KEY, day date, at timestamptz, length interval,
	day_text text, at_text text, length_text text, third text, bytes text);
CREATE FUNCTION settings_source() RETURNS text LANGUAGE sql IMMUTABLE AS
	$$ SELECT 'etl_csv(''etl_tmp/settings.csv'') AS t(id int, day date, at timestamptz, much text, length interval)' $$;
CREATE FUNCTION settings_query() RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT 'SELECT id, day, at, length, day::text AS day_text, at::text AS at_text, length::text AS length_text,
		(1::float8 / 3)::text AS third, ''ab''::bytea::text AS bytes FROM batch' $$;

SET datestyle = 'SQL, DMY';
SET timezone = 'Europe/Berlin';
SET intervalstyle = 'sql_standard';
SET extra_float_digits = -5;
SET bytea_output = 'escape';
SELECT t.* FROM etl_csv('etl_tmp/settings.csv') AS t(id int, day date, at timestamptz, much text, length interval);
SELECT etl_create_pipeline('settings', source => settings_source(), query => settings_query(), target => 'settings', key => '{id}');
RESET ALL;
SET TIME ZONE 'Asia/Tokyo';
CALL etl_run('settings');
SET TIME ZONE 'UTC';
SELECT * FROM settings ORDER BY id;
SELECT count(*) FROM etl_dead_letters;

-- Settings of the role are nothing to it, nor is what would keep a run from working.
RESET ROLE;
ALTER ROLE regress_etl_owner SET datestyle = 'ISO, YMD';
ALTER ROLE regress_etl_owner SET timezone = 'America/New_York';
ALTER ROLE regress_etl_owner SET intervalstyle = 'iso_8601';
ALTER ROLE regress_etl_owner SET search_path = pg_catalog;
ALTER ROLE regress_etl_owner SET default_transaction_read_only = on;
ALTER ROLE regress_etl_owner SET default_transaction_isolation = 'serializable';
ALTER ROLE regress_etl_owner SET default_transaction_deferrable = on;
ALTER ROLE regress_etl_owner SET statement_timeout = '1ms';
ALTER ROLE regress_etl_owner SET lock_timeout = '1ms';
ALTER ROLE regress_etl_owner SET idle_in_transaction_session_timeout = '1ms';
ALTER ROLE regress_etl_owner SET row_security = off;
ALTER ROLE regress_etl_owner SET exit_on_error = on;
SET ROLE regress_etl_owner;
SELECT etl_alter_pipeline('settings', batch_size => 1);
SELECT etl_reset('settings');
TRUNCATE settings;
CALL etl_run('settings');
SELECT id, day, at, day_text, at_text, length_text, third, bytes FROM settings ORDER BY id;

-- So is how money is written: both names are of locales that every machine has.
CREATE TABLE monetary (id int PRIMARY KEY, setting text);
SET lc_monetary = 'POSIX';
SELECT etl_create_pipeline('monetary', source => settings_source(), query => 'SELECT id, current_setting(''lc_monetary'') AS setting FROM batch', target => 'monetary', key => 'id');
SET lc_monetary = 'C';
CALL etl_run('monetary');
SELECT * FROM monetary ORDER BY id;
SELECT etl_drop_pipeline('monetary');
DROP TABLE monetary;
RESET lc_monetary;

-- What the owner's code sets counts to the end of its batch.
CREATE TABLE seen (batch int, name text, setting text);
CREATE FUNCTION look_and_change(batch int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen SELECT batch, name, setting FROM pg_settings WHERE name IN ('DateStyle', 'TimeZone', 'search_path',
		'transaction_isolation', 'transaction_read_only', 'transaction_deferrable', 'statement_timeout', 'lock_timeout',
		'idle_in_transaction_session_timeout', 'row_security', 'exit_on_error', 'extra_float_digits', 'client_encoding',
		'enable_seqscan', 'etl.dead_letter_max_bytes', 'application_name');
	INSERT INTO seen VALUES (batch, 'role', current_user || ' of ' || session_user);
	SET datestyle = 'German';
	SET timezone = 'Asia/Kolkata';
	SET search_path = pg_catalog;
	SET default_transaction_isolation = 'serializable';
	SET default_transaction_read_only = on;
	SET default_transaction_deferrable = on;
	SET statement_timeout = '1ms';
	SET lock_timeout = '1ms';
	SET row_security = off;
	SET exit_on_error = on;
	SET extra_float_digits = 0;
	SET client_encoding = 'LATIN1';
	SET enable_seqscan = off;
	SET etl.dead_letter_max_bytes = '1kB';
	SET application_name = 'me';
	PERFORM pg_sleep(0.01);
	RETURN true;
END $$;
SET datestyle = 'ISO, DMY';
SELECT etl_alter_pipeline('settings', query => settings_query() || ' WHERE public.look_and_change(id)');
RESET datestyle;
SELECT etl_reset('settings');
CALL etl_run('settings');
SELECT name, setting, array_agg(batch ORDER BY batch) AS batches FROM seen GROUP BY 1, 2 ORDER BY 1, 2;
RESET ROLE;
CREATE ROLE regress_etl_crew;
GRANT regress_etl_crew TO regress_etl_owner;
GRANT ALL ON settings, seen TO regress_etl_crew;
SET ROLE regress_etl_owner;
CREATE OR REPLACE FUNCTION look_and_change(batch int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen VALUES (batch, 'role', current_user || ' of ' || session_user);
	PERFORM set_config('role', 'regress_etl_crew', false);
	RETURN true;
END $$;
TRUNCATE seen;
SELECT etl_reset('settings');
CALL etl_run('settings');
SELECT * FROM seen ORDER BY batch;

-- Nor does it count for what is read behind that batch.
RESET ROLE;
SELECT csv_file('encoding-1.csv', E'id,v\n1,a\n'), csv_file('encoding-2.csv', '\x69642c760a322ce90a'::bytea);
SET ROLE regress_etl_owner;
CREATE TABLE encoded (id int PRIMARY KEY, v text);
CREATE FUNCTION change_encoding() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN SET client_encoding = 'LATIN1'; RETURN true; END $$;
SELECT etl_create_pipeline('encoded', source => $$etl_csv('etl_tmp/encoding-*.csv') AS t(id int, v text)$$,
	query => 'SELECT id, v FROM batch WHERE change_encoding()', target => 'encoded', key => '{id}', batch_size => 1);
CALL etl_run('encoded');
SELECT raw, message FROM etl_dead_letters WHERE pipeline = 'encoded';
SELECT etl_drop_pipeline('encoded');
DROP TABLE encoded;
DROP FUNCTION change_encoding;

-- To give source, query, rules or target is to say how they are meant, to give another option is not.
SET datestyle = 'ISO, MDY';
SET timezone = 'America/New_York';
SELECT etl_alter_pipeline('settings', batch_size => 100);
SELECT s FROM etl_pipelines, unnest(settings) AS s WHERE s ~ 'DateStyle|TimeZone';
SELECT etl_alter_pipeline('settings', query => settings_query());
SELECT s FROM etl_pipelines, unnest(settings) AS s WHERE s ~ 'DateStyle|TimeZone';
SELECT etl_reset('settings');
TRUNCATE settings;
CALL etl_run('settings');
SELECT line, value, message FROM etl_dead_letters;
SELECT id, day, at AT TIME ZONE 'UTC' AS at FROM settings;
-- Its dead letter is tried again in that way, too.
SET datestyle = 'SQL, DMY';
SET timezone = 'Europe/Berlin';
SELECT etl_alter_pipeline('settings', source => settings_source());
RESET datestyle;
RESET timezone;
CALL etl_retry_dead_letters('settings');
SET TIME ZONE 'UTC';
SELECT id, day, at, day_text FROM settings ORDER BY 1;
SELECT etl_drop_pipeline('settings');

-- Watermarks are compared and kept as values.
RESET ROLE;
SELECT csv_file('marks.csv', E'id,day,length,amount\n1,05/03/2018,1-2,7.50\n');
SET ROLE regress_etl_owner;
CREATE TABLE marks (id int PRIMARY KEY, day date, length interval, amount money);
SET datestyle = 'German, DMY';
SET intervalstyle = 'sql_standard';
SELECT etl_create_pipeline(name, source => $$etl_csv('etl_tmp/marks.csv') AS t(id int, day date, length interval, amount money)$$,
	target => 'marks', key => '{id}', watermark => mark)
	FROM (VALUES ('by_day', 'day'), ('by_length', 'length'), ('by_amount', 'amount')) AS m(name, mark);
RESET datestyle;
RESET intervalstyle;
CALL etl_run('by_day');
CALL etl_run('by_length');
CALL etl_run('by_amount');
SELECT name, etl_watermark(name) FROM etl_pipelines ORDER BY 1;
SELECT etl_watermark('by_day', date '1999-01-01'), etl_watermark('by_length', interval '0'), etl_watermark('by_amount', money '0');
-- the third of February is older than the fifth of March
RESET ROLE;
SELECT csv_file('marks.csv', E'id,day,length,amount\n1,03/02/2018,-1-2,3.50\n');
SET ROLE regress_etl_owner;
CALL etl_run('by_day');
CALL etl_run('by_length');
CALL etl_run('by_amount');
SELECT * FROM marks;
SELECT etl_drop_pipeline(name) FROM etl_pipelines;

RESET ROLE;
RESET TIME ZONE;
DROP OWNED BY regress_etl_owner, regress_etl_crew;
DROP ROLE regress_etl_owner, regress_etl_crew;
