--
-- The views over all pipelines show watermarks of any type, to its ends: a value that cannot be told as a lag is NULL
-- there, never an error, which would be everybody's.
--
SELECT current_database() AS database \gset
ALTER DATABASE :"database" SET TimeZone = 'UTC';
\c :database
SET TimeZone = 'UTC';
CREATE ROLE regress_etl_watcher IN ROLE pg_monitor;
CREATE SCHEMA ends;
CREATE DOMAIN ends.day AS date;
CREATE TYPE ends.mood AS ENUM ('sad', 'happy');
CREATE TYPE ends.date AS ENUM ('no day');
CREATE TABLE ends.values (id int PRIMARY KEY, type text, value text, max text);
INSERT INTO ends.values VALUES
	(11, 'timestamptz', '2026-01-01 00:00:00+01', NULL),
	(12, 'timestamptz', '4714-11-24 00:00:00+00 BC', NULL),
	(13, 'timestamptz', '294276-12-31 23:59:59.999999+00', 'infinity'),
	(14, 'timestamptz', 'infinity', 'infinity'),
	(15, 'timestamptz', '-infinity', NULL),
	(16, 'timestamptz', '2000-01-01 00:00:00+00', NULL),
	(21, 'timestamp', '2026-01-01 00:00:00', NULL),
	(22, 'timestamp', '4714-11-24 00:00:00 BC', NULL),
	(23, 'timestamp', '294276-12-31 23:59:59.999999', 'infinity'),
	(24, 'timestamp', 'infinity', 'infinity'),
	(25, 'timestamp', '-infinity', NULL),
	(31, 'date', '2026-01-01', NULL),
	(32, 'date', '4714-11-24 BC', NULL),
	(33, 'date', '294276-12-31', 'infinity'),
	(34, 'date', '294277-01-01', 'infinity'),
	(35, 'date', '5874897-12-31', 'infinity'),
	(36, 'date', 'infinity', 'infinity'),
	(37, 'date', '-infinity', NULL),
	(38, 'ends.day', '5874897-12-31', NULL),
	(39, 'ends.date', 'no day', NULL),
	(41, 'bigint', '9223372036854775807', NULL),
	(42, 'bigint', '-9223372036854775808', NULL),
	(43, 'smallint', '-32768', NULL),
	(44, 'int', '7', NULL),
	(45, 'numeric', 'Infinity', NULL),
	(46, 'numeric', 'NaN', NULL),
	(47, 'numeric', '1e40', NULL),
	(48, 'float8', '-Infinity', NULL),
	(49, 'real', 'NaN', NULL),
	(51, 'text', 'x@secret.example', NULL),
	(52, 'varchar', '2026-01-01', NULL),
	(53, 'interval', '178000000 years', NULL),
	(54, 'time', '24:00:00', NULL),
	(55, 'uuid', 'ffffffff-ffff-ffff-ffff-ffffffffffff', NULL),
	(56, 'ends.mood', 'happy', NULL),
	(57, 'bytea', '\x00', NULL);

DO $$
DECLARE
	v record;
BEGIN
	FOR v IN SELECT * FROM ends.values LOOP
		EXECUTE format('CREATE TABLE ends.t%s (id int PRIMARY KEY, w %s)', v.id, v.type);
	END LOOP;
END $$;
SELECT count(etl_create_pipeline('ends ' || id,
	format('etl_csv(%L) AS t(id int, w %s)', csv_file(format('ends%s.csv', id), format(E'id,w\n1,"%s"\n', value)), type),
	target => 'ends.t' || id, key => '{id}', watermark => 'w', watermark_max => max,
	watermark_as => CASE WHEN type IN ('text', 'varchar') THEN 'text' END)::text) AS created
FROM ends.values;
\o /dev/null
SELECT format('CALL etl_run(%L)', 'ends ' || id) FROM ends.values ORDER BY id \gexec
\o

SELECT v.id, v.type, s.last_result, s.watermark, s.lag IS NOT NULL AS has_lag FROM ends.values v
	JOIN etl_status s ON s.pipeline = 'ends ' || v.id ORDER BY v.id;
SELECT v.id, s.lag = now() - v.value::timestamptz AS lag_is_right FROM ends.values v JOIN etl_status s ON s.pipeline = 'ends ' || v.id
	WHERE s.lag IS NOT NULL ORDER BY v.id;
SELECT count(*) AS lags FROM etl_metric_samples WHERE family = 'etl_watermark_lag_seconds';
SELECT etl_metrics() ~ 'etl_watermark_lag_seconds' AS shown;

-- pg_monitor sees numbers and times, never what may be a word of a record.
SET ROLE regress_etl_watcher;
SELECT pipeline FROM etl_status WHERE watermark IS NULL ORDER BY pipeline;
SELECT etl_metrics() ~ 'etl_watermark_lag_seconds' AS shown, etl_metrics() ~ 'secret' AS told;
RESET ROLE;

SELECT count(etl_drop_pipeline('ends ' || id)::text) AS dropped FROM ends.values;
\set QUIET on
SET client_min_messages = warning;
DROP SCHEMA ends CASCADE;
DROP ROLE regress_etl_watcher;
ALTER DATABASE :"database" RESET TimeZone;
