# The scheduler is never in the way: of databases that come and go, of copies, standbys and crashes, of a
# server without room; and no pipeline is in the way of another.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SchedulerNode;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = scheduler_node('neighbours', database => 'shop', init => { allows_streaming => 1 }, conf => <<'CONF');
etl.databases = 'shop, "no such database", closed'
etl.max_workers = 2
max_worker_processes = 12
restart_after_crash = on
CONF

sub logged
{
	my ($pattern, $from) = @_;
	my $n = () = slurp_file($node->logfile, $from) =~ /$pattern/g;
	return $n;
}

# A database with pipelines of ten rows, ones that take their time, and ones that always fail.
sub make_database
{
	my ($name) = @_;
	value("CREATE DATABASE $name", 'postgres');
	value(<<'SQL', $name);
CREATE EXTENSION etl;
CREATE TABLE rows (id int PRIMARY KEY, v text);
CREATE FUNCTION make(name text, schedule text, kind text DEFAULT 'few') RETURNS void LANGUAGE sql AS $$
	SELECT etl_create_pipeline(name, target => 'rows', key => '{id}', schedule => schedule, timezone => 'UTC', max_failures => 0,
		source => CASE kind WHEN 'slow' THEN 'etl_csv(''many.csv'', header => false) AS t(id int, v text)'
			WHEN 'bad' THEN 'etl_csv(''missing.csv'', header => false) AS t(id int, v text)'
			ELSE 'etl_csv(''few.csv'', header => false) AS t(id int, v text)' END,
		query => CASE kind WHEN 'slow' THEN 'SELECT * FROM batch WHERE pg_sleep(1) IS NOT NULL'
			ELSE 'SELECT * FROM batch ORDER BY id' END)
$$;
SQL
	return;
}

value(<<'SQL', 'postgres');
COPY (SELECT i, 'x' FROM generate_series(1, 10) AS i) TO PROGRAM 'cat >few.csv' (FORMAT csv);
COPY (SELECT i, 'x' FROM generate_series(1, 5000) AS i) TO PROGRAM 'cat >many.csv' (FORMAT csv);
CREATE DATABASE closed ALLOW_CONNECTIONS false;
SQL

# A database that does not exist yet, one that refuses connections, and one that comes.
ok($node->wait_for_log(qr/database "no such database" does not exist/), 'a missing database is said to be missing');
ok($node->wait_for_log(qr/database "closed" is not currently accepting connections/), 'so is one that refuses');
make_database('shop');
value("SELECT make('p', '1 minute')");
$node->reload;
becomes("SELECT next_run IS NOT NULL FROM etl_status", 't', 'a database that came later is looked after');
shift_clock(61);
becomes("SELECT last_result FROM etl_status", 'succeeded', 'and its pipelines run');

# Idle, it keeps nobody from anything.
succeeds('CREATE DATABASE copy TEMPLATE shop', 'the database can be a template', 'postgres');
is(value('SELECT string_agg(DISTINCT state, $$ $$) FROM etl_status', 'copy'), 'copy', 'the copy\'s pipelines are marked as such');
value('DROP DATABASE copy', 'postgres');
value('ALTER DATABASE shop RENAME TO market', 'postgres');
value('ALTER DATABASE market RENAME TO shop', 'postgres');
$node->reload;
succeeds('ALTER EXTENSION etl UPDATE', 'the extension can be updated');

# A database that is named twice is looked after once.
value("ALTER SYSTEM SET etl.databases = 'shop, shop'", 'postgres');
my $held = $node->background_psql('shop');
$held->query_safe('BEGIN; LOCK TABLE etl_catalog.schedules');
$node->reload;
$node->reload;
becomes("SELECT count(*), bool_or(wait_event_type = 'Lock') FROM pg_stat_activity WHERE backend_type = 'etl scheduler'", '1|t',
	'of a database that is named twice there is one scheduler, which waits', 'postgres');
$held->quit;

