--
-- The plan of a streaming scan: columns, filters, EXPLAIN, estimates, and where there is none.
--
SELECT csv_file('p.csv', E'a,b,c\n' || string_agg(format(E'%s,b%s,%s\n', i, i, i * 1.5), '')) AS p FROM generate_series(1, 1000) AS i \gset
CREATE TYPE abc AS (a int, b text, c numeric);

CREATE FUNCTION explain_json(query text, what text, options text DEFAULT 'COSTS OFF') RETURNS json LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE format('EXPLAIN (%s, FORMAT json) %s', options, query) INTO plan;
	RETURN plan #> ARRAY['0', 'Plan', what];
END $$;

-- Only the columns in use are converted.
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv(:'p') AS t(a int, b text, c numeric);
EXPLAIN (COSTS OFF) SELECT c FROM etl_csv(:'p') AS t(a int, b text, c numeric) WHERE a > 990;
EXPLAIN (COSTS OFF) SELECT count(*) FROM etl_csv(:'p') AS t(a int, b text, c numeric);
EXPLAIN (COSTS OFF) SELECT FROM etl_csv(NULL::abc, :'p');
EXPLAIN (COSTS OFF, VERBOSE) SELECT upper(b) || a, 7 FROM etl_csv(NULL::abc, :'p') AS t WHERE c IS NOT NULL AND length(b) > 3;
EXPLAIN (COSTS OFF, VERBOSE) SELECT t, (t).z FROM etl_csv(NULL::abc, :'p') AS t(x, y, z) WHERE x = 3;
EXPLAIN (COSTS OFF, VERBOSE) SELECT ordinality, a FROM etl_csv(NULL::abc, :'p') WITH ORDINALITY AS t WHERE ordinality % 2 = 0;
EXPLAIN (COSTS OFF) SELECT a FROM etl_csv(:'p') AS t(a int, _etl_line bigint, _etl_raw text) WHERE _etl_line < 3;
SELECT what, explain_json('SELECT a FROM etl_csv(''etl_tmp/p.csv'') AS t(a int, b text) WHERE b < ''b2''', what, 'ANALYZE, TIMING OFF')
FROM unnest(ARRAY['Node Type', 'Custom Plan Provider', 'Filter', 'Function', 'Source', 'Columns', 'Records Read', 'Records Rejected', 'Bytes Read']) AS what;
-- a value that no filter lets through is never converted
SELECT a FROM etl_csv(:'p') AS t(a int, b int) WHERE a = 3;
SELECT b FROM etl_csv(:'p') AS t(a int, b int) WHERE a = 3;
SELECT b FROM etl_csv(csv_file('q.csv', E'a,b\n1,x\n2,22\n')) AS t(a int, b int) WHERE a = 2;
SELECT t.* FROM etl_csv('etl_tmp/q.csv') AS t(a int, b int) WHERE t IS NOT NULL;

-- Why one process reads all rows.
CREATE FUNCTION serial(query text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE line text; BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF, VERBOSE) ' || query LOOP
		IF line ~ 'Serial' THEN RETURN substring(line FROM 'Serial: (.*)'); END IF;
	END LOOP;
	RETURN NULL;
END $$;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET max_parallel_workers_per_gather = 2;
CREATE DOMAIN digit AS int CHECK (VALUE < 10);
CREATE FUNCTION not_safe(int) RETURNS boolean LANGUAGE sql PARALLEL RESTRICTED AS 'SELECT random() < $1';
SELECT what, serial(CASE WHEN what ~ '^SELECT' THEN what ELSE format($$SELECT count(*) FROM etl_csv('etl_tmp/p.csv'%s) AS t(a int, b text)$$, what) END)
FROM unnest(ARRAY['', $$, on_error => 'skip'$$, $$, stray_quotes => 'error'$$, $$, ragged => 'reject'$$, $$, comment => '#'$$, $$, quote => '"', escape => '\'$$,
	', union_by_name => true', $$SELECT a FROM etl_csv('etl_tmp/p.csv') AS t(a int, b text) LIMIT 1$$,
	$$SELECT count(*) FROM etl_csv('etl_tmp/' || version()) AS t(a int)$$, $$SELECT count(a) FROM etl_csv('etl_tmp/p.csv') AS t(a digit)$$,
	$$SELECT count(*) FROM etl_csv('etl_tmp/p.csv') AS t(a int) WHERE not_safe(a)$$, $$SELECT count(not_safe(a)) FROM etl_csv('etl_tmp/p.csv') AS t(a int)$$,
	$$SELECT count(*) FROM etl_lines('etl_tmp/p.csv', '(?<line>.*)') AS t(line text)$$, $$SELECT count(*) FROM etl_csv('http://localhost/p.csv') AS t(a int)$$]) AS what;
