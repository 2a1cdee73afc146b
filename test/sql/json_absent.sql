--
-- Items that have nothing of what is declared.
--
SELECT csv_file('w.json', '{"meta":{"n":2},"data":[{"id":1},{"id":2}]}') AS path;
SELECT * FROM etl_json('etl_tmp/w.json') AS t(id int);
SELECT * FROM etl_json('etl_tmp/w.json', items => 'data') AS t(id int);
-- what a server says under status 200, among the items
SELECT csv_file('e.ndjson', E'{"id":1,"name":"a"}\n{"error":"busy","code":7}\n{}\n{"name":null}\n') AS path;
SELECT * FROM etl_json('etl_tmp/e.ndjson') AS t(id int, name text);
SELECT * FROM etl_json('etl_tmp/e.ndjson', on_error => 'skip') AS t(id int, name text);
SELECT * FROM etl_json('etl_tmp/e.ndjson', on_error => 'skip', reject_limit => 1) AS t(id int, name text);
SELECT * FROM etl_json('etl_tmp/e.ndjson', on_error => 'return') AS t(id int, name text, _etl_raw text, _etl_error text);
-- an item counts by all that is declared, also by what the query does not read
SELECT id FROM etl_json('etl_tmp/e.ndjson', on_error => 'skip') AS t(id int, name text);
SELECT id FROM etl_json('etl_tmp/e.ndjson', on_error => 'skip') AS t(id int, "Name" text);
SELECT id FROM etl_json(csv_file('p.ndjson', E'{"a":{"b":1}}\n{"a":null}\n{"b":2}'), on_error => 'skip', missing_columns => 'null') AS t(id int, "a.b" int);
-- and not where no member is read
SELECT count(*) FROM etl_json('etl_tmp/e.ndjson') AS t(id int, name text);
SELECT _etl_index, _etl_item FROM etl_json('etl_tmp/e.ndjson') AS t(id int, _etl_index int, _etl_item jsonb);
SELECT id FROM etl_json('etl_tmp/e.ndjson') AS t(id int, _etl_index int) WHERE _etl_index = 1;
SELECT id FROM etl_json('etl_tmp/e.ndjson') AS t(id int) LIMIT 1;
-- a second reading judges as the first
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT n, id FROM generate_series(1, 2) n LEFT JOIN etl_json('etl_tmp/e.ndjson', on_error => 'skip') AS t(id int, name text) ON t.id <= n ORDER BY 1, 2;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
-- a member that few have
SELECT count(*), count(rare) FROM etl_json(csv_file('r.ndjson', (SELECT string_agg(format('{"id":%s%s}', i, CASE i WHEN 500 THEN ',"rare":1' END), E'\n') FROM generate_series(1, 1000) i))) AS t(id int, rare int);
-- lists are bounded, and names are shown as they are
SELECT id FROM etl_json(csv_file('m.json', (SELECT json_object_agg('m' || i, i)::text FROM generate_series(1, 11) i))) AS t(id int);
SELECT id FROM etl_json(csv_file('m.json', json_build_object(repeat('ü', 80), 1, 'a\"b', 2)::text)) AS t(id int);
SELECT id FROM etl_json(csv_file('m.json', '{"a.b":[{"id":1}],"list":[ {"id":1}]}')) AS t(id int);

-- a column that no item has
SELECT csv_file('m.json', '[{"id":1,"amount":5,"list":[1]},{"id":2,"rare":null}]') AS path;
SELECT * FROM etl_json('etl_tmp/m.json') AS t(id int, amout int);
SELECT * FROM etl_json('etl_tmp/m.json') AS t(id int, total int, price int);
SELECT * FROM etl_json('etl_tmp/m.json', missing_columns => 'notice') AS t(id int, amout int);
SELECT * FROM etl_json('etl_tmp/m.json', missing_columns => 'null') AS t(id int, amout int);
SELECT * FROM etl_json('etl_tmp/m.json', missing_columns => 'none') AS t(id int, amout int);
SELECT * FROM etl_json('etl_tmp/m.json', on_error => 'skip') AS t(id int, amout int);
SELECT id FROM etl_json('etl_tmp/m.json') AS t(id int, _etl_error text, amout int, "list.a" int) WHERE "list.a" IS NULL;
-- null is a value, also of an object
SELECT * FROM etl_json('etl_tmp/m.json') AS t(id int, rare int);
SELECT * FROM etl_json(csv_file('p.json', '[{"id":1,"at":{"city":{"name":1}}},{"id":2,"at":null}]')) AS t(id int, "at.city.name" int);
SELECT * FROM etl_json(csv_file('p.json', '[{"id":1},{"id":2,"at":null}]')) AS t(id int, "at.city.name" int, "at.city" json);
SELECT * FROM etl_json(csv_file('p.json', '[{"id":1},{"id":2,"at":1}]')) AS t(id int, "at.city.name" int);
-- of several files one is enough; and each item counts, also one that a filter leaves out
SELECT csv_file('m-2.json', '[{"id":3,"amout":5}]') AS path;
SELECT * FROM etl_json('etl_tmp/m*.json') AS t(id int, amout int);
SELECT * FROM etl_json('etl_tmp/m*.json') AS t(id int, amout int) WHERE id = 1;
SELECT * FROM etl_json('etl_tmp/m.json') AS t(id int, rare int) WHERE id = 1;
-- what is not known is not judged: no item, not all of them, a column that is not read, items at which no column was looked for
SELECT * FROM etl_json(csv_file('z.json', '[]')) AS t(id int, amout int);
SELECT * FROM etl_json('etl_tmp/m.json') AS t(id int, amout int) LIMIT 2;
SELECT id FROM etl_json('etl_tmp/m.json') AS t(id int, amout int);
SELECT count(*) FROM etl_json('etl_tmp/m.json') AS t(id int, amout int);
SELECT id, amount FROM etl_json('etl_tmp/m.json') AS t(id int, amount int, _etl_index int) WHERE _etl_index = 2;
SELECT id FROM etl_json('etl_tmp/m.json') AS t(id int, amout int, _etl_index int) WHERE _etl_index = 2 AND amout IS NULL;

-- a pipeline sets such an item aside
CREATE TABLE absent (id int, name text);
SELECT etl_create_pipeline('absent', source => $$ etl_json('etl_tmp/e.ndjson') AS t(id int, name text) $$, target => 'absent');
CALL etl_run('absent') \gset
SELECT read, convert_failed, loaded FROM etl_runs WHERE pipeline = 'absent';
TABLE absent;
SELECT index, sqlstate, message, detail, raw FROM etl_dead_letters WHERE pipeline = 'absent' ORDER BY 1;
SELECT etl_drop_pipeline('absent');
DROP TABLE absent;