# Nor is a schema that looks like ours taken for ours: a scheduler has all rights, and its maker has not.
value('CREATE DATABASE forged; CREATE ROLE mallory LOGIN; GRANT CREATE ON DATABASE forged TO mallory', 'postgres');
value(<<'SQL', 'forged');
SET SESSION AUTHORIZATION mallory;
CREATE SCHEMA etl_catalog;
CREATE TABLE etl_catalog.pipelines (id bigint, owner regrole, enabled bool, system_identifier bigint, database oid);
CREATE TABLE etl_catalog.schedules (pipeline bigint, watch bool, watched text);
INSERT INTO etl_catalog.pipelines VALUES (1, 'mallory', true, 1, 1);
INSERT INTO etl_catalog.schedules VALUES (1, true, '/tmp/*');
CREATE FUNCTION etl_catalog.is_at_home(bigint, oid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RAISE LOG 'forged code runs as %', current_user;
	RETURN true;
END $$;
SQL
my $forged_from = -s $node->logfile;
value("ALTER SYSTEM SET etl.databases = 'forged, shop'", 'postgres');
$node->reload;
value("SELECT make('behind', '1 minute')");
becomes("SELECT next_run IS NOT NULL FROM etl_status WHERE pipeline = 'behind'", 't', 'a database without the extension is in nobody\'s way');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'etl scheduler'"), 'all were looked at');
is(logged(qr/forged code runs/, $forged_from), 0, 'a schema of the name of ours is not ours');
value("SELECT etl_drop_pipeline('behind')");
value("ALTER SYSTEM SET etl.databases = 'shop'", 'postgres');
$node->reload;
value('DROP DATABASE forged', 'postgres');

# Settings of a database are for its users, not for schedulers and runs.
my $last_run = value("SELECT last_run FROM etl_status WHERE pipeline = 'p'");
value("ALTER DATABASE shop SET default_transaction_read_only = on; ALTER DATABASE shop SET default_transaction_isolation = 'serializable'", 'postgres');
shift_clock(61);
becomes("SELECT last_run > $last_run AND last_result = 'succeeded' FROM etl_status WHERE pipeline = 'p'", 't', 'a database that is read only: its pipelines run');
value('ALTER DATABASE shop RESET ALL', 'postgres');
value("SELECT etl_pause('p')");
becomes("SELECT state FROM etl_catalog.schedules", 'paused', 'a pause');
value("SELECT etl_resume('p')");
becomes("SELECT state, failures FROM etl_catalog.schedules", 'idle|0', 'and it starts anew');

# A copy in the list does not run what is not its own.
value('CREATE DATABASE copy TEMPLATE shop', 'postgres');
value("ALTER SYSTEM SET etl.databases = 'shop, copy'", 'postgres');
$node->reload;
becomes("SELECT state FROM etl_catalog.schedules", 'paused', 'pipelines of a copy are left alone', 'copy');
value("SELECT etl_adopt()", 'copy');
becomes("SELECT state FROM etl_status", 'idle', 'until they are adopted', 'copy');
succeeds('DROP DATABASE copy', 'an idle database is dropped', 'postgres');

# WITH (FORCE) during a run
make_database('crm');
value("ALTER SYSTEM SET etl.databases = 'shop, crm'", 'postgres');
$node->reload;
value("SELECT make('slow', '1 minute', 'slow')", 'crm');
becomes("SELECT next_run IS NOT NULL FROM etl_status", 't', 'a pipeline in another database', 'crm');
shift_clock(61);
becomes("SELECT state FROM etl_status", 'running', 'runs', 'crm');
succeeds('DROP DATABASE crm WITH (FORCE)', 'and does not keep the database from being dropped with force', 'postgres');

# DROP EXTENSION during a run
make_database('crm');
value("SELECT make('slow', '1 minute', 'slow')", 'crm');
$node->reload;
becomes("SELECT next_run IS NOT NULL FROM etl_status", 't', 'the database comes back', 'crm');
shift_clock(61);
becomes("SELECT state FROM etl_status", 'running', 'and runs its pipeline', 'crm');
succeeds('DROP EXTENSION etl CASCADE', 'which does not keep the extension from being dropped', 'crm');
value("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'", 'postgres');
becomes("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'", 0, 'the run ends', 'crm');
value("CREATE EXTENSION etl", 'crm');
value("SELECT make('again', '1 minute')", 'crm');
becomes("SELECT next_run IS NOT NULL FROM etl_status", 't', 'created again, it goes on', 'crm');
value('DROP DATABASE crm', 'postgres');
value("ALTER SYSTEM SET etl.databases = 'shop'", 'postgres');
$node->reload;

# Processes that are killed: the server restarts all of them.
value("SELECT make('long', '1 minute', 'slow')");
foreach my $type ('etl launcher', 'etl pipeline')
{
	shift_clock(61);
	becomes("SELECT state FROM etl_status WHERE pipeline = 'long'", 'running', "a run before $type is killed");
	my $launcher = value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'etl launcher'");
	kill 'KILL', value("SELECT pid FROM pg_stat_activity WHERE backend_type = '$type' LIMIT 1");
	ok($node->poll_query_until('shop', "SELECT pid <> $launcher FROM pg_stat_activity WHERE backend_type = 'etl launcher'"),
		'the launcher comes back');
	becomes("SELECT reason FROM etl_status WHERE pipeline = 'long'", 'the worker died', 'and knows that the run was killed');
	$node->reload;    # the launcher has its settings from the file again
}
my $lock = $node->background_psql('shop');
$lock->query_safe('BEGIN; LOCK TABLE etl_catalog.schedules');    # a scheduler waits a second for it at most
my $killed;
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	$node->reload;
	my $scheduler = value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'etl scheduler' LIMIT 1", 'postgres');
	last if $killed = $scheduler ne '' && kill('KILL', $scheduler);
	usleep(100_000);
}
ok($killed, 'a scheduler that waits is killed');
$lock->{run}->finish;
ok($node->poll_query_until('shop', "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'etl launcher'"),
	'the launcher comes back');
