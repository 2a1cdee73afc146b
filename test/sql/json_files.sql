--
-- What a JSON file may be, and where its items are.
--
\set VERBOSITY default
SELECT * FROM etl_json(csv_file('a.json', '[{"id":1,"name":"x"},{"id":2,"name":"y"}]')) AS t(id int, name text, _etl_index int, _etl_page int);
SELECT * FROM etl_json(csv_file('a.json', '{"id":1}')) AS t(id int);
SELECT * FROM etl_json(csv_file('a.json', E'{"id":1}\n{"id":2}\r\n\n {"id":3}')) AS t(id int, _etl_index int);
SELECT * FROM etl_json(csv_file('a.json', '\xefbbbf'::bytea || '[{"id":1}]')) AS t(id int);
SELECT count(*) FROM etl_json(csv_file('a.json', '[]')) AS t(id int);

-- paths
SELECT * FROM etl_json(csv_file('a.json', '{"next":null,"data":{"items":[{"id":1},{"id":2}]},"total":2}'), items => 'data.items') AS t(id int);
SELECT * FROM etl_json('etl_tmp/a.json', 'data.items[]') AS t(id int);
SELECT * FROM etl_json('etl_tmp/a.json', items => '$') AS t(total int, "data" jsonb);
SELECT * FROM etl_json(csv_file('a.json', '{"entry":[{"resource":{"id":1}},{"resource":{"id":2}}]}'), items => 'entry[].resource') AS t(id int);
SELECT * FROM etl_json(csv_file('a.json', '{"byId":{"a":{"id":1},"b":{"id":2}}}'), items => 'byId.*') AS t(id int);
SELECT * FROM etl_json(csv_file('a.json', '{"@odata.context":"u","value":[{"@odata.id":"x","a.b":7}]}'), items => 'value') AS t("@odata.id" text, "a.b" int);
SELECT * FROM etl_json(csv_file('a.json', '{"data":{"id":1}}'), items => 'data') AS t(id int);
SELECT count(*) FROM etl_json(csv_file('a.json', '{"data":null}'), items => 'data') AS t(id int);
SELECT * FROM etl_json(csv_file('a.json', E'{"rows":[{"id":1},{"id":2}]}\n{"rows":[{"id":3}]}'), items => 'rows', format => 'ndjson') AS t(id int, _etl_index int);
SELECT * FROM etl_json(csv_file('a.json', E'[1,2]\n[3]'), format => 'ndjson') AS t(_etl_item jsonb);
SELECT * FROM etl_json(csv_file('a.json', '[1,"x",null,[2],{"a":true}]')) AS t(_etl_index int, _etl_item jsonb, _etl_raw text);

-- a path that leads nowhere, and one that is none
SELECT * FROM etl_json(csv_file('a.json', '{"data":[]}'), items => 'items') AS t(id int);
SELECT * FROM etl_json('etl_tmp/a.json', items => 'data..x') AS t(id int);
SELECT * FROM etl_json('etl_tmp/a.json', format => 'xml') AS t(id int);
SELECT * FROM etl_json(NULL) AS t(id int);

-- several files, compressed ones
SELECT csv_file('j_1.json', '[{"id":1},{"id":2}]'), csv_file('j_2.json', '[{"id":3}]');
SELECT id, _etl_source, _etl_page, _etl_index FROM etl_json('etl_tmp/j_*.json') AS t(id int, _etl_source text, _etl_page int, _etl_index int);
SELECT csv_file('z.json.gz', decode('H4sIAAAAAAACA4uuVspMUbIyrNWBMIxqYwHq0Uf6EwAAAA==', 'base64')) AS path;
SELECT * FROM etl_json('etl_tmp/z.json.gz') AS t(id int);

-- an empty one is passed over, but not a file that is named, nor all of them
SELECT csv_file('e_1.ndjson', ''), csv_file('e_2.ndjson', E' \n\t\n'), csv_file('e_3.ndjson', '\xefbbbf'::bytea);
SELECT * FROM etl_json('etl_tmp/e_*.ndjson', format => 'ndjson') AS t(id int);
SELECT * FROM etl_json('etl_tmp/e_*.ndjson', items => 'd', on_error => 'skip') AS t(id int);
SELECT * FROM etl_json('etl_tmp/e_[1].ndjson') AS t(id int);
SELECT * FROM etl_json('etl_tmp/e_1.ndjson', format => 'ndjson') AS t(id int);
SELECT csv_file('e_2a.ndjson', '{"id":2}'), csv_file('e_4.ndjson', '{"id":4}');
SELECT id, _etl_page FROM etl_json('etl_tmp/e_*.ndjson', format => 'ndjson') AS t(id int, _etl_page int);
SELECT id FROM etl_json('etl_tmp/e_*.ndjson') AS t(id int) LIMIT 1;
SELECT * FROM etl_json('etl_tmp/e_*.ndjson', items => '$') AS t(id int);
SELECT csv_file('e_4.ndjson', '[]');
SELECT count(*) FROM etl_json('etl_tmp/e_[14].ndjson') AS t(id int);
SELECT csv_file('e_4.ndjson', '{"id":');
SELECT count(*) FROM etl_json('etl_tmp/e_[14].ndjson') AS t(id int);

-- a row type
CREATE TYPE json_order AS (id int, "customer.name" text, tags text[]);
SELECT * FROM etl_json(NULL::json_order, csv_file('a.json', '[{"id":1,"customer":{"name":"Ann"},"tags":["a","b c"]}]'));
SELECT * FROM etl_json(NULL::int, 'etl_tmp/a.json');
SELECT * FROM etl_json('etl_tmp/a.json');
DROP TYPE json_order;

-- how it runs
SELECT explain_analyze($$ SELECT id FROM etl_json('etl_tmp/j_*.json') AS t(id int, name text) WHERE id > 1 $$);
SELECT a.id, b.id FROM etl_json('etl_tmp/j_1.json') AS a(id int), etl_json('etl_tmp/j_2.json') AS b(id int) ORDER BY 1, 2;
SELECT x, j.* FROM (VALUES ('etl_tmp/j_1.json'), ('etl_tmp/j_2.json')) AS v(x), etl_json(x) AS j(id int);
SELECT count(*), sum("properties.mag"), min("properties.time") FROM etl_json('etl_fixtures/real/earthquakes.json', items => 'features')
	AS t("properties.mag" numeric, "properties.time" bigint);
