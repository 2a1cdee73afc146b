--
-- Parallel plans in which the file is read by the leader, and the rest is parallel.  Where several processes read it is in csv_shares.
--
SELECT csv_file('p.csv', E'id,pos,mood\n' || string_agg(format(E'%s,%s,%s\n', i, CASE WHEN i % 100 = 0 THEN -i ELSE i END, CASE WHEN i % 250 = 0 THEN 'no' ELSE 'yes' END), '' ORDER BY i)) AS p
FROM generate_series(1, 1000) AS i \gset
CREATE TABLE big AS SELECT i AS id, i % 1000 AS ref FROM generate_series(1, 100000) AS i;
ALTER TABLE big SET (parallel_workers = 2);
ANALYZE big;
CREATE DOMAIN pos AS int CHECK (VALUE > 0);
CREATE TYPE mood AS ENUM ('yes', 'maybe');
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;

-- The result of a query, if its plan is parallel.
CREATE FUNCTION in_parallel(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	result text;
	hint text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		IF line LIKE '%Gather%' THEN
			EXECUTE query INTO result;
			RETURN result;
		END IF;
	END LOOP;
	RETURN 'no parallel plan';
EXCEPTION WHEN feature_not_supported THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLERRM || ' / ' || hint;
END $$;

-- Beside the scan and around it, in joins, subqueries and aggregates.
SELECT in_parallel('SELECT count(*) || '' '' || sum(n) FROM etl_csv(''etl_tmp/p.csv'') AS t(id int) JOIN (SELECT ref, count(*) AS n FROM big GROUP BY ref OFFSET 0) AS b ON b.ref = t.id');
SELECT in_parallel('SELECT count(*) FROM big WHERE ref > (SELECT max(id) - 3 FROM etl_csv(''etl_tmp/p.csv'') AS t(id int))');
SELECT in_parallel('WITH f AS MATERIALIZED (SELECT * FROM etl_csv(''etl_tmp/p.csv'') AS t(id int)) SELECT count(*) FROM big JOIN f ON f.id = big.ref');
SELECT in_parallel('SELECT count(*) FROM big WHERE NOT EXISTS (SELECT 1 FROM etl_csv(''etl_tmp/p.csv'') AS t(id int) WHERE id = ref)');
-- the whole query in parallel mode, by order (the setting has another name from 16 on)
SELECT CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'force_parallel_mode' ELSE 'debug_parallel_query' END AS by_order \gset
SELECT set_config(:'by_order', 'on', false);
SELECT count(*), sum(id) FROM etl_csv(:'p') AS t(id int);
SELECT max(id) FROM big;
SELECT set_config(:'by_order', 'off', false);

-- Rows that are skipped while a parallel plan runs.  Types whose errors need no subtransaction are as ever;
-- of the others good values are, and the first bad one is an error that says what to do.
CREATE FUNCTION joined(columns text, options text) RETURNS text LANGUAGE sql AS
	$$ SELECT in_parallel(format('SELECT count(*) || '' rows, '' || count(t) FROM (SELECT ref, count(*) AS n FROM big GROUP BY ref OFFSET 0) AS b JOIN etl_csv(''etl_tmp/p.csv''%s) AS t(%s) ON b.ref = t.id', options, columns)) $$;
SELECT joined('id int, pos int', '');
SELECT joined('id int, pos date', ', on_error => ''skip''');
SELECT joined('id int, pos pos', ', on_error => ''skip''');
SELECT joined('id int, mood mood', ', on_error => ''skip''');
SELECT joined('id int, mood mood, _etl_error text', ', on_error => ''return''');
SELECT joined('id pos, mood text', ', on_error => ''skip''');
SELECT joined('id int, pos pos', '');
SET max_parallel_workers_per_gather = 0;
SELECT count(*), count(t) FROM (SELECT ref, count(*) AS n FROM big GROUP BY ref OFFSET 0) AS b JOIN etl_csv(:'p', on_error => 'skip') AS t(id int, pos pos, mood mood) ON b.ref = t.id;
SET max_parallel_workers_per_gather = 2;

-- A function that says it is safe, though it is not, fails as others of its kind do.
CREATE FUNCTION wrongly_safe(n int) RETURNS bigint LANGUAGE plpgsql PARALLEL SAFE AS
	$$ BEGIN RETURN (SELECT n + count(*) FROM etl_csv('etl_tmp/p.csv') AS t(id int) WHERE id < 3); END $$;
SELECT sum(wrongly_safe(id)) FROM big WHERE id < 100;
\set SHOW_CONTEXT never
CREATE FUNCTION wrongly_safe_skip(n int) RETURNS bigint LANGUAGE plpgsql PARALLEL SAFE AS
	$$ BEGIN RETURN (SELECT n + count(pos) FROM etl_csv('etl_tmp/p.csv', on_error => 'skip') AS t(id int, pos pos) WHERE id < 3); END $$;
SELECT sum(wrongly_safe_skip(id)) FROM big WHERE id < 100;

DROP FUNCTION in_parallel, joined, wrongly_safe, wrongly_safe_skip;
DROP TABLE big;
DROP DOMAIN pos;
DROP TYPE mood;
