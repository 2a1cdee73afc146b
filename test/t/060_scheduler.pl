# Pipelines run at their times: schedules, "after", overlaps, failures, pauses, and the limits of workers.
#
# Nobody waits for the time to pass: etl.clock_shift moves the scheduler's clock.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use PostgreSQL::Test::Utils;
use SchedulerNode;
use Test::More;

my $node = scheduler_node('scheduler', conf => <<'CONF');
etl.databases = 'postgres'
max_worker_processes = 16
CONF


sub results
{
	my ($pipeline) = @_;
	return "SELECT string_agg(state, ' ' ORDER BY run) FROM etl_runs WHERE pipeline = '$pipeline'";
}

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION etl;
COPY (SELECT i, 'x' FROM generate_series(1, 10) AS i) TO PROGRAM 'cat >few.csv' (FORMAT csv);
COPY (SELECT i, 'x' FROM generate_series(1, 5000) AS i) TO PROGRAM 'cat >many.csv' (FORMAT csv);
CREATE TABLE rows (id int PRIMARY KEY, v text);

-- A pipeline of ten rows, or of one that takes its time, or of one that always fails.
CREATE FUNCTION make(name text, schedule text DEFAULT NULL, after text[] DEFAULT NULL, kind text DEFAULT 'few',
	max_failures int DEFAULT 10) RETURNS void LANGUAGE sql AS $$
	SELECT etl_create_pipeline(name, target => 'rows', key => '{id}', schedule => schedule, timezone => 'UTC', after => after,
		source => CASE kind WHEN 'slow' THEN 'etl_csv(''many.csv'', header => false) AS t(id int, v text)'
			WHEN 'bad' THEN 'etl_csv(''missing.csv'', header => false) AS t(id int, v text)'
			ELSE 'etl_csv(''few.csv'', header => false) AS t(id int, v text)' END,
		query => CASE kind WHEN 'slow' THEN 'SELECT * FROM batch WHERE pg_sleep(1) IS NOT NULL' END,
		max_failures => max_failures)
$$;
SQL

# On time, once, however late it is.
value("SELECT make('daily', '30 2 * * *')");
becomes("SELECT next_run FROM etl_status WHERE pipeline = 'daily'",
	value("SELECT etl_next_runs('30 2 * * *', 'UTC', 1)"), 'a new schedule is planned at commit');
is(value(results('daily')), '', 'and does not run before its time');
shift_clock(3 * 86400);
becomes(results('daily'), 'succeeded', 'three days later it runs');
becomes("SELECT next_run = (SELECT etl_next_runs('30 2 * * *', 'UTC', 1, now() + interval '3 days')) FROM etl_status WHERE pipeline = 'daily'",
	't', 'once, and is planned again');

# The clock is put back.
shift_clock(-2 * 86400);
becomes("SELECT next_run = (SELECT etl_next_runs('30 2 * * *', 'UTC', 1, now() + interval '1 day')) FROM etl_status WHERE pipeline = 'daily'",
	't', 'a clock that is put back does not hold it up');
shift_clock(-86400);

# A changed schedule, a pause, and what comes after.
value("SELECT etl_alter_pipeline('daily', schedule => '\@yearly')");
becomes("SELECT next_run FROM etl_status WHERE pipeline = 'daily'", value("SELECT etl_next_runs('\@yearly', 'UTC', 1)"),
	'a changed schedule is planned anew');
value("SELECT etl_pause('daily')");
becomes("SELECT state FROM etl_catalog.schedules", 'paused', 'a paused pipeline is left alone');
value("SELECT etl_resume('daily')");
becomes("SELECT state, next_run IS NOT NULL FROM etl_catalog.schedules", 'idle|t', 'and planned when it is resumed');
value("SELECT etl_alter_pipeline('daily', schedule => '')");
is(value("SELECT count(*) FROM etl_catalog.schedules"), 0, 'an empty schedule takes it away');
value("SELECT etl_drop_pipeline('daily')");

# after
value("SELECT make('a', '1 hour'), make('b', '1 hour')");
value("SELECT make('c', after => '{a,b}')");
value("SELECT make('d', after => '{c}')");
value("CALL etl_run('a')");
is(value(results('c')), '', 'one of two is not enough');
value("CALL etl_run('b')");
becomes(results('d'), 'succeeded', 'both have succeeded, and so the next, and the one after that');
is(value(results('c')), 'succeeded', 'each once');
value("CALL etl_run('a')");
value("CALL etl_run('b')");
becomes(results('d'), 'succeeded succeeded', 'and once more when both have run again');
value("SELECT etl_purge(name, '0 s') FROM etl_pipelines WHERE name IN ('c', 'd')");
value("SELECT make('look', '1 day')");
becomes("SELECT next_run IS NOT NULL FROM etl_status WHERE pipeline = 'look'", 't', 'their history is removed, and the scheduler has looked');
is(value("SELECT count(*) FROM etl_status WHERE pipeline IN ('c', 'd') AND (state <> 'idle' OR last_run IS NOT NULL)"), 0,
	'that is no reason to run');
