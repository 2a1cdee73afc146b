--
-- etl_peek: the first records of a source.
--
SELECT * FROM etl_peek('etl_fixtures/real/seattle-weather.csv', 2);
SELECT count(*) FROM etl_peek('etl_fixtures/real/seattle-weather.csv');

-- Names that come again, or are empty; too few and too many fields; NULL, empty, quotes, and line numbers.
SELECT csv_file('peek.csv', E'a,a,,"b,c"\n1,2,3,4\n\n,"",x\n"two\nlines",2,3,4,5,6\nlast,2,3,4') AS path;
SELECT * FROM etl_peek('etl_tmp/peek.csv');
SELECT * FROM etl_peek('etl_tmp/peek.csv', header => false);
SELECT * FROM etl_peek('etl_tmp/peek.csv', 2, skip_lines => 2, header => false);

-- JSON: the elements of an array, or values one after another.
SELECT * FROM etl_peek(csv_file('peek.json', E'\n [{"a": 1}, {"a": [2, null]}, 3]'), 2);
SELECT * FROM etl_peek(csv_file('peek.json', E'\uFEFF{"a": 1}\n{"b": 2}\n'));
SELECT * FROM etl_peek(csv_file('peek.json', '{"a": 1'));

-- What is no text is shown, not raised.
SELECT csv_file('peek.csv', '\x610a62ff0a630a'::bytea) AS path;
SELECT * FROM etl_peek('etl_tmp/peek.csv');
-- What cannot be told apart is an error, but only when it is reached.
SELECT csv_file('peek.csv', E'a\n1\n"2\n') AS path;
SELECT * FROM etl_peek('etl_tmp/peek.csv', 1);
SELECT * FROM etl_peek('etl_tmp/peek.csv');

-- Files of a pattern, each with its own header.
SELECT csv_file('peek-1.csv', E'a\n1\n'), csv_file('peek-2.csv', E'b\n2\n');
SELECT * FROM etl_peek('etl_tmp/peek-?.csv');

-- An error names the file; a name of ours is no key of the file; and very many columns of one name take no time.
SELECT csv_file('peek-3.csv', E'a\n3\n"x\n'), csv_file('peek-4.csv', E'_etl_extra\n1,2\n');
SELECT * FROM etl_peek('etl_tmp/peek-?.csv');
SELECT * FROM etl_csv_columns('etl_tmp/peek-?.csv');
SELECT * FROM etl_peek('etl_tmp/peek-4.csv');
SET statement_timeout = '10s';
SELECT csv_file('peek.csv', repeat('a,', 20000) || E'a\n' || repeat('1,', 20000) || E'1\n') AS path;
SELECT (SELECT count(*) FROM json_object_keys(record)) FROM etl_peek('etl_tmp/peek.csv');
SELECT count(DISTINCT name) FROM etl_csv_columns('etl_tmp/peek.csv');
RESET statement_timeout;

SELECT csv_file('peek.csv', '') AS path;
SELECT * FROM etl_peek('etl_tmp/peek.csv');
SELECT * FROM etl_peek('etl_tmp/peek-?.csv', 0);
SELECT * FROM etl_peek('etl_tmp/peek-?.csv', -1);
SELECT * FROM etl_peek(NULL);
SELECT * FROM etl_peek('etl_tmp/no-such.csv');

-- The rights are those of reading.
CREATE ROLE etl_peeker;
GRANT EXECUTE ON FUNCTION etl_peek TO etl_peeker;
SET ROLE etl_peeker;
SELECT * FROM etl_peek('etl_tmp/peek-1.csv');
SELECT * FROM etl_csv_columns('etl_tmp/peek-1.csv');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION etl_peek FROM etl_peeker;
DROP ROLE etl_peeker;
