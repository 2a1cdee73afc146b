# Continuous runs: they load what comes, stay while nothing does, begin anew when something has changed, give way to those who
# want the database, keep to their own bounds, and load each record once whatever dies.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture qw(wait_for);
use PostgreSQL::Test::Utils;
use SchedulerNode;
use Test::More;

my $node = scheduler_node('continuous', conf => <<'CONF');
etl.databases = 'postgres, doomed'
etl.max_workers = 1
etl.max_continuous_runs = 2
max_worker_processes = 16
restart_after_crash = on
CONF

my $dir = PostgreSQL::Test::Utils::tempdir();
my %lines;    # of each file, without its header

# Appends so many lines to a file, in pieces that end anywhere.
sub grow
{
	my ($file, $n) = @_;
	my $text = exists $lines{$file} ? '' : "id\n";
	$text .= ++$lines{$file} . "\n" for 1 .. $n;
	while ($text ne '')
	{
		append_to_file("$dir/$file", substr($text, 0, 1 + int(rand(length($text))), ''));
	}
	return;
}

sub create
{
	my ($name, $more, $where) = @_;
	value("SELECT etl_create_pipeline('$name', \$\$ etl_csv('$dir/$name*.csv') AS t(id int) \$\$, target => '$name', continuous => true,
		flush_interval => '100 ms'$more)", $where);
	return;
}

# The run that is under way has loaded all of its file, each line once.
sub loaded
{
	my ($name, $what, $where) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $n = $lines{"$name.csv"};
	becomes("SELECT count(*), count(DISTINCT id) FROM $name", "$n|$n", $what, $where);
	return;
}

# The run that is under way.
sub run_of
{
	my ($name) = @_;
	return value("SELECT max(run) FROM etl_runs WHERE pipeline = '$name'");
}