value("SELECT etl_drop_pipeline('look')");
foreach my $circle ([ 'c', 'c' ], [ 'c', 'd' ])
{
	my ($ret, $out, $err) = $node->psql('postgres', "SELECT etl_alter_pipeline('$circle->[0]', after => '{$circle->[1]}')");
	like($err, qr/would wait for itself/, "no circle of $circle->[0] after $circle->[1]");
}
my ($ret, $out, $err) = $node->psql('postgres', "SELECT etl_alter_pipeline('c', after => '{a,nobody}')");
like($err, qr/pipeline "nobody" does not exist/, 'nor after one that does not exist');
value("SELECT etl_drop_pipeline(n) FROM unnest('{a,b,c,d}'::text[]) n");

# Overlaps are left out and counted.
value("SELECT make('slow', '1 minute', kind => 'slow')");
becomes("SELECT next_run IS NOT NULL FROM etl_status", 't', 'a slow pipeline is planned');
shift_clock(61);
becomes("SELECT state FROM etl_status", 'running', 'and runs');
becomes("SELECT stage, records, bytes = bytes_total, time_left FROM etl_progress", 'querying|5000|t|00:00:00',
	'etl_progress shows how far it is');
shift_clock(61);
becomes("SELECT skipped FROM etl_status", 1, 'its next time is left out and counted');
shift_clock(61);
becomes("SELECT skipped FROM etl_status", 2, 'and so is the next');
is(value("SELECT count(*) FROM etl_runs WHERE pipeline = 'slow'"), 1, 'there is one run');

# A lowered max_workers ends runs, which go on when there is room again.
setting('etl.max_workers', 0);
becomes("SELECT state FROM etl_runs", 'stopped', 'a lowered etl.max_workers ends the run');
becomes("SELECT state FROM etl_status", 'waiting', 'which waits for a worker then');
setting('etl.max_workers', 1);
becomes("SELECT state FROM etl_status", 'running', 'and goes on when it may');

# One worker: the oldest first.
setting('etl.enabled', 'off');
value("SELECT make('q3', '30 seconds'), make('q1', '10 seconds'), make('q2', '20 seconds')");
setting('etl.enabled', 'on');
becomes("SELECT count(*) FROM etl_status WHERE next_run IS NOT NULL", 4, 'switched on again, new pipelines are planned');
shift_clock(40);
becomes("SELECT count(*) FROM etl_status WHERE state = 'waiting'", 3, 'a full house: the others wait');
value("SELECT etl_pause('slow')");
is(value("SELECT etl_cancel('slow')"), 't', 'etl_cancel ends a run');
is(value("SELECT etl_cancel('nobody')"), 'f', 'or says that there is none');
becomes("SELECT string_agg(pipeline, ' ' ORDER BY run) FROM (SELECT * FROM etl_runs WHERE pipeline LIKE 'q_' ORDER BY run LIMIT 3) r",
	'q1 q2 q3', 'and take their turns, the oldest first');
value("SELECT etl_drop_pipeline(name) FROM etl_pipelines WHERE name LIKE 'q_'");
setting('etl.max_workers', 4);

