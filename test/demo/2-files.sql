\getenv url DEMO_URL

\echo
\echo == A file behind a URL, compressed: looked at without naming a column.
\echo

SELECT line, jsonb_pretty(record::jsonb) AS record
FROM etl_peek(:'url' || '/files/airports.csv.gz', 1);

\echo
\echo == What to declare for it: names and types, ready to paste.
\echo

SELECT declaration FROM etl_csv_columns(:'url' || '/files/airports.csv.gz');

\echo
\echo == Or in one line from the URL to a table: names and types are taken from the file.
\echo

SELECT etl_import('us_airports', :'url' || '/files/airports.csv.gz');

SELECT state, count(*) AS airports FROM us_airports GROUP BY state ORDER BY airports DESC LIMIT 3;

\echo
\echo == Many files by one pattern, each with its own header: one file for each year of weather.
\echo

SELECT _etl_source AS file, count(*) AS days, round(sum(precipitation)) AS rain_mm
FROM etl_csv('demo/weather-*.csv') AS t(_etl_source text, precipitation numeric)
GROUP BY file
ORDER BY file;
