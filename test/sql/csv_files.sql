--
-- What may stand at a path, and what may happen to a file while it is read.
--
-- This sets files up and changes them by the server's own shell.
CREATE PROCEDURE sh(command text) LANGUAGE plpgsql AS
	$$ BEGIN EXECUTE format('COPY (SELECT WHERE false) TO PROGRAM %L', 'cd etl_tmp && ' || command); END $$;

-- Names: relative to the data directory, absolute, through links.
SELECT csv_file('f.csv', E'a\n1\n2\n') AS f \gset
SELECT csv_file('odd name, "quoted"\.csv', E'a\n7\n');
CALL sh('ln -s f.csv link.csv; ln -s nowhere dangling.csv; ln -s loop.csv loop.csv; mkdir directory; ln -s directory to_directory');
SELECT * FROM etl_csv(:'f') AS t(a int);
SELECT count(*) FROM etl_csv(current_setting('data_directory') || '/' || :'f') AS t(a int);
SELECT * FROM etl_csv('./etl_tmp/../etl_tmp/f.csv') AS t(a int);
SELECT * FROM etl_csv('etl_tmp/odd name, "quoted"\.csv') AS t(a int, _etl_source text);
SELECT * FROM etl_csv('etl_tmp/link.csv') AS t(a int, _etl_source text);
SELECT * FROM etl_csv('etl_tmp/dangling.csv') AS t(a int);
SELECT * FROM etl_csv('etl_tmp/loop.csv') AS t(a int);
SELECT * FROM etl_csv('etl_tmp/f.csv/x') AS t(a int);
SELECT * FROM etl_csv('etl_tmp/F.csv ') AS t(a int);
SELECT * FROM etl_csv('etl_tmp/' || repeat('x', 300)) AS t(a int);

-- What is no regular file is refused at once: a directory, a FIFO that nobody writes to, devices.
CALL sh('mkfifo fifo');
SELECT * FROM etl_csv('etl_tmp/directory') AS t(a int);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM etl_csv('etl_tmp/to_directory') AS t(a int);
SELECT * FROM etl_csv('.') AS t(a int);
SELECT * FROM etl_csv('etl_tmp/fifo') AS t(a int);
\echo :LAST_ERROR_SQLSTATE
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv('etl_tmp/fifo') AS t(a int);
SELECT * FROM etl_csv('/dev/null') AS t(a int);
SELECT * FROM etl_csv('/dev/zero') AS t(a int);
CREATE TYPE one_text AS (a text);
SELECT etl_csv(NULL::one_text, 'etl_tmp/directory');
SELECT etl_csv(NULL::one_text, 'etl_tmp/fifo');

-- A file that the server may not read.
CALL sh('cp f.csv secret.csv; chmod 000 secret.csv');
SELECT * FROM etl_csv('etl_tmp/secret.csv') AS t(a int);
\echo :LAST_ERROR_SQLSTATE
CALL sh('rm -f secret.csv');

-- Nothing in it, or nothing but a header.
SELECT * FROM etl_csv(csv_file('e.csv', '')) AS t(a int, b text);
SELECT count(*) FROM etl_csv('etl_tmp/e.csv') AS t(a int);
SELECT * FROM etl_csv('etl_tmp/e.csv', header => false) AS t(a int, b text);
SELECT etl_csv(NULL::one_text, 'etl_tmp/e.csv');
SELECT * FROM etl_csv('etl_tmp/e.csv', on_error => 'return') AS t(a int);
SELECT * FROM etl_csv(csv_file('e.csv', E'\uFEFF')) AS t(a int);
SELECT * FROM etl_csv(csv_file('e.csv', 'a')) AS t(a int);
SELECT * FROM etl_csv(csv_file('e.csv', E'a\n')) AS t(a int);
SELECT * FROM etl_csv(csv_file('e.csv', E'b\n')) AS t(a int);
SELECT * FROM etl_csv(csv_file('e.csv', E'# only a comment'), comment => '#') AS t(a int);
SELECT * FROM etl_csv(csv_file('e.csv', E'\r\n')) AS t(a int);

