--
-- Every text that jsonb accepts is accepted with the same value, and what it rejects is rejected.
--
CREATE TEMP TABLE json_texts (n serial, body text);
INSERT INTO json_texts (body) VALUES
	('null'), ('true'), ('false'), ('0'), ('-0'), ('-0.0'), ('1.10'), ('1E5'), ('1e-5'), ('12345678901234567890123456789012345678901234567890'),
	('0.1'), ('9007199254740993'), ('1e400'), ('""'), ('"a"'), ('"\u0041\t\\\/"'), ('"\ud83d\ude00"'), ('"é😀"'), ('[]'), ('{}'),
	('{"a":1,"b":[1,2,{"c":null}]}'), ('{"a":1,"a":2}'), ('{"a":{"x":1},"b":2,"a":3}'), ('{"":1}'), ('{"b":1,"aa":2,"a":3}'), (E' \t\r\n[ 1 ,\n2 ] '),
	('{"a\u0062":1}'), ('[[[[[[]]]]]]'), ('"' || repeat('x', 70000) || '"'), ('[' || repeat('"abc",', 30000) || '1]'),
	-- rejected
	('01'), ('+1'), ('1.'), ('.5'), ('1e'), ('--1'), ('0x1'), ('NaN'), ('Infinity'), ('tru'), ('True'), ('nul'), ('"'), ('"\x"'), ('"\u12"'),
	('"\u0000"'), ('"\ud800"'), ('"\udc00"'), ('"\ud800\u0041"'), (E'"a\nb"'), (E'"a\tb"'), ('['), (']'), ('[1'), ('[1,]'), ('[,1]'), ('[1 2]'), ('{'), ('{"a"}'), ('{"a":}'),
	('{"a":1,}'), ('{a:1}'), ('{1:1}'), ('{"a" 1}'), ('[1]]'), ('{}}'), (''''), ('// x'), ('[1] // x'), ('[/**/]'), ('1e131073'), ('{"a":"\u0000"}'), ('{"\u0000":1}'),
	(E'\u00a01'), (E'[1]\u0001');

-- Both sides of the comparison: what jsonb makes of a text, and what the file gives as one item.
CREATE FUNCTION pg_temp.as_jsonb(body text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (body::jsonb)::text;
EXCEPTION WHEN data_exception THEN
	RETURN 'rejected';
END $$;
CREATE FUNCTION pg_temp.as_item(body text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	SELECT _etl_item::text INTO STRICT result FROM etl_json(csv_file('v.json', body), format => 'ndjson') AS t(_etl_item jsonb);
	RETURN result;
EXCEPTION WHEN data_exception THEN
	RETURN 'rejected';
END $$;
SELECT count(*), count(*) FILTER (WHERE pg_temp.as_jsonb(body) = 'rejected') AS rejected FROM json_texts;
-- but that an item does not go over several lines there
SELECT n, left(body, 60) AS body, left(pg_temp.as_jsonb(body), 60) AS jsonb, left(pg_temp.as_item(body), 60) AS item
FROM json_texts
WHERE pg_temp.as_jsonb(body) IS DISTINCT FROM pg_temp.as_item(body)
ORDER BY n;

-- the same inside an item, whichever columns are read
CREATE FUNCTION pg_temp.as_member(body text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	SELECT v::text INTO STRICT result FROM etl_json(csv_file('v.json', '[{"v":' || body || '}]')) AS t(v jsonb);
	PERFORM FROM etl_json('etl_tmp/v.json') AS t(v jsonb);
	RETURN result;
EXCEPTION WHEN data_exception THEN
	PERFORM count(*) FROM etl_json('etl_tmp/v.json') AS t(w int);
	RETURN 'a count misses what the value shows';
END $$;
SELECT n, left(body, 60) AS body, pg_temp.as_member(body)
FROM json_texts
WHERE pg_temp.as_jsonb(body) <> 'rejected' AND body <> 'null' AND pg_temp.as_jsonb(body) IS DISTINCT FROM pg_temp.as_member(body)
ORDER BY n;
