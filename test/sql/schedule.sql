--
-- Schedules: their grammar and its errors, the calendar, the changes of the clock, and a comparison with the
-- same schedules looked up minute by minute.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';

CREATE FUNCTION next_runs(schedule text, timezone text, n int, after timestamptz) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(to_char(t AT TIME ZONE timezone, 'Dy YYYY-MM-DD HH24:MI:SS'), ', ' ORDER BY t)
	FROM etl_next_runs(schedule, timezone, n, after) t
$$;

-- What is wrong, where, and what may have been meant.
CREATE FUNCTION schedule_error(schedule text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	PERFORM etl_next_runs(schedule, 'UTC', 1, '2024-01-01');
	RETURN 'taken';
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLERRM, detail, nullif(hint, ''));
END $$;

--
-- Grammar
--
SELECT schedule, next_runs(schedule, 'UTC', 3, '2024-01-01 00:00Z')
FROM unnest('{* * * * *,*/20 * * * *,"0,30 9-10 * * *",15-45/15 * * * *,"1-3,2-4/2 * * * *",0 0 * feb *,0 0 * February *,
	0 0 * * sun,0 0 * * 0,0 0 * * 7,0 0 * * 5-7,0 0 * * Fri-Sun,0 0 * * MONDAY,"	 5   4 * * *  ",0 0 1 jan-mar *,
	@hourly,@daily,@midnight,@weekly,@monthly,@yearly,@annually,@Daily}'::text[]) schedule;

-- A restricted day of the month and a restricted day of the week: one is enough.  With a star, both count.
SELECT schedule, next_runs(schedule, 'UTC', 4, '2024-01-01 00:00Z')
FROM unnest('{0 0 13 * fri,0 0 13 * *,0 0 * * fri,0 0 */2 * fri,0 0 13 * */5}'::text[]) schedule;

-- Intervals count from their last time, and know no calendar.
SELECT schedule, next_runs(schedule, 'Europe/Berlin', 3, '2024-03-30 12:00Z')
FROM unnest('{30 seconds,5 minutes,90s,1 day 2 hours,00:10:00,PT10M,1.5 hours,1 week,1 day}'::text[]) schedule;

SELECT schedule_error(schedule) FROM unnest(ARRAY['', ' ', '* * * *', '* * * * * *', '5', 'hourly', '@hourli', '@reboot',
	'60 * * * *', '* 24 * * *', '* * 0 * *', '* * 32 * *', '* * * 13 *', '* * * * 8', '* * * foo *', '* * * agust *',
	'* * * * wensday', '* * * * jan', 'a * * * *', '* * L * *', '* * ? * *', '-1 * * * *', '1- * * * *', '1,, * * * *',
	'1, * * * *', ',1 * * * *', '*/0 * * * *', '*/ * * * *', '*/90 * * * *', '*/x * * * *', '5/10 * * * *',
	'22-2 * * * *', '* 22-2 * * *', '* * * * fri-mon', '*5 * * * *', '1;2 * * * *', '99999999999 * * * *', '* * * * ü',
	'ü * * * ?', '0 0 30 2 *', '0 0 30,31 feb *', '0 0 31 4,6,9,11 *', '0 0 31 feb-apr *', '0 0 30 2 mon', '0 0 30 2 */2',
	'0 seconds', '-5 minutes', '5 minuts', '5 minutes ago', '500 ms', '1 month', '1 year 2 days', '5 parsecs',
	'10000000000 days', '2147483647 days', '2147483647 days 2562047788 hours', '1 second']) schedule;

-- However long a text is, it is refused at once.
SELECT schedule_error(schedule) FROM unnest(ARRAY[repeat('1,', 500) || '1 * * * *', repeat('1,', 500) || '1 * * * *' || repeat(' ', 20),
	repeat('1,', 300000) || '1 * * * *', repeat('1 ', 1000000), repeat('5 minuts ', 100000), repeat('@', 1000000)]) schedule;
