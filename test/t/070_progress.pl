# What a run tells while it is under way: etl_progress moves within a batch, in each stage; pg_stat_activity says what
# the worker does; and lines in the server's log have the numbers and nothing of a record.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('progress');
$node->init;
$node->append_conf('postgresql.conf', "max_worker_processes = 16\netl.log_interval = 0\n");
$node->start;

my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/rows.csv", join('', "id,secret\n", map { "$_,sekrit$_\n" } 1 .. 1000));
my $bytes = -s "$dir/rows.csv";

# While somebody holds lock 42, whoever comes to row 150 or 350 waits in front of the gate of a stage: a type's check
# (converting), the query, or the target's trigger.
$node->safe_psql('postgres', qq{
	CREATE EXTENSION etl;
	CREATE TABLE gates (stage text);
	CREATE FUNCTION gate(at text, id int) RETURNS boolean LANGUAGE plpgsql AS \$\$
	BEGIN
		IF id IN (150, 350) AND EXISTS (SELECT FROM public.gates WHERE stage = at) THEN
			PERFORM pg_advisory_lock(id);
			PERFORM pg_advisory_unlock(id);
		END IF;
		RETURN true;
	END \$\$;
	CREATE DOMAIN checked AS int CHECK (gate('converting', VALUE));
	CREATE TABLE target (id int PRIMARY KEY, secret text);
	CREATE FUNCTION on_insert() RETURNS trigger LANGUAGE plpgsql AS \$\$
	BEGIN
		PERFORM gate('loading', NEW.id);
		RETURN NEW;
	END \$\$;
	CREATE TRIGGER gate BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION on_insert();
	SELECT etl_create_pipeline('p', source => \$\$etl_csv('$dir/rows.csv') AS t(id checked, secret text)\$\$,
		query => 'SELECT id, secret FROM batch WHERE gate(''querying'', id)', target => 'target', key => '{id}',
		batch_size => 500);
});

my @gates = map { $node->background_psql('postgres', on_error_stop => 0) } 1, 2;

sub value
{
	return $node->safe_psql('postgres', $_[0]);
}

my $named_waits = value("SELECT current_setting('server_version_num')::int >= 170000") eq 't';

sub wait_for_gate
{
	$node->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $_[0]")
		or die "no run at gate $_[0]";
}

sub end_of
{
	my ($run) = @_;
	$node->poll_query_until('postgres', "SELECT state <> 'running' FROM etl_runs WHERE run = $run")
		or die "run $run does not end";
	return value("SELECT state FROM etl_runs WHERE run = $run");
}

# -- etl_progress and pg_stat_activity ----------------------------------------------------------------------------

my $progress = 'SELECT pipeline, stage, records, batch_rows, batch_done, bytes = bytes_total, bytes_total, read FROM etl_progress';
my $activity = "SELECT application_name, query, state FROM pg_stat_activity WHERE backend_type = 'etl pipeline'";

# Numbers are told every 64th row.
for my $stage ('converting', 'querying', 'loading')
{
	value("TRUNCATE target, gates; INSERT INTO gates VALUES ('$stage'); SELECT etl_reset('p')");
	$gates[0]->query('SELECT pg_advisory_lock(150)');
	$gates[1]->query('SELECT pg_advisory_lock(350)');
	my $run = value("SELECT etl_start('p')");
	wait_for_gate(150);
	is(value($progress), "p|$stage|500|500|128|t|$bytes|0", "$stage: how far it is at row 150");
	is(value($activity), qq{etl p|etl pipeline "p", run $run: $stage|active}, "$stage: what the worker does");
	$gates[0]->query('SELECT pg_advisory_unlock(150)');
	wait_for_gate(350);
	is(value($progress), "p|$stage|500|500|320|t|$bytes|0", "$stage: and at row 350 of the same batch");
	is(value('SELECT records_per_second > 0, bytes_per_second > 0, time_left FROM etl_progress'), 't|t|00:00:00',
		"$stage: rates");
	$gates[1]->query('SELECT pg_advisory_unlock(350)');
	is(end_of($run), 'succeeded', "$stage: the run ends");
}
is(value('SELECT count(*) FROM etl_progress'), '0', 'no run is under way');

