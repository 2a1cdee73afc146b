--
-- Encodings: byte order marks, those of PostgreSQL, UTF-16, and bytes that are no text.
--
\pset null '<null>'
\pset format unaligned
SHOW server_encoding;

-- Without the option: the byte order mark, else the client's encoding.
SELECT * FROM etl_csv(csv_file('e.csv', E'\uFEFFid,name\n1,\uFEFFé\n')) AS t(id int, name text);
SELECT * FROM etl_csv('etl_tmp/e.csv', header => false) AS t(id text, name text);
SELECT * FROM etl_csv('etl_tmp/e.csv', encoding => 'UTF8') AS t(id int, name text);
SELECT * FROM etl_csv('etl_tmp/e.csv', encoding => 'LATIN1') AS t(id int);
SET client_encoding = 'LATIN1';
SELECT length(name) FROM etl_csv('etl_tmp/e.csv') AS t(id int, name text);
SELECT name = U&'\00E9' AS is_e_acute FROM etl_csv(csv_file('e.csv', '\x69642c6e616d650a312ce90a'::bytea)) AS t(id int, name text);
SELECT length(name) FROM etl_csv('etl_tmp/e.csv', encoding => 'utf-8') AS t(id int, name text);
RESET client_encoding;
SELECT * FROM etl_csv('etl_tmp/e.csv') AS t(id int, name text);
SELECT * FROM etl_csv('etl_tmp/e.csv', encoding => 'latin-1') AS t(id int, name text);
SELECT * FROM etl_csv('etl_tmp/e.csv', encoding => 'SQL_ASCII') AS t(id int, name text);
-- a mark alone, two of them, half a one
SELECT * FROM etl_csv(csv_file('e.csv', '\xefbbbf'::bytea)) AS t(a text);
SELECT * FROM etl_csv(csv_file('e.csv', '\xefbbbfefbbbf610a320a'::bytea)) AS t(a text);
SELECT * FROM etl_csv(csv_file('e.csv', '\xefbb'::bytea)) AS t(a text);
SELECT * FROM etl_csv(csv_file('e.csv', '\xefbbbf2261220a320a'::bytea)) AS t(a text);

-- Encodings whose characters hold bytes of ASCII: they are converted before fields are looked for.
SELECT * FROM etl_csv(csv_file('e.csv', '\x96bc914f2c955c0a835c835c2c22815c225c0a'::bytea), encoding => 'SJIS') AS t(c1 text, c2 text);
SELECT * FROM etl_csv('etl_tmp/e.csv', encoding => 'SJIS', match => 'position') AS t(c1 text, c2 text);
SELECT * FROM etl_csv(csv_file('e.csv', '\xcca8cbb32c620ac6fccbdc2c8eb10a'::bytea), encoding => 'EUC_JP') AS t("岬乏" text, b text);
SELECT * FROM etl_csv(csv_file('e.csv', '\x612c620a80938599e92c410a'::bytea), encoding => 'WIN1252') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/e.csv', encoding => 'MULE_INTERNAL') AS t(a text, b text);

-- UTF-16, by its mark or by name.
CREATE FUNCTION utf16_unit(u int, little boolean) RETURNS bytea LANGUAGE sql IMMUTABLE AS
	$$ SELECT decode(lpad(to_hex(CASE WHEN little THEN u % 256 * 256 + u / 256 ELSE u END), 4, '0'), 'hex') $$;
CREATE FUNCTION utf16(content text, little boolean) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg(CASE WHEN c < 65536 THEN utf16_unit(c, little)
		ELSE utf16_unit(55296 + (c - 65536) / 1024, little) || utf16_unit(56320 + (c - 65536) % 1024, little) END, '' ORDER BY i)
	FROM generate_series(1, length(content)) AS i, ascii(substr(content, i, 1)) AS c
