-- T and Z are what the session's list of time zone abbreviations says.  No list of PostgreSQL changes
-- them; this one does, and there is no fast converter while it is in force.
SHOW timezone_abbreviations;
SELECT type, convert_known(type::regtype, -1)
FROM unnest('{timestamp,timestamptz,date}'::text[]) type;
SET TimeZone = 'UTC';
SELECT '2024-01-01 12:00Z'::timestamptz AS z, '2024-01-01T12:00'::timestamptz AS t;

SET timezone_abbreviations = 'ConvertTest';
SELECT type, convert_known(type::regtype, -1)
FROM unnest('{timestamp,timestamptz,date}'::text[]) type;
SELECT '2024-01-01 12:00Z'::timestamptz AS z, '2024-01-01T12:00'::timestamptz AS t;

SET timezone_abbreviations = 'Australia';
SELECT type, convert_known(type::regtype, -1)
FROM unnest('{timestamp,timestamptz,date}'::text[]) type;
