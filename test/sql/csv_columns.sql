--
-- Which column of the file a declared column is: by name, by position, and the columns that say where a
-- row comes from.
--
\pset null '<null>'

-- Order does not matter, columns may be left out, and may be asked for under several names.
SELECT csv_file('c.csv', E'id,Name,"e,mail"\n1,Ada,"a@b"\n2,Bob,\n') AS c \gset
SELECT * FROM etl_csv(:'c') AS t("e,mail" text, id int);
SELECT * FROM etl_csv(:'c') AS t(name text);
SELECT * FROM etl_csv(:'c') AS t("Name" text);
SELECT * FROM etl_csv(:'c') AS t(e_mail text);
SELECT * FROM etl_csv(:'c') AS t(id int, "ID" text, "Id" bigint, name text, "NAME" varchar);

-- Names are folded to snake case on both sides.
SELECT csv_file('c.csv', E'Order ID,orderDate,HTTPStatus, Unit--Price ($) ,Ünit,B2B,_x_,2nd\n1,2,3,4,5,6,7,8\n') AS c \gset
SELECT * FROM etl_csv(:'c') AS t(order_id int, order_date int, http_status int, unit_price int, "Ünit" int, b2b int, x int, "2nd" int);
SELECT * FROM etl_csv(:'c') AS t("orderId" int, "OrderDate" int, "HTTP Status" int, "Unit.Price" int);
SELECT * FROM etl_csv(:'c') AS t("ünit" int);
SELECT * FROM etl_csv(:'c') AS t(orderid int);
SELECT * FROM etl_csv(:'c') AS t(order_id int, orderno text, "Nope" int);

-- An exact name wins over a folded one; what matches twice is an error, but only if it is asked for.
SELECT csv_file('c.csv', E'Order ID,order_id,a,a,A-B,a b,,\n1,2,3,4,5,6,7,8\n') AS c \gset
SELECT * FROM etl_csv(:'c') AS t(order_id int);
SELECT * FROM etl_csv(:'c') AS t("Order ID" int);
SELECT * FROM etl_csv(:'c') AS t("orderID" int);
SELECT * FROM etl_csv(:'c') AS t(a int);
SELECT * FROM etl_csv(:'c') AS t("A" int);
SELECT * FROM etl_csv(:'c') AS t("a b" int, "A-B" int);
SELECT * FROM etl_csv(:'c') AS t(a_b int);
SELECT * FROM etl_csv(:'c', match => 'position') AS t(a int, b int, c int, d int, e int, f int, g int, h int);
SELECT * FROM etl_csv(:'c') AS t("-" int);
\set VERBOSITY sqlstate
SELECT * FROM etl_csv(:'c') AS t(a int);
SELECT * FROM etl_csv(:'c') AS t(missing int);
\set VERBOSITY default

-- A column that no query reads must be there all the same.
SELECT count(*) FROM etl_csv(:'c') AS t(missing int);
SELECT t."Order ID" FROM etl_csv(:'c') AS t("Order ID" int, missing int);

