--
-- The extension itself: the first query of a session, another schema, DROP and CREATE in one session.
--
SELECT csv_file('x.csv', E'a\n1\n2\n3\n') AS x \gset
CREATE VIEW first_view AS SELECT * FROM etl_csv('etl_tmp/x.csv') AS t(a int);
CREATE TYPE first_type AS (a int);

-- Whatever comes first in a session loads the library in time for its own plan.
\c
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv('etl_tmp/x.csv') AS t(a int) LIMIT 1;
\c
EXPLAIN (COSTS OFF) SELECT * FROM first_view WHERE a = 1;
\c
PREPARE p AS SELECT count(*) FROM etl_csv('etl_tmp/x.csv') AS t(a int);
EXPLAIN (COSTS OFF) EXECUTE p;
\c
BEGIN;
DECLARE c CURSOR FOR SELECT a FROM etl_csv('etl_tmp/x.csv') AS t(a int);
FETCH 1 FROM c;
COMMIT;
\c
SELECT etl_csv(NULL::first_type, 'etl_tmp/x.csv');
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv('etl_tmp/x.csv') AS t(a int);
\c
EXPLAIN (COSTS OFF) SELECT * FROM ROWS FROM (etl_csv(NULL::first_type, 'etl_tmp/x.csv')) WITH ORDINALITY;
\c
SELECT count(*) FROM etl_csv('etl_tmp/x.csv', on_error => 'skip', reject_limit => 1) AS t(a int);

-- A setting may come before the library.  It is checked when that is loaded.
\c
SET etl.max_field_size = '1kB';
SELECT length(a) FROM etl_csv(csv_file('y.csv', E'a\n' || repeat('x', 1025))) AS t(a text);
\c
SET etl.max_field_size = 'nonsense';
SELECT length(a) FROM etl_csv('etl_tmp/y.csv') AS t(a text);
SHOW etl.max_field_size;
\c
CREATE ROLE regress_etl_setter;
SET ROLE regress_etl_setter;
SET etl.max_field_size = '1kB';
RESET ROLE;
SELECT length(a) FROM etl_csv('etl_tmp/y.csv') AS t(a text);
SHOW etl.max_field_size;
DROP ROLE regress_etl_setter;

-- DROP and CREATE, with a plan that was kept.
\set VERBOSITY terse
DROP EXTENSION etl;
\set VERBOSITY default
DROP EXTENSION etl CASCADE;
SELECT * FROM etl_csv('etl_tmp/x.csv') AS t(a int);
CREATE SCHEMA "Other Schema";
CREATE EXTENSION etl SCHEMA "Other Schema";
SELECT * FROM etl_csv('etl_tmp/x.csv') AS t(a int);
SELECT * FROM "Other Schema".etl_csv('etl_tmp/x.csv') AS t(a int);
PREPARE p AS SELECT count(*) FROM "Other Schema".etl_csv('etl_tmp/x.csv') AS t(a int);
EXPLAIN (COSTS OFF) EXECUTE p;
EXECUTE p;
SELECT bool_and(pronamespace = '"Other Schema"'::regnamespace) AS all_there FROM pg_proc WHERE proname LIKE 'etl%' AND pronamespace <> 'etl_internal'::regnamespace;
-- a function in front that runs without a search_path
CREATE FUNCTION safe() RETURNS SETOF first_type LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS
	$$ SELECT * FROM "Other Schema".etl_csv(NULL::public.first_type, 'etl_tmp/x.csv') $$;
SELECT * FROM safe();
DROP FUNCTION safe;
ALTER EXTENSION etl SET SCHEMA public;
DROP EXTENSION etl;
EXECUTE p;
CREATE EXTENSION etl SCHEMA "Other Schema";
EXECUTE p;
EXPLAIN (COSTS OFF) EXECUTE p;
DEALLOCATE p;
DROP EXTENSION etl;
DROP SCHEMA "Other Schema";
CREATE EXTENSION etl;
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv('etl_tmp/x.csv') AS t(a int);
SELECT * FROM etl_csv('etl_tmp/x.csv') AS t(a int);

-- A cursor that is open keeps its functions.
BEGIN;
DECLARE c CURSOR FOR SELECT a FROM etl_csv('etl_tmp/x.csv') AS t(a int);
FETCH 1 FROM c;
SAVEPOINT s;
DROP EXTENSION etl;
FETCH 1 FROM c;
ROLLBACK TO s;
FETCH 1 FROM c;
COMMIT;

-- Only a superuser may create it.
CREATE ROLE regress_etl_user;
CREATE SCHEMA mine AUTHORIZATION regress_etl_user;
DROP EXTENSION etl;
SET ROLE regress_etl_user;
CREATE EXTENSION etl SCHEMA mine;
RESET ROLE;
DROP SCHEMA mine;
DROP ROLE regress_etl_user;
CREATE EXTENSION etl;
DROP TYPE first_type;
