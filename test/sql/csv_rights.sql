--
-- Who may read what: EXECUTE on etl_csv and pg_read_server_files, on both paths, at all times.
--
SELECT csv_file('r.csv', E'a\n1\n2\n') AS r \gset
SELECT oid::regprocedure AS by_columns FROM pg_proc WHERE proname = 'etl_csv' AND proargtypes[0] = 'text'::regtype \gset
SELECT oid::regprocedure AS by_type FROM pg_proc WHERE proname = 'etl_csv' AND proargtypes[0] = 'anyelement'::regtype \gset
CREATE ROLE regress_etl_reader;
CREATE ROLE regress_etl_other;
CREATE TYPE one_int AS (a int);
CREATE FUNCTION rows_estimated(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
	RETURN plan #>> '{0,Plan,Plan Rows}';
END $$;

-- PUBLIC has nothing.
SELECT proname, pg_get_function_identity_arguments(oid) LIKE 'row_type%' AS by_type, has_function_privilege('regress_etl_other', oid, 'EXECUTE'), prosecdef, provolatile, proparallel, proisstrict
FROM pg_proc WHERE proname = 'etl_csv' ORDER BY 1, 2;
SET ROLE regress_etl_reader;
SELECT * FROM etl_csv('etl_tmp/r.csv') AS t(a int);
SELECT * FROM etl_csv(NULL::one_int, 'etl_tmp/r.csv');
SELECT etl_csv(NULL::one_int, 'etl_tmp/r.csv');
SELECT * FROM ROWS FROM (etl_csv(NULL::one_int, 'etl_tmp/r.csv'), generate_series(1, 2));
EXPLAIN SELECT * FROM etl_csv('etl_tmp/r.csv') AS t(a int);
EXPLAIN SELECT * FROM etl_csv('no/such/file') AS t(a int);
SELECT * FROM etl_csv('etl_tmp/r.csv') AS t(a int) LIMIT 0;
SELECT * FROM etl_csv('etl_tmp/r.csv') AS t(a int) WHERE false;
RESET ROLE;

-- EXECUTE alone does not open files, and tells nothing of them.
GRANT EXECUTE ON FUNCTION :by_columns TO regress_etl_reader;
GRANT EXECUTE ON FUNCTION :by_type TO regress_etl_reader;
SET ROLE regress_etl_reader;
SELECT * FROM etl_csv('etl_tmp/r.csv') AS t(a int);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM etl_csv('no/such/file') AS t(a int);
SELECT * FROM etl_csv('etl_tmp') AS t(a int);
SELECT etl_csv(NULL::one_int, 'etl_tmp/r.csv');
SELECT etl_csv(NULL::one_int, 'no/such/file');
SELECT * FROM ROWS FROM (etl_csv(NULL::one_int, 'etl_tmp/r.csv'), generate_series(1, 2));
SELECT rows_estimated('SELECT * FROM etl_csv(''etl_tmp/r.csv'') AS t(a int)') AS existing, rows_estimated('SELECT * FROM etl_csv(''no/such/file'') AS t(a int)') AS missing;
-- what is wrong with the call itself is told first
SELECT * FROM etl_csv('etl_tmp/r.csv', delimiter => '') AS t(a int);
RESET ROLE;

-- With both.
GRANT pg_read_server_files TO regress_etl_reader;
SET ROLE regress_etl_reader;
SELECT * FROM etl_csv('etl_tmp/r.csv') AS t(a int);
SELECT etl_csv(NULL::one_int, 'etl_tmp/r.csv');
SELECT rows_estimated('SELECT * FROM etl_csv(''etl_tmp/r.csv'') AS t(a int)') AS existing;
RESET ROLE;
-- pg_read_server_files alone is not enough
GRANT pg_read_server_files TO regress_etl_other;
SET ROLE regress_etl_other;
SELECT * FROM etl_csv('etl_tmp/r.csv') AS t(a int);
SELECT rows_estimated('SELECT * FROM etl_csv(''etl_tmp/r.csv'') AS t(a int)');
RESET ROLE;
-- nor is membership without its privileges
CREATE ROLE regress_etl_noinherit NOINHERIT;
GRANT regress_etl_reader TO regress_etl_noinherit;
SET SESSION AUTHORIZATION regress_etl_noinherit;
SELECT * FROM etl_csv('etl_tmp/r.csv') AS t(a int);
SET ROLE regress_etl_reader;
SELECT count(*) FROM etl_csv('etl_tmp/r.csv') AS t(a int);
RESET SESSION AUTHORIZATION;

-- A plan that was made and used with the right, and kept.
SET plan_cache_mode = force_generic_plan;
PREPARE p AS SELECT count(*) FROM etl_csv('etl_tmp/r.csv') AS t(a int);
EXECUTE p;
SET ROLE regress_etl_other;
EXECUTE p;
EXPLAIN EXECUTE p;
SET ROLE regress_etl_reader;
EXECUTE p;
RESET ROLE;
REVOKE pg_read_server_files FROM regress_etl_reader;
SET ROLE regress_etl_reader;
EXECUTE p;
RESET ROLE;
GRANT pg_read_server_files TO regress_etl_reader;
REVOKE EXECUTE ON FUNCTION :by_columns FROM regress_etl_reader;
SET ROLE regress_etl_reader;
EXECUTE p;
RESET ROLE;
EXECUTE p;
DEALLOCATE p;
RESET plan_cache_mode;

-- A function's SELECT, in a session that has changed sides.
CREATE FUNCTION invoked() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM etl_csv('etl_tmp/r.csv') AS t(a int)); END $$;
CREATE FUNCTION defined() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN (SELECT count(*) FROM etl_csv('etl_tmp/r.csv') AS t(a int)); END $$;
SELECT invoked(), defined();
SET ROLE regress_etl_other;
SELECT defined();
\set SHOW_CONTEXT never
SELECT invoked();
\set SHOW_CONTEXT errors
RESET ROLE;
SELECT invoked();

