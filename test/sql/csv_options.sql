--
-- The options of etl_csv, and what each of them refuses.
--
\pset null '<null>'

-- header
SELECT * FROM etl_csv(csv_file('o.csv', E'1,2\n3,4\n'), header => false) AS t(b int, a int);
SELECT * FROM etl_csv('etl_tmp/o.csv', header => NULL) AS t("1" int);
SELECT * FROM etl_csv('etl_tmp/o.csv', header => false, match => 'name') AS t(b int, a int);

-- match
SELECT * FROM etl_csv(csv_file('o.csv', E'a,b\n3,4\n'), match => 'name') AS t(b int, a int);
SELECT * FROM etl_csv('etl_tmp/o.csv', match => 'position') AS t(b int, a int);
SELECT * FROM etl_csv('etl_tmp/o.csv', match => NULL) AS t(b int, a int);
SELECT * FROM etl_csv('etl_tmp/o.csv', match => 'Name') AS t(b int, a int);
SELECT * FROM etl_csv('etl_tmp/o.csv', match => '') AS t(b int, a int);

-- delimiter: 1 to 8 bytes
SELECT * FROM etl_csv(csv_file('o.csv', E'a;b\n3,4;"5;6"\n'), delimiter => ';') AS t(b text, a text);
SELECT * FROM etl_csv(csv_file('o.csv', E'a\tb\n3 4\t"5\t6"\n'), delimiter => E'\t') AS t(b text, a text);
SELECT * FROM etl_csv(csv_file('o.csv', E'a||b|\n3|4||"5||6"|\n'), delimiter => '||') AS t("b|" text, a text);
SELECT * FROM etl_csv(csv_file('o.csv', E'a<=====>b\n<=====<=====>=>\n'), delimiter => '<=====>') AS t(b text, a text);
SELECT * FROM etl_csv(csv_file('o.csv', E'aaab\n1aa2\n'), delimiter => 'aa') AS t(ab text);
SELECT * FROM etl_csv(csv_file('o.csv', E'a12345678b\n312345678"12345678"\n'), delimiter => '12345678') AS t(b text, a text);
SELECT * FROM etl_csv(csv_file('o.csv', E'a→b\n3→"→"\n'), delimiter => '→') AS t(b text, a text);
SELECT * FROM etl_csv('etl_tmp/o.csv', delimiter => '123456789') AS t(b text, a text);
SELECT * FROM etl_csv('etl_tmp/o.csv', delimiter => '→→→') AS t(b text, a text);
SELECT * FROM etl_csv('etl_tmp/o.csv', delimiter => '') AS t(b text, a text);
SELECT * FROM etl_csv('etl_tmp/o.csv', delimiter => E'\n') AS t(b text, a text);
SELECT * FROM etl_csv('etl_tmp/o.csv', delimiter => E',\r') AS t(b text, a text);
SELECT * FROM etl_csv('etl_tmp/o.csv', delimiter => '\t') AS t(b text, a text);
SELECT * FROM etl_csv('etl_tmp/o.csv', delimiter => '"') AS t(b text, a text);
SELECT * FROM etl_csv('etl_tmp/o.csv', delimiter => ',"') AS t(b text, a text);
SELECT * FROM etl_csv(csv_file('o.csv', E'a,b\n3,4\n'), delimiter => NULL) AS t(b text, a text);

