-- varchar(n) and char(n) count characters, so the texts go through databases of other encodings too.
\set strings 20000
\getenv strings CONVERT_STRINGS
\set home :DBNAME
\getenv abs_srcdir PG_ABS_SRCDIR
\set setup :abs_srcdir '/sql/setup.sql'

CREATE DATABASE convert_latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C';
CREATE DATABASE convert_euc_jp TEMPLATE template0 ENCODING 'EUC_JP' LOCALE 'C';
CREATE DATABASE convert_sql_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C';
\set ECHO none
\c convert_latin1
\i :setup
SELECT * FROM check_texts(:strings);
\c convert_euc_jp
\i :setup
SELECT * FROM check_texts(:strings);
\c convert_sql_ascii
\i :setup
SELECT * FROM check_texts(:strings);
\c :home
\set ECHO all
DROP DATABASE convert_latin1;
DROP DATABASE convert_euc_jp;
DROP DATABASE convert_sql_ascii;