$$;
SELECT utf16(E'\uFEFFaé🐘', true), utf16(E'\uFEFFaé🐘', false);
SELECT E'id,näme\r\n1,"🐘,\n""日本"""\r\n2,\uFEFF\r\n' AS text \gset
SELECT * FROM etl_csv(csv_file('e.csv', utf16(E'\uFEFF' || :'text', true))) AS t(id int, "näme" text);
SELECT * FROM etl_csv(csv_file('e.csv', utf16(E'\uFEFF' || :'text', false))) AS t(id int, "näme" text);
SELECT * FROM etl_csv('etl_tmp/e.csv', encoding => 'UTF-16') AS t(id int, "näme" text);
SELECT * FROM etl_csv('etl_tmp/e.csv', encoding => 'utf16be') AS t(id int, "näme" text);
SELECT * FROM etl_csv('etl_tmp/e.csv', encoding => 'UTF-16LE') AS t(id int, "näme" text);
SELECT * FROM etl_csv(csv_file('e.csv', utf16(:'text', true)), encoding => 'UTF-16LE') AS t(id int, "näme" text);
SELECT * FROM etl_csv(csv_file('e.csv', utf16(:'text', false)), encoding => 'UTF-16') AS t(id int, "näme" text);
SELECT * FROM etl_csv('etl_tmp/e.csv') AS t(id int, "näme" text);
SELECT * FROM etl_csv(csv_file('e.csv', '\xfffe'::bytea)) AS t(id int);
SELECT * FROM etl_csv(csv_file('e.csv', '\xfffe610000000a00'::bytea)) AS t(a text);
SELECT * FROM etl_csv(csv_file('e.csv', '\xfffe000061000000'::bytea)) AS t(a text);
SELECT * FROM etl_csv('etl_tmp/e.csv', encoding => 'UTF-16') AS t(a text);
-- a file of some size, with characters across all block boundaries
SELECT count(*), count(DISTINCT length(b)), sum(length(b)), bool_and(b = repeat('é🐘', a % 50) || 'x') AS same
FROM etl_csv(csv_file('e.csv', (SELECT '\xfffe61002c0062000a00' || string_agg(utf16(i || ',' || repeat('é🐘', i % 50) || E'x\n', true), '') FROM generate_series(1, 1000) AS i)))
	AS t(a int, b text);

-- Bytes that are no text: a fault of their row, whichever columns are read.
SELECT csv_file('e.csv', '\x612c620a312c780a322cc3280a332ce282ac0a342c00790a35e282'::bytea) AS e \gset
SELECT * FROM etl_csv(:'e') AS t(a text, b text);
SELECT count(*) FROM etl_csv(:'e') AS t(a text, b text);
SELECT * FROM etl_csv(:'e', on_error => 'skip') AS t(a text, b text);
SELECT * FROM etl_csv(:'e', on_error => 'return') AS t(a text, b text, _etl_line bigint, _etl_error text, _etl_raw text);
SELECT * FROM etl_csv(csv_file('e.csv', '\x612c620a312c780a322c81810a812c790a342c7a0a355c81'::bytea), encoding => 'WIN1252', on_error => 'return')
	AS t(a text, b text, _etl_line bigint, _etl_error text, _etl_raw text);
SELECT * FROM etl_csv('etl_tmp/e.csv', encoding => 'EUC_KR', on_error => 'return') AS t(a text, b text, _etl_line bigint, _etl_error text);
SELECT * FROM etl_csv(csv_file('e.csv', '\xfffe' || utf16(E'a,b\n1,', true) || '\x3dd8' || utf16(E'x\n2,', true) || '\x00dc00dc' || utf16(E'\n3,y\n4,', true) || '\x3dd8'), on_error => 'return')
	AS t(a text, b text, _etl_line bigint, _etl_error text, _etl_raw text);
SELECT * FROM etl_csv(csv_file('e.csv', '\xfffe' || utf16(E'a,b\n1,x\n2,y', true) || '\x0a'), on_error => 'return')
	AS t(a text, b text, _etl_line bigint, _etl_error text, _etl_raw text);
SELECT * FROM etl_csv(csv_file('e.csv', '\xfffe' || utf16(E'a,b\n1,x', true) || '\x0000' || utf16(E'\n2,', true) || '\x00dc'), on_error => 'return')
	AS t(a text, b text, _etl_line bigint, _etl_error text);
-- many of them: each row has its own reason, and those of lines that were skipped belong to no row
SELECT count(*), count(DISTINCT _etl_error), min(_etl_error), count(_etl_raw)
FROM etl_csv(csv_file('e.csv', '\x612c620a' || (SELECT string_agg('\x81812c'::bytea || convert_to(i::text, 'UTF8') || '\x0a', '') FROM generate_series(1, 20000) AS i)),
	encoding => 'WIN1252', on_error => 'return', comment => '#', skip_lines => 0) AS t(a text, b int, _etl_error text, _etl_raw text);
SELECT * FROM etl_csv(csv_file('e.csv', '\x810a238181810a612c620a312c780a2381810a322c810a'::bytea), encoding => 'WIN1252', on_error => 'return', comment => '#', skip_lines => 1)
	AS t(a text, b text, _etl_line bigint, _etl_error text);
