--
-- Watermarks: how they are written, whatever the sessions of those who define, run and ask.
--
SET timezone = 'Asia/Kolkata';
SET datestyle = 'SQL, DMY';
SET intervalstyle = 'sql_standard';
SET extra_float_digits = -5;

CREATE TABLE marks (id int PRIMARY KEY, tz timestamptz, ts timestamp, day date, n numeric, f float8, span interval);
SELECT csv_file('marks.csv', E'id,tz,ts,day,n,f,span\n'
	'1,2026-01-01 10:00:05+00,2026-01-01 10:00:05,2026-01-01,1e3,0.1,1 day\n'
	'2,2026-01-01 15:30:05.120+05:30,2026-02-01 10:00:05.5,2026-12-31,12345678901234567890.123,0.30000000000000004,-1 day\n') AS path \gset

-- One pipeline for each column, over the same file.
SELECT etl_create_pipeline('marks_' || c, format('etl_csv(%L) AS t(id int, tz timestamptz, ts timestamp, day date, n numeric, f float8, span interval)', :'path'),
	target => 'marks', key => '{id}', watermark => c)
FROM unnest('{tz,ts,day,n,f,span}'::text[]) AS c;
CALL etl_run('marks_tz') \gset
CALL etl_run('marks_ts') \gset
CALL etl_run('marks_day') \gset
CALL etl_run('marks_n') \gset
CALL etl_run('marks_f') \gset
CALL etl_run('marks_span') \gset

-- Times are ISO 8601, those with a time zone in UTC; nothing is lost of a number.
SELECT c AS column, etl_watermark('marks_' || c) FROM unnest('{tz,ts,day,n,f,span}'::text[]) AS c;
SELECT etl_watermark('marks_tz', NULL::timestamptz), etl_watermark('marks_ts', NULL::timestamp), etl_watermark('marks_day', NULL::date),
	etl_watermark('marks_n', NULL::numeric), etl_watermark('marks_span', NULL::interval);
SELECT etl_watermark('marks_f', NULL::float8) = 0.30000000000000004 AS exact;

-- What is beyond ISO 8601 is written as PostgreSQL writes it.
SELECT etl_alter_pipeline('marks_tz', watermark_max => 'infinity');
SELECT csv_file('marks.csv', E'id,tz,ts,day,n,f,span\n3,infinity,,,,,\n') AS path \gset
CALL etl_run('marks_tz') \gset
SELECT etl_watermark('marks_tz'), etl_watermark('marks_tz', NULL::timestamptz);

-- A row without one is loaded if its key is new, or has none either; all of them are counted, those that fail as well.
TRUNCATE marks;
ALTER TABLE marks ADD CHECK (n < 100);
SELECT csv_file('marks.csv', E'id,tz,ts,day,n,f,span\n1,,,,1,,\n2,,,,1,,\n3,,,2026-01-01,1,,\n4,,,,1000,,\n4,,,2026-01-01,1000,,\n') AS path \gset
CALL etl_run('marks_day') \gset
SELECT csv_file('marks.csv', E'id,tz,ts,day,n,f,span\n1,,,,2,,\n2,,,2026-01-02,2,,\n3,,,,2,,\n2,,,,3,,\n') AS path \gset
SELECT etl_alter_pipeline('marks_day', batch_size => 3);
CALL etl_run('marks_day') \gset
SELECT emitted, loaded, skipped, load_failed, null_watermark FROM etl_runs WHERE pipeline = 'marks_day' ORDER BY run;
SELECT id, day, n FROM marks ORDER BY id;

SELECT etl_drop_pipeline('marks_' || c) FROM unnest('{tz,ts,day,n,f,span}'::text[]) AS c;
DROP TABLE marks;
RESET timezone;
RESET datestyle;
RESET intervalstyle;
RESET extra_float_digits;
