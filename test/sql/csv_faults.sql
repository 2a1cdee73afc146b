--
-- Faulty records and values: what ragged, on_error and reject_limit make of them.
--
\pset null '<null>'
\set SHOW_CONTEXT always

SELECT csv_file('f.csv', E'a,b\n1,one\n2\n3,three,drei\n\n4x,four\n5,five\n') AS f \gset

-- ragged: too few or too many fields
SELECT * FROM etl_csv(:'f') AS t(a int, b text);
SELECT * FROM etl_csv(:'f', ragged => 'pad') AS t(a text, b text);
SELECT * FROM etl_csv(:'f', ragged => 'reject') AS t(a text, b text);
SELECT * FROM etl_csv(:'f', ragged => 'reject') AS t(a int, b text);
SELECT * FROM etl_csv(:'f', ragged => 'pad', on_error => 'skip') AS t(b text, a int);
SELECT * FROM etl_csv(csv_file('g.csv', E'a,b,c\n1\n,\n1,2,3\n'), ragged => 'pad') AS t(a int, b text, c int);

-- The structure is checked whichever columns are read.
SELECT count(*) FROM etl_csv(:'f') AS t(a int, b text);
SELECT a FROM etl_csv(:'f') AS t(a int) WHERE a > 1;
SELECT FROM etl_csv(:'f') AS t(a int);
SELECT count(*) FROM etl_csv(:'f', ragged => 'reject') AS t(a int, b text);
SELECT a FROM etl_csv(:'f') AS t(a int) LIMIT 1;
SELECT 1 FROM etl_csv(csv_file('bad.csv', '\x612c620a312cff0a'::bytea)) AS t(a int);
SELECT 1 FROM etl_csv(csv_file('bad.csv', '\x612c620a312c000a'::bytea)) AS t(a int);

-- Values are checked when they are read.
SELECT b FROM etl_csv(:'f', ragged => 'reject') AS t(a int, b text);
SELECT b FROM etl_csv(:'f', ragged => 'reject') AS t(a int, b text) WHERE a > 0;
SELECT a, b FROM etl_csv(:'f', ragged => 'reject') AS t(a int, b text) WHERE b LIKE 'f%e';
SELECT count(*) FROM etl_csv(:'f', ragged => 'reject') AS t(a int, b text);
SELECT count(a) FROM etl_csv(:'f', ragged => 'reject') AS t(a int, b text);

-- on_error
SELECT * FROM etl_csv(:'f', on_error => 'fail') AS t(a int, b text);
SELECT * FROM etl_csv(:'f', on_error => 'skip') AS t(a int, b text);
SELECT b FROM etl_csv(:'f', on_error => 'skip') AS t(a int, b text);
SELECT * FROM etl_csv(:'f', on_error => 'return') AS t(a int, b text, _etl_error text, _etl_line bigint, _etl_raw text, _etl_source text);
SELECT b, _etl_error FROM etl_csv(:'f', on_error => 'return') AS t(a int, b text, _etl_error text);
SELECT b FROM etl_csv(:'f', on_error => 'return') AS t(a int, b text, _etl_error text);
SELECT _etl_line, _etl_error FROM etl_csv(:'f', on_error => 'return') AS t(a int, b text, _etl_error text, _etl_line bigint) WHERE _etl_error IS NOT NULL;
SELECT a, b FROM etl_csv(:'f', on_error => 'return') AS t(a int, b text, _etl_error text) WHERE a IS NULL;
SELECT * FROM etl_csv(:'f', on_error => 'return', ragged => 'reject') AS t(a int, b text, _etl_error text);
-- with on_error => 'fail' the column is there, and NULL
SELECT * FROM etl_csv(:'f', ragged => 'reject') AS t(b text, _etl_error text);

