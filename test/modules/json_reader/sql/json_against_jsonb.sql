-- What jsonb accepts the JSON reader accepts, with the same value; what jsonb rejects it rejects.
-- (But for a byte order mark at the start, which the reader passes over.)

CREATE FUNCTION read_json(body bytea, chunk int) RETURNS text
LANGUAGE c STRICT AS 'etl_test_json_reader', 'etl_test_read_json';

CREATE FUNCTION try_jsonb(body bytea) RETURNS jsonb LANGUAGE plpgsql STRICT AS $$
BEGIN
    RETURN convert_from(body, 'UTF8')::jsonb;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$;

CREATE TABLE bodies (body bytea NOT NULL, expected jsonb);

-- What could go wrong.
INSERT INTO bodies SELECT convert_to(body, 'UTF8') FROM unnest(ARRAY[
    '', ' ', '1', '"a"', 'null', 'true', 'false', '[]', '{}', ' [ ] ', E'\n{\t}\r',
    '[1,]', '[,1]', '[1,,2]', '{"a":}', '{"a"}', '{a:1}', '{"a":1,}', '{1:2}', '{"a" "b"}', '{"a":1 "b":2}',
    '["a" "b"]', '[1 2]', '{} {}', '[][]', '1 2', '[1', '{"a":1', '"a', '"\', '"\"', '[1}', '{"a":1]', ']', '}',
    ',', ':', '[1]x', '[1],', 'x', 'tru', 'truee', 'nul', 'TRUE', 'True', 'undefined', 'NaN', 'Infinity',
    '-Infinity', '0', '-0', '00', '01', '-01', '-', '+1', '.5', '1.', '1.5.2', '1e', '1e+', '1e5', '1E-5', '1e+05',
    '0x1', '1_000', '1e400', '1E-400', '123456789012345678901234567890', '0.1', '1.10', '-0.0', '9007199254740993',
    '1e131071', '1e131072', '9.9e131071', '0.0001e131075', '0.0001e131076', '10e131070', '10e131071',
    '1e-16383', '1e-16384', '0.10e-16381', '0.10e-16382', '0e-16383', '0e-16384', '0e999999', '0e1073741822',
    '0e1073741822', '0e1073741824', '1e1073741824', '0e99999999999', '0e-99999999999', '1e99999999999999999999',
    '"\u0041"', '"\u00e9"', '"\u20AC"', '"\u0000"', '{"\u0000":1}', '"\u001f"', '"\u"', '"\u12"', '"\u12g4"',
    '"\ud83d\ude00"', '"\ud83d"', '"\ude00"', '"\ude00\ud83d"', '"\ud83dx"', '"\ud83d\u0041"', '"\ud83d\ud83d"',
    '"\ud83d\\ude00"', '"\ud83d\n"', '"\\ud83d"', '"\\\ud83d"', '"\uffff\ufffe\ufeff"',
    '"\a"', '"\x41"', '"\''"', '"\/\b\f\n\r\t\"\\"', '/**/1', '1//', '#', '<html>',
    '{"a":1,"a":2}', '{"a":1,"\u0061":{"a":3}}', '{"":{"":""}}', '["[{,:\"]}"]'
]) body;

-- Bytes that are no text, or not the text that they seem to be.
INSERT INTO bodies VALUES
    ('\x00'), ('\x5b00 5d'), ('\x226100 22'), ('\x220122'), ('\x220922'), ('\x220a22'), ('\x221f22'), ('\x227f22'),
    ('\x2280 22'), ('\x22c328 22'), ('\x22c080 22'), ('\x22c1bf 22'), ('\x22e28222'), ('\x22eda080 22'),
    ('\x22f0808080 22'), ('\x22f4908080 22'), ('\x22f48fbfbf 22'), ('\x22f0908080 22'), ('\x22f8888080 80 22'),
    ('\x22ff 22'), ('\xff'), ('\x5bc2a05d'), ('\x5b0b5d'), ('\x5b0c5d'), ('\x5b31e280a85d'), ('\x22e280a8 22');

