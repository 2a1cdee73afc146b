--
-- Files as the source of INSERT, UPDATE, DELETE and MERGE, and of new tables.  (A concurrent update is in
-- test/isolation.)
--
SELECT csv_file('d.csv', E'id,name,amount\n1,one,1.50\n2,two,2.5\n3,three,\n4,four,-4\n') AS d \gset
CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, amount numeric(8,2) CHECK (amount > -10), twice numeric GENERATED ALWAYS AS (amount * 2) STORED);

-- INSERT … SELECT
INSERT INTO item(id, name, amount) SELECT * FROM etl_csv(:'d') AS t(id int, name text, amount numeric) WHERE id < 3 RETURNING id, name, twice;
INSERT INTO item(id, name, amount) SELECT id, upper(name), amount FROM etl_csv(:'d') AS t(id int, name text, amount numeric)
	ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id, name, amount;
INSERT INTO item(id, name, amount) SELECT * FROM etl_csv(:'d') AS t(id int, name text, amount numeric) ON CONFLICT DO NOTHING;
INSERT INTO item(id, name, amount) SELECT id, name, amount FROM etl_csv(:'d') AS t(id int, name text, amount numeric);
-- a constraint's error says what PostgreSQL says
INSERT INTO item(id, name, amount) SELECT id + 10, name, amount - 10 FROM etl_csv(:'d') AS t(id int, name text, amount numeric);
INSERT INTO item(id, name) SELECT id + 10, nullif(name, 'three') FROM etl_csv(:'d') AS t(id int, name text);
-- nothing of a statement that fails on the way stays
INSERT INTO item(id, name, amount) SELECT id + 10, name, amount FROM etl_csv(csv_file('bad.csv', E'id,name,amount\n1,x,1\n2,y,z\n')) AS t(id int, name text, amount numeric);
SELECT id, name, amount, twice FROM item ORDER BY id;
-- from a join with the target itself
INSERT INTO item(id, name) SELECT f.id + 20, f.name FROM item, LATERAL etl_csv('etl_tmp/d.csv') AS f(id int, name text) WHERE item.id = f.id AND item.id = 4;
-- in a WITH query, next to another reader of the same rows
WITH f AS (SELECT * FROM etl_csv(:'d') AS t(id int, name text)),
	i AS (INSERT INTO item(id, name) SELECT id + 30, name FROM f WHERE id % 2 = 0 RETURNING id, name)
SELECT f.id, i.name FROM f LEFT JOIN i ON i.id = f.id + 30 ORDER BY f.id;
-- through a trigger that reads the file again
CREATE FUNCTION look_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	SELECT 'again ' || name INTO NEW.name FROM etl_csv('etl_tmp/d.csv') AS t(id int, name text) WHERE t.id = NEW.id - 40;
	RETURN NEW;
END $$;
CREATE TRIGGER look_up BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION look_up();
INSERT INTO item(id, name) SELECT id + 40, name FROM etl_csv(:'d') AS t(id int, name text) RETURNING id, name;
DROP TRIGGER look_up ON item;
DROP FUNCTION look_up;
DELETE FROM item WHERE id > 10;

-- Values outlive the reader's buffer: long and short ones, in several tables.
SELECT csv_file('long.csv', E'id,a,b\n' || string_agg(format(E'%s,%s,"%s"\n', i, repeat('s', i % 200), repeat('""', i % 150)), '')) AS long FROM generate_series(1, 5000) AS i \gset
CREATE TABLE copied AS SELECT * FROM etl_csv(:'long') AS t(id int, a text, b varchar);
SELECT count(*) FROM copied WHERE a IS NOT DISTINCT FROM nullif(repeat('s', id % 200), '') AND b = repeat('"', id % 150);
CREATE TEMP TABLE sorted AS SELECT * FROM etl_csv(:'long') AS t(id int, a text, b varchar) ORDER BY b, a, id DESC;
SELECT count(*) FROM (TABLE sorted EXCEPT ALL TABLE copied) AS d;
SELECT max(length(a)), min(length(b)), count(DISTINCT a), count(DISTINCT b) FROM etl_csv(:'long') AS t(id int, a text, b varchar);
SELECT count(*) FROM etl_csv(:'long') AS x(id int, a text, b text) JOIN etl_csv(:'long') AS y(id int, a text, b text) USING (id, a, b);
SELECT INTO selected FROM etl_csv(:'long') AS t(id int) WHERE id < 4;
SELECT count(*) FROM selected;
CREATE MATERIALIZED VIEW materialized AS SELECT id FROM etl_csv(:'long') AS t(id int) WHERE id < 4;
SELECT count(*) FROM materialized;
COPY (SELECT id, left(a, 3) FROM etl_csv(:'long') AS t(id int, a text) WHERE id < 4) TO STDOUT;

