-- T and Z are what the session's list of time zone abbreviations says.  No list of PostgreSQL changes
-- them; these do, and there is no fast converter while one of them is in force.
SET DateStyle = 'ISO';
SET TimeZone = 'UTC';
CREATE VIEW letters AS
  SELECT '2024-01-01T12:00'::text::timestamptz AS t, '2024-01-01 12:00Z'::text::timestamptz AS z,
         convert_known('timestamptz', -1) AS timestamptz, convert_known('timestamp', -1) AS timestamp,
         convert_known('date', -1) AS date;

SET timezone_abbreviations = 'Default';
SELECT * FROM letters;
SET timezone_abbreviations = 'Australia';
SELECT * FROM letters;
SET timezone_abbreviations = 'India';
SELECT * FROM letters;
SET timezone_abbreviations = 'ConvertTestT';
SELECT * FROM letters;
SET timezone_abbreviations = 'ConvertTestZ';
SELECT * FROM letters;