-- reject_limit: so many are let through, and the next one is the error
SELECT count(*) FROM etl_csv(:'f', on_error => 'skip', reject_limit => 4) AS t(a int, b text);
SELECT count(a) FROM etl_csv(:'f', on_error => 'skip', reject_limit => 4) AS t(a int, b text);
SELECT count(a) FROM etl_csv(:'f', on_error => 'skip', reject_limit => 3) AS t(a int, b text);
SELECT count(a) FROM etl_csv(:'f', on_error => 'skip', reject_limit => 0) AS t(a int, b text);
SELECT count(_etl_error) FROM etl_csv(:'f', on_error => 'return', reject_limit => 3) AS t(a int, b text, _etl_error text);
SELECT count(*) FROM etl_csv(:'f', ragged => 'reject', reject_limit => 2) AS t(a int, b text);
SELECT count(*) FROM etl_csv(:'f', ragged => 'reject', reject_limit => 3) AS t(a int, b text);
SELECT a FROM etl_csv(:'f', on_error => 'skip', reject_limit => 0) AS t(a int, b text) LIMIT 1;

-- Each reading of a file is counted by itself, and the NOTICE tells of the one with most.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT count(*) FROM generate_series(1, 3) AS i LEFT JOIN etl_csv(:'f', on_error => 'skip', reject_limit => 4) AS t(a int, b text) ON t.a <> -i;
SELECT count(*) FROM generate_series(1, 3) AS i WHERE EXISTS (SELECT FROM etl_csv(:'f', on_error => 'skip') AS t(a int, b text) WHERE t.a > 4 OR i > 1 AND b > 'o' OFFSET 0);
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
SELECT count(*) FROM generate_series(1, 2) AS i, LATERAL etl_csv('etl_tmp/' || substr('fg', i, 1) || '.csv', ragged => 'reject') AS t(a text, b text);
SELECT count(*) FROM etl_csv(:'f', on_error => 'skip') AS t(a int, b text)
UNION ALL SELECT count(*) FROM etl_csv(:'f', on_error => 'skip') AS t(a int);

-- CONTEXT names line, column and value; a long value is cut.
SELECT * FROM etl_csv(csv_file('v.csv', E'a,b\n1,2\n"3\n",\n4,' || repeat('é', 60) || 'x' || E'\n')) AS t(a int, b int);
SELECT * FROM etl_csv('etl_tmp/v.csv') AS t(b int);
SELECT * FROM etl_csv(csv_file('v.csv', E'a\n\n"1"\n""\n')) AS t(a int);

