\getenv url DEMO_URL
\set earthquakes :url '/api/earthquakes/size=200'
\echo
\echo == A paged API: 1,707 earthquakes of one week, from the USGS, 200 to a page.  The first answer shows how
\echo == it pages, and which columns there are.
\echo

SELECT property, left(value, 100) AS value FROM etl_api_explain(:'earthquakes') WHERE property <> 'call';

\echo
\echo == All pages as one table; the request for the next page is out while the rows of this one are read.
\echo

SELECT to_timestamp("properties.time" / 1000)::date AS day, count(*), max("properties.mag") AS strongest
FROM etl_api(:'earthquakes') AS t("properties.time" bigint, "properties.mag" numeric)
GROUP BY day
ORDER BY day;

\echo
\echo == LIMIT asks for no more pages than it needs.
\echo

EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT *
FROM etl_api(:'earthquakes', concurrency => 1) AS t(id text, "properties.place" text, "geometry.coordinates" float8[])
LIMIT 250;

\echo
\echo == Where it cannot be known whether a page is all there is, that is an error and not page one.
\echo

\set ON_ERROR_STOP off
\set page :url '/api/bare/n=25/size=10'
SELECT count(*) FROM etl_api(:'page') AS t(id int);
\set ON_ERROR_STOP on
