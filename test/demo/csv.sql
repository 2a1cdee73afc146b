\echo
\echo == A CSV file as it is: 10,000 wildlife strikes, recorded by the FAA.
\echo == (Paths are relative to the data directory of the server, or absolute.)
\echo
\! head -n 3 "$DEMO_FILES/birdstrikes.csv"
\echo

CREATE EXTENSION etl;

\echo
\echo == Looked at.  Columns match by name: "Airport Name" is airport_name, and only those asked for are read.
\echo

SELECT *
FROM etl_csv('demo/birdstrikes.csv') AS t(flight_date date, airport_name text, wildlife_species text)
LIMIT 5;

\echo
\echo == It is a table like any other.  Which species cost most?
\echo

SELECT wildlife_species, count(*) AS strikes, sum("Cost Total $") AS cost
FROM etl_csv('demo/birdstrikes.csv') AS t(wildlife_species text, "Cost Total $" bigint)
GROUP BY wildlife_species
ORDER BY cost DESC
LIMIT 5;

\echo
\echo == Joined with another file: the rainiest days on which somebody hit a bird near Seattle.
\echo

SELECT w.date, w.precipitation, w.weather, count(*) AS strikes
FROM etl_csv('demo/seattle-weather.csv') AS w(date date, precipitation numeric, weather text)
JOIN etl_csv('demo/birdstrikes.csv') AS s(flight_date date, origin_state text)
	ON extract(doy FROM s.flight_date) = extract(doy FROM w.date)
WHERE s.origin_state = 'Washington'
GROUP BY w.date, w.precipitation, w.weather
ORDER BY w.precipitation DESC, w.date
LIMIT 5;

\echo
\echo == How it runs: LIMIT stops reading, and only the columns in use are converted.
\echo

EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT *
FROM etl_csv('demo/birdstrikes.csv') AS t(flight_date date, airport_name text)
LIMIT 5;

\echo
\echo == Filtered and loaded into a table.
\echo

CREATE TABLE strikes (
	flight_date date NOT NULL,
	airport text NOT NULL,
	species text,
	cost numeric(12,2)
);

INSERT INTO strikes
SELECT flight_date, initcap(airport_name), wildlife_species, "Cost Total $"
FROM etl_csv('demo/birdstrikes.csv')
	AS t(flight_date date, airport_name text, wildlife_species text, "Cost Total $" numeric)
WHERE flight_date >= '2000-01-01';

SELECT count(*) AS loaded, min(flight_date) AS first, max(flight_date) AS last FROM strikes;