-- quote: one byte, or none
SELECT * FROM etl_csv(csv_file('o.csv', E'a,b\n\'3,4\',\'it\'\'s "5"\'\n'), quote => '''') AS t(a text, b text);
SELECT * FROM etl_csv(csv_file('o.csv', E'a,b\n"3,4"\n'), quote => NULL) AS t(a text, b text);
SELECT * FROM etl_csv(csv_file('o.csv', E'"a\n5" 3\n""\n'), quote => NULL) AS t("""a" text);
SELECT * FROM etl_csv('etl_tmp/o.csv', quote => '') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/o.csv', quote => '""') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/o.csv', quote => '«') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/o.csv', quote => E'\n') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/o.csv', quote => ',') AS t(a text, b text);

-- escape
SELECT * FROM etl_csv(csv_file('o.csv', E'a,b\n"3\\"4","\\\\5\\6\\\\"\n\\7,\\"8\\"9"\n'), escape => '\') AS t(a text, b text);
SELECT * FROM etl_csv(csv_file('o.csv', E'a,b\n"3""4","5\\6"\n'), escape => NULL) AS t(a text, b text);
SELECT * FROM etl_csv(csv_file('o.csv', E'a,b\n"3""4","5\\6"\n'), escape => '"') AS t(a text, b text);
-- with an escape of its own, a doubled quote is two quotes: closed and opened again
SELECT * FROM etl_csv(csv_file('o.csv', E'a,b\n"3""4","5"\n'), escape => '\') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/o.csv', escape => '') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/o.csv', escape => '\\') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/o.csv', escape => E'\r') AS t(a text, b text);
-- it means nothing outside quotes, and a delimiter means nothing inside
SELECT * FROM etl_csv(csv_file('o.csv', E'a,b\n"3,"4",5\n'), escape => ',') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/o.csv', quote => NULL, escape => '\') AS t(a text, b text);

-- null_string: the unquoted text that is NULL
SELECT * FROM etl_csv(csv_file('o.csv', E'a,b,c\n,"",NA\nNA,"NA",na\nNA ,N"A",\n')) AS t(a text, b text, c text);
SELECT * FROM etl_csv('etl_tmp/o.csv', null_string => 'NA') AS t(a text, b text, c text);
SELECT * FROM etl_csv('etl_tmp/o.csv', null_string => NULL) AS t(a text, b text, c text);
SELECT * FROM etl_csv(csv_file('o.csv', E'a,b\n\\N,\\\\N\n'), null_string => '\N') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/o.csv', null_string => 'a,b') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/o.csv', null_string => '"') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/o.csv', null_string => E'N\n') AS t(a text, b text);

-- encoding: see csv_encodings
SELECT * FROM etl_csv('etl_tmp/o.csv', encoding => 'KLINGON') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/o.csv', encoding => '') AS t(a text, b text);
-- as others call them
SELECT name, x FROM (VALUES ('cp1252'), ('windows-1252'), ('CP932'), ('latin-1'), ('iso-8859-15'), ('ascii'), ('US-ASCII'), ('utf-8-sig'), ('utf8')) AS n(name),
	LATERAL etl_csv(csv_file('sig.csv', E'\uFEFFx\n1\n'), encoding => name, header => false, skip_lines => 1) AS t(x int);
SELECT * FROM etl_csv(csv_file('euro.csv', '\x780a800a'::bytea), encoding => 'cp1252') AS t(x text);
SELECT * FROM etl_csv('etl_tmp/euro.csv', encoding => 'cp0') AS t(x text);
-- one name that holds what stands between names
SELECT * FROM etl_csv(csv_file('o.tsv', E'a\tb\n1\t2\n')) AS t(a text, b text);
SELECT * FROM etl_csv(csv_file('o.tsv', E'a;b\n1;2\n')) AS t(a text, b text);
SELECT * FROM etl_csv(csv_file('o.tsv', E'a|b\n1|2\n')) AS t(a text, b text);
SELECT * FROM etl_csv(csv_file('o.tsv', E'a,b\n1,2\n'), delimiter => ';') AS t(a text, b text);

-- skip_lines: physical lines before the header, whatever is in them
SELECT csv_file('o.csv', E'Report "of\n\n# the\r\nmonth,\ra,b\n3,4\n') AS o \gset
SELECT * FROM etl_csv(:'o', skip_lines => 4) AS t(a text, b text, _etl_line bigint);
SELECT * FROM etl_csv(:'o', skip_lines => 5, header => false) AS t(a text, b text);
SELECT * FROM etl_csv(:'o', skip_lines => 6, header => false) AS t(a text, b text);
SELECT * FROM etl_csv(:'o', skip_lines => 1000) AS t(a text, b text);
SELECT * FROM etl_csv(:'o', skip_lines => NULL) AS t(a text, b text);
SELECT * FROM etl_csv(:'o', skip_lines => -1) AS t(a text, b text);

-- comment: lines that begin with it are not read
SELECT csv_file('o.csv', E'# the header: "\na,b\n#\n1,# not a comment\n"# nor this","x\n# nor that"\n ### 3,4\n###,9') AS o \gset
SELECT * FROM etl_csv(:'o', comment => '#') AS t(a text, b text, _etl_line bigint);
SELECT * FROM etl_csv(:'o', skip_lines => 1, comment => '##', ragged => 'reject') AS t(a text, b text, _etl_line bigint);
SELECT * FROM etl_csv(csv_file('o.csv', E'a\n//1\n/2\n'), comment => '//') AS t(a text);
SELECT * FROM etl_csv(:'o', comment => '') AS t(a text, b text);
SELECT * FROM etl_csv(:'o', comment => '"#') AS t(a text, b text);
SELECT * FROM etl_csv(:'o', comment => ',#') AS t(a text, b text);
SELECT * FROM etl_csv(:'o', comment => '-', delimiter => '--') AS t(a text, b text);
SELECT * FROM etl_csv(:'o', comment => '-->', delimiter => '--') AS t(a text, b text);
SELECT * FROM etl_csv(:'o', comment => E'#\n') AS t(a text, b text);

-- ragged, on_error, reject_limit: what they do is in csv_faults
SELECT * FROM etl_csv(:'o', ragged => 'Pad') AS t(a text, b text);
SELECT * FROM etl_csv(:'o', on_error => 'ignore') AS t(a text, b text);
SELECT * FROM etl_csv(:'o', on_error => 'return') AS t(a text, b text);
SELECT * FROM etl_csv(:'o', reject_limit => -1) AS t(a text, b text);

-- An option that is wrong is an error even if there is nothing to read, and SQLSTATE says so.
SELECT csv_file('empty.csv', '') AS empty \gset
\set VERBOSITY sqlstate
SELECT * FROM etl_csv(:'empty', delimiter => '') AS t(a text);
SELECT * FROM etl_csv(:'empty', match => 'x') AS t(a text);
SELECT * FROM etl_csv(:'empty', encoding => 'x') AS t(a text);
SELECT * FROM etl_csv(:'empty', ragged => 'x') AS t(a text);
SELECT * FROM etl_csv(:'empty', on_error => 'x') AS t(a text);
SELECT * FROM etl_csv(:'empty', quote => NULL, escape => 'x') AS t(a text);
\set VERBOSITY default

-- etl.max_field_size: the largest field, quotes and all
SHOW etl.max_field_size;
SET etl.max_field_size = '4kB';
SELECT length(a), length(b) FROM etl_csv(csv_file('o.csv', E'a,b\n' || repeat('x', 4096) || ',"' || repeat(E'\n', 4094) || E'"\n')) AS t(a text, b text);
SELECT length(a) FROM etl_csv(csv_file('o.csv', E'a\n1\n2\n' || repeat('x', 4097) || E'\n')) AS t(a text);
SELECT length(a) FROM etl_csv(csv_file('o.csv', E'a,b\n1,2\n3,"' || repeat(E'x\n', 3000) || E'\n')) AS t(a text);
SELECT count(*) FROM etl_csv('etl_tmp/o.csv', on_error => 'skip') AS t(a text);
\set VERBOSITY sqlstate \\ -- the message is not the same in all majors
SET etl.max_field_size = 0;
SET etl.max_field_size = '1GB';
\set VERBOSITY default
CREATE ROLE regress_etl_user;
SET ROLE regress_etl_user;
SET etl.max_field_size = '1MB';
RESET ROLE;
DROP ROLE regress_etl_user;
RESET etl.max_field_size;
SET etl.no_such_setting = 1;
