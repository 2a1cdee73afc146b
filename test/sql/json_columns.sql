--
-- Which member a column means, and what becomes of its value.
--
-- exact first, then folded
SELECT * FROM etl_json(csv_file('c.json', '[{"orderId":1,"Order ID":2,"order_id":3}]')) AS t(order_id int, "orderId" int, "Order ID" int);
SELECT * FROM etl_json(csv_file('c.json', '[{"orderId":1},{"Order-ID":2},{"ORDER_ID":3},{"x":4}]')) AS t(order_id int, x int);
SELECT * FROM etl_json(csv_file('c.json', '[{"orderId":1,"Order ID":2}]')) AS t(order_id int);
SELECT * FROM etl_json('etl_tmp/c.json') AS t("orderId" int);
SELECT count(*) FROM etl_json('etl_tmp/c.json') AS t(order_id int);

-- of members with one name the last counts, as in jsonb
SELECT * FROM etl_json(csv_file('c.json', '[{"a":1,"a":2},{"a":{"b":1},"a":{"b":2}},{"orderId":1,"orderId":2}]')) AS t(a jsonb, "a.b" int, order_id int);

-- nested values; a member that is called so wins over a path
SELECT * FROM etl_json(csv_file('c.json', '[{"address":{"city":"Rome","Geo Point":{"lat":1.5}}},{"address.city":"Oslo"},{"address":null},{"address":7},{"Address":{"City":"Bern"}}]'))
	AS t("address.city" text, "address.geo_point.lat" numeric, "address" json);
SELECT * FROM etl_json(csv_file('c.json', '[{"a":{"b.c":1}}]')) AS t("a.""b.c""" int);

-- order and absence do not matter
SELECT * FROM etl_json(csv_file('c.json', '[{"a":1,"b":2},{"b":3,"a":4},{"c":5,"b":6},{"b":null},{"x1":0,"a":7}]')) AS t(a int, b int);
SELECT count(*), sum(a), count(b) FROM etl_json(csv_file('c.json', (
	SELECT string_agg(CASE WHEN i % 2 = 0 THEN format('{"k%s":1,"a":%s}', i, i) ELSE format('{"a":%s,"b":1}', i) END, E'\n') FROM generate_series(1, 20000) i)))
	AS t(a int, b int);

-- a column alone is what it is among others, whatever its member's name begins with
SELECT csv_file('c.json', '[{"Order ID":1,"-total":2,"\u0061mount":3,"address":{"x":0,"City":"Bonn"},"état":4,"":5,"total":6,"B":{"c":[{"total":7}]},"x":8}]') IS NOT NULL;
SELECT * FROM etl_json('etl_tmp/c.json') AS t(order_id int, "-total" int, total int, amount int, "address.city" text, "état" int, b jsonb, "b.c" jsonb);
SELECT order_id FROM etl_json('etl_tmp/c.json') AS t(order_id int, x int);
SELECT "-total" FROM etl_json('etl_tmp/c.json') AS t("-total" int, x int);
SELECT total FROM etl_json('etl_tmp/c.json') AS t(total int, x int);
SELECT amount FROM etl_json('etl_tmp/c.json') AS t(amount int, x int);
SELECT "address.city" FROM etl_json('etl_tmp/c.json') AS t("address.city" text, x int);
SELECT "état" FROM etl_json('etl_tmp/c.json') AS t("état" int, x int);
SELECT "b.c" FROM etl_json('etl_tmp/c.json') AS t("b.c" jsonb, x int);
SELECT _etl_item ->> 'x' AS x FROM etl_json('etl_tmp/c.json') AS t(order_id int, _etl_item jsonb);

-- types: numbers are text until the type reads them
SELECT * FROM etl_json(csv_file('c.json', '[{"n":12345678901234567890.123456789012345678901234567890,"i":9007199254740993,"f":0.1,"s":"0.1"}]'))
	AS t(n numeric, i bigint, f float8, s numeric, "N" text);
SELECT * FROM etl_json(csv_file('c.json', '[{"a":1e2},{"a":1.5e1},{"a":-0},{"a":"7"}]')) AS t(a int);
SELECT * FROM etl_json(csv_file('c.json', '[{"a":true,"b":false,"c":1,"d":"x"}]')) AS t(a bool, b text, c bool, d char(3));
SELECT * FROM etl_json(csv_file('c.json', '[{"d":"2024-02-29","t":"2024-02-29T12:34:56.789Z","u":"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"}]')) AS t(d date, t timestamptz, u uuid);

-- text as it is meant, json as it stands
SELECT * FROM etl_json(csv_file('c.json', '[{"a":"x\"\u00e9\ud83d\ude00\n/\/"}]')) AS t(a text, "A" json);
SELECT t.a, octet_length(t.a) FROM etl_json('etl_tmp/c.json') AS t(a text);
SELECT * FROM etl_json(csv_file('c.json', '[{"o":{"b" : [1, 2.0]},"l":[1, {"x":null}]}]')) AS t(o text, "O" json, l jsonb, "L" varchar(5));
SELECT * FROM etl_json('etl_tmp/c.json') AS t(o text, l jsonb);

-- arrays and composite types
CREATE TYPE json_point AS (x int, y numeric);
CREATE DOMAIN json_ids AS int[] CHECK (array_length(VALUE, 1) < 3);
SELECT * FROM etl_json(csv_file('c.json', '[{"i":[1,2,null],"t":["a","b,c",null,"\u0041"],"m":[[1,2],[3,4]],"p":{"x":1,"y":12345678901234567890.5},"ps":[{"x":1},{"y":2}],"d":[1]},{"i":[],"d":null}]'))
	AS t(i int[], t text[], m int[], p json_point, ps json_point[], d json_ids);
SELECT * FROM etl_json(csv_file('c.json', '[{"i":["x"]}]')) AS t(i int[]);
SELECT * FROM etl_json(csv_file('c.json', '[{"i":7}]')) AS t(i int[]);
SELECT i, d, _etl_error FROM etl_json(csv_file('c.json', '[{"i":["x"]},{"d":[1,2,3]},{"i":[5],"d":[6]}]'), on_error => 'return') AS t(i int[], d json_ids, _etl_error text);
DROP DOMAIN json_ids;
DROP TYPE json_point;

-- NULL: missing, null; a domain may refuse it
CREATE DOMAIN json_given AS int NOT NULL;
SELECT * FROM etl_json(csv_file('c.json', '[{"a":null},{"b":null}]')) AS t(a jsonb, b int);
SELECT * FROM etl_json('etl_tmp/c.json') AS t(a json_given);
DROP DOMAIN json_given;

-- names that are ours
SELECT * FROM etl_json('etl_tmp/c.json') AS t(_etl_line bigint);
SELECT * FROM etl_json('etl_tmp/c.json') AS t(_etl_item json);
