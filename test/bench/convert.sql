-- Nanoseconds per value, fast converter against input function, for typical texts of each type.
--
--	make -C test/modules/convert_test install && psql -X -f test/bench/convert.sql
--
-- Each figure is the median of eleven rounds, in which the two take turns; a round reads a thousand
-- different texts a hundred times.
\set ON_ERROR_STOP on
BEGIN;

CREATE FUNCTION pg_temp.convert_nanoseconds(type regtype, typmod int, fast boolean, texts text[],
                                            rounds int)
  RETURNS float8 LANGUAGE C AS '$libdir/convert_test';

SET LOCAL TimeZone = 'America/New_York';
SELECT setseed(0.5);

CREATE TEMP TABLE sample ON COMMIT DROP AS
SELECT ord, name, type::regtype, typmod, array_agg(value) AS texts
FROM generate_series(1, 1000) n,
     LATERAL (SELECT random() * power(10, 1 + n % 9) AS r,
                     date '1990-01-01' + (random() * 15000)::int AS d,
                     timestamp '1990-01-01' + random() * interval '40 years' AS t) x,
     LATERAL (VALUES
       (1, 'int2', 'int2', -1, (r::bigint % 32768)::text),
       (2, 'int4', 'int4', -1, (r::bigint % 2147483648)::text),
       (3, 'int8, up to 10 digits', 'int8', -1, r::bigint::text),
       (4, 'int8, 16 digits', 'int8', -1, (1000000000000000 + (r * 1e6)::bigint)::text),
       (5, 'float4, 2 decimals', 'float4', -1, round(r::numeric % 100000, 2)::text),
       (6, 'float8, 2 decimals', 'float8', -1, round(r::numeric, 2)::text),
       (7, 'float8, 16-17 digits', 'float8', -1, r::text),
       (8, 'numeric', 'numeric', -1, round(r::numeric, 2)::text),
       (9, 'numeric(12,2)', 'numeric', (12 << 16) + 2 + 4, round(r::numeric, 2)::text),
       (10, 'numeric(38,18)', 'numeric', (38 << 16) + 18 + 4, r::numeric(38,18)::text),
       (11, 'bool, t or f', 'bool', -1, CASE WHEN r::bigint % 2 = 0 THEN 't' ELSE 'f' END),
       (12, 'bool, true or false', 'bool', -1, (r::bigint % 2 = 0)::text),
       (13, 'text, 20 characters', 'text', -1, left(md5(r::text), 20)),
       (14, 'varchar(20)', 'varchar', 20 + 4, left(md5(r::text), 20)),
       (15, 'varchar(20), not ASCII', 'varchar', 20 + 4, left(md5(r::text), 10) || 'äöüßéèçñõå'),
       (16, 'char(20)', 'bpchar', 20 + 4, left(md5(r::text), 17)),
       (17, 'date', 'date', -1, to_char(d, 'YYYY-MM-DD')),
       (18, 'timestamp, seconds', 'timestamp', -1, to_char(t, 'YYYY-MM-DD HH24:MI:SS')),
       (19, 'timestamp, microseconds', 'timestamp', -1, to_char(t, 'YYYY-MM-DD HH24:MI:SS.US')),
       (20, 'timestamptz, Z', 'timestamptz', -1, to_char(t, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
       (21, 'timestamptz, +HH:MM', 'timestamptz', -1, to_char(t, 'YYYY-MM-DD HH24:MI:SS"+05:30"')),
       (22, 'timestamptz, no offset', 'timestamptz', -1, to_char(t, 'YYYY-MM-DD HH24:MI:SS')),
       (23, 'uuid', 'uuid', -1, gen_random_uuid()::text)
     ) v(ord, name, type, typmod, value)
GROUP BY ord, name, type, typmod;

WITH measured AS MATERIALIZED (
  SELECT ord, name, turn, fast,
         pg_temp.convert_nanoseconds(type, typmod, fast, texts, 100) AS ns
  FROM sample, generate_series(1, 11) turn, unnest('{false,true}'::boolean[]) fast),
median AS (
  SELECT ord, name, fast, percentile_cont(0.5) WITHIN GROUP (ORDER BY ns) AS ns
  FROM measured GROUP BY ord, name, fast)
SELECT i.name AS type, round(i.ns::numeric, 1) AS input_function, round(f.ns::numeric, 1) AS fast,
       round((i.ns / f.ns)::numeric, 1) AS ratio
FROM median i JOIN median f USING (ord) WHERE f.fast AND NOT i.fast ORDER BY ord;

COMMIT;
