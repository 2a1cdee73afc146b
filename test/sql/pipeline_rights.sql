--
-- What the owner of a pipeline wrote leaves nothing behind in the session of another who changes the pipeline, and
-- runs with no other rights than the owner's.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
SELECT csv_file('rights.csv', E'id,name\n1,a\n2,b\n');
CREATE ROLE regress_etl_mallory LOGIN;
CREATE ROLE regress_etl_crew;
CREATE ROLE regress_etl_member LOGIN IN ROLE regress_etl_mallory;
GRANT regress_etl_crew TO regress_etl_mallory;
GRANT pg_read_server_files TO regress_etl_mallory;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_etl_mallory;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO regress_etl_mallory;
CREATE SCHEMA evil AUTHORIZATION regress_etl_mallory;
SET ROLE regress_etl_mallory;
CREATE TABLE evil.target (id bigint PRIMARY KEY, name text);

-- Whenever it is planned as the owner for somebody else, it changes all that can be changed.
CREATE FUNCTION evil.set_all() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	SET search_path = evil, pg_catalog, public;
	SET "TimeZone" = 'Antarctica/Troll';
	SET SESSION statement_timeout = '1h';
	SET etl.settle_time = '59min';
	PERFORM set_config('datestyle', 'German', false);
	PERFORM set_config('intervalstyle', 'iso_8601', false);
	PERFORM set_config('standard_conforming_strings', 'off', false);
	PERFORM set_config('etl.dead_letter_max_bytes', '1kB', false);
	PERFORM set_config('evil.placeholder', 'left behind', false);
	PERFORM set_config('row_security', 'off', true);
	PERFORM set_config('default_transaction_read_only', 'on', false);
END $$;
CREATE FUNCTION evil.try_role() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('role', 'none', false);
	RAISE WARNING 'role is changed';
EXCEPTION WHEN insufficient_privilege THEN NULL;
END $$;
CREATE FUNCTION evil.try_session() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('session_authorization', session_user, false);
	RAISE WARNING 'session_authorization is changed';
EXCEPTION WHEN insufficient_privilege THEN NULL;
END $$;
CREATE FUNCTION evil.planned() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	PERFORM evil.set_all(), evil.try_role(), evil.try_session();
	RETURN 'etl_tmp/rights.csv';
END $$;
CREATE FUNCTION evil.evaluated() RETURNS text VOLATILE LANGUAGE sql AS 'SELECT evil.planned()';
CREATE FUNCTION evil.is_true(name text) RETURNS boolean IMMUTABLE LANGUAGE sql AS
	'SELECT evil.planned() IS NOT NULL AND name IS NOT NULL';
RESET ROLE;

-- Prints each setting that differs from those of the session before.
CREATE TABLE before AS SELECT name, setting FROM pg_settings WHERE source <> 'override';
GRANT SELECT ON before TO PUBLIC;
CREATE FUNCTION left_behind(OUT text) RETURNS text LANGUAGE sql SET search_path = pg_catalog AS $$
	SELECT coalesce(nullif(concat_ws('; ', string_agg(name || ' = ' || s.setting, '; ' ORDER BY name),
			nullif(current_setting('evil.placeholder', true), '')), ''), 'nothing')
	FROM pg_settings s JOIN public.before b USING (name)
	WHERE s.setting <> b.setting AND name NOT IN ('role', 'search_path', 'session_authorization', 'client_min_messages') $$;

SET ROLE regress_etl_mallory;
SELECT public.etl_create_pipeline('in_source', source => 'etl_csv(evil.planned()) AS t(id bigint, name text)',
	target => 'evil.target', key => '{id}');
SELECT left_behind(), current_user, current_setting('search_path');
SELECT etl_create_pipeline('in_query', source => $$etl_csv('etl_tmp/rights.csv') AS t(id bigint, name text)$$,
	query => 'SELECT id, name || left(evil.planned(), 0) AS name FROM batch', target => 'evil.target', key => '{id}');
SELECT etl_create_pipeline('in_rule', source => $$etl_csv('etl_tmp/rights.csv') AS t(id bigint, name text)$$,
	rules => '{"rule": "evil.is_true(''x'')"}', target => 'evil.target', key => '{id}');
SELECT left_behind(), current_user, current_setting('search_path');
RESET ROLE;

-- as a superuser
SELECT etl_alter_pipeline('in_source', key => '{id}', batch_size => 7);
SELECT left_behind(), current_user, current_setting('search_path');
SET client_min_messages = error; -- whether the library is preloaded or not
SELECT etl_alter_pipeline('in_query', redact => '{}', schedule => '1 day');
SELECT left_behind(), current_user, current_setting('search_path');
SELECT etl_alter_pipeline('in_rule', target => 'evil.target');
SELECT left_behind(), current_user, current_setting('search_path');
SELECT etl_alter_pipeline('in_source', source => 'etl_csv(evil.evaluated()) AS t(id bigint, name text)', watch => true);
RESET client_min_messages;
SELECT left_behind(), current_user, current_setting('search_path');
SELECT etl_pause(name), etl_resume(name), etl_watermark(name), etl_reset(name), etl_purge(name, '1 day') FROM etl_pipelines;
SELECT left_behind(), current_user, current_setting('search_path');
-- as the owner, in a superuser's session that has SET ROLE
SET ROLE regress_etl_mallory;
SELECT etl_alter_pipeline('in_source', key => '{id}');
SELECT left_behind(), current_user, current_setting('search_path');
RESET ROLE;
-- as a member
GRANT EXECUTE ON FUNCTION etl_alter_pipeline TO regress_etl_member;
SET ROLE regress_etl_member;
SELECT etl_alter_pipeline('in_query', whole => true);
SELECT left_behind(), current_user, current_setting('search_path');
-- and where it fails
SELECT etl_alter_pipeline('in_query', query => 'SELECT evil.planned(), 1 / 0 FROM batch');
SELECT left_behind(), current_user, current_setting('search_path');
RESET ROLE;

