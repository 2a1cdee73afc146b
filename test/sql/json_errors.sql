--
-- Bodies that are not sound, and items that are not.
--
-- values: the policy decides
SELECT csv_file('e.json', '[{"a":1},{"a":"x"},{"a":[2]},7,{"a":3}]') AS path;
SELECT * FROM etl_json('etl_tmp/e.json') AS t(a int);
SELECT * FROM etl_json('etl_tmp/e.json', on_error => 'skip') AS t(a int);
SELECT * FROM etl_json('etl_tmp/e.json', on_error => 'skip', reject_limit => 2) AS t(a int);
SELECT * FROM etl_json('etl_tmp/e.json', on_error => 'return') AS t(a int, _etl_index int, _etl_raw text, _etl_item jsonb, _etl_error text);
SELECT * FROM etl_json('etl_tmp/e.json', on_error => 'return') AS t(a int);
SELECT * FROM etl_json('etl_tmp/e.json') AS t(a text);

-- structure: an error whatever the policy, and behind the items too
SELECT a FROM etl_json(csv_file('e.json', '[{"a":1},{"a":2'), on_error => 'skip') AS t(a int);
SELECT a FROM etl_json('etl_tmp/e.json') AS t(a int) LIMIT 1;
SELECT count(*) FROM etl_json(csv_file('e.json', '[{"a":1}] x')) AS t(a int);
SELECT count(*) FROM etl_json(csv_file('e.json', '{"d":[{"a":1}],"z":}'), items => 'd') AS t(a int);
SELECT count(*) FROM etl_json(csv_file('e.json', '[{"a":1},]')) AS t(a int);
SELECT count(*) FROM etl_json(csv_file('e.json', '')) AS t(a int);
SELECT count(*) FROM etl_json(csv_file('e.json', E' \n')) AS t(a int);
SELECT count(*) FROM etl_json(csv_file('e.json', '[{"a":"\u0000"}]')) AS t(a int);
SELECT count(*) FROM etl_json(csv_file('e.json', '[{"a":"\ud83d"}]')) AS t(a int);
SELECT count(*) FROM etl_json(csv_file('e.json', '[{"a":"\ude00\ud83d"}]')) AS t(a int);
SELECT count(*) FROM etl_json(csv_file('e.json', '\x5b7b2261223a22ff227d5d'::bytea)) AS t(a int);
SELECT count(*) FROM etl_json(csv_file('e.json', '\x5b7b2261223a2200227d5d'::bytea)) AS t(a int);
SELECT count(*) FROM etl_json(csv_file('e.json', '[{"a":01}]')) AS t(a int);
SELECT count(*) FROM etl_json(csv_file('e.json', '[{"a":1e999999}]')) AS t(a int);
SELECT count(*) FROM etl_json(csv_file('e.json', '[NaN]')) AS t(_etl_item jsonb);
SELECT count(*) FROM etl_json(csv_file('e.json', '{"d":[1],"d":[2]}'), items => 'd') AS t(_etl_item jsonb);
SELECT count(*) FROM etl_json(csv_file('e.json', 'a,b')) AS t(a int);

-- where the structure is whole, what jsonb does not take is a fault of its item, in columns that are read or not
SELECT csv_file('e.json', '[{"a":1,"b":"x"}, {"a":2,"b":"\u0000"}, {"a":3,"c":["\udc00"]}, {"a":4,"b":1e999999}, {"a":5,"\ud800":1}, {"a":6,"b":"\u0041"}]');
SELECT * FROM etl_json('etl_tmp/e.json', on_error => 'skip') AS t(a int, b text);
SELECT a FROM etl_json('etl_tmp/e.json', on_error => 'skip') AS t(a int, b text) WHERE a > 1;
SELECT * FROM etl_json('etl_tmp/e.json', on_error => 'return') AS t(a int, b text, _etl_index int, _etl_raw text, _etl_item jsonb, _etl_error text);
SELECT * FROM etl_json('etl_tmp/e.json', on_error => 'skip', reject_limit => 3) AS t(a int);
SELECT * FROM etl_json('etl_tmp/e.json') AS t(a int);
SELECT count(*) FROM etl_json('etl_tmp/e.json', items => '[]', on_error => 'skip') AS t(a int);
SELECT * FROM etl_json(csv_file('e.json', '["\u0000", "a", 1e999999]'), on_error => 'return') AS t(_etl_index int, _etl_item jsonb, _etl_error text);
-- outside of items it is one of the file
SELECT a FROM etl_json(csv_file('e.json', '{"d":[{"a":1}],"z":"\u0000"}'), items => 'd', on_error => 'skip') AS t(a int);

-- limits
SET etl.max_json_depth = 3;
SELECT * FROM etl_json(csv_file('e.json', '[[[1]]]')) AS t(_etl_item jsonb);
SELECT * FROM etl_json(csv_file('e.json', '[[[[1]]]]')) AS t(_etl_item jsonb);
RESET etl.max_json_depth;
SET etl.max_item_size = '1kB';
SELECT _etl_index, length(a) FROM etl_json(csv_file('e.json', '[{"a":"short"},{"a":"' || repeat('x', 100000) || '"}]')) AS t(_etl_index int, a text);
SELECT count(*), sum(length(a)) FROM etl_json(csv_file('e.json', (SELECT json_agg(json_build_object('a', repeat('x', i)))::text FROM generate_series(1, 1000) i))) AS t(a text);
-- what stands outside the items is of any size
SELECT a FROM etl_json(csv_file('e.json', '{"x":"' || repeat('x', 500) || '","y":[' || repeat('1,', 100000) || '1],"d":[{"a":1}]}'), items => 'd') AS t(a int);
RESET etl.max_item_size;

-- who may
CREATE ROLE regress_etl_json;
GRANT EXECUTE ON FUNCTION etl_json(text, text, text, text, bigint, text, text) TO regress_etl_json;
SET ROLE regress_etl_json;
SELECT * FROM etl_json('etl_tmp/e.json') AS t(a int);
RESET ROLE;
REVOKE EXECUTE ON FUNCTION etl_json(text, text, text, text, bigint, text, text) FROM regress_etl_json;
SET ROLE regress_etl_json;
SELECT * FROM etl_json('etl_tmp/e.json') AS t(a int);
RESET ROLE;
DROP ROLE regress_etl_json;