# Failures, and who is told of them
my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN etl_alert');
value("SELECT make('bad', '1 minute', kind => 'bad', max_failures => 4), make('good', '1 minute')");
foreach my $failures (1 .. 3)
{
	becomes("SELECT next_run IS NOT NULL FROM etl_status WHERE pipeline = 'bad'", 't', 'it is planned');
	shift_clock(value('SELECT ceil(extract(epoch FROM next_run - now()))::int - ' . clock_shift() . " + 1 FROM etl_status WHERE pipeline = 'bad'"));
	becomes("SELECT failures FROM etl_status WHERE pipeline = 'bad'", $failures, "failure $failures is counted");
	# the failure was noted some time between the end of the run and now
	my $shifted = clock_shift() . " * interval '1 s'";
	my @least = (0, 0, 90, 180);
	my @most = (0, 60, 120, 240);
	is(value("SELECT next_run >= last_finished + $shifted + $least[$failures] * interval '1 s', next_run <= now() + $shifted + $most[$failures] * interval '1 s'
		FROM etl_status, (SELECT max(finished_at) AS last_finished FROM etl_runs WHERE pipeline = 'bad') AS r WHERE pipeline = 'bad'"),
		't|t', 'and the next try is neither too soon nor too late');
}
shift_clock(245);
becomes("SELECT state FROM etl_status WHERE pipeline = 'bad'", 'paused', 'after max_failures it is paused');
like(value("SELECT reason FROM etl_status WHERE pipeline = 'bad'"), qr/4 failures in a row, the last: could not open file/, 'with the reason');
like(slurp_file($node->logfile), qr/pipeline "bad" is paused\n.*DETAIL:  4 failures in a row, the last with SQLSTATE 58P01\.\n/,
	'of which the log has nothing but the SQLSTATE');
my @alerts = $listener->query('SELECT 1') =~ /"etl_alert" with payload "(\{.*\})" received/g;
my $bad = value("SELECT id FROM etl_pipelines WHERE name = 'bad'");
like($_, qr/^\{"event":"failed","pipeline":$bad,"run":\d+\}$/, 'each failure was told, by numbers only') for @alerts[0 .. 3];
like($alerts[4], qr/^\{"event":"paused","pipeline":$bad,"run":\d+\}$/, 'and so is the pause');
is(@alerts, 5, 'and nothing else');
is(value("SELECT failures FROM etl_status WHERE pipeline = 'good'"), 0, 'the other pipeline does not mind');
value("SELECT etl_resume('bad')");
becomes("SELECT state, failures, next_run IS NOT NULL FROM etl_status WHERE pipeline = 'bad'", 'idle|0|t', 'resumed, it starts anew');

# A source that asks for a long wait
start_fixture();
my $url = fixture_url('/rows/3?status=429&retry_after=3600&times=1');
value("CREATE TABLE names (id int PRIMARY KEY, name text)");
value("SELECT etl_create_pipeline('parked', \$\$ etl_csv('$url') AS t(id int, name text) \$\$, target => 'names', key => '{id}', schedule => '1 minute')");
becomes("SELECT next_run IS NOT NULL FROM etl_status WHERE pipeline = 'parked'", 't', 'a pipeline of a source with a limit');
shift_clock(61);
becomes("SELECT last_result, failures, reason IS NOT NULL FROM etl_status WHERE pipeline = 'parked'", 'failed|0|t',
	'a wait that is too long is no failure');
like(value("SELECT reason FROM etl_status WHERE pipeline = 'parked'"), qr/asks to wait 3600/, 'it is told');
my $parked = value("SELECT id FROM etl_pipelines WHERE name = 'parked'");
unlike($listener->query('SELECT 1'), qr/"pipeline":$parked\b/, 'and no alert');
my $shift = clock_shift();
is(value("SELECT not_before BETWEEN (SELECT max(started_at) FROM etl_runs WHERE pipeline = 'parked') + interval '$shift s 1 h' AND now() + interval '$shift s 1 h' AND next_run >= not_before FROM etl_catalog.schedules JOIN etl_catalog.pipelines ON id = pipeline WHERE name = 'parked'"),
	't', 'and the pipeline is left alone for so long');
my $good_runs = value("SELECT count(*) FROM etl_runs WHERE pipeline = 'good'");
shift_clock(1800);
becomes("SELECT count(*) > $good_runs FROM etl_runs WHERE pipeline = 'good'", 't', 'while others run');
is(value("SELECT count(*) FROM etl_runs WHERE pipeline = 'parked'"), 1, 'it waits');
shift_clock(1801);
becomes("SELECT count(*) FROM etl_runs WHERE pipeline = 'parked'", 2, 'until the time has come');

# The same for a page of an API, before which others came
my $api = fixture_url('/api/stream/size=10');
fixture_do('/_stream?n=30&expired=1');
value("CREATE TABLE paged (id int, name text)");
value("SELECT etl_create_pipeline('paged', \$\$ etl_api('$api/refusal=429/later=3600', items => 'items', pagination => 'cursor', next => 'next',
	next_param => 'cursor') AS t(id int, name text) \$\$, target => 'paged', schedule => '1 minute')");
