--
-- What the extension is made of: everything has a comment, each table says what becomes of its rows, and each function
-- who may call it.
--
CREATE VIEW members AS
	SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS object FROM pg_depend d
	WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
		AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'etl');

-- Tables: what is written in the comment, and what pg_dump takes.
CREATE VIEW tables AS
	SELECT c.oid, c.relname AS table, (regexp_match(obj_description(c.oid), '^[^;]+; dumped: ([^;]+); purged: ([^;]+); seen by: ([^;]+)$')) AS facts,
		(SELECT e.extcondition[i] FROM pg_extension e, generate_subscripts(e.extconfig, 1) AS i WHERE e.extname = 'etl' AND e.extconfig[i] = c.oid) AS condition
	FROM members JOIN pg_class c ON c.oid = objid AND classid = 'pg_class'::regclass WHERE c.relkind = 'r';
SELECT "table", facts[1] AS dumped, facts[2] AS purged, facts[3] AS "seen by", condition FROM tables ORDER BY 1;
SELECT "table" AS lies FROM tables
	WHERE facts IS NULL OR (facts[1] = 'no') <> (condition IS NULL) OR (facts[1] = 'yes') <> coalesce(condition = '', false) ORDER BY 1;
-- Numbers that go on in a restored database: of what is dumped, and of runs, which other tables name.
SELECT s.relname AS sequence, s.oid = ANY (e.extconfig) AS dumped
FROM pg_class s JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype = 'i' JOIN tables t ON t.oid = d.refobjid, pg_extension e
WHERE s.relkind = 'S' AND e.extname = 'etl' ORDER BY 1;

-- Comments: objects, columns of views.
SELECT object FROM members LEFT JOIN pg_class c ON c.oid = objid AND classid = 'pg_class'::regclass
WHERE coalesce(c.relkind, 'r') IN ('r', 'v') AND classid <> 'pg_type'::regclass
	AND coalesce(obj_description(objid, classid::regclass::name), '') = '' ORDER BY 1;
SELECT a.attrelid::regclass AS view, a.attname AS "column" FROM members JOIN pg_class c ON c.oid = objid AND classid = 'pg_class'::regclass
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relkind = 'v' AND coalesce(col_description(c.oid, a.attnum), '') = '' ORDER BY 1, a.attnum;

-- Arguments have names, but for the one of a function that SQL cannot call.
SELECT p.oid::regprocedure AS function FROM members JOIN pg_proc p ON p.oid = objid AND classid = 'pg_proc'::regclass
WHERE p.pronargs > 0 AND (p.proargnames IS NULL OR '' = ANY (p.proargnames)) ORDER BY 1;
-- Of functions that share options each has them in the same order and with the same defaults.
CREATE VIEW arguments AS
	SELECT p.proname AS function, p.pronargs, n, p.proargnames[n] AS name, format_type(p.proargtypes[n - 1], NULL) AS type,
		pg_get_function_arg_default(p.oid, n) AS "default"
	FROM members JOIN pg_proc p ON p.oid = objid AND classid = 'pg_proc'::regclass, generate_series(1, p.pronargs) AS n;
SELECT a.function, b.function AS other, a.name FROM arguments a JOIN arguments b USING (name)
WHERE (a.function, b.function) IN (('etl_csv', 'etl_csv'), ('etl_csv', 'etl_peek'), ('etl_csv', 'etl_csv_columns'), ('etl_csv', 'etl_import'),
		('etl_json', 'etl_json'), ('etl_api', 'etl_api'), ('etl_api', 'etl_api_explain'), ('etl_run', 'etl_retry_dead_letters'),
		('etl_create_pipeline', 'etl_alter_pipeline'))
	AND (a.type, a."default") IS DISTINCT FROM (b.type, b."default") ORDER BY 1, 2, 3;

-- Who may call what: everybody what is listed, and pg_monitor no more than that.
SELECT p.pronamespace::regnamespace AS schema, p.proname AS everybody FROM members JOIN pg_proc p ON p.oid = objid AND classid = 'pg_proc'::regclass
	JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE has_function_privilege('pg_signal_backend', p.oid, 'EXECUTE') AND has_schema_privilege('pg_signal_backend', n.oid, 'USAGE') ORDER BY 1, 2;
SELECT p.proname AS implicit FROM members JOIN pg_proc p ON p.oid = objid AND classid = 'pg_proc'::regclass
WHERE p.pronamespace = 'etl_internal'::regnamespace AND p.proacl IS NULL;
SELECT nspname, has_schema_privilege('pg_monitor', oid, 'USAGE') AS usage, has_schema_privilege('pg_monitor', oid, 'CREATE') AS create
FROM pg_namespace WHERE nspname LIKE 'etl%' ORDER BY 1;
SELECT c.relname AS "granted to somebody" FROM members JOIN pg_class c ON c.oid = objid AND classid = 'pg_class'::regclass
WHERE c.relnamespace = 'etl_catalog'::regnamespace AND c.relacl IS NOT NULL
	AND EXISTS (SELECT FROM aclexplode(c.relacl) WHERE grantee <> c.relowner);
DROP VIEW arguments, tables, members;