-- UPDATE … FROM, DELETE … USING
UPDATE item SET amount = f.amount + 1, name = f.name FROM etl_csv(:'d') AS f(id int, name text, amount numeric) WHERE item.id = f.id AND f.amount IS NOT NULL
	RETURNING item.id, item.name, item.amount, f;
UPDATE item SET (name, amount) = (SELECT f.name || '!', f.amount FROM etl_csv(:'d') AS f(id int, name text, amount numeric) WHERE f.id = item.id) RETURNING id, name, amount;
UPDATE item SET name = upper(name) WHERE id IN (SELECT id FROM etl_csv(:'d') AS f(id int, amount numeric) WHERE f.amount < 2) RETURNING id, name;
-- joined twice, each row is updated once
UPDATE item SET amount = 0 FROM etl_csv(csv_file('twice.csv', E'id,amount\n1,5\n1,6\n')) AS f(id int, amount numeric) WHERE item.id = f.id RETURNING item.id;
DELETE FROM item USING etl_csv(:'d') AS f(id int, name text) WHERE item.id = f.id AND f.name = 'two' RETURNING item.id, f.name;
DELETE FROM item WHERE NOT EXISTS (SELECT FROM etl_csv(:'d') AS f(id int) WHERE f.id = item.id + 1) RETURNING id;

-- MERGE
MERGE INTO item USING etl_csv(:'d') AS f(id int, name text, amount numeric) ON item.id = f.id
	WHEN MATCHED AND f.amount IS NULL THEN DELETE
	WHEN MATCHED THEN UPDATE SET name = f.name, amount = f.amount
	WHEN NOT MATCHED AND f.amount < 0 THEN DO NOTHING
	WHEN NOT MATCHED THEN INSERT (id, name, amount) VALUES (f.id, f.name, f.amount);
SELECT id, name, amount FROM item ORDER BY id;
MERGE INTO item USING (SELECT id, max(amount) AS amount FROM etl_csv('etl_tmp/twice.csv') AS f(id int, amount numeric) GROUP BY id) AS f ON item.id = f.id
	WHEN MATCHED THEN UPDATE SET amount = f.amount;
SELECT id, name, amount FROM item ORDER BY id;

-- Rows locked while a file is joined to them.
SELECT item.id, f.name FROM item JOIN etl_csv(:'d') AS f(id int, name text) USING (id) ORDER BY id FOR UPDATE OF item;
SELECT item.id, f.name FROM item LEFT JOIN etl_csv(:'d') AS f(id int, name text) ON f.id = item.id + 100 ORDER BY item.id FOR UPDATE OF item;
SELECT * FROM etl_csv(:'d') AS f(id int) FOR UPDATE;
SELECT * FROM etl_csv(:'d') AS f(id int) FOR UPDATE OF f;

-- A partitioned target.
CREATE TABLE part (id int, name text) PARTITION BY LIST (id);
CREATE TABLE part_odd PARTITION OF part FOR VALUES IN (1, 3);
CREATE TABLE part_even PARTITION OF part FOR VALUES IN (2, 4);
INSERT INTO part SELECT * FROM etl_csv(NULL::part, :'d');
UPDATE part SET id = 5 - part.id FROM etl_csv(:'d') AS f(id int) WHERE part.id = f.id;
SELECT tableoid::regclass, * FROM part ORDER BY id;

DROP TABLE item, part, copied, sorted, selected;
DROP MATERIALIZED VIEW materialized;