SELECT etl_next_runs('@daily', 'Europe/Atlantis');
SELECT etl_next_runs('@daily', repeat('x', 1000));
SELECT etl_next_runs('@daily', 'UTC', 1, 'infinity');
SELECT count(*) FROM etl_next_runs(NULL);
SELECT count(*) FROM etl_next_runs('@daily', n => 0);
SELECT count(*) FROM etl_next_runs('@daily', n => -1);
SELECT count(*), min(t) > now(), max(t) <= now() + interval '5 minutes' FROM etl_next_runs('* * * * *') t;

-- Without a zone it is the session's.
SET timezone = 'Asia/Kolkata';
SELECT etl_next_runs('0 9 * * *', n => 1, after => '2024-05-01 00:00+05:30');
SET timezone = 'UTC';

--
-- Calendar: year ends, leap days (2100 is no leap year, 2000 was one), the ends of time
--
SELECT next_runs('59 23 31 12 *', 'UTC', 2, '2024-12-31 23:58:59.999999Z');
SELECT next_runs('59 23 31 12 *', 'UTC', 2, '2024-12-31 23:59Z');
SELECT next_runs('* * * * *', 'UTC', 3, '2023-12-31 23:58:00.000001Z');
SELECT next_runs('0 0 29 2 *', 'UTC', 4, '2090-01-01Z');
SELECT next_runs('0 0 29 2 *', 'UTC', 2, '1999-01-01Z');
SELECT next_runs('0 12 29 2 */6', 'UTC', 3, '2072-01-01Z');
SELECT next_runs('0 0 31 * *', 'UTC', 8, '2023-12-01Z');
SELECT next_runs('0 0 1 1 *', 'Europe/Berlin', 2, '1969-06-01Z');
SELECT count(*) FROM etl_next_runs('@yearly', 'UTC', 5, '294276-12-31 23:59Z');
SELECT count(*) FROM etl_next_runs('@yearly', 'UTC', 5, '294274-12-31 23:59Z');
SELECT count(*) FROM etl_next_runs('1 day', 'UTC', 5, '294276-12-29 12:00Z');
SELECT etl_next_runs('@yearly', 'UTC', 1, '4713-01-01 00:00Z BC');

--
-- Changes of the clock.  What a gap swallows comes once at its end; what comes twice counts once, but for a
-- schedule of every hour.
--
SELECT z.zone, s.schedule,
	(SELECT string_agg(to_char(t, 'MM-DD HH24:MI'), ', ' ORDER BY t)
	 FROM etl_next_runs(s.schedule, z.zone, 4, z.after) t) AS utc
FROM (VALUES
	('America/New_York', 'put forward 02:00', timestamptz '2024-03-10 05:00Z'),
	('America/New_York', 'put back 02:00', '2024-11-03 04:30Z'),
	('Europe/Berlin', 'put forward 02:00', '2024-03-31 00:00Z'),
	('Europe/Berlin', 'put back 03:00', '2024-10-26 23:50Z'),
	('Australia/Lord_Howe', 'put forward 02:00', '2024-10-05 14:00Z'),
	('Australia/Lord_Howe', 'put back 02:00', '2024-04-06 14:00Z'),
	('Asia/Kolkata', 'never', '2024-03-30 20:00Z')) z(zone, change, after),
	(VALUES ('30 2 * * *'), ('30 1 * * *'), ('15,45 1-2 * * *'), ('30 * * * *')) s(schedule)
ORDER BY z.zone, z.after, s.schedule;

-- Looked for from each moment of the change, the answer is the same: it depends on no earlier question.
SELECT count(*) AS differences
FROM generate_series(timestamptz '2024-11-03 03:00Z', '2024-11-03 09:00Z', '7 minutes') after,
	unnest('{30 1 * * *,*/10 * * * *,"0,30 1,2 * * *"}'::text[]) schedule,
	LATERAL (SELECT min(t) AS next FROM etl_next_runs(schedule, 'America/New_York', 40, '2024-11-03 02:00Z') t
		WHERE t > after) listed
WHERE listed.next IS DISTINCT FROM (SELECT etl_next_runs(schedule, 'America/New_York', 1, after))
	AND after < '2024-11-03 08:00Z';

