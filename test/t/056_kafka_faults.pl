# Kafka that fails: brokers that do not answer, die and come back; and runs, sessions and servers that die while they read.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture qw(finish_psql query query_fails start_psql wait_for);
use KafkaBroker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Survivors qw(start_run worker_pids);
use Test::More;
use Time::HiRes qw(usleep);

my $why_not = why_no_broker();
plan skip_all => $why_not if $why_not;
start_broker();
my $node = PostgreSQL::Test::Cluster->new('kafka');
$node->init;
$node->append_conf('postgresql.conf', "log_min_messages = notice\nrestart_after_crash = on");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION etl; CREATE EXTENSION etl_kafka');
kafka_server($node, 'k');

# -- nobody answers ------------------------------------------------------------------------------

my $nobody = PostgreSQL::Test::Cluster::get_free_port();
kafka_server($node, 'nobody', "brokers '127.0.0.1:$nobody'");
query_fails($node, q{SET statement_timeout = '300ms'; SELECT * FROM etl_kafka('nobody', 'numbers') AS t(id int)}, '57014', qr/statement timeout/, 'a query that waits for a broker is cancelled');
$node->safe_psql('postgres', q{ALTER SERVER nobody OPTIONS (SET timeout '1')});
query_fails($node, q{SELECT * FROM etl_kafka('nobody', 'numbers') AS t(id int)}, '08006', qr/could not look up topic "numbers" of server "nobody".*Connection refused/s, 'or gives up');
query_fails($node, q{SELECT * FROM etl_topics('nobody')}, '08006', qr/could not list the topics of server "nobody"/, 'as does a list of topics');

# -- a session ends while librdkafka has threads -------------------------------------------------

kafka('create', topic => 'numbers', partitions => 4);
kafka('fill', topic => 'numbers', first => 1, last => 1000, partitions => 4);
my $started = query($node, 'SELECT pg_postmaster_start_time()');
my $reading = q{SELECT count(*), pg_sleep(3600) FROM etl_kafka('k', 'numbers') AS t(id int) CROSS JOIN LATERAL (SELECT pg_sleep(3600)) AS s};
my $session = start_psql($node, "SET application_name = 'reading'", $reading);
my $asleep = q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'reading' AND wait_event = 'PgSleep'};
$node->poll_query_until('postgres', $asleep) or die 'nobody reads';
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'reading'});
like(finish_psql($session) // 'hangs', qr/57P01|terminating connection/, 'a session that reads is terminated');
is(query($node, q{BEGIN; DECLARE c CURSOR FOR SELECT id FROM etl_kafka('k', 'numbers') AS t(id int); FETCH 1 FROM c; ROLLBACK; SELECT count(*) FROM etl_kafka('k', 'numbers') AS t(id int)}) =~ s/^\d+\n//r, '1000', 'a cursor is left');
query_fails($node, q{SELECT 1 / (id - 500) FROM etl_kafka('k', 'numbers') AS t(id int)}, '22012', qr/division by zero/, 'an error in between');
unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC/, 'and the server has not crashed');

# -- a broker dies while it is read --------------------------------------------------------------

kafka('create', topic => 'big', partitions => 2);
kafka('fill', topic => 'big', first => 1, last => 30000, partitions => 2, pad => 1500);
my $cursor = $node->background_psql('postgres');
$cursor->query_safe(q{BEGIN; DECLARE c CURSOR FOR SELECT id FROM etl_kafka('k', 'big') AS t(id int)});
is($cursor->query_safe('FETCH 1 FROM c') =~ /^\d+$/ ? 'a row' : 'none', 'a row', 'a topic that is larger than what is held of it');
stop_broker();
start_broker();
is($cursor->query_safe('MOVE ALL IN c; SELECT 1'), '1', 'is read on when its broker is back');
$cursor->quit;

# -- pipelines whose runs die --------------------------------------------------------------------

$node->safe_psql('postgres', <<'SQL');
	CREATE TABLE crash (id int, p int, o bigint);
	CREATE FUNCTION pass(id int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
		IF id % 1000 = 0 THEN PERFORM pg_advisory_lock(42); PERFORM pg_advisory_unlock(42); END IF;
		RETURN id;
	END $$;
	SELECT etl_create_pipeline('crash', source => $$ etl_kafka('k', 'crash') AS t(id int, _etl_partition int, _etl_offset bigint) $$,
		query => 'SELECT pass(id) AS id, _etl_partition AS p, _etl_offset AS o FROM batch', target => 'crash', batch_size => 300);
SQL
kafka('create', topic => 'crash', partitions => 4);
my $result = q{SELECT count(*), count(DISTINCT id), count(DISTINCT (p, o)), coalesce(max(id), 0) FROM crash};
my $last = 0;

# Starts a run, which stops at the gate; does that to it; and lets another one end.
sub die_by
{
	my ($how, $do) = @_;
	kafka('fill', topic => 'crash', first => $last + 1, last => $last + 2000, partitions => 4);
	$last += 2000;
	my $gate = $node->background_psql('postgres');
	$gate->query_safe('SELECT pg_advisory_lock(42)');
	my $run = start_psql($node, "CALL etl_run('crash')");
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) or die 'no run is at the gate';
	like(query($node, 'SELECT source_lag FROM etl_progress'), qr/^(?!2000)\d{2,4}$/, "$how: what is behind is known");
	is(query($node, q{SELECT (SELECT source_lag FROM etl_progress) = value FROM etl_metric_samples WHERE metric = 'etl_source_lag_messages'}), 't', 'also as a metric');
	$do->($gate);
	finish_psql($run);
	$node->safe_psql('postgres', "CALL etl_run('crash')");
	is(query($node, $result), "$last|$last|$last|$last", $how);
}

my $behind = q{SELECT sum(o.high - coalesce(p.next_offset, o.low)), count(*) FROM etl_kafka_offsets('k', 'crash') AS o
	LEFT JOIN etl_parts AS p ON p.pipeline = 'crash' AND p.part = format('crash[%s]', o.partition)};
kafka('fill', topic => 'crash', first => 1, last => $last = 100, partitions => 4);
is(query($node, $behind), '100|4', 'all messages are behind before the first run');
query($node, "CALL etl_run('crash')");
is(query($node, $behind), '0|4', 'and none behind it');
query_fails($node, q{SELECT * FROM etl_kafka_offsets('k', 'no such')}, '42704', qr/topic/, 'of a topic that is not there');

die_by('a worker that dies', sub {
	$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted});
	$_[0]->quit;
});
die_by('a server that dies', sub {
	$node->stop('immediate');
	eval { $_[0]->quit };
	$node->start;
});
die_by('a broker that dies', sub {
	stop_broker();
	$_[0]->quit;
	start_broker();
});

