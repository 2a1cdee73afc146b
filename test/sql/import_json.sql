--
-- etl_import and etl_json_columns: JSON and NDJSON, as a table of its members.
--
-- Each type, and what is just beside it.
CREATE FUNCTION proposed(VARIADIC "values" text[]) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(name || ' ' || data_type, ', ' ORDER BY position)
	FROM etl_json_columns(csv_file('infer.json', (SELECT string_agg(format('{"c": %s}', v), E'\n') FROM unnest("values") AS v)))
$$;
SELECT v AS "values", proposed(VARIADIC v) FROM (VALUES
	(ARRAY['1', '-2', 'null']), (ARRAY['9223372036854775808']), (ARRAY['1', '1.50']), (ARRAY['1e5']), (ARRAY['-0']),
	(ARRAY['true', 'false']), (ARRAY['true', '1']), (ARRAY['"1"', '"2"']), (ARRAY['1', '"2"']),
	(ARRAY['"2024-02-29"']), (ARRAY['"2024-02-29"', '"2024-02-29T12:00:00Z"']), (ARRAY['"2024-02-29"', '20240229']), (ARRAY['"1/2/2024"']),
	(ARRAY['"123e4567-e89b-12d3-a456-426614174000"']), (ARRAY['"x"', '""']),
	(ARRAY['{"a": 1}', '[]']), (ARRAY['{}', '1']), (ARRAY['"x"', '[1]']), (ARRAY['null'])) AS t(v);
-- Names: folded, unless that does not tell the members apart; of members of several items that are spelled in two ways, one.
SELECT position, header_name, name, data_type FROM etl_json_columns(csv_file('infer.json', E'{"Order ID": 1, "a.b": 2, "select": 3, "": 4, "_etl_line": 5, "' || repeat('x', 64) || E'": 6}'));
SELECT name, data_type FROM etl_json_columns(csv_file('infer.json', E'{"orderId": 1}\n{"order_id": "x"}'));
SELECT name, data_type FROM etl_json_columns(csv_file('infer.json', E'{"orderId": 1, "order_id": "x"}'));
SELECT name, data_type FROM etl_json_columns(csv_file('infer.json', E'{"a": 1}\n{"a": null, "b": true}'), 1);
SELECT name, data_type FROM etl_json_columns('etl_tmp/infer.json', NULL);
SELECT declaration FROM etl_json_columns(csv_file('infer.json', '{"data": {"rows": [{"a": 1, "b": {"c": 2}}]}}'), items => 'data.rows');
-- What is no object is the whole item.
SELECT declaration FROM etl_json_columns(csv_file('infer.json', '[{"a": 1}, 2]'));
SELECT name FROM etl_json_columns(csv_file('infer.json', (SELECT string_agg(format('{"m%s": 1}', i), E'\n') FROM generate_series(1, 1601) AS i)));
SELECT declaration FROM etl_json_columns(csv_file('infer.json', '[]'));
SELECT declaration FROM etl_json_columns(csv_file('infer.json', ''));
SELECT declaration FROM etl_json_columns('etl_tmp/infer.json', -1);

-- What is declared so can be read so, and what is imported is what the file says: no member is left out or changed.
CREATE FUNCTION imported(source text, items text, VARIADIC arguments text[] DEFAULT '{}') RETURNS TABLE(rows bigint, same bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT etl_import(%L, %L, items => %L%s)', 'round', source, items, array_to_string(arguments, ', '));
	RETURN QUERY EXECUTE format('SELECT count(*), count(*) FILTER (WHERE jsonb_strip_nulls(to_jsonb(r)) = jsonb_strip_nulls(i)) FROM '
		'(SELECT row_number() OVER () AS n, r FROM round r) a FULL JOIN (SELECT row_number() OVER () AS n, i FROM etl_json(%L, items => %L) AS t(_etl_item jsonb, "_etl_source" text) CROSS JOIN LATERAL (SELECT _etl_item) AS x(i)) b USING (n)',
		source, items);
END $$;
SELECT * FROM imported('etl_fixtures/real/earthquakes.json', 'features');
\d round
SELECT string_agg(declaration, ' ' ORDER BY position) AS columns FROM etl_json_columns('etl_fixtures/real/earthquakes.json', items => 'features') \gset
SELECT count(*) FROM (TABLE round EXCEPT ALL SELECT * FROM etl_json('etl_fixtures/real/earthquakes.json', items => 'features') AS t(:columns)) AS difference;
SELECT etl_import('round', 'etl_fixtures/real/earthquakes.json', items => 'features');
SELECT count(*) FROM round;
DROP TABLE round;
SELECT csv_file('kinds.ndjson', E'{"id": 1, "price": 1.50, "ok": true, "note": "a \\"b\\"", "code": "007", "tags": ["x", {"y": null}], "at": {"lat": 1e2}}\n{"id": 2, "price": 1e5, "ok": null, "code": "x", "note": "", "more": -0.5}\n') AS path;
SELECT * FROM imported('etl_tmp/kinds.ndjson', NULL);
TABLE round;
DROP TABLE round;

-- Several files, compressed; a file that is empty says nothing.
SELECT csv_file('several-0.json', E' \n'), csv_file('several-1.json', '[{"a": 1}, {"b": "x"}]'), csv_file('several-2.json', E'{"A": 2.5}\n{"b": null}');
COPY (SELECT 1) TO PROGRAM 'gzip -f etl_tmp/several-2.json';
SELECT etl_import('several', 'etl_tmp/several-?.json*');
TABLE several;
SELECT line, record FROM etl_peek('etl_tmp/several-?.json*');

-- A value behind the sample does not fit, or has no column: all is looked at, and no row lost or changed.
CREATE FUNCTION second(first text, second text, OUT read text, OUT types text) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL client_min_messages = warning;
	PERFORM etl_import('second', csv_file('second.json', first || E'\n' || second), sample_rows => 1);
	SELECT to_json(r)::text INTO read FROM second AS r OFFSET 1;
	SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum) INTO types FROM pg_attribute WHERE attrelid = 'second'::regclass AND attnum > 0;
	DROP TABLE second;