--
-- The same looked up minute by minute: random schedules, written together with the sets that they mean.
--
CREATE TABLE windows (id int, zone text, begins timestamptz);
INSERT INTO windows VALUES
	(1, 'America/New_York', '2024-03-08 00:00Z'), (2, 'America/New_York', '2024-11-01 00:00Z'),
	(3, 'Europe/Berlin', '2024-03-29 00:00Z'), (4, 'Europe/Berlin', '2024-10-25 00:00Z'),
	(5, 'Australia/Lord_Howe', '2024-04-04 00:00Z'), (6, 'Australia/Lord_Howe', '2024-10-03 00:00Z'),
	(7, 'Asia/Kolkata', '2024-12-30 00:00Z'), (8, 'Pacific/Apia', '2011-12-28 00:00Z'),
	(9, 'Africa/Casablanca', '2024-03-08 00:00Z'), (10, 'Asia/Kathmandu', '2024-02-27 00:00Z');

-- Each minute of the windows with what the clock shows, and the minutes that the clock leapt over before it.
CREATE TABLE minutes AS
SELECT id, t, shown, shown AS clock, row_number() OVER (PARTITION BY id, shown ORDER BY t) > 1 AS again
FROM (SELECT id, t, t AT TIME ZONE zone AS shown
	FROM windows, generate_series(begins - interval '1 day', begins + interval '4 days', '1 minute') t) m;
INSERT INTO minutes
SELECT id, t, shown, skipped, false
FROM (SELECT *, lag(shown) OVER (PARTITION BY id ORDER BY t) AS before FROM minutes) m,
	generate_series(before + interval '1 minute', shown - interval '1 minute', '1 minute') skipped
WHERE shown > before + interval '1 minute';
DELETE FROM minutes USING windows w WHERE w.id = minutes.id AND (t <= begins OR t > begins + interval '4 days');
SELECT count(*) AS skipped, count(DISTINCT id) AS windows FROM minutes WHERE clock <> shown;
SELECT count(*) AS again, count(DISTINCT id) AS windows FROM minutes WHERE again;

CREATE FUNCTION random_between(low int, high int) RETURNS int
LANGUAGE sql AS $$ SELECT low + floor(random() * (high - low + 1))::int $$;

-- A field as text, and the set that it means; the favoured numbers come more often, and n makes each row ask anew.
CREATE FUNCTION random_field(n int, low int, high int, favoured int[], OUT written text, OUT meant int[])
LANGUAGE plpgsql AS $$
DECLARE
	a int;
	b int;
	step int;
BEGIN
	meant := '{}';
	FOR i IN 1 .. random_between(1, 3) LOOP
		a := CASE WHEN random() < 0.6 THEN favoured[random_between(1, cardinality(favoured))] ELSE random_between(low, high) END;
		b := random_between(a, high);
		step := random_between(1, greatest(b - a, 1));
		CASE random_between(1, 5)
			WHEN 1 THEN
				written := '*';
				meant := ARRAY(SELECT generate_series(low, high));
				RETURN;
			WHEN 2 THEN
				step := random_between(1, least(high - low, 15));
				written := concat_ws(',', '*/' || step, written);
				meant := meant || ARRAY(SELECT generate_series(low, high, step));
			WHEN 3 THEN
				written := concat_ws(',', written, a || '-' || b);
				meant := meant || ARRAY(SELECT generate_series(a, b));
			WHEN 4 THEN
				IF b > a THEN
					written := concat_ws(',', written, a || '-' || b || '/' || step);
					meant := meant || ARRAY(SELECT generate_series(a, b, step));
				ELSE
					written := concat_ws(',', written, a);
					meant := meant || a;
				END IF;
			ELSE
				written := concat_ws(',', written, a);
				meant := meant || a;
		END CASE;
	END LOOP;
END $$;

SELECT setseed(0.5);
CREATE TABLE schedules AS
SELECT n, minute.written || ' ' || hour.written || ' ' || day.written || ' ' || month.written || ' ' || weekday.written AS schedule,
	minute.meant AS minutes, hour.meant AS hours, day.meant AS days, month.meant AS months, weekday.meant AS weekdays,
	day.written LIKE '*%' OR weekday.written LIKE '*%' AS both_days
