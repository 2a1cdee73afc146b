--
-- Parallel plans in which several processes read the rows of one call: a file in stretches, or file by file.
--
\pset null '<null>'
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3;

-- Whether a plan of a call has processes that share its rows.
CREATE FUNCTION is_shared(call text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN SELECT count(*) FROM ' || call LOOP
		IF line LIKE '%Parallel Custom Scan%' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$;

-- All rows of a call and what becomes of an error, in a few letters.
CREATE FUNCTION digest(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE 'SELECT count(*) || '' '' || coalesce(md5(string_agg(t::text, '','' ORDER BY t::text COLLATE "C")), ''-'') FROM ' || call INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;

-- The same, read by one process, and by so many with stretches of so many bytes.
CREATE FUNCTION same(call text, workers int, stretch int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	one text;
	several text;
BEGIN
	PERFORM set_config('max_parallel_workers_per_gather', '0', true);
	one := digest(call);
	PERFORM set_config('max_parallel_workers_per_gather', workers::text, true);
	PERFORM set_config('etl.parallel_stretch', stretch::text, true);
	several := digest(call);
	PERFORM set_config('max_parallel_workers_per_gather', '3', true);
	RETURN CASE WHEN one = several THEN 'same' ELSE one || ' / ' || several END;
END $$;

-- Every fixture, whatever it holds, in stretches of many sizes, with one to three workers.
SET client_min_messages = warning;
SELECT same(format('etl_csv(%L, header => false) AS t(_etl_raw text, _etl_line bigint)', 'etl_fixtures/csv/' || file), workers, stretch) AS result,
	count(*) > 0 AS some
FROM pg_ls_dir('etl_fixtures/csv') AS file, (VALUES (2, 1), (3, 7), (1, 65)) AS v(workers, stretch)
WHERE file LIKE '%.csv'
GROUP BY 1;

-- Records that are longer than a stretch; quotes, and ends of lines of each kind, at every place of one.
SELECT csv_file('long.csv', E'a,b\r\n' || string_agg(format(E'%s,"%s"\r\n', i, repeat(E'x""\r\n,', i % 40)), '' ORDER BY i)) AS long FROM generate_series(1, 300) AS i \gset
SELECT csv_file('cr.csv', E'a,b\r' || string_agg(format(E'%s,"%s"%s', i, repeat(E'\n', i % 5), CASE WHEN i % 9 = 0 THEN E'\n' ELSE E'\r' END), '' ORDER BY i)) AS cr FROM generate_series(1, 300) AS i \gset
SELECT csv_file('bom.csv', E'\uFEFFa,b\n' || string_agg(format(E'%s,ä%s\n', i, i), '' ORDER BY i)) AS bom FROM generate_series(1, 300) AS i \gset
SELECT name, columns, string_agg(DISTINCT same(format('etl_csv(%L%s) AS t(%s, _etl_line bigint, _etl_source text)', 'etl_tmp/' || name || '.csv', options, columns), 3, stretch), ' ') AS result
FROM (VALUES ('long', 'a int, b text', ''), ('long', 'b text', ', quote => null, ragged => ''pad'''), ('cr', 'a int, b text', ''), ('bom', 'b text, a int', ''), ('bom', 'x text, y text, _etl_raw text', ', header => false'), ('long', 'y text, z text', ', header => false, skip_lines => 3'), ('long', 'a int, b text', ', skip_lines => 0'), ('long', 'a text, b text', ', match => ''position''')) AS v(name, columns, options),
	(VALUES (1), (2), (13), (64), (100), (1000), (524288)) AS s(stretch)
GROUP BY name, columns, options ORDER BY name, columns;

-- What is compressed, or in another encoding, is read whole by whoever comes first.
CREATE PROCEDURE sh(command text) LANGUAGE plpgsql AS
	$$ BEGIN EXECUTE format('COPY (SELECT WHERE false) TO PROGRAM %L', 'cd etl_tmp && ' || command); END $$;
CALL sh('gzip -k long.csv; for i in 1 2 3 4 5 6 7; do cp long.csv many$i.csv; done; : > many8.csv; cp bom.csv many9.csv; for i in 1 2 3; do : > none$i.csv; done');
SELECT same('etl_csv(''etl_tmp/long.csv.gz'') AS t(a int, b text, _etl_line bigint)', 3, 64) AS gz,
	same('etl_csv(''etl_tmp/long.csv'', encoding => ''LATIN1'') AS t(a int, b text, _etl_line bigint)', 3, 64) AS latin1,
	same('etl_csv(''etl_tmp/bom.csv'', encoding => ''LATIN1'') AS t(a text, b text, _etl_line bigint)', 3, 64) AS mark,
	same('etl_csv(''etl_tmp/bom.csv'', encoding => ''UTF8'') AS t(a text, b text, _etl_line bigint)', 3, 64) AS utf8;

-- Several files, file by file: an empty one among them, none but empty ones, none at all.
SELECT name, same(format('etl_csv(%L) AS t(a int, b text, _etl_line bigint, _etl_source text)', 'etl_tmp/' || name), 3, 64)
FROM (VALUES ('many[1-7].csv'), ('many[1-9].csv'), ('many*.csv'), ('none*.csv'), ('none1.csv'), ('no*thing.csv')) AS v(name);
SELECT digest('etl_csv(''etl_tmp/none*.csv'') AS t(a int)') AS empty, digest('etl_csv(''etl_tmp/none1.csv'') AS t(a int)') AS one_empty, digest('etl_csv(''etl_tmp/nothing*.csv'') AS t(a int)') AS nothing;
SELECT count(*), count(DISTINCT _etl_source) AS files FROM etl_csv('etl_tmp/many[1-7].csv') AS t(a int, b text, _etl_source text);

-- What is odd is counted once, and the first place is that of the file.
RESET client_min_messages;
SELECT csv_file('stray.csv', E'a,b\n' || string_agg(format(E'%s,x%s\n', i, CASE WHEN i % 100 = 7 THEN '"y"' END), '' ORDER BY i)) AS stray FROM generate_series(1, 1000) AS i \gset
SET etl.parallel_stretch = 100;
SELECT count(*), sum(a) FROM etl_csv(:'stray') AS t(a int, b text);
SELECT regexp_replace(line, '(loops|rows|Workers Launched).*', '') FROM explain(format('SELECT count(*) FROM etl_csv(%L) AS t(a int)', :'stray'), 'ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF') AS line WHERE line ~ 'Custom Scan|Records|Bytes';
-- Errors say where they are.
SELECT csv_file('bad.csv', E'a,b\n' || string_agg(format(E'%s,x\n', CASE WHEN i = 700 THEN 'seven' ELSE i::text END), '' ORDER BY i)) AS bad FROM generate_series(1, 1000) AS i \gset
\set SHOW_CONTEXT never
SELECT sum(a) FROM etl_csv(:'bad') AS t(a int);
CREATE FUNCTION context(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	context text;
BEGIN
	EXECUTE query;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RETURN split_part(context, E'\n', 1);
END $$;
SELECT context(format('SELECT sum(a) FROM etl_csv(%L) AS t(a int)', :'bad'));
SELECT count(*) FROM etl_csv(:'bad') AS t(a text, b text) WHERE a <> 'seven';

-- Joins, appended queries, and a plan whose rows are read again.
RESET etl.parallel_stretch;
SELECT count(*), sum(l.a) FROM etl_csv(:'long') AS l(a int, b text) JOIN etl_csv(:'bom') AS r(a int, b text) USING (a);
SELECT count(*) FROM (SELECT a FROM etl_csv(:'long') AS t(a int) UNION ALL SELECT a FROM etl_csv(:'bom') AS t(a int)) AS u;
SET enable_material = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT count(*), sum(n) FROM generate_series(1, 3) AS g, LATERAL (SELECT count(*) AS n FROM etl_csv(:'long') AS t(a int) WHERE a > g) AS c;
SELECT count(*), sum(n) FROM generate_series(1, 3) AS g, (SELECT count(*) AS n FROM etl_csv(:'long') AS t(a int) OFFSET 0) AS c;
SELECT count(*), sum(n) FROM generate_series(1, 3) AS g, (SELECT count(*) AS n FROM etl_csv('etl_tmp/many[1-7].csv') AS t(a int) OFFSET 0) AS c;
SELECT count(*) FROM etl_csv(:'long') AS l(a int, b text), etl_csv(:'bom') AS r(a int, b text) WHERE l.a < r.a;
RESET enable_material;
RESET enable_hashjoin;
RESET enable_mergejoin;
CREATE TABLE copied AS SELECT * FROM etl_csv(:'long') AS t(a int, b text);
SELECT count(*), sum(a) FROM copied;
BEGIN;
DECLARE c CURSOR FOR SELECT count(*) FROM etl_csv(:'long') AS t(a int);
FETCH ALL FROM c;
COMMIT;

-- One process reads: where an option may change what quotes mean, or a fault is not an error, or rows are wanted in order, or
-- only some; what a worker may not do; what is not a constant.
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION unsafe(text) RETURNS boolean LANGUAGE sql VOLATILE PARALLEL UNSAFE AS 'SELECT true';
CREATE FUNCTION restricted(text) RETURNS boolean LANGUAGE sql STABLE PARALLEL RESTRICTED AS 'SELECT true' SET work_mem = '4MB';
SELECT call, is_shared(call) FROM unnest(ARRAY[
	'etl_csv(''etl_tmp/long.csv'') AS t(a int, b text)',
	'etl_csv(NULL::copied, ''etl_tmp/long.csv'')',
	'etl_csv(''etl_tmp/long.csv'', quote => ''#'', escape => ''#'', ragged => ''pad'') AS t(a int, b text)',
	'etl_csv(''etl_tmp/many*.csv'') AS t(a int[], b text)',
	'etl_csv(''etl_tmp/long.csv'', escape => ''\'') AS t(a int, b text)',
	'etl_csv(''etl_tmp/long.csv'', comment => ''#'') AS t(a int, b text)',
	'etl_csv(''etl_tmp/long.csv'', stray_quotes => ''error'') AS t(a int, b text)',
	'etl_csv(''etl_tmp/long.csv'', on_error => ''skip'') AS t(a int, b text)',
	'etl_csv(''etl_tmp/long.csv'', ragged => ''reject'') AS t(a int, b text)',
	'etl_csv(''etl_tmp/many*.csv'', union_by_name => true) AS t(a int, b text)',
	'ROWS FROM (etl_csv(''etl_tmp/long.csv'') AS (a int, b text)) WITH ORDINALITY',
	'(SELECT * FROM etl_csv(''etl_tmp/long.csv'') AS t(a int, b text) LIMIT 3) AS t',
	'etl_csv(''etl_tmp/long.csv'') AS t(a positive, b text)',
	'etl_csv(''etl_tmp/long.csv'') AS t(a int, b text) WHERE unsafe(b)',
	'etl_csv(''etl_tmp/long.csv'') AS t(a int, b text) WHERE restricted(b)',
	'(VALUES (''etl_tmp/long.csv'')) AS f(name), etl_csv(name) AS t(a int, b text)',
	'etl_json(''etl_fixtures/real/earthquakes.json'', items => ''features'') AS t(id text)',
	'etl_csv(''etl_tmp/nothing.csv'') AS t(a int, b text)']) AS call;
SET max_parallel_workers_per_gather = 0;
SELECT is_shared('etl_csv(''etl_tmp/long.csv'') AS t(a int, b text)');

DROP TABLE copied;
DROP DOMAIN positive;
DROP FUNCTION is_shared, digest, same, context, unsafe, restricted;
DROP PROCEDURE sh;