SET max_parallel_workers_per_gather = 0;
SELECT serial($$SELECT count(*) FROM etl_csv('etl_tmp/p.csv') AS t(a int)$$);
RESET min_parallel_table_scan_size;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET max_parallel_workers_per_gather;
DROP FUNCTION serial, not_safe;
DROP DOMAIN digit;

-- The source, as the call has it.
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv('etl_tmp/' || 'p.csv') AS t(a int);
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv(csv_file('r.csv', '')) AS t(a int);
SELECT explain($$ SELECT * FROM etl_csv((SELECT 'x' || max(n) FROM generate_series(1, 3) AS n)) AS t(a int) $$);
EXPLAIN (COSTS OFF) SELECT t.a FROM (VALUES ('x'), ('y')) AS f(path), LATERAL etl_csv('etl_tmp/' || path) AS t(a int, b text) WHERE b <> path;
EXPLAIN (COSTS OFF) SELECT (SELECT max(a) FROM etl_csv(f.path) AS t(a int)) FROM (VALUES ('x'), ('y')) AS f(path);
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv(NULL) AS t(a int);

-- EXPLAIN opens nothing: not even what is not there.
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv('no/such/file') AS t(a int, b text);
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv(:'p', delimiter => '') AS t(no_such_column int);

-- EXPLAIN ANALYZE: what was read, all readings together.
SELECT explain_analyze($$ SELECT count(*) FROM etl_csv('etl_tmp/p.csv') AS t(a int) $$);
SELECT explain_analyze($$ SELECT b FROM etl_csv('etl_tmp/p.csv') AS t(a int, b text) WHERE a <= 10 $$);
SELECT explain_analyze($$ SELECT * FROM etl_csv('etl_tmp/p.csv') AS t(a int) LIMIT 5 $$);
SELECT explain_analyze($$ SELECT * FROM etl_csv('etl_tmp/q.csv', on_error => 'skip') AS t(b int) $$);
SELECT explain_analyze($$ SELECT * FROM etl_csv('etl_tmp/q.csv') AS t(b text), etl_csv('etl_tmp/p.csv') AS u(a int) WHERE false $$);
SELECT explain_analyze($$ SELECT * FROM generate_series(1, 0), LATERAL etl_csv('etl_tmp/q.csv') AS t(b text) $$);
SELECT explain_analyze($$ SELECT * FROM etl_csv(csv_file('h.csv', 'a,b')) AS t(a int) $$);
SET enable_material = off;
SELECT explain_analyze($$ SELECT * FROM generate_series(1, 3) AS i, etl_csv('etl_tmp/q.csv') AS t(a int) WHERE t.a < i $$);
RESET enable_material;
SELECT explain_analyze($$ SELECT * FROM generate_series(1, 3) AS i, LATERAL etl_csv(substr('etl_tmp/q.csv', i - i + 1)) AS t(a int) WHERE t.a < i $$);

-- The estimate comes from the size of the file and its first lines.
CREATE FUNCTION estimate(query text) RETURNS json LANGUAGE sql AS $$ SELECT explain_json(query, 'Plan Rows', 'COSTS') $$;
SELECT estimate(format('SELECT * FROM etl_csv(%L) AS t(a int)', csv_file(name, content)))::text::int BETWEEN low AND high AS near, name
FROM (VALUES ('lf', repeat(E'12345,67890\n', 100000), 99000, 101000),
	('cr', repeat(E'12345,67890\r', 1000), 990, 1000),
	('crlf', repeat(E'12345,67890\r\n', 1000), 990, 1000),
	('one long line', repeat('x', 100000), 1, 100),
	('long lines', repeat(repeat('x', 9999) || E'\n', 100), 50, 200),
	('empty', '', 1, 1),
	('header', E'a\n', 1, 1),
	('two', E'a\n1\n2\n', 2, 2)) AS v(name, content, low, high);