# Numbers come back after an error: the command that has them ends with the transaction.
value("TRUNCATE target, gates; INSERT INTO gates VALUES ('loading'); INSERT INTO target VALUES (10, 'x'); SELECT etl_reset('p')");
value("SELECT etl_alter_pipeline('p', on_conflict => 'error')");
$gates[1]->query('SELECT pg_advisory_lock(350)');
my $run = value("SELECT etl_start('p')");
wait_for_gate(350);
is(value($progress =~ s/batch_rows, batch_done/batch_rows > 0, batch_done > 0/r), "p|loading|500|t|t|t|$bytes|0",
	'after an attempt that failed, the numbers are there again');
$gates[1]->query('SELECT pg_advisory_unlock(350)');
is(end_of($run), 'succeeded', 'the run ends');
value("SELECT etl_alter_pipeline('p', on_conflict => 'update')");

# Who waits for a run says so, by name from 17 on.
value("TRUNCATE target, gates; INSERT INTO gates VALUES ('querying'); SELECT etl_reset('p')");
$gates[0]->query('SELECT pg_advisory_lock(150)');
my $caller = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "CALL etl_run('p')" ],
	'<', '/dev/null', '>', '/dev/null');
wait_for_gate(150);
is(value("SELECT wait_event_type, wait_event FROM pg_stat_activity WHERE query LIKE 'CALL%'"),
	$named_waits ? 'Extension|EtlRun' : 'Extension|Extension',
	'the wait of CALL etl_run');
$gates[0]->query('SELECT pg_advisory_unlock(150)');
$caller->finish;

# -- the log ------------------------------------------------------------------------------------------------------

unlike(slurp_file($node->logfile), qr/run \d+ of pipeline/, 'etl.log_interval = 0 leaves out the lines of runs that succeed');

# A server that announces more bytes than time can tell makes that NULL, and no error for whoever looks at all runs.
start_fixture();
my $endless = fixture_url('/rows/1000?length=9000000000000000000');
value("CREATE TABLE endless (id int PRIMARY KEY, name text)");
value("CREATE TRIGGER gate BEFORE INSERT ON endless FOR EACH ROW EXECUTE FUNCTION on_insert()");
value("SELECT etl_create_pipeline('endless', source => \$\$etl_csv('$endless') AS t(id int, name text)\$\$, target => 'endless', key => '{id}', batch_size => 500)");
value("TRUNCATE gates; INSERT INTO gates VALUES ('loading')");
$gates[0]->query('SELECT pg_advisory_lock(150)');
$run = value("SELECT etl_start('endless')");
wait_for_gate(150);
is(value('SELECT stage, bytes > 0, bytes_total >= 9000000000000000000, time_left IS NULL FROM etl_progress'), 'loading|t|t|t',
	'a total beyond all time');
$gates[0]->query('SELECT pg_advisory_unlock(150)');
isnt(end_of($run), 'succeeded', 'of which the end is missing');
value("SELECT etl_drop_pipeline('endless')");

$node->append_conf('postgresql.conf', "etl.log_interval = '1s'\n");
$node->reload;
value("TRUNCATE target, gates; SELECT etl_reset('p')");

# Slow within a batch of 500: in the query, then in the conversion, where the place in the file would be the context.
my $counters = '0 batches, read 0, malformed 0, convert_failed 0, converted 0, emitted 0, invalid 0, superseded 0, '
	. 'load_failed 0, loaded 0 \(inserted 0, updated 0\), skipped 0, tombstones 0, deleted 0, marked 0, closed 0, null watermark 0, parts set aside 0, parts empty 0, columns missing 0, new columns 0';
value("SELECT etl_alter_pipeline('p', query => 'SELECT id, secret FROM batch WHERE pg_sleep(0.05) IS NOT NULL')");
my $from = -s $node->logfile;
$run = value("SELECT etl_start('p')");
ok($node->wait_for_log(
		qr/LOG:  run $run of pipeline "p" after \d+\.\d s: querying \(\d+ of 500 rows\), 500 records \(\d+\/s\), $bytes of $bytes bytes; $counters\n/,
		$from), 'a line tells how far a run is in a long batch');
value("SELECT etl_cancel('p')");
is(end_of($run), 'cancelled', 'it is cancelled');
ok($node->wait_for_log(qr/LOG:  run $run of pipeline "p" cancelled after \d+\.\d s with SQLSTATE 57014: $counters\n/, $from),
	'a line tells that');

