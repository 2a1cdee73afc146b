--
-- JSON is UTF-8; a server whose encoding is another one.
--
SELECT csv_file('latin.json', U&'[{"stra\00dfe":"\00e9","a":"\\u00fc","o":{"\00fc":"\00df"}}]') AS a,
	csv_file('euro.json', U&'[{"a":"\\u20ac x"},{"a":"ok"},{"a":"\20ac"}]') AS b;
SELECT current_database() AS here \gset
CREATE DATABASE regress_etl_latin1 ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';
\c regress_etl_latin1
SET client_encoding = 'UTF8';
CREATE EXTENSION etl;
SELECT * FROM etl_json('etl_tmp/latin.json') AS t("straße" text, a text, "o.ü" text, _etl_item jsonb, _etl_raw text);
SELECT * FROM etl_json('etl_tmp/euro.json') AS t(a text);
SELECT count(*) FROM etl_json('etl_tmp/euro.json') AS t(b int);
SELECT * FROM etl_json('etl_tmp/euro.json', on_error => 'skip') AS t(a text);
SELECT * FROM etl_json('etl_tmp/euro.json', on_error => 'return') AS t(a text, _etl_raw text, _etl_error text);

-- SQL_ASCII takes bytes as they are
CREATE DATABASE regress_etl_sql_ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';
\c regress_etl_sql_ascii
CREATE EXTENSION etl;
SELECT octet_length("straße"), octet_length(a) FROM etl_json('etl_tmp/latin.json') AS t("straße" text, a text);
\c :here
DROP DATABASE regress_etl_latin1;
DROP DATABASE regress_etl_sql_ascii;
