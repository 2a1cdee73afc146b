--
-- What others have put into the schema before CREATE EXTENSION is not taken for what the script means: operators and
-- functions of theirs whose arguments fit better than those of pg_catalog.  They are made for all that the extension
-- uses, over all pairs of the types that it uses.  The same holds for etl_kafka, where that is built.
--
CREATE DATABASE regress_etl_capture;
SELECT current_database() AS database \gset
\c regress_etl_capture
\set VERBOSITY terse
SET client_min_messages = warning;

-- The objects of the extension, and those that belong to them: rules of views, defaults, constraints, triggers.
CREATE VIEW public.members AS
WITH RECURSIVE m(classid, objid) AS (
	SELECT d.classid, d.objid FROM pg_depend d
	WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
		AND d.refobjid IN (SELECT oid FROM pg_extension WHERE extname IN ('etl', 'etl_kafka'))
	UNION
	SELECT d.classid, d.objid FROM m JOIN pg_depend d ON d.refclassid = m.classid AND d.refobjid = m.objid
	WHERE d.deptype IN ('i', 'a'))
SELECT * FROM m;

SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'etl_kafka') AS has_kafka \gset

-- What they use, by the trees that PostgreSQL keeps of them.
CREATE EXTENSION etl;
\if :has_kafka
CREATE EXTENSION etl_kafka;
\endif
CREATE TABLE public.trees AS
SELECT r.ev_action::text AS tree FROM pg_rewrite r JOIN public.members ON objid = r.oid AND classid = 'pg_rewrite'::regclass
UNION ALL
SELECT p.prosqlbody::text FROM pg_proc p JOIN public.members ON objid = p.oid AND classid = 'pg_proc'::regclass
UNION ALL
SELECT p.proargdefaults::text FROM pg_proc p JOIN public.members ON objid = p.oid AND classid = 'pg_proc'::regclass
UNION ALL
SELECT a.adbin::text FROM pg_attrdef a JOIN public.members ON objid = a.oid AND classid = 'pg_attrdef'::regclass
UNION ALL
SELECT c.conbin::text FROM pg_constraint c JOIN public.members ON objid = c.oid AND classid = 'pg_constraint'::regclass;

CREATE TABLE public.uses AS
SELECT DISTINCT m[1] AS what, m[2]::oid AS id FROM public.trees,
	regexp_matches(tree, ':(opno|funcid|aggfnoid|consttype|vartype|opresulttype|funcresulttype|resulttype) (\d+)', 'g') AS m;
CREATE TABLE public.types AS
SELECT DISTINCT id AS type FROM public.uses JOIN pg_type t ON t.oid = id
	WHERE what LIKE '%type' AND t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b';
-- and those that a change of the script would bring next
INSERT INTO public.types SELECT unnest('{smallint,int,bigint,numeric,real,float8,text,varchar,name,"char",boolean,date,timestamp,
	timestamptz,interval,time,json,jsonb,oid,regclass,regrole,regtype,uuid,text[]}'::regtype[]) EXCEPT SELECT type FROM public.types;
SELECT count(*) >= 24 AS enough_types FROM public.types;
SELECT count(DISTINCT o.oprname) >= 8 AS enough_operators FROM public.uses JOIN pg_operator o ON o.oid = id WHERE what = 'opno';
SELECT count(DISTINCT p.proname) > 20 AS enough_functions
	FROM public.uses JOIN pg_proc p ON p.oid = id WHERE what IN ('funcid', 'aggfnoid');
DROP EXTENSION etl CASCADE;

-- The schema is somebody's who has no other right.
CREATE ROLE regress_etl_planter;
CREATE SCHEMA planted AUTHORIZATION regress_etl_planter;
GRANT CREATE ON DATABASE regress_etl_capture TO regress_etl_planter;
GRANT SELECT ON public.uses, public.types TO regress_etl_planter;
SET ROLE regress_etl_planter;
SET check_function_bodies = off;
DO $$
DECLARE
	body CONSTANT text := 'BEGIN RAISE EXCEPTION ''captured''; END';
	result text;
	a record;
	o record;
	f record;