becomes("SELECT next_run IS NOT NULL FROM etl_status WHERE pipeline = 'paged'", 't', 'a pipeline of an API with a limit');
shift_clock(61);
becomes("SELECT last_result, failures, not_before > now() FROM etl_status WHERE pipeline = 'paged'", 'failed|0|t', 'is left alone, too');
is(value('SELECT count(*) FROM paged'), 10, 'what came before is loaded');
value("SELECT etl_alter_pipeline('paged', schedule => '')");
value("CALL etl_run('paged')");
is(value('SELECT count(*) || \'|\' || count(DISTINCT id) FROM paged'), '30|30', 'and the next run goes on there');

# A time zone that was there when it was given
value("SELECT make('lost', '1 hour')");
becomes("SELECT next_run IS NOT NULL FROM etl_status WHERE pipeline = 'lost'", 't', 'a pipeline of a time zone');
my $zone_from = -s $node->logfile;
value("UPDATE etl_catalog.schedules SET timezone = 'Gone/Away' FROM etl_catalog.pipelines WHERE id = pipeline AND name = 'lost'");
becomes("SELECT state, reason FROM etl_status WHERE pipeline = 'lost'", 'paused|time zone "Gone/Away" does not exist', 'is paused when that has gone');
for (1 .. 2)
{
	my $runs = value("SELECT count(*) FROM etl_runs WHERE pipeline = 'good'");
	shift_clock(61);
	becomes("SELECT count(*) > $runs FROM etl_runs WHERE pipeline = 'good'", 't', 'which is in nobody\'s way');
}
is(() = slurp_file($node->logfile, $zone_from) =~ /pipeline "lost" is paused/g, 1, 'the log says so once');
my $lost = value("SELECT id FROM etl_pipelines WHERE name = 'lost'");
is(() = $listener->query('SELECT 1') =~ /\{"event":"paused","pipeline":$lost\}/g, 1, 'as does one alert');
value("SELECT etl_drop_pipeline('lost')");

# An owner that cannot connect
value("CREATE ROLE locked_out; GRANT ALL ON SCHEMA public TO locked_out; GRANT pg_read_server_files TO locked_out");
value("ALTER TABLE rows OWNER TO locked_out; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO locked_out");
value("SET ROLE locked_out; SELECT make('owned', '1 minute')");
becomes("SELECT next_run IS NOT NULL FROM etl_status WHERE pipeline = 'owned'", 't', 'a role that may not log in has a pipeline');
shift_clock(61);
becomes("SELECT reason FROM etl_status WHERE pipeline = 'owned'", 'its owner, role "locked_out", may not log in', 'that is said instead of tried');
is(value("SELECT count(*) FROM etl_runs WHERE pipeline = 'owned'"), 0, 'no worker has died of it');
value("ALTER ROLE locked_out LOGIN");
shift_clock(61);
becomes(results('owned'), 'succeeded', 'with LOGIN it runs');
value("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
shift_clock(61);
becomes("SELECT reason FROM etl_status WHERE pipeline = 'owned'", 'its owner, role "locked_out", may not connect to this database',
	'without CONNECT it does not');

value("GRANT CONNECT ON DATABASE postgres TO PUBLIC");
value("REASSIGN OWNED BY locked_out TO CURRENT_USER; DROP OWNED BY locked_out; DROP ROLE locked_out");
shift_clock(300);
becomes("SELECT reason FROM etl_status WHERE pipeline = 'owned'", 'its owner does not exist any more', 'nor without its owner');

my $owned = value("SELECT id FROM etl_pipelines WHERE name = 'owned'");
like($listener->query('SELECT 1'), qr/\{"event":"failed","pipeline":$owned\}/, 'of a failure without a run somebody else tells');
$listener->quit;

# A worker that dies at once
setting('etl.enabled', 'off');
becomes("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'", 0, 'nothing runs when etl.enabled is off');
value("SELECT etl_drop_pipeline(name) FROM etl_pipelines");
value("ALTER TABLE etl_catalog.runs ADD CONSTRAINT no_run CHECK (false) NOT VALID");
value("SELECT make('stillborn', '1 minute')");
setting('etl.enabled', 'on');
becomes("SELECT next_run IS NOT NULL FROM etl_status", 't', 'a pipeline whose workers will die');
my $from = -s $node->logfile;
shift_clock(61);
becomes("SELECT failures, reason FROM etl_status", "1|the worker ended before the run began; the server's log tells why", 'that is a failure, too');
shift_clock(61);
becomes("SELECT failures, reason IS NOT NULL FROM etl_status", '2|t', 'one for each time');
my $died = () = slurp_file($node->logfile, $from) =~ /violates check constraint "no_run"/g;
is($died, 2, 'and no more workers than that were started');

$node->stop('fast');
done_testing();