# Another run than that one is under way.
sub begins_anew
{
	my ($name, $run, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	becomes("SELECT count(*) FROM etl_progress WHERE pipeline = '$name' AND run > $run AND stage = 'waiting'", 1, "$what: the run begins anew");
	is(value("SELECT state FROM etl_runs WHERE run = $run"), 'stopped', 'the one before has stopped');
	return;
}

my $workers = "FROM pg_stat_activity WHERE backend_type = 'etl continuous'";

value('CREATE EXTENSION etl; CREATE TABLE one (id int); CREATE TABLE two (id int PRIMARY KEY); CREATE TABLE three (id int); CREATE TABLE follower (n bigint)');

# It waits for its file, and loads what is appended.
create('one', ", watermark => 'id'");
becomes("SELECT stage FROM etl_progress WHERE pipeline = 'one'", 'waiting', 'a run waits for files that are to come');
is(value("SELECT continuous, state, failures FROM etl_status WHERE pipeline = 'one'"), 't|running|0', 'that there is none is no failure');
my $run = run_of('one');
grow('one.csv', 10);
loaded('one', 'a file comes');
grow('one.csv', 1000);
loaded('one', 'and grows');
is(run_of('one'), $run, 'all in the same run');
becomes("SELECT read, loaded, state FROM etl_runs WHERE run = $run AND flushed_at IS NOT NULL", '1010|1010|running', 'whose counters are seen while it is under way');
is(value("SELECT etl_watermark('one')"), 1010, 'and so is its watermark');
becomes("SELECT state, wait_event_type, xact_start IS NULL, backend_xmin IS NULL $workers AND application_name = 'etl one'", 'idle|Extension|t|t',
	'while it waits it has no transaction and no snapshot');
my $batches = value("SELECT batches FROM etl_runs WHERE run = $run");
is(value("SELECT pg_sleep(0.5), batches FROM etl_runs WHERE run = $run"), "|$batches", 'and writes nothing');

# A file with a column that is not declared says so, though it has no rows yet.
my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN etl_alert');
append_to_file("$dir/one-2.csv", "id,extra\n");
becomes("SELECT columns_new, new_columns FROM etl_runs WHERE run = $run", '1|{extra}', 'a column that is not declared is reported');
my $told;
wait_for(sub { ($told) = $listener->query('SELECT 1') =~ /"etl_alert" with payload "\{"event":"(\w+)","pipeline":\d+,"run":$run\}"/; $told }, 'an alert');
is($told, 'new_columns', 'and sent to those who listen');
$listener->quit;

# "after" follows what it loads.
value("CREATE UNIQUE INDEX ON follower (n); SELECT etl_create_pipeline('follower', \$\$ etl_csv('$dir/one.csv') AS t(id int) \$\$, target => 'follower', key => 'n',
	whole => true, after => 'one', query => 'SELECT count(*) AS n FROM batch')");
becomes('SELECT max(n) FROM follower', 1010, 'a pipeline runs after it');
my $followers = value("SELECT count(*) FROM etl_runs WHERE pipeline = 'follower'");
grow('one.csv', 5);
becomes('SELECT max(n) FROM follower', 1015, 'and again when it has loaded more');
value("SELECT etl_drop_pipeline('follower')");

# Bounds: of two continuous runs the first is of a role that may have one; a third waits; those with an end have places of their own.
create('two', ", key => 'id'");
create('three', '');
grow('two.csv', 10);
grow('three.csv', 10);
loaded('two', 'a second continuous run');
is(value("SELECT state FROM etl_status WHERE pipeline = 'three'"), 'waiting', 'a third waits for a place');
value("CREATE TABLE timed (id int); SELECT etl_create_pipeline('timed', \$\$ etl_csv('$dir/two.csv') AS t(id int) \$\$, target => 'timed', schedule => '1 second')");
becomes('SELECT count(*) FROM timed', 10, 'a scheduled run has a place all the same');
is(value("SELECT string_agg(metric || '=' || value, ',' ORDER BY metric) FROM etl_metric_samples WHERE family LIKE 'etl_continuous%'"),
	'etl_continuous_max=2,etl_continuous_running=2', 'metrics tell how many there are');
value("SELECT etl_drop_pipeline('timed')");
value("SELECT etl_alter_pipeline('two', continuous => false)");
loaded('three', 'the third gets the place of one that is continuous no more');
becomes("SELECT state FROM etl_status WHERE pipeline = 'two'", 'idle', 'which ends');
setting('etl.max_continuous_runs', 1);
becomes("SELECT count(*) $workers", 1, 'a lower bound ends the latest');
setting('etl.max_continuous_runs', 4);
loaded('three', 'a higher one lets it run again');

# What makes a run begin anew
becomes("SELECT stage FROM etl_progress WHERE pipeline = 'one'", 'waiting', 'it waits');
$run = run_of('one');
$node->reload;
begins_anew('one', $run, 'a reload');
is(value("SELECT message FROM etl_runs WHERE run = $run"), 'the configuration of the server was reloaded', 'which says why');
$run = run_of('one');
value("SELECT etl_alter_pipeline('one', query => 'SELECT id FROM batch WHERE id <> 1020')");
begins_anew('one', $run, 'a change of the definition');
$run = run_of('one');
grow('one.csv', 10);
becomes('SELECT count(*) FROM one', 1024, 'which holds from then on');
value("INSERT INTO one VALUES (1020)");
loaded('one', 'all others are there');
value("ALTER ROLE CURRENT_USER SET work_mem = '5MB'; SELECT etl_alter_pipeline('two', max_failures => 9)");
begins_anew('one', $run, 'a setting of its role');
$run = run_of('one');
value("UPDATE pg_extension SET extversion = extversion WHERE extname = 'etl'; SELECT etl_alter_pipeline('two', continuous => true)");
begins_anew('one', $run, 'another version of the extension');
$run = run_of('one');
value("SELECT etl_pause('one')");
becomes("SELECT state FROM etl_status WHERE pipeline = 'one'", 'paused', 'a pause ends it');
grow('one.csv', 10);
value("SELECT etl_resume('one')");
loaded('one', 'until it is over');
like(($node->psql('postgres', "SELECT etl_reset('one')"))[2], qr/pipeline "one" is running/, 'it runs, so it cannot be reset');

# It fails, and goes on when what was wrong is over.
value('ALTER TABLE one RENAME TO gone');
grow('one.csv', 10);
becomes("SELECT failures > 0 AND reason LIKE '%gone%' OR reason LIKE '%one%' FROM etl_status WHERE pipeline = 'one'", 't', 'its target is gone: it fails');
value('ALTER TABLE gone RENAME TO one');
loaded('one', 'and goes on when it is back');
becomes("SELECT stage FROM etl_progress WHERE pipeline = 'one'", 'waiting', 'it is well');
value("SELECT etl_alter_pipeline('one', reject_limit => 2)");
$run = run_of('one');
append_to_file("$dir/one.csv", "x\ny\n");
becomes("SELECT count(*) FROM etl_dead_letters WHERE pipeline = 'one' AND state = 'open'", 2, 'records that are at fault are dead letters');
append_to_file("$dir/one.csv", "z\n");
becomes("SELECT count(*) FROM etl_dead_letters WHERE pipeline = 'one' AND state = 'open'", 3, 'the limit counts anew in another run');

# Drained: what is in hand when the run is to stop is loaded first.
value(<<'SQL');
CREATE FUNCTION gate(id int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_lock_shared(42);
	PERFORM pg_advisory_unlock_shared(42);
	RETURN true;
END $$;
SQL
value("SELECT etl_alter_pipeline('three', query => 'SELECT id FROM batch WHERE gate(id)')");
setting('etl.drain_timeout', '1h');
loaded('three', 'a pipeline with a gate');
my $gate = $node->background_psql('postgres');
$gate->query_safe('SELECT pg_advisory_lock(42)');
becomes("SELECT stage FROM etl_progress WHERE pipeline = 'three'", 'waiting', 'whose run waits');
$run = run_of('three');
grow('three.csv', 10);
becomes("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = 42 AND NOT granted", 1, 'a batch is in hand');
value("SELECT pg_terminate_backend(pid) $workers AND application_name = 'etl three'");
$gate->query_safe('SELECT pg_advisory_unlock(42)');
loaded('three', 'it is loaded');
becomes("SELECT state, read > 0 FROM etl_runs WHERE run = $run", 'stopped|t', 'by the run that was to stop');
$gate->quit;

# Whoever wants the database for himself gets it.
value('CREATE DATABASE doomed', 'postgres');
value('CREATE EXTENSION etl; CREATE TABLE four (id int)', 'doomed');
create('four', '', 'doomed');
grow('four.csv', 10);
loaded('four', 'a run in another database', 'doomed');
succeeds('CREATE DATABASE copy TEMPLATE doomed', 'the database is copied');
grow('four.csv', 10);
loaded('four', 'and the run goes on', 'doomed');
becomes("SELECT count(*) $workers AND datname = 'doomed' AND state = 'idle'", 1, 'it waits');
succeeds('DROP DATABASE doomed', 'the database is dropped');
succeeds('DROP DATABASE copy', 'and its copy');

# Whatever dies, each line is there once, and is counted once.
for my $round (1 .. 8)
{
	my $signal = (qw(KILL TERM INT))[ $round % 3 ];
	grow($_, 50 + int(rand(500))) for 'one.csv', 'two.csv';
	my ($code, $pid) = $node->psql('postgres', "SELECT pid $workers ORDER BY random() LIMIT 1");
	kill $signal, $pid if $pid;
	grow($_, 50 + int(rand(500))) for 'one.csv', 'two.csv';
	if ($round == 4)
	{
		$node->stop('fast');
		$node->start;
	}
	if ($round == 5)
	{
		$node->stop('immediate');
		$node->start;
	}
	ok($node->poll_query_until('postgres', 'SELECT true'), "round $round: $signal");
	value("SELECT etl_pause('one'), etl_pause('two'); SELECT etl_resume('one'), etl_resume('two')") if $signal eq 'INT';    # a run that was cancelled is put off
	shift_clock(300);
}
for my $name (qw(one two))
{
	loaded($name, "$name: each line is there once");
	value("SELECT etl_pause('$name')");
	becomes("SELECT state FROM etl_status WHERE pipeline = '$name'", 'paused', 'it ends');
}
is(value("SELECT sum(rows) FROM etl_parts WHERE pipeline = 'one'"), $lines{'one.csv'} + 3, 'the checkpoint counts each record once');
is(value("SELECT sum(read), sum(loaded) FROM etl_runs WHERE pipeline = 'one'"), ($lines{'one.csv'} + 3) . '|' . ($lines{'one.csv'} - 1), 'and so do the runs');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal (?!9)/, 'nothing has crashed');

$node->stop('fast');
done_testing();