-- A view does not lend its owner's rights to functions: that is PostgreSQL's rule, and ours.
CREATE VIEW reader_view AS SELECT * FROM etl_csv('etl_tmp/r.csv') AS t(a int);
CREATE VIEW srf_view AS SELECT etl_csv(NULL::one_int, 'etl_tmp/r.csv') AS row;
GRANT SELECT ON reader_view, srf_view TO regress_etl_other, regress_etl_reader;
SET ROLE regress_etl_other;
SELECT * FROM reader_view;
SELECT * FROM srf_view;
EXPLAIN (COSTS OFF) SELECT * FROM reader_view;
RESET ROLE;
GRANT EXECUTE ON FUNCTION :by_columns TO regress_etl_reader;
SET ROLE regress_etl_reader;
SELECT * FROM reader_view;
SELECT * FROM srf_view;
RESET ROLE;

-- A cursor opens its file as whoever fetches the first row; then the file is open.
REVOKE pg_read_server_files FROM regress_etl_other;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM etl_csv('etl_tmp/r.csv') AS t(a int);
SET LOCAL ROLE regress_etl_other;
FETCH 1 FROM c;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM etl_csv('etl_tmp/r.csv') AS t(a int);
FETCH 1 FROM c;
SET LOCAL ROLE regress_etl_other;
FETCH 1 FROM c;
ROLLBACK;

-- The wrappers that fall back to a plain function keep their rights.
ALTER FUNCTION :by_type SECURITY DEFINER;
SET ROLE regress_etl_other;
SELECT * FROM etl_csv(NULL::one_int, 'etl_tmp/r.csv');
SET ROLE regress_etl_reader;
SELECT * FROM etl_csv(NULL::one_int, 'etl_tmp/r.csv');
RESET ROLE;
ALTER FUNCTION :by_type SECURITY INVOKER;

-- The support function is for the planner only.  (Minor releases of PostgreSQL say so in different words.)
DO $$ BEGIN PERFORM etl_internal.etl_scan_support(NULL); EXCEPTION WHEN undefined_function OR feature_not_supported THEN RAISE NOTICE 'refused'; END $$;
CREATE FUNCTION mine(text) RETURNS SETOF record LANGUAGE sql AS 'SELECT 1';
GRANT CREATE ON SCHEMA public TO regress_etl_other;
ALTER FUNCTION mine(text) OWNER TO regress_etl_other;
SET ROLE regress_etl_other;
ALTER FUNCTION mine(text) SUPPORT etl_internal.etl_scan_support;
RESET ROLE;
-- a superuser who gives it to another function gets an ordinary function
ALTER FUNCTION mine(text) SUPPORT etl_internal.etl_scan_support;
SELECT * FROM mine('etl_tmp/r.csv') AS t(a int);

DROP FUNCTION mine, invoked, defined, rows_estimated;
DROP VIEW reader_view, srf_view;
DROP TYPE one_int;
REVOKE CREATE ON SCHEMA public FROM regress_etl_other;
DROP OWNED BY regress_etl_reader, regress_etl_other;
DROP ROLE regress_etl_noinherit, regress_etl_reader, regress_etl_other;