-- in the header
SELECT * FROM etl_csv(csv_file('e.csv', '\x612cff0a312c320a'::bytea)) AS t(a text);
SELECT * FROM etl_csv(csv_file('e.csv', '\x612c81810a312c320a'::bytea), encoding => 'WIN1252', on_error => 'skip') AS t(a text);
SELECT * FROM etl_csv(csv_file('e.csv', '\x6100622c630a312c320a'::bytea)) AS t(a text);

DROP FUNCTION utf16, utf16_unit;

-- Databases of other encodings.
\set database :DBNAME
CREATE DATABASE regression_etl_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
CREATE DATABASE regression_etl_euc_jp ENCODING 'EUC_JP' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
CREATE DATABASE regression_etl_sql_ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
SELECT csv_file('utf8.csv', E'\uFEFFid,näme\n1,"ü,""ß"""\n2,€\n3,日本\n4,x\n') AS utf8;
SELECT csv_file('latin1.csv', convert_to(E'id,näme\n1,ü÷ß\n', 'LATIN1')) AS latin1;
SELECT csv_file('utf16.csv', '\xfeff00690064002c006e00e4006d0065000a0031002c00fc000a0032002c20ac000a0033002cd83d000a00340079000a'::bytea) AS utf16;
SELECT csv_file('sjis.csv', '\x69642c96bc0a312c93fa967b835c0a322c2288aa2c220a'::bytea) AS sjis;
SELECT csv_file('euc_jp.csv', '\xb0cbdcb1cbdcb0cbdcb10a'::bytea) AS euc_jp;

\c regression_etl_latin1
SET client_encoding = 'UTF8';
CREATE EXTENSION etl;
SELECT *, length("näme"), octet_length("näme") FROM etl_csv('etl_tmp/utf8.csv', on_error => 'return') AS t(id int, "näme" text, _etl_error text, _etl_line bigint);
SELECT * FROM etl_csv('etl_tmp/latin1.csv', encoding => 'LATIN1', delimiter => '÷', match => 'position') AS t(a text, b text);
SELECT * FROM etl_csv('etl_tmp/latin1.csv', encoding => 'LATIN1') AS t(id int, "näme" text);
SELECT * FROM etl_csv('etl_tmp/latin1.csv', encoding => 'LATIN1', quote => 'ß') AS t(id int, "näme" text);
SELECT * FROM etl_csv('etl_tmp/utf16.csv', on_error => 'return') AS t(id int, "näme" text, _etl_error text, _etl_line bigint);
SELECT * FROM etl_csv('etl_tmp/sjis.csv', encoding => 'SJIS') AS t(id int);
\c regression_etl_euc_jp
SET client_encoding = 'UTF8';
CREATE EXTENSION etl;
SELECT * FROM etl_csv('etl_tmp/sjis.csv', encoding => 'SJIS') AS t(id int, "名" text);
SELECT *, octet_length("名") FROM etl_csv('etl_tmp/sjis.csv', encoding => 'SJIS') AS t(id int, "名" varchar(3));
SELECT * FROM etl_csv('etl_tmp/sjis.csv', encoding => 'SJIS', delimiter => '本', ragged => 'pad', match => 'position') AS t(a text, b text);
-- the bytes of a delimiter amid two characters are none
SELECT * FROM etl_csv('etl_tmp/euc_jp.csv', encoding => 'EUC_JP', delimiter => '本', header => false) AS t(a text, b text);
SELECT id, _etl_error FROM etl_csv('etl_tmp/utf8.csv', on_error => 'return') AS t(id int, "näme" text, _etl_error text);
SELECT id, name, _etl_error FROM etl_csv('etl_tmp/utf8.csv', on_error => 'return', match => 'position') AS t(id int, name text, _etl_error text);
\c regression_etl_sql_ascii
CREATE EXTENSION etl;
SELECT id, octet_length(name) FROM etl_csv('etl_tmp/latin1.csv', match => 'position') AS t(id int, name text);
SELECT id, octet_length(name) FROM etl_csv('etl_tmp/latin1.csv', match => 'position', encoding => 'LATIN1') AS t(id int, name text);
SELECT id, octet_length(name) FROM etl_csv('etl_tmp/utf16.csv', match => 'position', on_error => 'skip') AS t(id int, name text);
\c :database
DROP DATABASE regression_etl_latin1;
DROP DATABASE regression_etl_euc_jp;
DROP DATABASE regression_etl_sql_ascii;
