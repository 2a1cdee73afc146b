--
-- Rows to a file, and back.
--
\pset null '<null>'
\set SHOW_CONTEXT never
SELECT current_setting('data_directory') || '/etl_tmp/' AS dir \gset
-- What messages say of a file, without the folder.
CREATE FUNCTION outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	hint text;
BEGIN
	EXECUTE 'SELECT rows || '' rows'' FROM ' || call INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN regexp_replace(concat_ws(': ', SQLSTATE, SQLERRM, nullif(hint, '')), '/[^ ]*/etl_tmp/', '');
END $$;
CREATE FUNCTION content(name text) RETURNS text LANGUAGE sql AS $$ SELECT replace(convert_from(pg_read_binary_file('etl_tmp/' || name), 'UTF8'), E'\uFEFF', '<mark>') $$;

-- What needs quotes has them, and nothing else.
CREATE TABLE odd (n int, t text, b boolean, "a ""name"", so" text);
INSERT INTO odd VALUES (1, 'plain', true, 'x'), (2, NULL, NULL, NULL), (3, '', false, ' blanks '), (4, E'two\nlines', NULL, E'\\.'),
	(5, 'say "hi"', NULL, 'a,b'), (6, E'\uFEFFmark', NULL, E'cr\rend'), (7, E'tab\tand; semicolon', NULL, 'ä€𝄞'), (8, '"', NULL, ',');
SELECT rows, bytes, version ~ '^\d+ bytes, \d{4}-' AS version FROM etl_export('SELECT * FROM odd ORDER BY n', :'dir' || 'odd.csv');
SELECT content('odd.csv');
SELECT rows FROM etl_export('SELECT * FROM odd ORDER BY n', :'dir' || 'odd.csv', header => false, delimiter => E'\t', null_string => 'NULL');
SELECT content('odd.csv');
SELECT rows FROM etl_export('SELECT * FROM odd ORDER BY n', :'dir' || 'odd.ndjson', format => 'ndjson');
SELECT content('odd.ndjson');
SELECT rows FROM etl_export($$SELECT E'{"a":\n1}'::json AS j$$, :'dir' || 'one.ndjson', format => 'ndjson');
SELECT content('one.ndjson');
SELECT rows, bytes FROM etl_export('SELECT * FROM odd WHERE false', :'dir' || 'none.csv');
SELECT content('none.csv');

-- What comes back is what went out: random rows of many types, by each format and compression, in another encoding.
SELECT setseed(0.5);
CREATE TABLE sent AS
SELECT i AS id, (random() * 1e18)::bigint AS big, (random() * 1000000)::numeric(12, 3) AS num, random() * 10.0::float8 ^ (i % 600 - 300) AS float,
	i % 3 = 0 AS flag, date '1900-01-01' + i * 37 AS day, timestamptz '2000-01-01 00:00Z' + i * interval '1.000001 hours' AS at, md5(i::text)::uuid AS uuid,
	i * interval '1 day 1.5 s' AS span, array[i::text, NULL, 'a,"b'] AS list, jsonb_build_object('k', i, 'l', E'x\n"y"') AS doc, decode(md5(i::text), 'hex') AS bytes,
	(SELECT string_agg(substr(E'abc,;\t"\n\r\\ äßé NULL', 1 + (random() * 19)::int, 1), '') FROM generate_series(1, i % 12)) AS text,
	CASE i % 4 WHEN 0 THEN '' WHEN 1 THEN NULL ELSE 'NULL' END AS empty