-- The header has the same quotes as the data, and may span lines.
SELECT * FROM etl_csv(csv_file('c.csv', E'"a ""b""","c\nd",e"f"g\r\n1,2,3\r\n'))
	AS t("a ""b""" int, "c
d" int, c_d int, efg int, _etl_line bigint);
-- An empty name and a blank header are names like others, only nobody can ask for them.
SELECT * FROM etl_csv(csv_file('c.csv', E'a,,b\n1,2,3\n')) AS t(b int, a int);
SELECT * FROM etl_csv(csv_file('c.csv', E'\n1\n')) AS t(a int);
SELECT * FROM etl_csv('etl_tmp/c.csv', match => 'position') AS t(a int);
-- Names longer than those of PostgreSQL cannot be asked for in full.
SELECT csv_file('c.csv', repeat('x', 70) || E',y\n1,2\n') AS c \gset
SELECT * FROM etl_csv(:'c') AS t(y int);
SELECT * FROM etl_csv(:'c') AS t(xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx int);

-- By position: as many columns as the records have fields.
SELECT csv_file('c.csv', E'a,b\n1,2\n3,4\n') AS c \gset
SELECT * FROM etl_csv(:'c', match => 'position') AS t(_etl_line bigint, x int, _etl_raw text, y int);
SELECT * FROM etl_csv(:'c', match => 'position') AS t(x int);
SELECT * FROM etl_csv(:'c', match => 'position') AS t(x int, y int, z int);
SELECT * FROM etl_csv(:'c', header => false) AS t(x text, y text);
SELECT * FROM etl_csv(:'c', header => false) AS t(_etl_line bigint, _etl_raw text);
CREATE TABLE target (gone int, y int, x int);
ALTER TABLE target DROP COLUMN gone;
SELECT * FROM etl_csv(NULL::target, :'c', match => 'position');
SELECT * FROM etl_csv(NULL::target, :'c', header => false);

-- Provenance.
SELECT csv_file('p.csv', E'\uFEFFa,b\r\n1,"x\ny"\n2,\n\r\n"",""""\n') AS p \gset
SELECT _etl_source, _etl_line, _etl_raw, _etl_error, a
FROM etl_csv(:'p', ragged => 'pad') AS t(_etl_raw text, a text, _etl_source text, _etl_line bigint, _etl_error text);
SELECT _etl_line, b, _etl_raw FROM etl_csv(:'p', ragged => 'pad') AS t(b text, _etl_line bigint, _etl_raw text) WHERE _etl_line > 3;
SELECT count(*) FROM etl_csv(:'p', ragged => 'pad') AS t(_etl_source text);
SELECT * FROM etl_csv(:'p') AS t(_etl_line int);
SELECT * FROM etl_csv(:'p') AS t(_etl_raw varchar);
SELECT * FROM etl_csv(:'p') AS t(_etl_source name);
SELECT * FROM etl_csv(:'p') AS t(_etl_error json);
SELECT * FROM etl_csv(:'p') AS t(_etl_page int);
SELECT * FROM etl_csv(:'p') AS t("_etl_Line" bigint);
SELECT * FROM etl_csv(:'p') AS t(_etl_ text);
-- in a row type as well, and a file's own column of that name is out of reach
CREATE TYPE with_line AS (a text, _etl_line bigint);
SELECT * FROM etl_csv(NULL::with_line, csv_file('p.csv', E'_etl_line,a,_etl_x\n7,8,9\n'));
SELECT * FROM etl_csv('etl_tmp/p.csv') AS t(_etl_x text);
SELECT * FROM etl_csv('etl_tmp/p.csv', header => false) AS t(_etl_line bigint, x text, y text, z text);
DROP TYPE with_line;
DROP TABLE target;

-- Several declared columns of one file column, short and long, and none spoils another.
SELECT left(b, 10), b = "B" AND "B" = "B " AND "B " = rtrim(" B") AS same, length(" B")
FROM etl_csv(csv_file('c.csv', E'a,B\n1,short\n2,"plain"\n3,"quo""ted"\n4,""\n5,' || repeat('long', 50) || E'\n'))
	AS t(b text, "B " text, "B" varchar, " B" char(201));
SELECT left(b, 10), b = "B" AS same FROM etl_csv('etl_tmp/c.csv') AS t(b text, "B" varchar) WHERE b = "B";
-- nor the record as it was
SELECT a, b, _etl_raw FROM etl_csv('etl_tmp/c.csv') AS t(a text, b text, _etl_raw text) WHERE a < '5' AND b <> 'none';
SELECT b, _etl_raw, _etl_error FROM etl_csv('etl_tmp/c.csv', on_error => 'return') AS t(b text, a int, "A" date, _etl_raw text, _etl_error text) LIMIT 3;

-- 1600 columns, and their names in any order.
SELECT csv_file('wide.csv', string_agg('c' || i, ',' ORDER BY i) || E'\n' || string_agg(i::text, ',' ORDER BY i) || E'\n') AS wide
FROM generate_series(1, 1600) AS i \gset
SELECT format('SELECT sum(value::int) FROM etl_csv(%L) AS t(%s), json_each_text(row_to_json(t))',
	:'wide', string_agg(format('c%s int', i), ', ' ORDER BY i DESC)) AS query
FROM generate_series(1, 1600) AS i \gset
:query;
SELECT * FROM etl_csv(:'wide') AS t(c1599 int, c1600 int, c1 int);

-- A row with a fault has it in whichever column, if the query asks for the reason.
SELECT _etl_line, _etl_error FROM etl_csv(csv_file('c.csv', E'a,b\n1,2\nx,4\n'), on_error => 'return')
	AS t(a int, b int, _etl_line bigint, _etl_error text);
SELECT b FROM etl_csv('etl_tmp/c.csv', on_error => 'return') AS t(a int, b int, _etl_error text);

-- A file without line ends is one header of all that is in it.  What is said of it stays short.
\set VERBOSITY default
DO $$
DECLARE
	detail text;
BEGIN
	PERFORM * FROM etl_csv(csv_file('line.csv', (SELECT string_agg('column ' || i, ',') FROM generate_series(1, 100000) AS i))) AS t(a int);
EXCEPTION WHEN undefined_column THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RAISE NOTICE '% ... %', left(detail, 50), right(detail, 40);
END $$;
SELECT * FROM etl_csv(csv_file('long.csv', repeat('x', 1000000))) AS t(a int);
SELECT x FROM etl_csv(csv_file('long.csv', 'x,' || repeat('name', 1000) || E'\n1\n')) AS t(x int);