SELECT etl_drop_pipeline(name) FROM etl_pipelines;
DROP TABLE before;
DROP FUNCTION left_behind;

--
-- Who takes a pipeline over runs nothing of what its former owner wrote, before saying so.
--
SET ROLE regress_etl_mallory;
CREATE FUNCTION evil.told(what text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('evil.planned', true) IS DISTINCT FROM what || current_user THEN     -- once for each time that somebody plans it
		PERFORM set_config('evil.planned', what || current_user, true);
		RAISE NOTICE '% is planned as %', what, current_user;
	END IF;
	RETURN true;
END $$;
CREATE FUNCTION evil.file() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('evil.planned', true) IS DISTINCT FROM current_user THEN
		RAISE NOTICE 'the source is planned as %', set_config('evil.planned', current_user, true);
	END IF;
	RETURN 'etl_tmp/rights.csv';
END $$;
CREATE TABLE evil.trap (id bigint PRIMARY KEY, name text, more boolean DEFAULT evil.told('the target'));
SET search_path = evil, public;
SET client_min_messages = warning;
SELECT etl_create_pipeline(name, source => 'etl_csv(file()) AS t(id bigint, name text)',
	query => 'SELECT id, name FROM batch WHERE told(''the query'')', rules => '{"told": "told(''the rule'')"}',
	target => 'trap', key => '{id}', enabled => false) FROM unnest('{taken,given}'::text[]) AS name;
RESET client_min_messages;
RESET search_path;
RESET ROLE;
SELECT etl_alter_pipeline('taken', owner => 'postgres', enabled => true);
SELECT etl_alter_pipeline('taken', owner => 'postgres');
SELECT etl_alter_pipeline('taken', batch_size => 7, schedule => '1 day');
SELECT etl_alter_pipeline('taken', query => 'SELECT id, name FROM batch');
SELECT etl_alter_pipeline('taken', watch => true);
SELECT etl_reset('taken'), etl_pause('taken'), etl_watermark('taken');
\set VERBOSITY terse
CALL etl_run('taken');
CALL etl_retry_dead_letters('taken');
\set VERBOSITY default
SELECT name, owner, accepted, enabled, search_path FROM etl_pipelines ORDER BY 1;
SELECT pipeline, reason FROM etl_status ORDER BY 1;
-- To resume it is to say so, and its names are those of this session then, not those of the former owner's.
SELECT etl_resume('taken');
SET search_path = evil, public;
SELECT etl_resume('taken');
RESET search_path;
SELECT name, owner, accepted, enabled, search_path FROM etl_pipelines WHERE name = 'taken';
-- So it is to enable it.
SET client_min_messages = warning;
SELECT etl_alter_pipeline('given', owner => 'regress_etl_crew');
RESET client_min_messages;
SELECT etl_alter_pipeline('given', owner => 'postgres');
SELECT etl_alter_pipeline('given', enabled => true, query => 'SELECT id, name FROM batch', rules => '{}', target => 'evil.target',
	source => $$etl_csv('etl_tmp/rights.csv') AS t(id bigint, name text)$$);
-- Who gives all of it gives nothing away.
SET ROLE regress_etl_mallory;
SET client_min_messages = warning;
SELECT etl_create_pipeline('all_given', source => 'etl_csv(evil.file()) AS t(id bigint, name text)', target => 'evil.trap', key => '{id}');
RESET client_min_messages;
RESET ROLE;
SELECT etl_alter_pipeline('all_given', owner => 'postgres', source => $$etl_csv('etl_tmp/rights.csv') AS t(id bigint, name text)$$,
	target => 'evil.target');
SELECT name, owner, accepted, enabled, search_path FROM etl_pipelines WHERE name = 'all_given';
-- What a dropped role has left is nobody's, and is taken over in the same way.
CREATE ROLE regress_etl_gone;
GRANT ALL ON SCHEMA evil TO regress_etl_gone;
GRANT ALL ON evil.trap TO regress_etl_gone;
GRANT EXECUTE ON FUNCTION etl_create_pipeline, etl_csv(text, boolean, text, text, text, text, text, text, int, text, text, text, bigint, boolean, text, text)
	TO regress_etl_gone;
SET ROLE regress_etl_gone;
SET client_min_messages = warning;
SELECT etl_create_pipeline('orphan', source => 'etl_csv(evil.file()) AS t(id bigint, name text)', target => 'evil.trap', key => '{id}');
RESET client_min_messages;
RESET ROLE;
DROP OWNED BY regress_etl_gone;
DROP ROLE regress_etl_gone;
\set VERBOSITY terse
SELECT etl_alter_pipeline('orphan', batch_size => 7);
SELECT etl_resume('orphan');
\set VERBOSITY default
SELECT etl_alter_pipeline('orphan', owner => 'postgres', target => 'evil.trap');
SELECT name, owner, accepted, enabled FROM etl_pipelines WHERE name = 'orphan';
SELECT etl_drop_pipeline(name) FROM etl_pipelines;
SET client_min_messages = warning;
DROP SCHEMA evil CASCADE;
DROP OWNED BY regress_etl_mallory, regress_etl_crew, regress_etl_member;
DROP ROLE regress_etl_mallory, regress_etl_crew, regress_etl_member;
