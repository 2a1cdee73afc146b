--
-- COPY FROM (FORMAT csv) is the oracle: what it accepts, etl_csv reads as the same rows, and what it
-- rejects, etl_csv rejects.
--
-- Two differences are wanted: etl_csv strips a byte order mark, and takes a line of \. for data.
--
SET client_min_messages = warning;
CREATE TABLE case_of (name text PRIMARY KEY, columns int, options text DEFAULT '', content bytea);

-- Reads a file with n columns of text both ways; the options are those that both know under one name.
CREATE FUNCTION compare(path text, n int, options text)
RETURNS TABLE(copied bigint, streamed bigint, only_copied bigint, only_streamed bigint, copy_error text, stream_error text)
LANGUAGE plpgsql AS $$
DECLARE
	columns text := (SELECT string_agg(format('c%s text', i), ', ') FROM generate_series(1, n) AS i);
	copy_options text := (SELECT string_agg(format('%s %s', CASE o[1] WHEN 'null_string' THEN 'null' ELSE o[1] END, o[2]), ', ')
		FROM regexp_matches(options, '(\w+) => (true|false|E?''(?:[^'']|'''')*'')', 'g') AS o);
	absolute text := current_setting('data_directory') || '/' || path;
BEGIN
	IF to_regclass('by_copy_' || n) IS NULL THEN
		EXECUTE format('CREATE TEMP TABLE by_copy_%s (%s)', n, columns);
		EXECUTE format('CREATE TEMP TABLE by_stream_%s (%s)', n, columns);
	END IF;
	EXECUTE format('DELETE FROM by_copy_%s', n);
	EXECUTE format('DELETE FROM by_stream_%s', n);
	BEGIN
		EXECUTE format('COPY by_copy_%s FROM %L (%s)', n, absolute, concat_ws(', ', 'FORMAT csv', copy_options));
	EXCEPTION WHEN others THEN
		copy_error := SQLSTATE;
	END;
	BEGIN
		EXECUTE format('INSERT INTO by_stream_%s SELECT * FROM etl_csv(%L, match => ''position''%s) AS t(%s)', n, path,
			CASE WHEN options ~ 'header' THEN '' ELSE ', header => false' END || CASE WHEN options <> '' THEN ', ' || options ELSE '' END, columns);
	EXCEPTION WHEN others THEN
		stream_error := SQLSTATE;
	END;
	EXECUTE format('SELECT count(*) FROM by_copy_%s', n) INTO copied;
	EXECUTE format('SELECT count(*) FROM by_stream_%s', n) INTO streamed;
	EXECUTE format('SELECT count(*) FROM (TABLE by_copy_%s EXCEPT ALL TABLE by_stream_%1$s) AS d', n) INTO only_copied;
	EXECUTE format('SELECT count(*) FROM (TABLE by_stream_%s EXCEPT ALL TABLE by_copy_%1$s) AS d', n) INTO only_streamed;
	RETURN NEXT;
END $$;

INSERT INTO case_of(name, columns, content) SELECT name, columns, convert_to(content, 'UTF8') FROM (VALUES
	('empty', 2, ''),
	('one line', 2, E'1,2\n'),
	('no line end', 2, E'1,2\n3,4'),
	('crlf', 2, E'1,2\r\n3,4\r\n'),
	('crlf, no line end', 2, E'1,2\r\n3,4'),
	('cr', 2, E'1,2\r3,4\r'),
	('blank line, one column', 1, E'1\n\n2\n'),
	('blank lines at the end', 1, E'1\n\n\n'),
	('blank line, two columns', 2, E'1,2\n\n3,4\n'),
	('blank line at the end, two columns', 2, E'1,2\n\n'),
	('nothing but a line end', 1, E'\n'),
	('spaces', 3, E' 1 , "2" ,3 \n"4" , "5","6"\t\n'),
	('empty and quoted empty', 4, E',"",," "\n"",,"",\n'),
	('doubled quotes', 3, E'"a""b","""","a"""\n"""a","""""",""""""""\n'),
	('quotes amid a field', 3, E'a"b,c"d,e""f,"g"h\n"i"j"k",l"m"n,""o""\n'),
	('quoted delimiters and line ends', 2, E'"a,b","c\nd"\n"e\r\nf","g\rh"\n",\n,","\n\n"\n'),
	('quotes around nothing and something', 2, E'""a,"b"""\na"",b"""c"\n'),
	('null string inside quotes', 2, E'NULL,"NULL"\n\\N,"\\N"\n'),
	('too few', 2, E'1,2\n3\n'),
	('too many', 2, E'1,2\n3,4,5\n'),
	('too many, all empty', 2, E'1,2\n3,4,\n'),
	('quote never closed', 2, E'1,2\n3,"4\n5,6\n'),
	('quote never closed, empty', 1, E'"'),
	('quote at the end', 1, E'a"'),
	('quotes at the end', 1, E'a""'),
	('backslashes', 2, E'\\,\\\\\n\\n,\\"a\\"\n'),
	('backslash and point amid lines', 1, E'a\\.\n\\.b\n"\\."\n'),
	('utf-8', 3, E'é,"ü,ß",日本語\n🐘,"🐘""","\u00A0"\n'),
	('long fields', 3, repeat('x', 300000) || ',"' || repeat('""', 100000) || '",' || repeat('é', 70000) || E'\n1,2,3\n'),
	('many fields', 1000, repeat('x,', 999) || E'x\n' || repeat(',', 999) || E'\n' || repeat('"",', 999) || E'""\n'),
	('many rows', 3, (SELECT string_agg(i || ',"a' || repeat(E'\n', i % 3) || 'b",' || repeat('"q""q"', i % 5), E'\n') || E'\n' FROM generate_series(1, 20000) AS i)))
	AS v(name, columns, content);
INSERT INTO case_of SELECT name, columns, options, convert_to(content, 'UTF8') FROM (VALUES
	('header', 2, 'header => true', E'a,b\n1,2\n'),
	('header of another width', 2, 'header => true', E'a,b,c\n1,2\n'),
	('header alone', 2, 'header => true', E'a,b'),
	('header with a line end in it', 2, 'header => true', E'"a\nb",c\n1,2\n'),
	('tab', 3, 'delimiter => E''\t''', E'a\tb c\t"d\te"\n\t\t\n'),
	('semicolon', 2, 'delimiter => '';''', E'a,b;c\n"d;e";\n'),
	('quote', 2, 'quote => ''''''''', E'''a,b'',"c"\n''d''''e'',"\n'),
	('escape', 3, 'escape => ''\''', E'"a\\"b","\\\\","c\\d"\n\\e,f\\"g","h\\\\"\n'),
	('escape, doubled quote', 2, 'escape => ''\''', E'"a""b",c\n"""",d\n'),
	('escape at the end', 1, 'escape => ''\''', E'"a\\'),
	('escape before the end of quotes', 1, 'escape => ''\''', E'"a\\"\n'),
	('escape before a line end', 1, 'escape => ''\''', E'"a\\\nb"\n'),
	('escape of another escape', 2, 'escape => ''x''', E'"ax"b","xxx""\n"xa",x"x""\n'),
	('quote and escape swapped', 2, 'quote => ''\'', escape => ''"''', E'\\a"\\b\\,\\c""\\\n'),
	('null string', 4, 'null_string => ''NULL''', E'NULL,"NULL",,"" \nNULL ,N"UL"L,null,NULLNULL\n'),
	('null string of spaces', 2, 'null_string => '' ''', E' ,  \n," "\n'),
	('everything', 3, 'header => true, delimiter => ''|'', quote => ''~'', escape => ''^'', null_string => ''-''', E'a|b|c\n-|~-~|~a|^~b^^c^d~\n'))
	AS v(name, columns, options, content);
INSERT INTO case_of(name, columns, content) VALUES
	('not utf-8', 2, '\x312c320a332c34ff0a'),
	('half a character at the end', 2, '\x312c32e282'),
	('half a character before a delimiter', 2, '\x31e282'::bytea || ',2'::bytea),
	('overlong', 1, '\xc0af0a'),
	('surrogate', 1, '\xeda0800a'),
	('nul', 2, '\x312c320a332c34000a'),
	('nul in quotes', 1, '\x22610062220a');
INSERT INTO case_of VALUES
	('latin1', 2, 'encoding => ''LATIN1''', '\xe9e82c22fc220a80a02cff0a'),
	('win1252', 2, 'encoding => ''WIN1252''', '\x802c93940a'),
	('win1252, no character', 1, 'encoding => ''WIN1252''', '\x610a810a'),
	('latin2', 1, 'encoding => ''LATIN2''', '\xb1e6eaf10a'),
	('sjis: bytes that look like quotes and delimiters', 2, 'encoding => ''SJIS'', delimiter => ''|'', quote => ''\'', escape => ''\''', '\x955c835c7c5c83815c7c5c0a7c5c5c0a'),
	('sjis', 2, 'encoding => ''SJIS''', '\x93fa967b2c228cea220ab1b22c0a'),
	('sjis, half a character', 1, 'encoding => ''SJIS''', '\x93fa0a93'),
	('euc_jp', 2, 'encoding => ''EUC_JP''', '\xc6fccbdc2c22b8ec220a8eb12c8fb0a10a'),
	('euc_kr', 1, 'encoding => ''EUC_KR''', '\xc7d1b1b90a'),
	('gb18030', 2, 'encoding => ''GB18030''', '\xd6d0b9fa2c81308130220a0a220a'),
	('gb18030: digits inside characters', 2, 'encoding => ''GB18030'', delimiter => ''0''', '\x8130843631308231d0330a'),
	('big5', 1, 'encoding => ''BIG5''', '\xa4a4b0ea0aa55c0a'),
	('big5, backslash as quote', 2, 'encoding => ''BIG5'', quote => ''\''', '\xa55c2c5ca55c2ca55c5c0a'),
	('uhc', 1, 'encoding => ''UHC''', '\xc7d18c630a'),
	('johab', 1, 'encoding => ''JOHAB''', '\xd065891e0a'),
	('utf8 by name', 1, 'encoding => ''UTF8''', '\xe282ac0a'),
	('sql_ascii', 1, 'encoding => ''SQL_ASCII''', '\xe282ac0a');

-- Nobody may disagree, neither about rows nor about SQLSTATE.
SELECT count(*) AS cases,
	count(copy_error) AS rejected,
	sum(copied) AS copied
FROM case_of, compare(csv_file('case.csv', content), columns, options);
SELECT name, columns, d.*
FROM case_of, compare(csv_file('case.csv', content), columns, options) AS d
WHERE copied <> streamed OR only_copied > 0 OR only_streamed > 0 OR copy_error IS DISTINCT FROM stream_error;

-- Nor about files that chance wrote, of what means something and a little that does not.
SELECT setseed(0.5);
SELECT csv_file('case.csv', content) AS path, d.*, content
FROM (
	SELECT string_agg((ARRAY['a', '"', '"', ',', ',', '\', 'é', ' ', 'NULL', line_end, line_end])[ceil(random() * 11)], '') AS content, options
	FROM generate_series(1, 200) AS n,
		LATERAL (SELECT (ARRAY[E'\n', E'\r\n', E'\r'])[n % 3 + 1] AS line_end,
			(ARRAY['', 'escape => ''\''', 'null_string => ''NULL''', 'quote => ''a''', 'quote => ''\'', escape => ''"'''])[n % 5 + 1] AS options) AS o,
		generate_series(1, 3 + n % 25)
	GROUP BY n, options) AS c,
	LATERAL compare(csv_file('case.csv', content), 1 + length(content) % 3, options) AS d
WHERE copied <> streamed OR only_copied > 0 OR only_streamed > 0 OR copy_error IS DISTINCT FROM stream_error;

-- The two stated differences; what COPY makes of a file whose lines do not end alike; a header whose quote
-- is never closed, which COPY does not look at; and bytes that are no text in the server's encoding,
-- which COPY lets in under the name of SQL_ASCII.
TRUNCATE case_of;
INSERT INTO case_of(name, columns, content) SELECT name, columns, convert_to(content, 'UTF8') FROM (VALUES
	('byte order mark', 1, E'\uFEFFa\n'),
	('lf, then crlf', 1, E'a\nb\r\nc\n'),
	('crlf, then lf', 1, E'a\r\nb\nc\r\n'),
	('cr, then lf', 1, E'a\rb\nc\r')) AS v(name, columns, content);
INSERT INTO case_of VALUES ('header without an end', 1, 'header => true', E'a"\n1\n2\n');
INSERT INTO case_of VALUES ('not utf-8', 1, 'encoding => ''SQL_ASCII''', '\xe90a');
SELECT name, columns, d.*
FROM case_of, compare(csv_file('case.csv', content), columns, options) AS d ORDER BY name;

SELECT * FROM etl_csv(csv_file('case.csv', E'a\n\\.\nb\n'), header => false) AS t(a text);

-- Real files, and the fixtures of the CSV reader's own test with whatever number of columns, but for those
-- about what COPY does not know.
SELECT path, d.*
FROM (VALUES ('etl_fixtures/real/airports.csv', 7), ('etl_fixtures/real/birdstrikes.csv', 14), ('etl_fixtures/real/seattle-weather.csv', 6)) AS f(path, n),
	LATERAL compare(path, n, 'header => true') AS d;
CREATE TABLE fixture AS
SELECT name, CASE WHEN option IS NULL THEN '' ELSE format('%s => E''%s''', option[1], replace(option[2], '''', '''''')) END AS options
FROM (SELECT 'etl_fixtures/csv/' || substring(file FROM '(.*)\.csv$') AS name FROM pg_ls_dir('etl_fixtures/csv') AS file WHERE file LIKE '%.csv') AS f
	LEFT JOIN LATERAL regexp_match(pg_read_file(name || '.options', 0, 100, true), '^(delimiter|quote|escape)=(.|\\.)\n$') AS option ON true
WHERE option IS NOT NULL OR pg_stat_file(name || '.options', true) IS NULL;
SELECT count(*) > 40 AS enough, count(*) FILTER (WHERE options <> '') > 5 AS with_options FROM fixture;
CREATE TABLE compared AS
SELECT name, n, options, d.* FROM fixture, generate_series(1, 4) AS n, LATERAL compare(name || '.csv', n, options) AS d;
SELECT count(*) > 150 AS enough, count(*) FILTER (WHERE copy_error IS NULL) > 25 AS accepted FROM compared;
SELECT * FROM compared
WHERE name !~ '/(bom|end_of_copy|line_ends_mixed|line_end_cr_last)' AND
	(copied <> streamed OR only_copied > 0 OR only_streamed > 0 OR copy_error IS DISTINCT FROM stream_error)
ORDER BY name COLLATE "C", n;

DROP FUNCTION compare;
DROP TABLE case_of, fixture, compared;
