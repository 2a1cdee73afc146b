--
-- How etl_csv is called: its two forms, named arguments, and what PostgreSQL cannot resolve.
--
SELECT csv_file('people.csv', E'id,name,born\n1,Ada,1815-12-10\n2,"Hopper, Grace",1906-12-09\n3,,\n') AS people \gset
SELECT oid::regprocedure AS by_columns FROM pg_proc WHERE proname = 'etl_csv' AND proargtypes[0] = 'text'::regtype \gset
SELECT oid::regprocedure AS by_type FROM pg_proc WHERE proname = 'etl_csv' AND proargtypes[0] = 'anyelement'::regtype \gset
\pset null '<null>'

-- The form with a column definition list.
SELECT * FROM etl_csv(:'people') AS t(id int, name text, born date);
SELECT * FROM etl_csv(source => :'people') AS t(born date, id bigint);
SELECT * FROM etl_csv(:'people', null_string => '3', header => true) AS (id int, name varchar(20));

-- The form with a row type: of a table, of a composite type, of a view.
CREATE TABLE people (id int, gone int, name text NOT NULL, born date);
ALTER TABLE people DROP COLUMN gone;
CREATE TYPE person AS (name text, born date);
CREATE VIEW born AS SELECT born, id FROM people;
SELECT * FROM etl_csv(NULL::people, :'people');
SELECT * FROM etl_csv(row_type => NULL::person, source => :'people', skip_lines => 0);
SELECT * FROM etl_csv(NULL::born, :'people') AS b(birthday, number) WHERE number = 2;
SELECT b, b.id FROM etl_csv(NULL::born, :'people') AS b;
SELECT p, p.name, (p).born FROM etl_csv(NULL::people, :'people') AS p WHERE p IS NOT NULL;
-- the value does not matter, only its type
SELECT * FROM etl_csv(ROW('x', '2000-01-01')::person, :'people') LIMIT 1;
-- a generated column is a column like any other
CREATE TABLE doubled (id int, twice int GENERATED ALWAYS AS (id * 2) STORED);
SELECT * FROM etl_csv(NULL::doubled, :'people');
SELECT * FROM etl_csv(NULL::doubled, csv_file('doubled.csv', E'twice,id\n7,1\n'));
-- a table without columns
CREATE TABLE nothing ();
SELECT count(*) FROM etl_csv(NULL::nothing, :'people');
-- record is a row type that needs a column definition list
SELECT * FROM etl_csv(NULL::record, :'people') AS t(id int, name text) WHERE id < 2;
SELECT * FROM etl_csv(NULL::record, :'people');

-- Row types that are none.
SELECT * FROM etl_csv(NULL::int, :'people');
SELECT etl_csv(NULL::int, :'people');
SELECT * FROM etl_csv(NULL::people[], :'people');
CREATE DOMAIN modern_person AS person CHECK ((VALUE).born > '1900-01-01');
SELECT * FROM etl_csv(NULL::modern_person, :'people');
SELECT etl_csv(NULL::modern_person, :'people');

-- What PostgreSQL cannot resolve, and what it says.
SELECT * FROM etl_csv('x', 'y');
SELECT * FROM etl_csv('x', 'y') AS t(a int);
SELECT * FROM etl_csv(NULL, 'x');
SELECT * FROM etl_csv('x', ';') AS t(a int);
SELECT * FROM etl_csv('x'::text, 'y') AS t(a int);
SELECT * FROM etl_csv(:'people');
SELECT * FROM etl_csv(:'people') AS t;
SELECT * FROM etl_csv(:'people') AS t(a, b);
SELECT * FROM etl_csv(NULL::people, :'people') AS t(id int);
SELECT * FROM etl_csv(:'people', delimeter => ';') AS t(a int);
SELECT * FROM etl_csv(:'people', skip_lines => 'two') AS t(a int);
SELECT * FROM etl_csv() AS t(a int);
SELECT * FROM etl_csv(12) AS t(a int);

-- A source that is not there to be read.
SELECT * FROM etl_csv(NULL) AS t(a int);
SELECT * FROM etl_csv(NULL::text) AS t(a int);
SELECT * FROM etl_csv(NULL::people, NULL);
SELECT * FROM etl_csv('') AS t(a int);

-- In the SELECT list: the form with a row type only.
SELECT etl_csv(NULL::person, :'people');
SELECT (etl_csv(NULL::person, :'people')).name;
SELECT id, etl_csv(NULL::person, :'people') AS row FROM generate_series(1, 2) AS id;
SELECT etl_csv(NULL::person, :'people') LIMIT 1;
SELECT etl_csv(:'people');
SELECT json_agg(p) FROM (SELECT etl_csv(NULL::person, :'people') AS p) AS s;
SELECT CASE WHEN true THEN etl_csv(NULL::person, :'people') END;

-- ROWS FROM and WITH ORDINALITY.
SELECT * FROM ROWS FROM (etl_csv(:'people') AS (id int, name text)) AS t;
SELECT * FROM ROWS FROM (etl_csv(:'people') AS (id int, name text)) WITH ORDINALITY AS t(a, b, n) WHERE n > 1;
SELECT n, t FROM etl_csv(NULL::person, :'people') WITH ORDINALITY AS t(a, b, n);
SELECT n FROM etl_csv(NULL::person, :'people') WITH ORDINALITY AS t(a, b, n) ORDER BY n DESC;
SELECT * FROM ROWS FROM (etl_csv(:'people') AS (id int), etl_csv(NULL::person, :'people'), generate_series(10, 13))
	WITH ORDINALITY AS t;

-- A function that PostgreSQL must call in a special way is one all the same, also for a plan that was kept.
PREPARE kept AS SELECT id, name FROM etl_csv(:'people') AS t(id int, name text);
EXECUTE kept;
ALTER FUNCTION :by_columns SECURITY DEFINER;
EXPLAIN (COSTS OFF) EXECUTE kept;
EXECUTE kept;
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv(:'people') AS t(id int, name text);
SELECT * FROM etl_csv(:'people') AS t(id int, name text);
SELECT * FROM etl_csv(:'people', on_error => 'skip') AS t(id int, born int);
ALTER FUNCTION :by_columns SECURITY INVOKER;
EXPLAIN (COSTS OFF) EXECUTE kept;
EXECUTE kept;
ALTER FUNCTION :by_type
	SET datestyle = 'SQL, DMY';
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv(NULL::person, :'people');
SELECT name, extract(month FROM born) FROM etl_csv(NULL::person, csv_file('dmy.csv', E'name,born\nAda,10/12/1815\n'));
ALTER FUNCTION :by_type
	RESET ALL;
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv(NULL::person, :'people');

DROP DOMAIN modern_person;
DROP VIEW born;
DROP TABLE people, doubled, nothing;
DROP TYPE person;
