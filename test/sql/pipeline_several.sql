--
-- Several targets: a record is loaded into all of them, or is one dead letter.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE orders (id int PRIMARY KEY, customer text, at int);
CREATE TABLE lines (order_id int REFERENCES orders, n int, sku text, qty int CHECK (qty > 0), PRIMARY KEY (order_id, n));
CREATE TABLE skus (sku text PRIMARY KEY, last int);
CREATE TABLE log (id int, note text);
CREATE FUNCTION state() RETURNS TABLE (line text) LANGUAGE sql AS $$
	SELECT 'order ' || o FROM orders o UNION ALL SELECT 'line ' || l FROM lines l UNION ALL SELECT 'sku ' || s FROM skus s UNION ALL SELECT 'log ' || g FROM log g ORDER BY 1 $$;
CREATE VIEW last_letters AS SELECT line, stage, rule, sqlstate, state, message FROM etl_dead_letters ORDER BY id;
CREATE FUNCTION orders_of(file text, batch int) RETURNS void LANGUAGE sql AS $$
	SELECT etl_create_pipeline('orders', source => format('etl_json(%L) AS t(id int, customer text, at int, lines jsonb)', 'etl_tmp/' || file),
		query => 'SELECT id, customer, at FROM batch', target => 'orders', key => 'id', batch_size => batch) $$;

-- what cannot be
\set VERBOSITY terse
SELECT orders_of('several.json', 100);
SELECT etl_add_target('none', 'lines');
SELECT etl_add_target(NULL, 'lines');
SELECT etl_add_target('orders', NULL);
SELECT etl_add_target('orders', 'nowhere');
SELECT etl_add_target('orders', 'lines', key => 'order_id, n');
SELECT etl_add_target('orders', 'lines', 'SELECT id AS order_id, l.n, l.sku, l.qty FROM batch, etl_unnest(lines) AS l(n int, sku text, qty int)', mode => 'upsert');
SELECT etl_add_target('orders', 'lines', 'SELECT id AS order_id, l.n, l.sku, l.qty FROM batch, etl_unnest(lines) AS l(n int, sku text, qty int)', key => 'n');
SELECT etl_add_target('orders', 'lines', 'SELECT id AS order_id, l.n FROM batch, etl_unnest(lines) AS l(n int)', key => 'order_id, n', mode => 'replace');
SELECT etl_add_target('orders', 'orders', 'SELECT id FROM batch', key => 'id');
SELECT etl_add_target('orders', 'log', 'SELECT count(*) AS id FROM batch');
SELECT etl_add_target('orders', 'log', 'SELECT id FROM batch', rules => '{"x": "note = 1"}');
\set VERBOSITY default
SELECT etl_add_target('orders', 'log', 'SELECT id, nothing FROM batch');
SELECT etl_add_target('orders', 'log', 'SELECT id FROM batch');
\set VERBOSITY terse
SELECT etl_add_target('orders', 'public.log', 'SELECT id FROM batch');
SELECT etl_alter_pipeline('orders', whole => true);
SELECT etl_alter_pipeline('orders', mode => 'replace');
SELECT etl_alter_pipeline('orders', target => 'log', mode => 'append');
SELECT etl_drop_target('orders', 'lines');
SELECT etl_drop_target('orders', 'nowhere');
SELECT etl_drop_target('orders', 'log');
TABLE etl_targets;
\set VERBOSITY default

