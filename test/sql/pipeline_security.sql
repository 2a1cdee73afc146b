--
-- An owner who shadows operators and functions of pg_catalog, frees all locks and changes role and search_path
-- in the query: nothing of that runs with other rights than the owner's.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
SELECT csv_file('security.csv', E'id,name\n1,a\n2,b\n3,c\nx,d\n');
CREATE ROLE regress_etl_mallory LOGIN;
CREATE ROLE regress_etl_crew;
GRANT regress_etl_crew TO regress_etl_mallory;
GRANT pg_read_server_files TO regress_etl_mallory;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_etl_mallory;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO regress_etl_mallory;
CREATE SCHEMA evil AUTHORIZATION regress_etl_mallory;
SET ROLE regress_etl_mallory;
CREATE TABLE evil.seen (what text, who name, session name);
GRANT ALL ON SCHEMA evil TO regress_etl_crew;
GRANT ALL ON evil.seen TO regress_etl_crew;
CREATE TABLE evil.target (id bigint PRIMARY KEY, name text);
GRANT ALL ON evil.target TO regress_etl_crew;
CREATE FUNCTION evil.spy(what text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO evil.seen SELECT what, current_user, session_user $$;
CREATE FUNCTION evil.eq(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN PERFORM evil.spy('bigint ='); RETURN pg_catalog.int8eq($1, $2); END $$;
CREATE FUNCTION evil.eq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN PERFORM evil.spy('text ='); RETURN pg_catalog.texteq($1, $2); END $$;
CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.eq);
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.eq);
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN PERFORM evil.spy('now'); RETURN pg_catalog.now(); END $$;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN PERFORM evil.spy('clock_timestamp'); RETURN pg_catalog.clock_timestamp(); END $$;
CREATE FUNCTION evil.jsonb_each_text(jsonb, OUT key text, OUT value text) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN PERFORM evil.spy('jsonb_each_text'); RETURN; END $$;
CREATE FUNCTION evil.batch_is_mine(bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM evil.spy('query');
	PERFORM pg_advisory_unlock_all();
	PERFORM set_config('role', 'regress_etl_crew', false);
	PERFORM set_config('search_path', 'evil, public, pg_catalog', false);
	RETURN true;
END $$;
CREATE FUNCTION evil.on_load() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM evil.spy('trigger ' || TG_WHEN); RETURN NEW; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON evil.target DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION evil.on_load();
CREATE TRIGGER early BEFORE INSERT ON evil.target FOR EACH ROW EXECUTE FUNCTION evil.on_load();
SET search_path = evil, public, pg_catalog;
SELECT etl_create_pipeline('evil', source => $$etl_csv('etl_tmp/security.csv') AS t(id bigint, name text)$$,
	query => $$SELECT id, name FROM batch WHERE batch_is_mine(id) AND id = id$$,
	rules => '{"name": "name = name"}', target => 'target', key => '{id}');
CALL etl_run('evil');
SELECT etl_reset('evil');
CALL etl_run('evil');
CALL etl_retry_dead_letters('evil');
RESET search_path;
RESET ROLE;
SELECT DISTINCT what, who, session FROM evil.seen ORDER BY 1, 2, 3;
SELECT who FROM evil.seen WHERE who NOT IN ('regress_etl_mallory', 'regress_etl_crew');
SELECT * FROM evil.target ORDER BY 1;

-- The rows that the statements of a run read are there for these statements only: nobody reads a batch of before.
TRUNCATE evil.seen;
SET ROLE regress_etl_mallory;
SET search_path = evil, public, pg_catalog;
CREATE FUNCTION evil.peek(bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM evil.spy('emitted: ' || count(*)) FROM etl_internal.etl_emitted() AS t(c1 bigint, c2 text);
	RETURN true;
END $$;
CREATE DOMAIN evil.watched AS text;
CREATE FUNCTION evil.peek(text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM evil.spy('batch: ' || count(*)) FROM etl_internal.etl_batch() AS t(id bigint, name evil.watched);
	RETURN true;
END $$;
ALTER DOMAIN evil.watched ADD CHECK (evil.peek(VALUE));
SELECT etl_create_pipeline('peek', source => $$etl_csv('etl_tmp/security.csv') AS t(id bigint, name evil.watched)$$,
	query => $$SELECT id, name::text FROM batch WHERE peek(id)$$, target => 'target', batch_size => 1, mode => 'append',
	on_error => 'dead_letter');
TRUNCATE target;
CALL etl_run('peek');
RESET search_path;
RESET ROLE;
SELECT what, count(*) FROM evil.seen WHERE what NOT LIKE 'trigger%' GROUP BY 1 ORDER BY 1;
SELECT etl_drop_pipeline('peek');

-- A table that the query reads is altered between two batches.
SET ROLE regress_etl_mallory;
CREATE TABLE evil.lookup (id bigint, label text);
INSERT INTO evil.lookup VALUES (1, 'a'), (2, 'b'), (3, 'c');
CREATE TABLE evil.labels (id bigint, label text);
CREATE FUNCTION evil.alter_lookup() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	ALTER TABLE evil.lookup ALTER COLUMN label TYPE bigint USING id;
	RETURN NULL;
END $$;
CREATE TRIGGER alter_lookup AFTER INSERT ON evil.labels EXECUTE FUNCTION evil.alter_lookup();
SELECT etl_create_pipeline('altered', source => $$etl_csv('etl_tmp/security.csv') AS t(id bigint, name text)$$,
	query => 'SELECT l.* FROM batch JOIN evil.lookup AS l USING (id)', target => 'evil.labels', batch_size => 1, mode => 'append');
CALL etl_run('altered');
SELECT * FROM evil.labels;
SELECT etl_drop_pipeline('altered');

-- A rule is an expression.
SELECT etl_create_pipeline('rule', source => $$etl_csv('etl_tmp/security.csv') AS t(id bigint, name text)$$, target => 'evil.target',
	rules => '{"evil": "true) FROM (SELECT 1) AS q; CREATE TABLE evil.gained (); SELECT (true"}');
SELECT etl_create_pipeline('rule', source => $$etl_csv('etl_tmp/security.csv') AS t(id bigint, name text)$$, target => 'evil.target',
	rules => '{"evil": "true), (true"}');
SELECT etl_create_pipeline('rule', source => $$etl_csv('etl_tmp/security.csv') AS t(id bigint, name text)$$, target => 'evil.target',
	rules => '{"evil": "true) UNION SELECT (true"}');
RESET ROLE;

-- A superuser who changes that pipeline runs nothing of it as superuser.
TRUNCATE evil.seen;
SET ROLE regress_etl_mallory;
CREATE FUNCTION evil.folded() RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('evil.planned', true) IS DISTINCT FROM current_user THEN     -- once for each time that somebody plans it
		RAISE NOTICE 'planned as %, of session %', set_config('evil.planned', current_user, true), session_user;
	END IF;
	RETURN 1;
END $$;
RESET ROLE;
SELECT etl_alter_pipeline('evil', query => 'SELECT id + 0 * evil.folded() AS id, name FROM batch');

-- Overloads of what runs call, in the schema of the extension: they are in nobody's way.
GRANT CREATE ON SCHEMA public TO regress_etl_mallory;
SET ROLE regress_etl_mallory;
CREATE FUNCTION public.etl_batch(int DEFAULT 0) RETURNS SETOF record LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.etl_batch() RETURNS SETOF record LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.etl_emitted() RETURNS SETOF record LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.etl_count_new() RETURNS boolean LANGUAGE sql AS 'SELECT false';
SELECT etl_create_pipeline('beside', source => $$etl_csv('etl_tmp/security.csv') AS t(id bigint, name text)$$,
	target => 'evil.target', key => '{id}');
CALL etl_run('beside');
-- So are those of what is its source, whatever calls they make ambiguous.
CREATE TYPE evil.row AS (id bigint, name text);
SELECT etl_alter_pipeline('beside', source => $$public.etl_csv(NULL::evil.row, source => 'etl_tmp/security.csv')$$);
CREATE FUNCTION public.etl_csv(source text) RETURNS SETOF record LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.etl_csv(row_type evil.row, source text) RETURNS SETOF evil.row LANGUAGE sql AS 'SELECT row_type';
SELECT count(*) FROM etl_csv('etl_tmp/security.csv') AS t(id bigint, name text);
SELECT etl_reset('beside');
CALL etl_run('beside');
SELECT etl_alter_pipeline('beside', source => $$etl_csv('etl_tmp/security.csv', header => true) AS t(id bigint, name text)$$);
SELECT etl_alter_pipeline('beside', source => $$etl_csv('etl_tmp/security.csv') AS t(id bigint, name text)$$), etl_reset('beside');
CALL etl_run('beside');
SELECT etl_alter_pipeline('beside', source => $$etl_csv('etl_tmp/security.csv', heder => true) AS t(id bigint, name text)$$);
SELECT etl_internal.etl_csv_source('etl_tmp/security.csv');
SELECT etl_drop_pipeline('beside');
DROP FUNCTION public.etl_batch(int), public.etl_batch(), public.etl_emitted(), public.etl_count_new(), public.etl_csv(text), public.etl_csv(evil.row, text);
CREATE FUNCTION etl_internal.etl_batch(int DEFAULT 0) RETURNS SETOF record LANGUAGE sql AS 'SELECT 1';
RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM regress_etl_mallory;

-- Who may not read server files cannot by a pipeline.
REVOKE pg_read_server_files FROM regress_etl_mallory;
SELECT etl_reset('evil');
SET client_min_messages = warning;
CALL etl_run('evil');

SELECT etl_drop_pipeline('evil');
DROP SCHEMA evil CASCADE;
RESET client_min_messages;
DROP OWNED BY regress_etl_mallory, regress_etl_crew;
DROP ROLE regress_etl_mallory, regress_etl_crew;