value("CREATE OR REPLACE FUNCTION gate(at text, id int) RETURNS boolean LANGUAGE sql AS 'SELECT pg_sleep(0.05) IS NOT NULL'");
value("SELECT etl_alter_pipeline('p', query => 'SELECT id, secret FROM batch')");
$run = value("SELECT etl_start('p')");
ok($node->wait_for_log(qr/run $run of pipeline "p" after \d+\.\d s: converting \(\d+ of 500 rows\)/, $from),
	'so it does while values are converted');
value("SELECT etl_cancel('p')");
is(end_of($run), 'cancelled', 'it is cancelled');

# And while it waits for a server that has fallen silent.
start_fixture();
my $url = fixture_url('/rows/1000?silent=5000&token=sekrit');
value("CREATE TABLE named (id int, name text)");
value("SELECT etl_create_pipeline('net', source => \$\$etl_csv('$url') AS t(id int, name text)\$\$, target => 'named')");
$run = value("SELECT etl_start('net')");
ok($node->wait_for_log(qr/run $run of pipeline "net" after \d+\.\d s: reading, [1-9]\d* records \(\d+\/s\), /, $from),
	'so it does while a run waits for the network');
is(value("SELECT wait_event_type, wait_event FROM pg_stat_activity WHERE application_name = 'etl net'"),
	$named_waits ? 'Extension|EtlNetwork' : 'Extension|Extension', 'which is what it waits for');
value("SELECT etl_cancel('net')");
is(end_of($run), 'cancelled', 'it is cancelled');

# The end of a run that succeeds, and of one that does not.
value("CREATE OR REPLACE FUNCTION gate(at text, id int) RETURNS boolean LANGUAGE sql AS 'SELECT true'");
value("CALL etl_run('p')");
ok($node->wait_for_log(
		qr/LOG:  run \d+ of pipeline "p" succeeded after \d+\.\d s: \d+ batches, read 1000, malformed 0, convert_failed 0, converted 1000, emitted 1000, .* loaded 1000 \(inserted 1000, updated 0\), skipped 0, tombstones 0, deleted 0, marked 0, closed 0, null watermark 0, parts set aside 0, parts empty 0, columns missing 0, new columns 0\n/,
		$from), 'a line tells the end');
$node->append_conf('postgresql.conf', "etl.log_interval = -1\n");
$node->reload;
value("SELECT etl_alter_pipeline('p', rules => '{\"short\": \"secret < ''a''\"}', on_error => 'fail'), etl_reset('p')");
$from = -s $node->logfile;
$node->psql('postgres', "CALL etl_run('p')");
ok($node->wait_for_log(
		qr/WARNING:  run \d+ of pipeline "p" failed after \d+\.\d s with SQLSTATE 23514: $counters\n.*DETAIL:  .*"short".*, in file "[^"]+", line 2\n/,
		$from), 'without lines, that of a run that failed stays, with its reason and place');
# What stands in the log is no value: the reason with its place where reading failed, else the form of the message.
append_to_file("$dir/broken.json", qq([{"id":1},{"id":sekrit}]\n));
value("SELECT etl_create_pipeline('json', source => \$\$etl_json('$dir/broken.json') AS t(id int)\$\$, target => 'named')");
$node->psql('postgres', "CALL etl_run('json')");
ok($node->wait_for_log(qr/pipeline "json" failed .* SQLSTATE 22032: .*\n.*DETAIL:  the file is not JSON, in file "[^"]+broken.json", item 2, byte \d+\n/, $from),
	'where a file is broken');
value("CREATE FUNCTION refuses() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''sekrit'' USING ERRCODE = ''XX000''; END'");
value("CREATE TABLE refusing (id int); CREATE TRIGGER refuses BEFORE INSERT ON refusing EXECUTE FUNCTION refuses()");
append_to_file("$dir/good.json", qq({"id":1}\n));
value("SELECT etl_create_pipeline('own', source => \$\$etl_json('$dir/good.json') AS t(id int)\$\$, target => 'refusing')");
$node->psql('postgres', "CALL etl_run('own')");
ok($node->wait_for_log(qr/pipeline "own" failed .*\n.*DETAIL:  a record could not be loaded\n/, $from), 'not what the owner says');
unlike(join('', grep { /of pipeline/ } split /^/, slurp_file($node->logfile)), qr/sekrit|https?:/, 'no line has anything of a record or URL');

$_->quit for @gates;
$node->stop;
done_testing();