FROM generate_series(1, 500) AS i;
CREATE FUNCTION differences(reading text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM ((TABLE sent EXCEPT ALL SELECT * FROM %1$s) UNION ALL (SELECT * FROM %1$s EXCEPT ALL TABLE sent)) AS d', reading) INTO n;
	RETURN n;
END $$;
SELECT name, e.rows, differences(format('etl_csv(NULL::sent, %L%s)', 'etl_tmp/' || name, reading)) AS differences
FROM (VALUES ('sent.csv', '', ''), ('sent.csv.gz', '', ''), ('sent.csv.zst', '', ''),
	('sent.txt', $$, delimiter => ';', null_string => 'NULL'$$, $$, delimiter => ';', null_string => 'NULL'$$),
	('sent.latin1', $$, encoding => 'LATIN1'$$, $$, encoding => 'LATIN1'$$),
	('sent.bare', $$, header => false, compress => 'zstd'$$, $$, header => false$$)) AS v(name, writing, reading),
	LATERAL (SELECT outcome(format('etl_export(''TABLE sent'', %L%s)', :'dir' || name, writing)) AS rows) AS e;
SELECT rows FROM etl_export('TABLE sent', :'dir' || 'sent.ndjson', format => 'ndjson');
SELECT differences($$etl_json(NULL::sent, 'etl_tmp/sent.ndjson')$$);
SELECT count(*) FILTER (WHERE t IS NULL) AS nulls, count(*) FROM etl_csv('etl_tmp/odd.csv', header => false, delimiter => E'\t', null_string => 'NULL') AS o(n int, t text, b boolean, x text);

-- It is there at the end, whole, or not at all; what was there stays until then.
SELECT rows FROM etl_export('SELECT 1 AS a', :'dir' || 'kept.csv');
SELECT outcome(format($$etl_export('SELECT 1 / (3 - i) AS a FROM generate_series(1, 100000) AS i', %L)$$, :'dir' || 'kept.csv'));
SELECT outcome(format($$etl_export('SELECT 1 / (99999 - i) AS a FROM generate_series(1, 100000) AS i', %L, compress => 'gzip')$$, :'dir' || 'never.csv'));
SELECT outcome(format($$etl_export('SELECT ''€'' AS a', %L, encoding => 'LATIN1')$$, :'dir' || 'never.csv'));
SELECT outcome(format($$etl_export('SELECT 2 AS a', %L, overwrite => false)$$, :'dir' || 'kept.csv'));
SELECT content('kept.csv');
SELECT outcome(format($$etl_export('SELECT 2 AS a', %L, overwrite => false)$$, :'dir' || 'new.csv'));
SELECT content('new.csv');
SELECT count(*) FROM pg_ls_dir('etl_tmp') AS name WHERE name LIKE '%.etl-%' OR name LIKE 'never%';
BEGIN;
SELECT rows FROM etl_export('INSERT INTO odd VALUES (9) RETURNING n', :'dir' || 'new.csv');
ROLLBACK;
SELECT content('new.csv'), (SELECT count(*) FROM odd) AS rows;

-- What cannot be.
SELECT outcome(format('etl_export(%s)', replace(arguments, '@', :'dir'))) FROM unnest(ARRAY[$$NULL, '/x'$$, $$'SELECT 1', NULL$$, $$'SELECT 1', 'x.csv'$$, $$'SELECT 1', '/'$$,
	$$'SELECT 1', '/dev/null'$$, $$'SELECT 1', '/no/such/folder/x.csv'$$, $$'SELECT 1', 'https://example.com/x.csv'$$, $$'SELECT 1', 's3://bucket/x.csv'$$,
	$$'', '@x'$$, $$'SELECT 1; SELECT 2', '@x'$$, $$'CREATE TABLE x (a int)', '@x'$$, $$'SELEKT 1', '@x'$$, $$'SELECT 1', '@x', format => 'xml'$$,
	$$'SELECT 1', '@x', compress => 'zip'$$, $$'SELECT 1', '@x', delimiter => '||'$$, $$'SELECT 1', '@x', delimiter => '"'$$,
	$$'SELECT 1', '@x', null_string => 'a,b'$$, $$'SELECT 1', '@x', encoding => 'klingon'$$]) AS arguments;
-- Nobody writes files without the rights for that, or runs a query with those of others.
CREATE ROLE regress_etl_export;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_etl_export;
SET ROLE regress_etl_export;
SELECT outcome($$etl_export('SELECT 1', '/tmp/x')$$);
RESET ROLE;
GRANT pg_write_server_files TO regress_etl_export;
SET ROLE regress_etl_export;
SELECT outcome(format($$etl_export('TABLE odd', %L)$$, :'dir' || 'denied.csv'));
RESET ROLE;
SELECT count(*) FROM pg_ls_dir('etl_tmp') AS name WHERE name LIKE 'denied%';
DROP OWNED BY regress_etl_export;
DROP ROLE regress_etl_export;

DROP TABLE odd, sent;
DROP FUNCTION outcome, content, differences;