# -- the same at random moments: the worker, the server and the broker in turn -------------------

$node->safe_psql('postgres', <<'SQL');
	CREATE TABLE keyed (id int PRIMARY KEY, p int, o bigint);
	SELECT etl_create_pipeline('keyed', source => $$ etl_kafka('k', 'crash') AS t(id int, _etl_partition int, _etl_offset bigint) $$,
		query => 'SELECT id, _etl_partition AS p, _etl_offset AS o FROM batch', target => 'keyed', key => 'id', batch_size => 300);
SQL
my $wrong = 0;
my $died = 0;
srand($ENV{ETL_TEST_SEED} // 42);
for my $kill (1 .. $ENV{ETL_KILLS} // 9)
{
	kafka('fill', topic => 'crash', first => $last + 1, last => $last + 2000, partitions => 4);
	$last += 2000;
	my $client = start_run($node, $kill % 2 ? 'crash' : 'keyed');
	usleep(int(rand(300_000)));
	if ($kill % 3 == 0)
	{
		stop_broker();
		$died++;
		start_broker();
	}
	elsif ($kill % 3 == 1)
	{
		$died += kill('KILL', worker_pids($node));
	}
	else
	{
		$node->stop('immediate');
		$died++;
		$node->start;
	}
	$client->finish;
	$node->poll_query_until('postgres', 'SELECT true') or die 'no recovery';
	$node->safe_psql('postgres', "CALL etl_run('$_')") for qw(crash keyed);
	$wrong++ if query($node, "$result UNION ALL SELECT count(*), count(*), count(DISTINCT (p, o)), max(id) FROM keyed") ne join "\n", ("$last|$last|$last|$last") x 2;
}
cmp_ok($died, '>=', ($ENV{ETL_KILLS} // 9) * 2 / 3, "$died kills at random moments");
is($wrong, 0, 'and each message is loaded once, behind each of them');

$node->stop;
done_testing();
