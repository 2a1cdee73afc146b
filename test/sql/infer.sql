--
-- etl_csv_columns: names and types to declare.
--
SELECT * FROM etl_csv_columns('etl_fixtures/real/birdstrikes.csv');
SELECT declaration FROM etl_csv_columns('etl_fixtures/real/seattle-weather.csv');

-- Each type, and what is just beside it.
CREATE FUNCTION proposed(VARIADIC lines text[]) RETURNS text LANGUAGE sql AS $$
	SELECT data_type FROM etl_csv_columns(csv_file('infer.csv', E'c\n' || array_to_string(lines, E'\n') || E'\n'))
$$;
SELECT lines, proposed(VARIADIC lines) FROM (VALUES
	(ARRAY['1', '-2', '0']),
	(ARRAY['9223372036854775807']), (ARRAY['9223372036854775808']), (ARRAY['-9223372036854775808']),
	(ARRAY['007']), (ARRAY['+1']), (ARRAY[' 1']), (ARRAY['1_000']), (ARRAY['0x10']), (ARRAY['-']), (ARRAY['-007']),
	(ARRAY['1', '1.5']), (ARRAY['0.10']), (ARRAY['.5']), (ARRAY['5.']), (ARRAY['00.5']),
	(ARRAY['1.5e-7']), (ARRAY['1.5e1000']), (ARRAY['12E4']), (ARRAY['NaN']), (ARRAY['"1,5"']),
	(ARRAY['t', 'F', 'true', 'FALSE']), (ARRAY['yes']), (ARRAY['1', 'true']),
	(ARRAY['2024-02-29']), (ARRAY['2023-02-29']), (ARRAY['1/2/2024']), (ARRAY['20240229']), (ARRAY['today']),
	(ARRAY['2024-02-29 12:00:00']), (ARRAY['2024-02-29T12:00:00Z', '2024-02-29']), (ARRAY['2024-02-29 25:00']),
	(ARRAY['infinity']),
	(ARRAY['123e4567-e89b-12d3-a456-426614174000']), (ARRAY['123e4567e89b12d3a456426614174000x']),
	(ARRAY['"{""a"": 1}"', '[]']), (ARRAY['{a}']), (ARRAY['{"a": 1}', 'x']),
	(ARRAY['1', '', '2']), (ARRAY['', '']), (ARRAY['""', '1']), (ARRAY[]::text[])) AS v(lines);

-- Names: folded, unique, and never empty.
SELECT csv_file('infer.csv', E'Order ID,orderId,,"a ""b""",select,' || repeat('x', 70) || E',\n1,2,3,4,5,6,7\n') AS path;
SELECT * FROM etl_csv_columns('etl_tmp/infer.csv');
SELECT * FROM etl_csv_columns('etl_tmp/infer.csv', header => false);
-- What is declared so can be read so.
SELECT string_agg(declaration, ' ' ORDER BY position) AS columns FROM etl_csv_columns('etl_fixtures/real/airports.csv') \gset
SELECT * FROM etl_csv('etl_fixtures/real/airports.csv') AS t(:columns) LIMIT 2;

-- The sample is what was asked for.
SELECT csv_file('infer.csv', E'a,b\n1,1\n2,x\n') AS path;
SELECT data_type FROM etl_csv_columns('etl_tmp/infer.csv', 1);
SELECT data_type FROM etl_csv_columns('etl_tmp/infer.csv', 0);
SELECT data_type FROM etl_csv_columns('etl_tmp/infer.csv', NULL);
SELECT data_type FROM etl_csv_columns('etl_tmp/infer.csv', -1);
-- Null is no value of any type, and a later file may have more columns.
SELECT data_type FROM etl_csv_columns('etl_tmp/infer.csv', null_string => 'x');
SELECT csv_file('infer-1.csv', E'a,b\n1,1\n'), csv_file('infer-2.csv', E'c,a\n2024-01-01,x\n');
SELECT name, data_type FROM etl_csv_columns('etl_tmp/infer-?.csv');
-- It has them under the names by which etl_csv will find them.
SELECT csv_file('infer-3.csv', E'A,C\n5,x\n') AS path;
SELECT header_name, name, data_type FROM etl_csv_columns('etl_tmp/infer-?.csv');
-- Records that are too short or too long tell nothing of the types; without a header the first has the right length.
SELECT csv_file('infer.csv', E'1,2\nTotal\n3,4,x\n') AS path;
SELECT name, data_type FROM etl_csv_columns('etl_tmp/infer.csv', header => false);
SELECT csv_file('infer.csv', E'a,b\n1,2\nTotal\n3,4,x\n') AS path;
SELECT name, data_type FROM etl_csv_columns('etl_tmp/infer.csv');
SELECT csv_file('infer.csv', '') AS path;
SELECT * FROM etl_csv_columns('etl_tmp/infer.csv');
DROP FUNCTION proposed;
