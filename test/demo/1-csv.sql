\echo
\echo == A CSV file as it is: 10,000 wildlife strikes, recorded by the FAA.
\echo == (Paths are relative to the data directory of the server, or absolute.)
\echo
\! head -n 3 "$DEMO_FILES/birdstrikes.csv"
\echo

CREATE EXTENSION etl;

\echo
\echo == Looked at. Columns match by name: "Airport Name" is airport_name, and only those asked for are read.
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
\echo == Joined with another file: are there more strikes in Washington when Seattle is warm?
\echo

WITH weather AS (
	SELECT extract(month FROM date) AS month, round(avg(temp_max), 1) AS warmest_celsius
	FROM etl_csv('demo/seattle-weather.csv') AS t(date date, temp_max numeric)
	GROUP BY month
), strikes AS (
	SELECT extract(month FROM flight_date) AS month, count(*) AS strikes
	FROM etl_csv('demo/birdstrikes.csv') AS t(flight_date date, origin_state text)
	WHERE origin_state = 'Washington'
	GROUP BY month
)
SELECT * FROM weather JOIN strikes USING (month) ORDER BY month;

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

\echo
\echo == With a table that is there already, it is one line.
\echo

CREATE TABLE airports (iata text PRIMARY KEY, name text, city text, state text, latitude float8, longitude float8);

INSERT INTO airports SELECT * FROM etl_csv(NULL::airports, 'demo/airports.csv');

SELECT * FROM airports WHERE city = 'Seattle';
