--
-- etl_lines and etl_fixed: patterns and widths, faults, continuation lines, pipelines over logs that grow.
--
ALTER SEQUENCE etl_catalog.runs_id_seq RESTART;
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- by name
SELECT csv_file('access.log', $$127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"
::1 - - [10/Oct/2000:13:55:37 -0700] "GET /a?q=\"x\" HTTP/2.0" 404 - "-" "curl \"7\""
10.0.0.1 - Jane Doe [10/Oct/2000:13:55:38 -0700] "\x16\x03\x01" 400 226 "-" "-"
$$);
SELECT * FROM etl_lines('etl_tmp/access.log', 'combined')
	AS t(host inet, ident text, "user" text, "time" timestamptz, method text, path text, protocol text, request text, status int, size bigint, referer text, agent text, _etl_line bigint);
SELECT status, count(*) FROM etl_lines('etl_tmp/access.log', 'combined') AS t(status int) GROUP BY 1 ORDER BY 1;
SELECT csv_file('common.log', $$h - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 304 -
$$);
SELECT host, ident, "user", path, size FROM etl_lines('etl_tmp/common.log', 'common') AS t(host text, ident text, "user" text, path text, size bigint);
SELECT csv_file('syslog', $$Oct 11 22:14:15 mymachine su[123]: 'su root' failed for lonvick on /dev/pts/8
<13>Feb  5 17:32:18 10.0.0.99 myproc: %% It's time
2003-10-11T22:14:15.003Z host evntslog: an event
$$);
SELECT * FROM etl_lines('etl_tmp/syslog', 'syslog') AS t(priority int, "time" text, host text, program text, pid int, message text);
SELECT csv_file('app.log', $$2024-05-01T10:00:00Z INFO started
2024-05-01T10:00:05.25+02:00 [ERROR] it broke
java.lang.IllegalStateException: no
	at a.B.c(B.java:1)
Caused by: nothing

2024-05-01 10:01:00Z WARN: careful
$$);
SELECT * FROM etl_lines('etl_tmp/app.log', 'rfc3339', continuation => '\s.*|Caused by:.*|[\w.]+Exception.*')
	AS t("time" timestamptz, level text, message text, _etl_line bigint);
SELECT _etl_line, level, _etl_error, _etl_raw FROM etl_lines('etl_tmp/app.log', 'rfc3339', on_error => 'return') AS t(level text, _etl_line bigint, _etl_error text, _etl_raw text);
SELECT count(*) FROM etl_lines('etl_tmp/app.log', 'rfc3339', on_error => 'skip') AS t(level text);
SELECT count(*) FROM etl_lines('etl_tmp/app.log', 'rfc3339') AS t(level text);
SELECT count(*) FROM etl_lines('etl_tmp/app.log', 'rfc3339', on_error => 'skip', reject_limit => 1) AS t(level text);

-- patterns: names of columns, groups that take no part, values with a fault
SELECT csv_file('a.log', E'1,x\r\n2\r\nthree,z');
SELECT * FROM etl_lines('etl_tmp/a.log', '(?<firstValue>\w+)(?:,(?<second>.*))?') AS t(first_value text, second text, _etl_source text);
SELECT * FROM etl_lines('etl_tmp/a.log', '(?<n>\w+)(?:,.*)?') AS t(n int);
SELECT * FROM etl_lines('etl_tmp/a.log', '(?<n>\w+)(?:,.*)?', on_error => 'return') AS t(n int, _etl_error text);
CREATE TYPE a_line AS (n text);
SELECT * FROM etl_lines(NULL::a_line, 'etl_tmp/a.log', '(?<n>.*)');
SELECT * FROM etl_lines('etl_tmp/a.log', '(?<n>.*') AS t(n text);
SELECT * FROM etl_lines('etl_tmp/a.log', '.*') AS t(n text);
SELECT * FROM etl_lines('etl_tmp/a.log', '(?<n>.*)') AS t(m text);
SELECT * FROM etl_lines('etl_tmp/a.log', '(?<aB>.)(?<a_b>.*)') AS t("AB" text);
SELECT * FROM etl_lines('etl_tmp/a.log', NULL) AS t(n text);
SELECT * FROM etl_lines('etl_tmp/a.log', '(?<n>\C*)') AS t(n text);
SELECT * FROM etl_lines('etl_tmp/a.log', '(?<n>' || repeat('a', 9000) || ')') AS t(n text);
SELECT * FROM etl_lines('etl_tmp/a.log', '(?<n>.*)', continuation => '(') AS t(n text);

-- a pattern that tries every way: with the JIT compiler and without
SELECT csv_file('evil.log', repeat('a', 40) || E'!\n' || repeat('a', 100000) || E'!\nb\n');
SELECT _etl_line, n, _etl_error FROM etl_lines('etl_tmp/evil.log', '(?:a+)+|(?<n>b)', on_error => 'return') AS t(n text, _etl_line bigint, _etl_error text);
SELECT _etl_line, n, _etl_error FROM etl_lines('etl_tmp/evil.log', '(*NO_JIT)(?:a+)+|(?<n>b)', on_error => 'return') AS t(n text, _etl_line bigint, _etl_error text);
SELECT _etl_line, n, _etl_error FROM etl_lines('etl_tmp/evil.log', '(?:(?:a|(?:(?!x)a))*?)*+|(?<n>b)', on_error => 'return') AS t(n text, _etl_line bigint, _etl_error text);

