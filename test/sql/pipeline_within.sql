--
-- delete_within: rows of a parent go when its record has them no more.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE orders (id int PRIMARY KEY, note text, at int);
CREATE TABLE lines (order_id int REFERENCES orders, sku text, qty int CHECK (qty > 0), PRIMARY KEY (order_id, sku));
CREATE INDEX ON lines (sku);
CREATE TABLE loose (order_id int, sku text);
CREATE FUNCTION define(batch int, marked boolean DEFAULT false, rest text DEFAULT '') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM etl_drop_pipeline(name) FROM etl_pipelines WHERE name = 'orders';
	PERFORM etl_create_pipeline('orders', source => 'etl_json(''etl_tmp/within.json'', missing_columns => ''null'') AS t(id int, note text, at int, lines jsonb)', batch_size => batch,
		query => 'SELECT id, note, at FROM batch', target => 'orders', key => 'id', watermark => CASE WHEN marked THEN 'at' END);
	PERFORM etl_add_target('orders', 'lines', key => 'order_id, sku', delete_within => 'order_id', rules => '{"few": "qty < 1000"}',
		query => 'SELECT id AS order_id, sku, qty FROM batch, etl_unnest(lines) AS l(sku text, qty int, _etl_ordinal int)' || rest);
END $$;

-- what cannot be: a parent that may have several records, or is not as it stands in the record
SELECT define(10);
\set VERBOSITY terse
SELECT etl_drop_target('orders', 'lines');
CREATE FUNCTION try(within text, query text DEFAULT 'SELECT id AS order_id, sku, qty FROM batch, etl_unnest(lines) AS l(sku text, qty int)') RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text;
BEGIN
	PERFORM etl_add_target('orders', 'lines', query, key => 'order_id, sku', delete_within => within);
	PERFORM etl_drop_target('orders', 'lines');
	RETURN 'yes';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
	RETURN SQLERRM || ': ' || d;
END $$;
SELECT try('order_id');
SELECT try('order_id, sku');
SELECT try('sku');
SELECT try('nothing');
SELECT try('order_id', 'SELECT id + 0 AS order_id, sku, qty FROM batch, etl_unnest(lines) AS l(sku text, qty int)');
SELECT etl_add_target('orders', 'loose', 'SELECT id AS order_id FROM batch', delete_within => 'order_id');
SELECT etl_alter_pipeline('orders', on_conflict => 'ignore');
SELECT try('order_id');
SELECT etl_alter_pipeline('orders', on_conflict => 'update', query => 'SELECT id + 0 AS id FROM batch');
SELECT try('order_id');
SELECT etl_alter_pipeline('orders', query => 'SELECT id, at + 0 AS at FROM batch', watermark => 'at');
SELECT try('order_id');
SELECT etl_alter_pipeline('orders', query => 'SELECT id FROM batch', watermark => '', mode => 'append');
SELECT try('order_id');
SELECT etl_alter_pipeline('orders', source => 'etl_json(''etl_tmp/within.json'') AS t(id bigint, lines jsonb)', mode => 'upsert');
SELECT try('order_id');
ALTER TABLE orders ADD FOREIGN KEY (id, note) REFERENCES lines (order_id, sku) DEFERRABLE;
SELECT etl_alter_pipeline('orders', source => 'etl_json(''etl_tmp/within.json'') AS t(id int, lines jsonb)');
SELECT try('order_id');
ALTER TABLE orders DROP CONSTRAINT orders_id_note_fkey;
\set VERBOSITY default

-- lines that come, change and go; none in a list that is empty or null; what is not said (no list at all) stays; a dead letter changes nothing
SELECT csv_file('within.json', '[{"id": 1, "lines": [{"sku": "a", "qty": 1}, {"sku": "b", "qty": 2}]}, {"id": 2, "lines": [{"sku": "a", "qty": 1}]},
	{"id": 3, "lines": [{"sku": "x", "qty": 1}]}, {"id": 4, "lines": [{"sku": "y", "qty": 1}]}, {"id": 5, "lines": [{"sku": "z", "qty": 1}]}]');
SELECT define(10);
CALL etl_run('orders');
SELECT csv_file('within.json', '[{"id": 1, "lines": [{"sku": "b", "qty": 3}, {"sku": "c", "qty": 2}]}, {"id": 2, "lines": []},
	{"id": 3, "lines": null}, {"id": 4}, {"id": 5, "lines": [{"sku": "t", "qty": 0}]}, {"id": 6, "lines": [{"sku": "s", "qty": 1}]}]');
SELECT etl_reset('orders');
CALL etl_run('orders');
TABLE lines ORDER BY order_id, sku;
SELECT target, emitted, load_failed, inserted, updated, skipped, deleted FROM etl_run_targets WHERE run = 2 ORDER BY target;
-- with missing => 'null' a list that is not there is none
SELECT etl_alter_pipeline('orders', missing => 'null');
SELECT csv_file('within.json', '[{"id": 4}]');
SELECT etl_reset('orders');
CALL etl_run('orders');
TABLE lines ORDER BY order_id, sku;
-- what a line is still referred to by is a fault of its record
CREATE TABLE shipped (order_id int, sku text, FOREIGN KEY (order_id, sku) REFERENCES lines);
INSERT INTO shipped VALUES (1, 'c');
SELECT csv_file('within.json', '[{"id": 1, "note": "gone", "lines": []}, {"id": 5, "note": "gone", "lines": []}]');
SELECT etl_reset('orders');
CALL etl_run('orders');
TABLE orders;
TABLE lines ORDER BY order_id, sku;
SELECT sqlstate, message FROM etl_dead_letters WHERE run = 4;
DROP TABLE shipped;
-- the right to delete is wanted when it is defined
CREATE ROLE regress_etl_within LOGIN;
GRANT pg_read_server_files TO regress_etl_within;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO regress_etl_within;
GRANT SELECT, INSERT, UPDATE ON orders, lines TO regress_etl_within;
SELECT etl_drop_pipeline('orders');
SET ROLE regress_etl_within;
SELECT define(10);
RESET ROLE;
DROP OWNED BY regress_etl_within;
DROP ROLE regress_etl_within;

