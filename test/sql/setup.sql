--
-- What the other tests share: the extension, files that the server can read, and a way to write one.
--
CREATE EXTENSION etl;

-- test/fixtures becomes etl_fixtures in the data directory, so that no output holds an absolute path.
-- It travels through the connection: the server's user may be unable to read this folder.
\getenv abs_builddir PG_ABS_BUILDDIR
\set archive :abs_builddir '/results/etl_fixtures.tar'
\! tar -C "$PG_ABS_SRCDIR" -cf "$PG_ABS_BUILDDIR/results/etl_fixtures.tar" fixtures
\lo_import :archive
SELECT lo_export(:LASTOID, 'etl_fixtures.tar') AS exported, lo_unlink(:LASTOID) AS unlinked;
COPY (SELECT WHERE false) TO PROGRAM
	'rm -rf etl_fixtures etl_tmp && mkdir etl_tmp etl_fixtures && tar -C etl_fixtures --strip-components=1 -xf etl_fixtures.tar && rm etl_fixtures.tar';

-- Writes exactly these bytes to a file of the server and returns its path.
CREATE FUNCTION csv_file(name text, content bytea) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	path text := 'etl_tmp/' || name;
	object oid := lo_from_bytea(0, content);
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	RETURN path;
END $$;

-- The same for text, as UTF-8.
CREATE FUNCTION csv_file(name text, content text) RETURNS text
LANGUAGE sql AS $$ SELECT csv_file(name, convert_to(content, 'UTF8')) $$;

-- EXPLAIN, without what differs between the major versions of PostgreSQL.
CREATE FUNCTION explain(query text, options text DEFAULT 'COSTS OFF') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (%s) %s', options, query) LOOP
		line := regexp_replace(line, '(actual rows=\d+)\.00', '\1');
		line := regexp_replace(line, '\(InitPlan 1\)\.col1|\$0', 'InitPlan 1');
		RETURN NEXT regexp_replace(line, ' \(returns .*\)', '');
	END LOOP;
END $$;
CREATE FUNCTION explain_analyze(query text) RETURNS SETOF text LANGUAGE sql AS
	$$ SELECT explain(query, 'ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF') $$;

SELECT size > 0 AS fixture_is_there FROM pg_stat_file('etl_fixtures/real/birdstrikes.csv');
SELECT csv_file('setup.csv', E'a,b\n1,"x"\n') AS path;
SELECT pg_read_binary_file('etl_tmp/setup.csv') = '\x612c620a312c2278220a' AS bytes_are_exact;