END $$;
SELECT first, s AS second, second.* FROM (VALUES
	('{"c": 1}', '{"c": "2"}'), ('{"c": 1}', '{"c": 1e5}'), ('{"c": 1.5}', '{"c": "1.5"}'), ('{"c": 1.5}', '{"c": 1e5}'), ('{"c": true}', '{"c": "true"}'),
	('{"c": "2024-01-01"}', '{"c": "today"}'), ('{"c": 1}', '{"c": [1]}'), ('{"c": 1}', '{"c": 1, "d": 2}'), ('{"c": 1}', '{"d": "x"}'),
	('{"c": 1}', '[1, 2]'), ('{"C": 1}', '{"c": 2}'), ('{"c": [1]}', '{"c": "x"}')) AS v(first, s), second(first, s);
DROP FUNCTION second;
SELECT etl_import('widened', csv_file('second.json', E'{"c": 1}\n{"c": "x"}'), sample_rows => 1);
-- Where faulty items are skipped, one that only does not fit a guess is not one of them.
SELECT etl_import('skipped', csv_file('second.json', E'{"c": 1}\n{"d": "x"}\n{}'), sample_rows => 1);
SELECT etl_import('skipped', 'etl_tmp/second.json', sample_rows => 1, on_error => 'skip');
TABLE skipped;
-- Names that do not tell the members apart.
SELECT etl_import('twins', csv_file('second.json', E'{"c": 1}\n{"c": 2, "C": 3}'), sample_rows => 1);
SELECT etl_import('twins', csv_file('second.json', E'{"": 1}'));
SELECT to_regclass('twins');

-- A table that is there: what items lack gets its default if all of them do, and what the table lacks is an error, wherever it is.
CREATE TABLE existing (order_id int, note text DEFAULT 'none', doubled int GENERATED ALWAYS AS (order_id * 2) STORED);
SELECT etl_import('existing', csv_file('second.json', E'{"orderId": 1}\n{"order_id": 2}'));
SELECT etl_import('existing', csv_file('second.json', E'{"orderId": 3}\n{"order_id": 4, "note": "y"}'), sample_rows => 1);
TABLE existing;
SELECT etl_import('existing', csv_file('second.json', E'{"orderId": 1}\n{"order_id": 2, "colour": "red"}'));
SELECT etl_import('existing', 'etl_tmp/second.json', sample_rows => 1);
SELECT etl_import('existing', csv_file('second.json', E'{"orderId": 1}\n{"order_id": "two"}'), sample_rows => 1);
SELECT etl_import('existing', csv_file('second.json', E'{"orderId": 1, "doubled": 2}'));
SELECT etl_import('existing', csv_file('second.json', E'[]'));
SELECT etl_import('existing', csv_file('second.json', E'{}'));
SELECT count(*) FROM existing;

-- What only looks like JSON, or like CSV, is read as told.
SELECT record FROM etl_peek(csv_file('braced.csv', E'[a],b\n1,2\n'));
SELECT etl_import('braced', csv_file('braced.csv', E'{"a"},b\n1,2\n'));
SELECT etl_import('braced', 'etl_tmp/braced.csv', format => 'csv');
TABLE braced;
SELECT record FROM etl_peek('etl_tmp/braced.csv', format => 'csv');
SELECT record FROM etl_peek(csv_file('scalar.json', E'"x"\n[1]'), format => 'ndjson');
SELECT record FROM etl_peek('etl_tmp/scalar.json', format => 'json');
SELECT record FROM etl_peek('etl_tmp/scalar.json', format => 'xml');
SELECT record FROM etl_peek(csv_file('nul.json', '[{"a": 1}, {"a": "\u0000"}]'));
SELECT name, data_type FROM etl_json_columns('etl_tmp/nul.json');
SELECT record FROM etl_peek('etl_fixtures/real/earthquakes.json', 1, items => 'features[].id');
DROP TABLE several, widened, skipped, existing, braced;
DROP FUNCTION proposed, imported;