value("SELECT etl_drop_pipeline('long')");

# A server without room
value("SELECT make('crowded', '1 minute')");
becomes("SELECT next_run IS NOT NULL FROM etl_status WHERE pipeline = 'crowded'", 't', 'a pipeline on a server that gets full');
my $from = -s $node->logfile;
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');    # one for the launcher, one for logical replication
$node->restart;
my $due = value("SELECT next_run FROM etl_status WHERE pipeline = 'crowded'");
shift_clock(61);
ok($node->wait_for_log(qr/all background workers of the server are in use/, $from), 'no room is said in the log');
is(logged(qr/all background workers of the server are in use/, $from), 1, 'once');
$node->append_conf('postgresql.conf', 'max_worker_processes = 3');    # one more, for a scheduler
$node->restart;
becomes("SELECT state, waiting_since = '$due' FROM etl_catalog.schedules JOIN etl_catalog.pipelines ON id = pipeline WHERE name = 'crowded'",
	'waiting|t', 'whom no worker is left for keeps its turn');
$node->append_conf('postgresql.conf', 'max_worker_processes = 12');
$node->restart;
becomes("SELECT last_result FROM etl_status WHERE pipeline = 'crowded'", 'succeeded', 'with room again, it runs');
value("SELECT etl_drop_pipeline('crowded')");

# 500 at once, one of which always fails
my $n = 500;
value("SELECT make('n' || i, (100 + i) || ' seconds', CASE i WHEN 50 THEN 'bad' ELSE 'few' END) FROM generate_series(1, $n) i");
becomes("SELECT count(*) FROM etl_status WHERE pipeline LIKE 'n%' AND next_run IS NOT NULL", $n, "$n pipelines are planned");
value("SELECT etl_drop_pipeline('p')");
shift_clock(100 + $n + 10);
my $begin = time;
becomes("SELECT count(DISTINCT pipeline) FROM etl_runs WHERE state IN ('succeeded', 'failed')", $n, 'all have run');
note(sprintf('%d runs in %.1f s', $n, time - $begin));
is(value("SELECT string_agg(DISTINCT pipeline, ' ') FROM etl_runs WHERE pipeline LIKE 'n%' AND state = 'failed'"), 'n50', 'the bad one alone has failed');
# Each of two workers gets them in the order in which they were due, but one may be slow to begin: what begins is thus two
# rising sequences that are interleaved, and each number belongs to the one whose last is nearest below it.
my @last = (0, 0);
my $disorder = 0;
for my $number (split /\n/, value("SELECT substr(pipeline, 2) FROM etl_runs WHERE pipeline LIKE 'n%' GROUP BY pipeline ORDER BY min(run)"))
{
	my ($worker) = sort { $last[$b] <=> $last[$a] } grep { $last[$_] < $number } 0, 1;
	if (defined $worker) { $last[$worker] = $number; }
	else { $disorder++; }
}
is($disorder, 0, 'in the order in which they were due, as near as two workers can');
is(value(<<'SQL'), 2, 'never more than two at a time');
SELECT max(n) FROM (SELECT (SELECT count(*) FROM etl_runs o WHERE o.started_at <= r.started_at AND o.finished_at > r.started_at) AS n
	FROM etl_runs r WHERE pipeline LIKE 'n%') x
SQL

# A standby does nothing; promoted, it starts.
setting('etl.enabled', 'off');
becomes("SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('etl pipeline', 'etl scheduler')", 0, 'nothing is under way');
value("SELECT etl_drop_pipeline(name) FROM etl_pipelines; SELECT make('p', '1 minute')");
setting('etl.enabled', 'on');
becomes("SELECT next_run IS NOT NULL FROM etl_status", 't', 'one pipeline is left');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
$node->stop;
is($standby->safe_psql('shop', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'etl%'"), 0, 'nothing of ours is there on a standby');
is($standby->safe_psql('shop', "SELECT count(*) FROM etl_metric_samples WHERE metric = 'etl_scheduler_up'"), 0, 'and metrics want nothing');
$standby->promote;
$standby->safe_psql('shop', "ALTER SYSTEM SET etl.clock_shift = " . (clock_shift() + 120));
$standby->reload;
ok($standby->poll_query_until('shop', "SELECT last_result = 'succeeded' AND last_run > 1 FROM etl_status"), 'promoted, it runs pipelines');
$standby->stop;

done_testing();