-- Types whose input functions do more than look at their text.
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN present AS text NOT NULL;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE pair AS (x int, y positive);
CREATE FUNCTION even(n int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN 10 / n = 10 / n AND n % 2 = 0; END $$;
CREATE DOMAIN even AS int CHECK (even(VALUE));
SELECT csv_file('t.csv', E'n,value\n' || string_agg(n || ',"' || replace(v, '"', '""') || E'"', E'\n' ORDER BY n) || E'\n') AS t
FROM unnest(ARRAY['1', '0', 'happy', '', '{1,2}', '{1,x', '(1,2)', '(1,0)', '(1,2', '{"a": 1}', '{"a": ', 'pg_class', 'no_such_table',
	'[1,5)', '[5,1)', '12:00', '25:00', '1 day', '10.0.0.1', '\x00ff', '\xf', '2001-02-30', 'infinity']) WITH ORDINALITY AS v(v, n) \gset
CREATE FUNCTION faults_of(type text) RETURNS TABLE(value text, n int, error text) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT value::text, n, _etl_error FROM etl_csv(''etl_tmp/t.csv'', on_error => ''return'')
		AS t(n int, value %s, _etl_error text)', type);
END $$;
SELECT type, count(value) AS values, count(error) AS faults, max(error) FILTER (WHERE error IS NOT NULL) AS a_fault
FROM unnest(ARRAY['text', 'int', 'positive', 'even', 'present', 'mood', 'int[]', 'positive[]', 'pair', 'json', 'jsonb', 'regclass',
	'int4range', 'time', 'inet', 'bytea', 'date', 'timestamptz', 'numeric(3,1)', 'varchar(3)', 'char(4)', 'float4', 'tsvector', 'uuid'])
	WITH ORDINALITY AS u(type, i), LATERAL faults_of(type)
GROUP BY type, i ORDER BY i;
SELECT * FROM etl_csv(:'t', on_error => 'skip') AS t(n int, value positive);
SELECT * FROM etl_csv(:'t', on_error => 'skip') AS t(n int, value even);
SELECT * FROM etl_csv(:'t') AS t(n int, value positive);
SELECT * FROM etl_csv(:'t') AS t(n int, value even);
SELECT * FROM etl_csv(:'t', match => 'position') AS t(n even, value text);
SELECT * FROM etl_csv(:'t') AS t(n int, value mood);
SELECT value FROM etl_csv(:'t', on_error => 'skip', reject_limit => 25) AS t(value regclass);

-- A domain that refuses NULL refuses an empty field, a missing one, and a row with a fault not at all.
SELECT * FROM etl_csv(csv_file('n.csv', E'a,b\nx,1\n,2\n"",3\n')) AS t(a present, b int);
SELECT * FROM etl_csv('etl_tmp/n.csv', on_error => 'skip') AS t(a present, b int);
SELECT * FROM etl_csv('etl_tmp/n.csv', on_error => 'return') AS t(a present, b int, _etl_error text);
SELECT b FROM etl_csv('etl_tmp/n.csv') AS t(a present, b int);
SELECT * FROM etl_csv(csv_file('n.csv', E'b,a\n1\n'), ragged => 'pad') AS t(a present, b int);
SELECT * FROM etl_csv('etl_tmp/n.csv', ragged => 'pad', on_error => 'return') AS t(b int, a present, _etl_error text);

-- An error that does not lie in the row is no fault of it.
CREATE FUNCTION busy(n int) RETURNS boolean LANGUAGE plpgsql AS
	$$ BEGIN IF n = 2 THEN RAISE EXCEPTION 'not now' USING ERRCODE = 'lock_not_available'; END IF; RETURN true; END $$;
CREATE DOMAIN busy AS int CHECK (busy(VALUE));
SELECT * FROM etl_csv(csv_file('n.csv', E'a\n1\n2\n3\n'), on_error => 'skip') AS t(a busy);

-- What a check did before it failed is undone.
CREATE TABLE seen (n int);
CREATE FUNCTION seen(n int) RETURNS boolean LANGUAGE plpgsql AS
	$$ BEGIN INSERT INTO seen VALUES (n); RETURN n <> 2; END $$;
CREATE DOMAIN seen_domain AS int CHECK (seen(VALUE));
SELECT * FROM etl_csv('etl_tmp/n.csv', on_error => 'skip') AS t(a seen_domain);
SELECT * FROM seen;

-- Broken quoting leaves no records to tell apart: an error under every policy, with the line where it began.
SELECT csv_file('q.csv', E'a,b\n1,"x\ny"\n2,"z\n\n3,4\n') AS q \gset
SELECT * FROM etl_csv(:'q') AS t(a int, b text);
SELECT * FROM etl_csv(:'q', on_error => 'skip') AS t(a int, b text);
SELECT count(*) FROM etl_csv(:'q', on_error => 'return') AS t(_etl_error text);
SELECT * FROM etl_csv(csv_file('q.csv', E'"a,b\n1,2\n')) AS t(a int, b text);
SELECT * FROM etl_csv(csv_file('q.csv', E'a,b\n1,2"')) AS t(a int, b text);
\echo :LAST_ERROR_SQLSTATE

DROP FUNCTION faults_of;
DROP DOMAIN busy, even, present, seen_domain;
DROP TYPE mood, pair;
DROP DOMAIN positive;
DROP FUNCTION busy, even, seen;
DROP TABLE seen;