-- an order, its lines, what is in them, and a log; children are added before what they refer to
SELECT etl_drop_pipeline('orders');
CREATE FUNCTION several(batch int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM orders_of('several.json', batch);
	PERFORM etl_add_target('orders', 'lines', key => 'order_id, n', rules => '{"few": "qty < 1000"}',
		query => 'SELECT id AS order_id, _etl_ordinal AS n, sku, qty FROM batch, etl_unnest(lines) AS l(sku text, qty int, _etl_ordinal int)');
	PERFORM etl_add_target('orders', 'skus', key => 'sku', query => 'SELECT sku, id AS last FROM batch, etl_unnest(lines) AS l(sku text)');
	PERFORM etl_add_target('orders', 'log', query => 'SELECT id, customer AS note FROM batch WHERE at > 0');
END $$;
SELECT several(100);
SELECT * FROM etl_targets ORDER BY target;
SELECT csv_file('several.json', '[
{"id": 1, "customer": "ann", "at": 1, "lines": [{"sku": "a", "qty": 1}, {"sku": "b", "qty": 2}]},
{"id": 2, "customer": "bob", "at": 0, "lines": []},
{"id": 3, "customer": "cid", "at": 2, "lines": null},
{"id": 4, "customer": "dan", "at": 2, "lines": [{"sku": "a", "qty": 0}]},
{"id": 5, "customer": "eve", "at": 2, "lines": [{"sku": "c", "qty": 1000}, {"sku": "d", "qty": 1}]},
{"id": null, "customer": "fay", "at": 2, "lines": [{"sku": "e", "qty": 1}]},
{"id": 7, "customer": "gus", "at": 2, "lines": [{"sku": "f", "qty": 7}, {"qty": 1}]},
{"id": 8, "customer": "hal", "at": 3, "lines": [{"sku": "a", "qty": 3}, {"sku": "a", "qty": 4}]},
{"id": 9, "customer": "ian", "at": 3, "lines": [{"sku": "a", "qty": "x"}]},
{"id": 10, "customer": "joe", "at": 3, "lines": {"sku": "a"}}]');
CALL etl_run('orders');
SELECT * FROM state();
TABLE last_letters;
SELECT * FROM etl_run_targets ORDER BY run, target COLLATE "C";
-- the same in batches of one
TRUNCATE orders, lines, skus, log;
SELECT etl_drop_pipeline('orders');
SELECT several(1);
CALL etl_run('orders');
SELECT * FROM state();
SELECT * FROM etl_run_targets ORDER BY run, target COLLATE "C";
-- later orders: lines and skus change; dead letters of keys that have come are superseded
SELECT csv_file('several.json', '[
{"id": 1, "customer": "ann", "at": 5, "lines": [{"sku": "a", "qty": 1}, {"sku": "z", "qty": 2}, {"sku": "y", "qty": 3}]},
{"id": 4, "customer": "dan", "at": 5, "lines": [{"sku": "q", "qty": 9}]}]');
SELECT etl_reset('orders');
CALL etl_run('orders');
SELECT * FROM state();
TABLE last_letters;
SELECT * FROM etl_run_targets WHERE run = 3 ORDER BY target COLLATE "C";
-- a retry loads the record into all targets, and leaves as it is what others may have loaded since: sku c
INSERT INTO skus VALUES ('c', 99);
SELECT etl_drop_target('orders', 'lines');
SELECT etl_add_target('orders', 'lines', key => 'order_id, n',
	query => 'SELECT id AS order_id, _etl_ordinal AS n, sku, qty FROM batch, etl_unnest(lines) AS l(sku text, qty int, _etl_ordinal int)');
CALL etl_retry_dead_letters('orders');
SELECT * FROM state() WHERE line ~ '5|sku';
CALL etl_retry_dead_letters('orders', overwrite => true);
SELECT line, resolved FROM etl_dead_letters ORDER BY id;
SELECT etl_drop_pipeline('orders');
SELECT count(*) FROM etl_catalog.targets;
SELECT count(*) FROM etl_catalog.run_targets;

-- foreign keys: of the pipeline's table to a further one, and in circles that are looked at in the end
CREATE TABLE heads (id int PRIMARY KEY, main int);
CREATE TABLE arms (id int PRIMARY KEY, head int REFERENCES heads);
SELECT csv_file('several.csv', E'head,arm\n1,1\n1,2\n2,3\n');
SELECT etl_create_pipeline('arms', source => $$etl_csv('etl_tmp/several.csv') AS t(head int, arm int)$$, query => 'SELECT arm AS id, head FROM batch', target => 'arms', key => 'id');
SELECT etl_add_target('arms', 'heads', 'SELECT head AS id FROM batch', key => 'id');
CALL etl_run('arms');
TABLE arms;
TABLE heads;
SELECT target, emitted, superseded, inserted FROM etl_run_targets ORDER BY target COLLATE "C";
SELECT etl_drop_pipeline('arms');
TRUNCATE arms, heads;
ALTER TABLE heads ADD FOREIGN KEY (main) REFERENCES arms DEFERRABLE;
SELECT csv_file('several.csv', E'head,arm,main\n1,1,1\n1,2,2\n2,3,4\n3,4,4\n');
SELECT etl_create_pipeline('arms', source => $$etl_csv('etl_tmp/several.csv') AS t(head int, arm int, main int)$$, query => 'SELECT arm AS id, head FROM batch', target => 'arms', key => 'id', batch_size => 1);
SELECT etl_add_target('arms', 'heads', 'SELECT head AS id, main FROM batch', key => 'id');
CALL etl_run('arms');
TABLE arms;
TABLE heads;
SELECT etl_drop_pipeline('arms');
DROP TABLE arms, heads;

-- a record that waits for what it refers to: neither its lines nor its order overwrite later ones
CREATE TABLE customers (name text PRIMARY KEY, friend text REFERENCES customers);
CREATE TABLE friends (name text, n int, what text, PRIMARY KEY (name, n));
SELECT csv_file('several.json', '[
{"name": "a", "friend": "z", "says": [{"what": "old 1"}, {"what": "old 2"}]},
{"name": "a", "friend": null, "says": [{"what": "new"}]},
{"name": "b", "friend": "z", "says": [{"what": "b"}]},
{"name": "z", "friend": null, "says": null}]');
SELECT etl_create_pipeline('friends', source => $$etl_json('etl_tmp/several.json') AS t(name text, friend text, says jsonb)$$, query => 'SELECT name, friend FROM batch',
	target => 'customers', key => 'name', batch_size => 1);
SELECT etl_add_target('friends', 'friends', 'SELECT name, _etl_ordinal AS n, what FROM batch, etl_unnest(says) AS s(what text, _etl_ordinal int)', key => 'name, n');
CALL etl_run('friends');
TABLE customers;
TABLE friends;
SELECT state FROM etl_dead_letters ORDER BY id;
SELECT * FROM etl_run_targets ORDER BY target;
SELECT etl_drop_pipeline('friends');
DROP TABLE customers, friends;

-- more rows of one record, and of a batch, than go to a target at once; and a row behind them that is wrong
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children (id int REFERENCES parents, n int, PRIMARY KEY (id, n));
SELECT csv_file('several.csv', E'id\n1\n2\n3\n');
SELECT etl_create_pipeline('many', source => $$etl_csv('etl_tmp/several.csv') AS t(id int)$$, target => 'parents', key => 'id', batch_size => 2);
SELECT etl_add_target('many', 'children', 'SELECT id, n FROM batch, generate_series(1, CASE id WHEN 3 THEN 9 ELSE 5000 END) AS n', key => 'id, n', rules => '{"short": "id <> 2 OR n < 5000"}');
CALL etl_run('many');
SELECT id, count(*) FROM children GROUP BY id ORDER BY id;
TABLE parents;
SELECT line, stage, message FROM etl_dead_letters;
SELECT * FROM etl_run_targets ORDER BY target COLLATE "C";
SELECT etl_drop_pipeline('many');
DROP TABLE parents, children;

-- a query that collects rows, of which it is not known which record they are of
SELECT several(100);
TRUNCATE orders, lines, skus, log;
SELECT etl_drop_target('orders', 'lines');
SELECT etl_add_target('orders', 'lines', key => 'order_id, n', rules => '{"few": "qty < 1000"}',
	query => 'SELECT id AS order_id, _etl_ordinal AS n, sku, qty FROM batch, etl_unnest(lines) AS l(sku text, qty int, _etl_ordinal int) ORDER BY qty');
SELECT csv_file('several.json', '[
{"id": 1, "customer": "ann", "at": 1, "lines": [{"sku": "a", "qty": 1}, {"sku": "b", "qty": 2}]},
{"id": 5, "customer": "eve", "at": 2, "lines": [{"sku": "c", "qty": 1000}, {"sku": "d", "qty": 1}]},
{"id": null, "customer": "fay", "at": 2, "lines": [{"sku": "e", "qty": 1}]},
{"id": 7, "customer": "gus", "at": 2, "lines": [{"sku": "f", "qty": 7}]}]');
CALL etl_run('orders');
SELECT * FROM state();
TABLE last_letters;
SELECT etl_drop_pipeline('orders');

-- an older row changes nothing where the query of a target gives the watermark
TRUNCATE orders, lines, skus, log;
SELECT orders_of('several.json', 100);
SELECT etl_alter_pipeline('orders', watermark => 'at');
SELECT etl_add_target('orders', 'skus', 'SELECT sku, at, id AS last FROM batch, etl_unnest(lines) AS l(sku text)', key => 'sku');
ALTER TABLE skus ADD at int;
SELECT etl_add_target('orders', 'skus', 'SELECT sku, at, id AS last FROM batch, etl_unnest(lines) AS l(sku text)', key => 'sku');
SELECT csv_file('several.json', '[{"id": 1, "customer": "ann", "at": 3, "lines": [{"sku": "a"}, {"sku": "b"}]}, {"id": 2, "customer": "bob", "at": 2, "lines": [{"sku": "b"}, {"sku": "c"}]}]');
CALL etl_run('orders');
TABLE skus;
SELECT etl_drop_pipeline('orders');

-- columns that a record lacks
CREATE TABLE people (id int PRIMARY KEY, name text DEFAULT 'nobody');
CREATE TABLE cities (id int PRIMARY KEY, city text DEFAULT 'nowhere');
SELECT etl_create_pipeline('lacking', source => $$etl_json('etl_tmp/several.json') AS t(id int, name text, city text)$$, query => 'SELECT id FROM batch', target => 'people', key => 'id');
SELECT etl_add_target('lacking', 'cities', 'SELECT id, city FROM batch', key => 'id');
SELECT csv_file('several.json', '[{"id": 1, "name": "ann", "city": "Bonn"}, {"id": 2, "name": "bob"}, {"id": 1, "name": "anne"}]');
CALL etl_run('lacking');
TABLE people;
TABLE cities;
SELECT etl_drop_pipeline('lacking');
DROP TABLE people, cities;

-- on_error => 'fail': nothing of the batch stays anywhere
SELECT several(100);
SELECT etl_alter_pipeline('orders', on_error => 'fail');
TRUNCATE orders, lines, skus, log;
SELECT csv_file('several.json', '[{"id": 1, "customer": "ann", "at": 3, "lines": [{"sku": "a", "qty": 1}]}, {"id": 2, "customer": "bob", "at": 2, "lines": [{"sku": "b", "qty": 1000}]}]');
CALL etl_run('orders');
SELECT * FROM state();
SELECT etl_drop_pipeline('orders');

-- lists
SELECT * FROM etl_unnest('[{"sku": "a", "qty": "2", "_etl_ordinal": 7}, {"qty": null}, {"sku": {"x": [1]}}]') AS l(sku text, qty int, _etl_ordinal int);
SELECT * FROM etl_unnest('[{"a": [1, 2], "b": {"c": 1}, "d": 1.50}]') AS l(a int[], b jsonb, d numeric);
SELECT * FROM etl_unnest(NULL) AS l(a int);
SELECT * FROM etl_unnest('null') AS l(a int);
SELECT * FROM etl_unnest('[]') AS l(a int);
SELECT * FROM etl_unnest('{}') AS l(a int);
SELECT * FROM etl_unnest('"x"') AS l(a int);
SELECT * FROM etl_unnest('[{}, 1]') AS l(a int);
SELECT * FROM etl_unnest('[{}, []]') AS l(a int);
SELECT * FROM etl_unnest('[{"a": "x"}]') AS l(a int);
SELECT etl_unnest('[{"a": "x"}]');
SELECT count(*), sum(_etl_ordinal) FROM (SELECT jsonb_agg(jsonb_build_object('a', g)) AS list FROM generate_series(1, 10000) AS g) AS s, etl_unnest(list) AS l(a int, _etl_ordinal bigint) WHERE a = _etl_ordinal;

-- rights: the target is loaded as the owner, and others do not see it
CREATE ROLE regress_etl_several LOGIN;
CREATE ROLE regress_etl_other;
GRANT pg_read_server_files TO regress_etl_several;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO regress_etl_several, regress_etl_other;
GRANT SELECT, INSERT, UPDATE ON orders TO regress_etl_several;
SET ROLE regress_etl_several;
SELECT orders_of('several.json', 10);
SELECT etl_add_target('orders', 'log', 'SELECT id FROM batch');
RESET ROLE;
GRANT INSERT ON log TO regress_etl_several;
SET ROLE regress_etl_several;
SELECT etl_add_target('orders', 'log', 'SELECT id FROM batch');
CALL etl_run('orders');
SET ROLE regress_etl_other;
TABLE etl_targets;
TABLE etl_run_targets;
SELECT etl_add_target('orders', 'log', 'SELECT id FROM batch');
SELECT etl_drop_target('orders', 'log');
RESET ROLE;
GRANT pg_monitor TO regress_etl_other;
SET ROLE regress_etl_other;
TABLE etl_targets;
SELECT run, pipeline, target, emitted FROM etl_run_targets ORDER BY target COLLATE "C";
RESET ROLE;
-- a new owner has not accepted what another wrote, and all of the rest given anew is not enough
SELECT etl_alter_pipeline('orders', owner => current_user::regrole, source => $$etl_json('etl_tmp/several.json') AS t(id int)$$, query => 'SELECT id FROM batch', target => 'orders');
SELECT accepted FROM etl_pipelines WHERE name = 'orders';
SELECT etl_resume('orders');
DROP TABLE log;
CALL etl_run('orders');
SELECT message FROM etl_runs WHERE pipeline = 'orders' ORDER BY run DESC LIMIT 1;
SELECT etl_drop_target('orders', 'public.log');
CALL etl_run('orders');
SELECT etl_drop_pipeline('orders');
REVOKE ALL ON orders FROM regress_etl_several;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA public FROM regress_etl_several, regress_etl_other;
DROP ROLE regress_etl_several, regress_etl_other;

DROP VIEW last_letters;
DROP FUNCTION state(), several(int), orders_of(text, int);
DROP TABLE orders, lines, skus;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;
