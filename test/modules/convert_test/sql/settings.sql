-- Random texts of every type under different settings: each canonical text is taken, some of the others
-- are and some are not, and whatever is taken is what the input function makes of it.
\set strings 200000
\getenv strings CONVERT_STRINGS

CREATE TABLE subject (
  a int2, b int4, c int8, d float4, e float8, f bool, g uuid,
  h numeric, i numeric(12,2), j numeric(20,0), k numeric(38,18), l numeric(6,6),
  m text, n varchar, o varchar(10), p bpchar, q char(10),
  r date, s timestamp, t timestamp(0), u timestamp(3), v timestamptz, w timestamptz(3));

-- The lines that say something else than what is expected, and one for all that do.
CREATE FUNCTION check_all(seed bigint, strings bigint)
  RETURNS TABLE (type text, kind text, taken bigint, mismatches bigint, first_mismatch text)
  LANGUAGE sql AS $$
    WITH result AS (
      SELECT format_type(atttypid, atttypmod) AS type, kind, n, r.*,
             atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype)
               AND atttypmod = -1 AS never_refused
      FROM pg_attribute, (VALUES ('canonical', strings / 2), ('boundary', strings / 4),
                                 ('mutated', strings / 4)) v(kind, n),
           LATERAL convert_differential(atttypid, atttypmod, kind, seed + attnum, n) r
      WHERE attrelid = 'subject'::regclass AND attnum > 0),
    judged AS (
      SELECT *, mismatches = 0 AND
                CASE WHEN kind = 'canonical' OR never_refused THEN taken = n
                     WHEN type = 'boolean' AND kind = 'boundary' THEN taken = 0
                     ELSE taken BETWEEN 1 AND n - 1 END AS good
      FROM result)
    SELECT type, kind, taken, mismatches, first_mismatch FROM judged WHERE NOT good
    UNION ALL
    SELECT count(DISTINCT type) || ' types as expected', NULL, NULL, NULL, NULL
    FROM judged WHERE good
$$;

SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SELECT * FROM check_all(100, :strings);

SET DateStyle = 'ISO, DMY';
SET IntervalStyle = 'iso_8601';
SET TimeZone = 'America/New_York';
SET timezone_abbreviations = 'Australia';
SET extra_float_digits = 3;
SELECT * FROM check_all(200, :strings);

SET DateStyle = 'SQL, YMD';
SET IntervalStyle = 'sql_standard';
SET TimeZone = 'Asia/Kolkata';
SET timezone_abbreviations = 'India';
SET extra_float_digits = -15;
SELECT * FROM check_all(300, :strings);

SET DateStyle = 'German, DMY';
SET IntervalStyle = 'postgres_verbose';
SET TimeZone = 'Africa/Monrovia';
SET timezone_abbreviations = 'Default';
SET extra_float_digits = 0;
SELECT * FROM check_all(400, :strings);

SET DateStyle = 'Postgres, MDY';
SET TimeZone = 'Europe/Dublin';
SELECT * FROM check_all(500, :strings);

SET TimeZone = 'Australia/Lord_Howe';	-- half an hour of daylight saving
SELECT * FROM check_all(600, :strings);

SET TimeZone = '<-0330>+3:30<-0230>,M3.2.0,M11.1.0';	-- a POSIX rule
SELECT * FROM check_all(700, :strings);