SELECT estimate('SELECT * FROM etl_csv(''etl_tmp/two'', header => false) AS t(a text)') AS without_header;
SELECT estimate('SELECT * FROM etl_csv(''no/such/file'') AS t(a text)') AS no_file;
SELECT estimate('SELECT * FROM etl_csv(''etl_tmp'') AS t(a text)') AS no_regular_file;
SELECT estimate('SELECT * FROM etl_csv(NULL) AS t(a text)') AS no_name;
SELECT estimate('SELECT * FROM etl_csv(csv_file(''two'', ''x'')) AS t(a text)') AS not_yet_known;
SELECT estimate('SELECT * FROM etl_csv(NULL::abc, ''etl_tmp/two'', header => false)') AS by_type;
PREPARE size_of(text) AS SELECT * FROM etl_csv($1) AS t(a int);
SELECT estimate('EXECUTE size_of(''etl_tmp/lf'')')::text::int BETWEEN 99000 AND 101000 AS parameter_is_near;
SET plan_cache_mode = force_generic_plan;
SELECT estimate('EXECUTE size_of(''etl_tmp/lf'')') AS unknown_parameter;
RESET plan_cache_mode;
DEALLOCATE size_of;
-- so the smaller side of a join is the one that is hashed
SET enable_mergejoin = off;
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv('etl_tmp/lf', match => 'position') AS t(a int, b int) JOIN etl_csv('etl_tmp/p.csv') AS u(a int) USING (a);
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv('etl_tmp/p.csv') AS u(a int) JOIN etl_csv('etl_tmp/lf', match => 'position') AS t(a int, b int) USING (a);
RESET enable_mergejoin;

-- A relation that is known to be empty is not read.
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv('no/such/file') AS t(a int) WHERE false;
SELECT * FROM etl_csv('no/such/file') AS t(a int) WHERE false;
SELECT count(*) FROM generate_series(1, 3) LEFT JOIN etl_csv('no/such/file') AS t(a int) ON false;
SELECT * FROM etl_csv('no/such/file') AS t(a int) LIMIT 0;
SELECT * FROM (SELECT * FROM etl_csv('no/such/file') AS t(a int) UNION ALL SELECT 1) AS u WHERE a = 1 AND a = 2;
SELECT count(*) FROM etl_csv(:'p') AS t(a int) WHERE (SELECT false);
EXPLAIN (COSTS OFF) SELECT count(*) FROM etl_csv(:'p') AS t(a int) WHERE current_setting('server_version_num')::int < 0;
SELECT count(*) FROM etl_csv(:'p') AS t(a int) WHERE current_setting('server_version_num')::int < 0;

-- Where no streaming scan is possible.
EXPLAIN (COSTS OFF) SELECT etl_csv(NULL::abc, :'p');
EXPLAIN (COSTS OFF) SELECT * FROM ROWS FROM (etl_csv(NULL::abc, :'p'), etl_csv(NULL::abc, :'p'));
EXPLAIN (COSTS OFF) SELECT * FROM ROWS FROM (etl_csv(NULL::abc, :'p'), generate_series(1, 2));
-- and where one is, in other clothes
EXPLAIN (COSTS OFF) SELECT * FROM ROWS FROM (etl_csv(NULL::abc, :'p')) WITH ORDINALITY;
CREATE VIEW abc_view AS SELECT a, b FROM etl_csv('etl_tmp/p.csv') AS t(a int, b text, c numeric) WHERE c > 3;
EXPLAIN (COSTS OFF) SELECT b FROM abc_view WHERE a < 100;
CREATE FUNCTION abc_function(path text) RETURNS SETOF abc LANGUAGE sql STABLE AS
	$$ SELECT * FROM etl_csv(path) AS t(a int, b text, c numeric) $$;
EXPLAIN (COSTS OFF) SELECT b FROM abc_function('etl_tmp/p.csv') WHERE a < 100;
SELECT b FROM abc_function('etl_tmp/p.csv') WHERE a < 3;

DROP FUNCTION abc_function, estimate, explain_json;
DROP VIEW abc_view;
DROP TYPE abc;