FROM generate_series(1, 250) n,
	LATERAL random_field(n, 0, 59, '{0,15,30,45,59}'::int[]) minute,
	LATERAL random_field(n, 0, 23, '{0,1,2,3,23}'::int[]) hour,
	LATERAL random_field(n, 1, 31, '{1,3,6,10,27,29,30,31}'::int[]) day,
	LATERAL random_field(n, 1, 12, '{1,2,3,4,10,11,12}'::int[]) month,
	LATERAL random_field(n, 0, 6, '{0,1,6}'::int[]) weekday;
DELETE FROM schedules WHERE schedule_error(schedule) LIKE '%would never run%';
SELECT count(*) > 200 AS enough, count(DISTINCT schedule) > 200 AS different,
	count(*) FILTER (WHERE cardinality(hours) = 24) > 20 AS every_hour FROM schedules;

CREATE FUNCTION is_due(s schedules, clock timestamp) RETURNS boolean
LANGUAGE sql AS $$
	SELECT extract(minute FROM clock)::int = ANY (s.minutes) AND extract(hour FROM clock)::int = ANY (s.hours)
		AND extract(month FROM clock)::int = ANY (s.months)
		AND CASE WHEN s.both_days
			THEN extract(day FROM clock)::int = ANY (s.days) AND extract(dow FROM clock)::int = ANY (s.weekdays)
			ELSE extract(day FROM clock)::int = ANY (s.days) OR extract(dow FROM clock)::int = ANY (s.weekdays) END
$$;

CREATE TABLE compared AS
SELECT w.id, s.n, s.schedule, w.zone, found.times AS found, looked_up.times AS looked_up
FROM schedules s JOIN windows w ON w.id IN (1 + s.n % 10, 1 + (s.n + 5) % 10),
	LATERAL (SELECT coalesce(array_agg(DISTINCT t ORDER BY t), '{}') AS times FROM minutes m
		WHERE m.id = w.id AND is_due(s, m.clock)
			AND (NOT again OR (SELECT count(DISTINCT h) FROM unnest(s.hours) h) = 24)) looked_up,
	LATERAL (SELECT coalesce(array_agg(t ORDER BY t) FILTER (WHERE t <= w.begins + interval '4 days'), '{}') AS times
		FROM etl_next_runs(s.schedule, w.zone, cardinality(looked_up.times) + 1, w.begins) t) found;
SELECT count(*) > 400 AS enough, count(*) FILTER (WHERE looked_up <> '{}') > 150 AS with_times,
	sum(cardinality(looked_up)) > 10000 AS times, count(DISTINCT id) AS windows,
	count(*) FILTER (WHERE found <> looked_up) AS differences
FROM compared;
SELECT schedule, zone, found, looked_up FROM compared WHERE found <> looked_up ORDER BY n, id LIMIT 3;

-- Days over a hundred years, across 2100.
SELECT count(*) AS schedules, count(*) FILTER (WHERE found IS DISTINCT FROM looked_up) AS differences
FROM (SELECT '0 0 ' || d || ' ' || m || ' ' || w AS schedule,
		(SELECT array_agg(t) FROM etl_next_runs('0 0 ' || d || ' ' || m || ' ' || w, 'UTC', 20, '2050-01-01Z') t
		 WHERE t < '2150-01-01Z') AS found,
		(SELECT array_agg(t ORDER BY t) FROM
			(SELECT t FROM generate_series(timestamptz '2050-01-02Z', '2149-12-31Z', '1 day') t
			 WHERE extract(month FROM t) = m
				AND CASE w WHEN '*' THEN extract(day FROM t) = d WHEN '*/2' THEN extract(day FROM t) = d AND extract(dow FROM t) IN (0, 2, 4, 6)
					ELSE extract(day FROM t) = d OR extract(dow FROM t) = w::int END
			 ORDER BY t LIMIT 20) x) AS looked_up
	FROM unnest('{28,29}'::int[]) d, unnest('{1,2,12}'::int[]) m, unnest('{*,*/2,3}'::text[]) w) c;

DROP FUNCTION is_due;
DROP TABLE windows, minutes, schedules, compared;
DROP FUNCTION next_runs, schedule_error, random_between, random_field;