-- Random records in random batches, and a loop over them, one after the other, as the judge.
CREATE TABLE expected_orders (LIKE orders INCLUDING INDEXES);
CREATE TABLE expected_lines (order_id int, sku text, qty int, PRIMARY KEY (order_id, sku));
CREATE TABLE input (no int, record jsonb);
CREATE TABLE differences (step int, what text);
CREATE FUNCTION make_input() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE input;
	INSERT INTO input SELECT g, jsonb_build_object('id', CASE WHEN random() > 0.02 THEN (random() * 15)::int END, 'note', (random() * 9)::int::text, 'at', CASE WHEN random() > 0.1 THEN (random() * 30)::int END)
		|| CASE WHEN random() > 0.1 THEN jsonb_build_object('lines', (SELECT jsonb_agg(jsonb_build_object('sku', chr(97 + (random() * 5)::int),
				'qty', CASE WHEN random() > 0.02 THEN 1 + (random() * 3)::int WHEN random() > 0.5 THEN 0 ELSE 1000 END)) FROM generate_series(1, (random() * 4 + 0 * g)::int))) ELSE '{}' END
	FROM generate_series(1, 80) AS g;
	PERFORM csv_file('within.json', (SELECT string_agg(record::text, E'\n' ORDER BY no) || E'\n' FROM input));
END $$;
CREATE FUNCTION load_expected(marked boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE r jsonb;
BEGIN
	FOR r IN SELECT record FROM input ORDER BY no LOOP
		CONTINUE WHEN r->'id' = 'null' OR EXISTS (SELECT FROM etl_unnest(coalesce(r->'lines', 'null')) AS l(qty int) WHERE qty > 999)
			OR EXISTS (SELECT FROM (SELECT DISTINCT ON (sku) qty FROM etl_unnest(coalesce(r->'lines', 'null')) AS l(sku text, qty int, _etl_ordinal int)
				ORDER BY sku, _etl_ordinal DESC) AS last WHERE qty < 1);
		CONTINUE WHEN marked AND EXISTS (SELECT FROM expected_orders AS e WHERE e.id = (r->>'id')::int AND (e.at > (r->>'at')::int OR (e.at IS NOT NULL AND r->>'at' IS NULL)));
		INSERT INTO expected_orders SELECT * FROM jsonb_to_record(r) AS t(id int, note text, at int) ON CONFLICT (id) DO UPDATE SET note = excluded.note, at = excluded.at;
		CONTINUE WHEN NOT r ? 'lines';
		DELETE FROM expected_lines WHERE order_id = (r->>'id')::int;
		INSERT INTO expected_lines SELECT DISTINCT ON (sku) (r->>'id')::int, sku, qty FROM etl_unnest(r->'lines') AS l(sku text, qty int, _etl_ordinal int) ORDER BY sku, _etl_ordinal DESC;
	END LOOP;
END $$;
CREATE PROCEDURE steps(seed float8, n int, marked boolean) LANGUAGE plpgsql AS $$
DECLARE run bigint; state text; a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; g bigint; h bigint; i bigint; j bigint; k bigint; l bigint;
BEGIN
	PERFORM setseed(seed);
	TRUNCATE orders, lines, expected_orders, expected_lines;
	FOR s IN 1 .. n LOOP
		PERFORM define(1 + (random() * random() * 90)::int, marked, (ARRAY['', '', ' ORDER BY _etl_ordinal'])[1 + (random() * 2)::int]);
		PERFORM make_input(), load_expected(marked);
		COMMIT;
		run := NULL; state := NULL; a := NULL; b := NULL; c := NULL; d := NULL; e := NULL; f := NULL; g := NULL; h := NULL; i := NULL; j := NULL; k := NULL; l := NULL;
		CALL etl_run('orders', run, state, a, b, c, d, e, f, g, h, i, j, k, l);
		INSERT INTO differences SELECT s, 'order ' || x::text FROM ((TABLE orders EXCEPT TABLE expected_orders) UNION ALL (TABLE expected_orders EXCEPT TABLE orders)) AS x;
		INSERT INTO differences SELECT s, 'line ' || x::text FROM ((TABLE lines EXCEPT TABLE expected_lines) UNION ALL (TABLE expected_lines EXCEPT TABLE lines)) AS x;
		INSERT INTO differences SELECT s, 'sums of ' || t.target FROM etl_run_targets AS t
			WHERE emitted <> invalid + superseded + load_failed + loaded + skipped OR loaded <> inserted + updated;
	END LOOP;
END $$;
DROP TABLE loose;
CALL steps(0.1, 40, false);
SELECT * FROM differences ORDER BY step, what LIMIT 20;
CALL steps(0.2, 40, true);
SELECT * FROM differences ORDER BY step, what LIMIT 20;
SELECT count(*) > 10 FROM lines;

SELECT etl_drop_pipeline('orders');
DROP PROCEDURE steps(float8, int, boolean);
DROP FUNCTION define(int, boolean, text), try(text, text), make_input(), load_expected(boolean);
DROP TABLE orders, lines, expected_orders, expected_lines, input, differences;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET etl.settle_time', current_database()); END $$;
