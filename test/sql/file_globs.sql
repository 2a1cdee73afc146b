--
-- Many files by one pattern.
--
SELECT csv_file('g-2.csv', E'id,v\n2,two\n'), csv_file('g-10.csv', E'v,id\nten,10\n'), csv_file('g-1.csv', E'id,v\n1,one\n');

-- In the order of their names' bytes, each with its own header.
SELECT * FROM etl_csv('etl_tmp/g-*.csv') AS t(id int, v text, _etl_source text, _etl_line bigint);
SELECT * FROM etl_csv('etl_tmp/g-?.csv') AS t(id int, v text);
SELECT * FROM etl_csv('etl_tmp/g-[!1]*.csv') AS t(id int, v text);
-- By position the order of the columns is each file's own.
SELECT * FROM etl_csv('etl_tmp/g-*.csv', match => 'position') AS t(a text, b text);

-- A file that is called so is that file, and no pattern.
SELECT csv_file('g-[1].csv', E'id,v\n0,brackets\n');
SELECT * FROM etl_csv('etl_tmp/g-[1].csv') AS t(id int, v text);

-- Nothing that matches is an error, and a directory is no file.
SELECT * FROM etl_csv('etl_tmp/h-*') AS t(id int);
SELECT * FROM etl_csv('etl_fixture[s]') AS t(id int);
SELECT * FROM etl_csv('etl_tmp/no/such/*') AS t(id int);

-- What is neither: a FIFO is refused, and does not wait for a writer.  A backslash takes the meaning from a star.
SELECT csv_file('s*.csv', E'id\n1\n'), csv_file('st.csv', E'id\n2\n');
SELECT * FROM etl_csv('etl_tmp/s\*.csv') AS t(id int);
COPY (SELECT WHERE false) TO PROGRAM 'mkfifo etl_tmp/su.csv; ln -s st.csv etl_tmp/sv.csv; ln -s /no/such/file etl_tmp/sw.csv';
SELECT * FROM etl_csv('etl_tmp/s[u]*.csv') AS t(id int);
-- Links that are found are refused, as files and on the way; a link that is named is followed.
SELECT * FROM etl_csv('etl_tmp/s[v]*.csv') AS t(id int, _etl_source text);
SELECT * FROM etl_csv('etl_tmp/sv.csv') AS t(id int, _etl_source text);
COPY (SELECT WHERE false) TO PROGRAM 'mkdir -p etl_tmp/out/deep etl_tmp/in/real; cp etl_tmp/st.csv etl_tmp/out/deep; cp etl_tmp/st.csv etl_tmp/in/real; ln -s ../out etl_tmp/in/link; ln -s in etl_tmp/named';
SELECT * FROM etl_csv('etl_tmp/in/*/*.csv') AS t(id int, _etl_source text);
SELECT * FROM etl_csv('etl_tmp/in/[l]*/*/s*.csv') AS t(id int, _etl_source text);
SELECT * FROM etl_csv('etl_tmp/in/[l]*/deep/st.csv') AS t(id int, _etl_source text);
SELECT * FROM etl_csv('etl_tmp/named/*/s*.csv') AS t(id int, _etl_source text);
SELECT * FROM etl_csv('etl_tmp/named/link/deep/*.csv') AS t(id int, _etl_source text);
SELECT * FROM etl_peek('etl_tmp/in/[l]*/*/s*.csv');
EXPLAIN (COSTS OFF) SELECT * FROM etl_csv('etl_tmp/in/[l]*/*/s*.csv') AS t(id int);
-- With the setting, a link is what it leads to; one that leads nowhere is not passed over.
SET etl.follow_links = on;
SELECT * FROM etl_csv('etl_tmp/in/[l]*/*/s*.csv') AS t(id int, _etl_source text);
SELECT * FROM etl_csv('etl_tmp/s[v]*.csv') AS t(id int, _etl_source text);
SELECT * FROM etl_csv('etl_tmp/s[vw]*.csv') AS t(id int, _etl_source text);
RESET etl.follow_links;
-- A name that is no text could not be shown.
COPY (SELECT WHERE false) TO PROGRAM $$touch "$(printf 'etl_tmp/x\351.csv')"$$;
SELECT * FROM etl_csv('etl_tmp/x*.csv') AS t(id int);
-- A directory that cannot be read might hide files.
COPY (SELECT WHERE false) TO PROGRAM 'mkdir -m 0 etl_tmp/locked';
SELECT * FROM etl_csv('etl_tmp/locked/*.csv') AS t(id int);
SELECT * FROM etl_csv('etl_tmp/[lo]*/st.csv') AS t(id int);
COPY (SELECT WHERE false) TO PROGRAM 'rmdir etl_tmp/locked';

-- A column that one file lacks.
SELECT csv_file('g-3.csv', E'id,w\n3,three\n');
SELECT * FROM etl_csv('etl_tmp/g-?.csv') AS t(id int, v text);
SELECT * FROM etl_csv('etl_tmp/g-?.csv', union_by_name => true) AS t(id int, v text, w text);
SELECT * FROM etl_csv('etl_tmp/g-?.csv', union_by_name => true) AS t(id int, x text);
SELECT * FROM etl_csv('etl_tmp/g-?.csv', union_by_name => true, match => 'position') AS t(id int);
CREATE DOMAIN required AS text NOT NULL;
SELECT * FROM etl_csv('etl_tmp/g-?.csv', union_by_name => true) AS t(id int, v required);
DROP DOMAIN required;

-- Files without any record are passed over, also at the ends; files with a header only have no rows.
SELECT csv_file('e-1.csv', ''), csv_file('e-2.csv', E'id\n2\n'), csv_file('e-3.csv', ''), csv_file('e-4.csv', E'id\n'),
	csv_file('e-5.csv', E'id\n5'), csv_file('e-6.csv', '');
SELECT * FROM etl_csv('etl_tmp/e-*.csv') AS t(id int, _etl_source text);

-- A fault names the file; skipping goes on with the next row, of whichever file.
SELECT csv_file('f-1.csv', E'id\n1\nx\n'), csv_file('f-2.csv', E'id\n2\n"\n');
SELECT * FROM etl_csv('etl_tmp/f-1*.csv') AS t(id int);
SELECT * FROM etl_csv('etl_tmp/f-1*.csv', on_error => 'skip') AS t(id int);
SELECT * FROM etl_csv('etl_tmp/f-*.csv', on_error => 'skip') AS t(id int);

-- Read again: the same files, or an error.
SELECT n, t.* FROM generate_series(1, 2) n LEFT JOIN LATERAL
	(SELECT * FROM etl_csv('etl_tmp/g-[0-9]*.csv', union_by_name => true) AS t(id int, v text) WHERE id = n OFFSET 0) t ON true;
SELECT n, t.id, CASE WHEN t.id = 2 THEN csv_file('g-2.csv', E'id,v\n2,changed\n') END AS written
	FROM generate_series(1, 2) n, LATERAL
	(SELECT * FROM etl_csv('etl_tmp/g-[12].csv') AS t(id int, v text) WHERE id >= n OFFSET 0) t;

SELECT explain_analyze($$ SELECT * FROM etl_csv('etl_tmp/e-*.csv') AS t(id int) $$);