-- A cursor is open on a file of some megabytes, of which the first part has been read.
CREATE FUNCTION big() RETURNS text LANGUAGE sql AS
	$$ SELECT csv_file('big.csv', E'a,b\n' || string_agg(i || ',' || repeat('x', 100) || E'\n', '')) FROM generate_series(1, 30000) AS i $$;
SELECT big() AS big \gset
-- who wants a few rows reads a small part of it, in the first query of a session too
CREATE FUNCTION explain_json(query text) RETURNS json LANGUAGE plpgsql AS
	$$ DECLARE plan json; BEGIN EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO plan; RETURN plan; END $$;
\c
SELECT plan -> 'Custom Plan Provider' AS provider, plan -> 'Records Read' AS records, (plan ->> 'Bytes Read')::int < 500000 AS few_bytes
FROM (SELECT explain_json('SELECT * FROM etl_csv(''etl_tmp/big.csv'') AS t(a int) LIMIT 3') #> '{0,Plan,Plans,0}' AS plan) AS s;
DROP FUNCTION explain_json;
-- deleted: it is read to its end
BEGIN;
DECLARE c CURSOR FOR SELECT a FROM etl_csv(:'big') AS t(a int);
FETCH 1 FROM c;
CALL sh('rm big.csv');
MOVE 29998 FROM c;
FETCH 2 FROM c;
SELECT * FROM etl_csv(:'big') AS t(a int);
ROLLBACK;
-- replaced: so is what it was
SELECT big() AS big \gset
BEGIN;
DECLARE c CURSOR FOR SELECT a FROM etl_csv(:'big') AS t(a int);
FETCH 1 FROM c;
CALL sh('cp f.csv new.csv; mv new.csv big.csv');
MOVE 29998 FROM c;
FETCH 2 FROM c;
SELECT * FROM etl_csv(:'big') AS t(a int);
ROLLBACK;
-- grown: to where its end was
SELECT big() AS big \gset
BEGIN;
DECLARE c CURSOR FOR SELECT a FROM etl_csv(:'big') AS t(a int);
FETCH 1 FROM c;
CALL sh('printf "30001,y\n30002,""" >>big.csv');
MOVE 29998 FROM c;
FETCH 2 FROM c;
COMMIT;
-- truncated: an error that says so
SELECT big() AS big \gset
BEGIN;
DECLARE c CURSOR FOR SELECT a FROM etl_csv(:'big') AS t(a int);
FETCH 1 FROM c;
CALL sh('head -c 1000000 big.csv >part.csv; cat part.csv >big.csv');
MOVE 29998 FROM c;
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT big() AS big \gset
BEGIN;
DECLARE c CURSOR FOR SELECT a FROM etl_csv(:'big', on_error => 'skip') AS t(a int);
FETCH 1 FROM c;
CALL sh(': >big.csv');
MOVE 29998 FROM c;
ROLLBACK;

-- written over, and no shorter than it was: the end comes, and it is not the file's
SELECT big() AS big \gset
BEGIN;
DECLARE c CURSOR FOR SELECT a FROM etl_csv(:'big') AS t(a int);
FETCH 1 FROM c;
CALL sh('tr x y <big.csv >part.csv; cat part.csv >big.csv');
MOVE 29998 FROM c;
FETCH 2 FROM c;
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

-- Read twice in one statement, it must be the same file as the first time.
CREATE FUNCTION alter_file(i int, command text) RETURNS int LANGUAGE plpgsql AS
	$$ BEGIN IF i > 1 THEN CALL sh(command); END IF; RETURN i; END $$;
SET enable_material = off;
SELECT o.i, t.a FROM (SELECT alter_file(i, 'printf "3\n" >>f.csv') AS i FROM generate_series(1, 2) AS i OFFSET 0) AS o LEFT JOIN etl_csv(:'f') AS t(a int) ON t.a <= o.i;
SELECT o.i, t.a FROM (SELECT alter_file(i, 'touch -d 2001-01-01 f.csv') AS i FROM generate_series(1, 2) AS i OFFSET 0) AS o LEFT JOIN etl_csv(:'f') AS t(a int) ON t.a <= o.i;
SELECT o.i, t.a FROM (SELECT alter_file(i, ': >f.csv') AS i FROM generate_series(1, 2) AS i OFFSET 0) AS o LEFT JOIN etl_csv(:'f') AS t(a int) ON t.a <= o.i;
\echo :LAST_ERROR_SQLSTATE
SELECT csv_file('f.csv', E'a\n1\n2\n') AS f \gset
SELECT o.i, t.a FROM (SELECT alter_file(i, 'rm -f f.csv') AS i FROM generate_series(1, 3) AS i OFFSET 0) AS o LEFT JOIN etl_csv(:'f') AS t(a int) ON t.a <= o.i;
SELECT csv_file('f.csv', E'a\n1\n2\n') AS f \gset
SELECT o.i, t.a FROM (SELECT alter_file(i, 'printf "a\n8\n9\n" >g.csv; mv g.csv f.csv') AS i FROM generate_series(1, 2) AS i OFFSET 0) AS o LEFT JOIN etl_csv(:'f') AS t(a int) ON t.a <= o.i;
-- in a LATERAL call each row opens the file anew
SELECT o.i, t.a FROM (SELECT alter_file(i, 'printf "a\n" >f.csv') AS i FROM generate_series(1, 2) AS i OFFSET 0) AS o LEFT JOIN LATERAL etl_csv(substr('xetl_tmp/f.csv', 1 + o.i / o.i)) AS t(a int) ON true;
RESET enable_material;

-- No descriptor stays behind, whatever ended the scan.  (Other files of the backend come and go.)
CREATE FUNCTION descriptors() RETURNS bigint LANGUAGE sql AS
	$$ SELECT count(*) FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/fd', true, false) AS fd $$;
CREATE PROCEDURE fail(query text) LANGUAGE plpgsql AS $$ BEGIN EXECUTE query; EXCEPTION WHEN others THEN NULL; END $$;
CREATE PROCEDURE all_endings() LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
	n int;
BEGIN
	CALL fail('SELECT * FROM etl_csv(''etl_tmp/directory'') AS t(a int)');
	CALL fail('SELECT * FROM etl_csv(''etl_tmp/fifo'') AS t(a int)');
	CALL fail('SELECT * FROM etl_csv(''/dev/null'') AS t(a int)');
	CALL fail('SELECT * FROM etl_csv(''etl_tmp/nowhere'') AS t(a int)');
	CALL fail('SELECT * FROM etl_csv(''etl_tmp/faulty.csv'') AS t(no_such_column int)');
	CALL fail('SELECT * FROM etl_csv(''etl_tmp/faulty.csv'', encoding => ''nonsense'') AS t(a int)');
	CALL fail('SELECT * FROM etl_csv(''etl_tmp/faulty.csv'') AS t(a int)');
	CALL fail('SELECT etl_csv(NULL::one_text, ''etl_tmp/faulty.csv'')');
	CALL fail('SELECT 1 / (a - 1) FROM etl_csv(''etl_tmp/faulty.csv'') AS t(a int)');
	CALL fail('SELECT (etl_csv(NULL::one_text, ''etl_tmp/faulty.csv'')).a::int / 0');
	PERFORM a FROM etl_csv('etl_tmp/faulty.csv') AS t(a int) LIMIT 1;
	PERFORM etl_csv(NULL::one_text, 'etl_tmp/faulty.csv') LIMIT 1;
	PERFORM count(*) FROM etl_csv('etl_tmp/faulty.csv', on_error => 'return') AS t(a int, _etl_error text);
	PERFORM count(*) FROM generate_series(1, 3) AS i, LATERAL etl_csv('etl_tmp/faulty.csv', header => false, skip_lines => i) AS t(a text);
	OPEN c FOR SELECT a FROM etl_csv('etl_tmp/faulty.csv') AS t(a int);
	FETCH c INTO n;
	CLOSE c;
	BEGIN
		OPEN c FOR SELECT a FROM etl_csv('etl_tmp/faulty.csv') AS t(a int);
		FETCH c INTO n;
		RAISE EXCEPTION 'roll back the cursor';
	EXCEPTION WHEN raise_exception THEN
		NULL;
	END;
END $$;
SELECT csv_file('faulty.csv', E'a\n1\n2\nx\n');
CALL all_endings();
SELECT descriptors() AS before \gset
DO $$ BEGIN FOR i IN 1 .. 20 LOOP CALL all_endings(); END LOOP; END $$;
SELECT descriptors() - :before < 10 AS none_left;
-- of cursors that are left open there is one each, until the end of the transaction
BEGIN;
DO $$
BEGIN
	FOR i IN 1 .. 50 LOOP
		EXECUTE format('DECLARE c%s CURSOR FOR SELECT a FROM etl_csv(''etl_tmp/faulty.csv'') AS t(a int)', i);
		EXECUTE format('MOVE 1 FROM c%s', i);
	END LOOP;
END $$;
SELECT :before = 0 OR descriptors() - :before BETWEEN 50 AND 60 AS one_each;
ROLLBACK;
SELECT descriptors() - :before < 10 AS none_left;

DROP PROCEDURE all_endings, fail, sh;
DROP FUNCTION descriptors, alter_file, big;
DROP TYPE one_text;

-- No rows are not the same as no file: where a header is due, it has to be there.
SELECT csv_file('void.csv', ''), csv_file('void-1.csv', E'a\n1\n'), csv_file('void-2.csv', ''), csv_file('blank-1.csv', ''), csv_file('blank-2.csv', '');
SELECT * FROM etl_csv('etl_tmp/void.csv') AS t(a int);
SELECT count(*) FROM etl_csv('etl_tmp/void.csv') AS t(a int);
SELECT * FROM etl_csv('etl_tmp/void.csv', header => false) AS t(a int);
SELECT * FROM etl_csv('etl_tmp/void-?.csv') AS t(a int);
SELECT * FROM etl_csv('etl_tmp/blank-?.csv') AS t(a int);
SELECT * FROM etl_csv(csv_file('void.csv', E'title\n'), skip_lines => 1) AS t(a int);
SELECT etl_import('void', 'etl_tmp/blank-1.csv');
-- A pipeline passes an empty file over, but where what is not there counts, too.
CREATE TABLE void (a int PRIMARY KEY);
SELECT etl_create_pipeline('void', source => $$ etl_csv('etl_tmp/blank-?.csv') AS t(a int) $$, target => 'void', key => '{a}');
CALL etl_run('void') \gset
SELECT :'state' AS state, :read AS read;
SELECT etl_alter_pipeline('void', whole => true);
\set VERBOSITY sqlstate
CALL etl_run('void');
\set VERBOSITY default
SELECT message FROM etl_runs WHERE pipeline = 'void' ORDER BY run DESC LIMIT 1;
SELECT etl_drop_pipeline('void');
DROP TABLE void;

-- union_by_name is for a file that lacks some of the columns, not all.
SELECT csv_file('u-1.csv', E'id,name\n1,Ann\n'), csv_file('u-2.csv', E'id;name\n2;Bob\n');
SELECT * FROM etl_csv('etl_tmp/u-?.csv', union_by_name => true) AS t(id int, name text);
SELECT etl_import('u', 'etl_tmp/u-?.csv');
SELECT count(*) FROM etl_csv('etl_tmp/u-?.csv', union_by_name => true) AS t(_etl_line bigint);