-- bytes
SELECT csv_file('bytes.log', '\x616263ff0a676f6f640ac3a4780a'::bytea);
SELECT _etl_line, a, b, _etl_error, _etl_raw FROM etl_lines('etl_tmp/bytes.log', '(?<a>.)(?<b>.*)', encoding => 'UTF8', on_error => 'return') AS t(a text, b text, _etl_line bigint, _etl_error text, _etl_raw text);
SELECT a, b FROM etl_lines('etl_tmp/bytes.log', '(?<a>.)(?<b>.*)', encoding => 'LATIN1') AS t(a text, b text);

-- fixed widths
SELECT csv_file('fixed.txt', E'0001 Ann   12.50\n0002 Bob\u00e9   7.00   \n\n0003        1.00\n');
SELECT * FROM etl_fixed('etl_tmp/fixed.txt', '{5,6,5}') AS t(id int, name text, amount numeric, _etl_line bigint);
SELECT id, '<' || name || '>' AS name FROM etl_fixed('etl_tmp/fixed.txt', '{5,6,5}', blanks => 'trim') AS t(id int, name text);
SELECT '<' || name || '>' AS name FROM etl_fixed('etl_tmp/fixed.txt', '{5,6,5}', blanks => 'keep') AS t(id text, name text);
SELECT csv_file('fixed.txt', E'0001 Ann   12.50\n0002 Bob\n0003 Eve    1.00 more\n');
SELECT _etl_line, id, name, amount, _etl_error FROM etl_fixed('etl_tmp/fixed.txt', '{5,6,5}', on_error => 'return') AS t(id int, name text, amount numeric, _etl_line bigint, _etl_error text);
SELECT _etl_line, id, name, amount, _etl_error FROM etl_fixed('etl_tmp/fixed.txt', '{5,6,5}', ragged => 'pad', on_error => 'return') AS t(id int, name text, amount numeric, _etl_line bigint, _etl_error text);
SELECT * FROM etl_fixed('etl_tmp/fixed.txt', '{5,6,5}') AS t(id int, name text);
SELECT * FROM etl_fixed('etl_tmp/fixed.txt', '{5,0}') AS t(id int);
SELECT * FROM etl_fixed('etl_tmp/fixed.txt', '{{5,1}}') AS t(id int);
SELECT * FROM etl_fixed('etl_tmp/fixed.txt', NULL) AS t(id int);
SELECT * FROM etl_fixed('etl_tmp/fixed.txt', '{5}') AS t(id int, name text);

-- pipelines: a log that grows, a message that is still being written, dead letters with the line, and again
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CREATE TABLE messages (at timestamptz, level text, message text);
SELECT csv_file('grows.log', E'2024-05-01T10:00:00Z INFO one\n2024-05-01T10:00:01Z ERROR two\n  at x\nnonsense\n');
SELECT etl_create_pipeline('logs', source => $$etl_lines('etl_tmp/grow*.log', 'rfc3339', continuation => '\s.*') AS t("time" timestamptz, level text, message text)$$,
	query => 'SELECT "time" AS at, level, message FROM batch WHERE level <> ''DEBUG''', target => 'messages', batch_size => 2);
CALL etl_run('logs');
SELECT csv_file('grows.log', E'2024-05-01T10:00:00Z INFO one\n2024-05-01T10:00:01Z ERROR two\n  at x\nnonsense\n2024-05-01T10:00:02Z DEBUG three\n2024-05-01T10:00:03Z WARN four\n  at y\n');
CALL etl_run('logs');
CALL etl_run('logs');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = ''1h''', current_database()); END $$;
SELECT csv_file('growing.log', E'2024-05-01T11:00:00Z INFO five\n2024-05-01T11:00:01Z INFO six\n  at z\n');
CALL etl_run('logs');
SELECT csv_file('growing.log', E'2024-05-01T11:00:00Z INFO five\n2024-05-01T11:00:01Z INFO six\n  at z\n  at zz\n2024-05-01T11:00:02Z INFO sev');
CALL etl_run('logs');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET etl.settle_time = 0', current_database()); END $$;
CALL etl_run('logs');
SELECT at, level, replace(message, E'\n', '/') FROM messages ORDER BY at;
SELECT line, raw, message FROM etl_dead_letters WHERE pipeline = 'logs';
SELECT etl_alter_pipeline('logs', source => $$etl_lines('etl_tmp/grow*.log', '(?:(?<time>\S+Z) )?(?<level>[A-Za-z]+)(?: (?<message>.*))?', continuation => '\s.*') AS t("time" timestamptz, level text, message text)$$);
CALL etl_retry_dead_letters('logs');
SELECT at, level, message FROM messages WHERE at IS NULL;
SELECT etl_drop_pipeline('logs');

-- and of fixed width
CREATE TABLE amounts (id int PRIMARY KEY, amount numeric);
SELECT etl_create_pipeline('fixed', source => $$etl_fixed('etl_tmp/fixed.txt', '{5,6,5}') AS t(id int, name text, amount numeric)$$,
	query => 'SELECT id, amount FROM batch', target => 'amounts', key => '{id}');
CALL etl_run('fixed');
SELECT * FROM amounts ORDER BY id;
SELECT line, raw, message FROM etl_dead_letters WHERE pipeline = 'fixed' ORDER BY line;
SELECT etl_drop_pipeline('fixed');
DROP TABLE messages, amounts;
DROP TYPE a_line;