-- What is long.
INSERT INTO bodies SELECT convert_to(body, 'UTF8') FROM (VALUES
    (repeat('[', 500) || repeat(']', 500)), (repeat('[', 500)), (repeat('{"a":', 500) || '1' || repeat('}', 500)),
    (repeat('1', 131072)), (repeat('1', 131073)), ('0.' || repeat('1', 16383)), ('0.' || repeat('1', 16384)),
    (repeat('1', 131080) || 'e-8'), (repeat('1', 131081) || 'e-8'), ('"' || repeat('x', 100000) || '\n"'),
    ('["' || repeat('\u00e9', 50000) || '"]'), ('{"' || repeat('k', 70000) || '":"' || repeat('\t', 70000) || '"}'),
    ('[' || repeat('1,', 20000) || '1]'), ('{' || repeat('"a":1,', 20000) || '"b":2}')) long (body);

-- What chance brings: values with all that means something in them, of which half are then spoiled.
CREATE FUNCTION random_of(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
    'SELECT choices[1 + floor(random() * array_length(choices, 1))::int]';

CREATE FUNCTION random_value(depth int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    kind float := random();
    elements text[] := '{}';
BEGIN
    IF depth = 0 OR kind < 0.3 THEN
        RETURN random_of('null', 'true', 'false', '0', '-1.50', '1e5', '12345678901234567890', '0.1E-2', '""', '"a"',
            '"\u00e9\n"', '"é€😀"', '"\ud83d\ude00"', '"\\\"\/"', '"{[,:"', (random() * 1000)::text, '"' || md5(kind::text) || '"',
            CASE WHEN kind < 0.01 THEN '"\ud800"' WHEN kind < 0.02 THEN '"\u0000"' ELSE '[]' END);
    END IF;
    FOR i IN 1 .. floor(random() * 5) LOOP
        elements := elements || (random_of('', '', ' ', E'\n')
            || CASE WHEN kind < 0.65 THEN random_of('"a"', '"b\t"', '""', '"\u0061"') || random_of(':', ' : ') ELSE '' END
            || random_value(depth - 1) || random_of('', '', E'\t\r'));
    END LOOP;
    RETURN CASE WHEN kind < 0.65 THEN '{' || array_to_string(elements, ',') || '}'
        ELSE '[' || array_to_string(elements, ',') || ']' END;
END $$;

CREATE FUNCTION spoiled(body bytea) RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    meaningful constant bytea := '\x7b7d5b5d222c3a5c75302d31652e2b74666e200a000b0c7f80bfc3e0edf0f4ff';
    c bytea := substr(meaningful, 1 + floor(random() * length(meaningful))::int, 1);
    at int := 1 + floor(random() * length(body));
BEGIN
    CASE floor(random() * 4)
        WHEN 0 THEN RETURN overlay(body PLACING c FROM at FOR 1);
        WHEN 1 THEN RETURN overlay(body PLACING c FROM at FOR 0);
        WHEN 2 THEN RETURN overlay(body PLACING '' FROM at FOR 1);
        ELSE RETURN substr(body, 1, at);
    END CASE;
END $$;

SELECT setseed(0.5);
INSERT INTO bodies SELECT convert_to(random_value(i % 6), 'UTF8') FROM generate_series(1, 4000) i;
INSERT INTO bodies SELECT spoiled(body) FROM bodies WHERE length(body) BETWEEN 1 AND 5000;
INSERT INTO bodies SELECT spoiled(spoiled(body)) FROM bodies WHERE length(body) BETWEEN 4 AND 5000;
DELETE FROM bodies WHERE substr(body, 1, 3) = '\xefbbbf';

UPDATE bodies SET expected = try_jsonb(body);
SELECT count(*) > 10000 AS many, count(expected) BETWEEN count(*) * 0.2 AND count(*) * 0.8 AS of_both_kinds FROM bodies;

-- No rows: no difference.
SELECT chunk, encode(substr(body, 1, 200), 'escape') AS body, got IS NOT NULL AS accepted, left(got, 100) AS got
FROM bodies, (VALUES (1), (7), (100000)) pieces (chunk), read_json(body, chunk) got
WHERE got::jsonb IS DISTINCT FROM expected
ORDER BY length(body), body LIMIT 20;