BEGIN
	FOR a IN SELECT l.type::regtype AS l, r.type::regtype AS r FROM public.types l, public.types r LOOP
		FOREACH result IN ARRAY ARRAY['boolean', 'numeric', 'text'] LOOP
			EXECUTE format('CREATE FUNCTION planted.two_to_%s(%s, %s) RETURNS %1$s LANGUAGE plpgsql AS %4$L', result, a.l, a.r, body);
		END LOOP;
		FOR o IN SELECT DISTINCT ON (oprname) oprname, oprresult FROM (
				SELECT p.oprname, p.oprresult FROM public.uses JOIN pg_operator p ON p.oid = id WHERE what = 'opno'
				UNION ALL SELECT name, 'numeric'::regtype FROM unnest('{+,-,*,/,%}'::text[]) AS name
				UNION ALL SELECT name, 'boolean'::regtype FROM unnest('{=,<>,<,<=,>,>=,~,@>}'::text[]) AS name
				UNION ALL SELECT name, 'text'::regtype FROM unnest('{||,->,->>}'::text[]) AS name) names
			ORDER BY oprname, oprresult LOOP
			EXECUTE format('CREATE OPERATOR planted.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = planted.two_to_%s)', o.oprname, a.l, a.r,
				CASE o.oprresult WHEN 'boolean'::regtype THEN 'boolean' WHEN 'text'::regtype THEN 'text' ELSE 'numeric' END);
		END LOOP;
	END LOOP;
	-- Functions: each argument in turn of every type; of two, both.
	FOR f IN SELECT DISTINCT p.proname, array_to_string(array(
			SELECT format_type(coalesce(CASE WHEN n = at1 THEN t1.type WHEN n = at2 THEN t2.type END, t), NULL)
			FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS args(t, n) ORDER BY n), ',') AS arguments, format_type(p.prorettype, NULL) AS result
		FROM public.uses JOIN pg_proc p ON p.oid = id, generate_series(1, p.pronargs) AS at1, public.types t1,
			generate_series(1, p.pronargs) AS at2, public.types t2
		WHERE what IN ('funcid', 'aggfnoid') AND p.provariadic = 0 AND (p.pronargs = 2 OR at1 = at2)
			AND NOT p.proretset AND p.prorettype NOT IN (SELECT oid FROM pg_type WHERE typtype = 'p')
			AND NOT p.proargtypes::oid[] && array(SELECT oid FROM pg_type WHERE typtype = 'p' AND typname <> 'any')
			AND p.proname <> 'nextval' LOOP
		BEGIN
			EXECUTE format('CREATE FUNCTION planted.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', f.proname, f.arguments, f.result, body);
		EXCEPTION WHEN duplicate_function THEN NULL;
		END;
	END LOOP;
END $$;
RESET ROLE;
SELECT count(*) > 9000 AS planted FROM pg_operator WHERE oprnamespace = 'planted'::regnamespace;
SELECT count(*) > 2000 AS planted FROM pg_proc WHERE pronamespace = 'planted'::regnamespace AND proname NOT LIKE 'two_to_%';

-- Nothing of the extension depends on what is neither its own nor of pg_catalog, wherever it is created from.
CREATE VIEW public.strangers AS
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS object, pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) AS depends_on
FROM public.members m JOIN pg_depend d ON d.classid = m.classid AND d.objid = m.objid
WHERE NOT EXISTS (SELECT FROM public.members s WHERE s.classid = d.refclassid AND s.objid = d.refobjid)
	AND (pg_identify_object(d.refclassid, d.refobjid, 0)).schema IS DISTINCT FROM 'pg_catalog'
	AND NOT (d.refclassid = 'pg_namespace'::regclass AND d.refobjid = (SELECT extnamespace FROM pg_extension WHERE extname = 'etl'))
	AND NOT (d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e');
CREATE EXTENSION etl SCHEMA planted;
\if :has_kafka
CREATE EXTENSION etl_kafka SCHEMA planted;
\endif
SELECT * FROM public.strangers;
DROP EXTENSION etl CASCADE;
SET search_path = planted, pg_catalog;
CREATE EXTENSION etl;
\if :has_kafka
CREATE EXTENSION etl_kafka SCHEMA planted;
\endif
RESET search_path;
SELECT * FROM public.strangers;

-- Nor does a function whose text PostgreSQL does not keep as a tree: it brings its own search_path.
SELECT p.oid::regprocedure, p.proconfig FROM pg_proc p JOIN public.members ON objid = p.oid AND classid = 'pg_proc'::regclass
	JOIN pg_language l ON l.oid = p.prolang
WHERE l.lanname NOT IN ('c', 'internal') AND p.prosqlbody IS NULL
	AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false);
-- And nothing of it is in the way of others.
SELECT DISTINCT n.nspname FROM (
	SELECT relnamespace AS namespace FROM pg_class JOIN public.members ON objid = oid AND classid = 'pg_class'::regclass AND relkind IN ('r', 'v', 'S')
	UNION ALL SELECT pronamespace FROM pg_proc JOIN public.members ON objid = oid AND classid = 'pg_proc'::regclass) objects
	JOIN pg_namespace n ON n.oid = namespace ORDER BY 1;

\c :database
DROP DATABASE regress_etl_capture;
DROP ROLE regress_etl_planter;
