# Topics of Kafka that change tables as they go: runs that stay and load what comes, whatever dies, and messages that delete.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use KafkaBroker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SchedulerNode;
use Test::More;

my $why_not = why_no_broker();
plan skip_all => $why_not if $why_not;
start_broker();
my $node = scheduler_node('kafka', conf => "etl.databases = 'postgres'\nrestart_after_crash = on\n");
value('CREATE EXTENSION etl; CREATE EXTENSION etl_kafka');
kafka_server($node, 'k');

# -- runs that stay ------------------------------------------------------------------------------

# Numbers from 1 to n are in the table, each once, though there is no key.
sub loaded
{
	my ($n, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes('SELECT count(*), count(DISTINCT id) FROM numbers', "$n|$n", $what);
}
my $run = "SELECT max(run) FROM etl_runs WHERE pipeline = 'numbers'";

kafka('create', topic => 'numbers', partitions => 2);
kafka('fill', topic => 'numbers', first => 1, last => 100, partitions => 2);
value(q{CREATE TABLE numbers (id int);
	SELECT etl_create_pipeline('numbers', $$ etl_kafka('k', 'numbers') AS t(id int) $$, target => 'numbers', continuous => true, flush_interval => '50 ms')});
loaded(100, 'what is there when the run begins');
my $first = value($run);
kafka('fill', topic => 'numbers', first => 101, last => 200, partitions => 2);
loaded(200, 'what comes');
kafka('grow', topic => 'numbers', partitions => 3);
kafka('fill', topic => 'numbers', first => 201, last => 300, partitions => 3);
loaded(300, 'a new partition is found');
is(value($run), $first, 'by the same run');

value(qq{SELECT pg_terminate_backend(pid, 1000 * $PostgreSQL::Test::Utils::timeout_default) FROM pg_stat_activity WHERE backend_type = 'etl continuous'});
kafka('fill', topic => 'numbers', first => 301, last => 400, partitions => 3);
loaded(400, 'its worker is terminated, and another goes on');
kill 'KILL', value(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'etl continuous'}) || die 'nobody reads';
kafka('fill', topic => 'numbers', first => 401, last => 500, partitions => 3);
loaded(500, 'it is killed, and the server recovers');
stop_broker();
start_broker();
kafka('fill', topic => 'numbers', first => 501, last => 600, partitions => 3);
loaded(600, 'the broker dies and is back');

# What no broker answers is told, and tried again.
value("ALTER SERVER k OPTIONS (SET timeout '1')");
value('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = \'etl continuous\'');
kafka('fill', topic => 'numbers', first => 601, last => 700, partitions => 3);
loaded(700, 'with a shorter timeout');
stop_broker();
becomes("SELECT state, sqlstate FROM etl_runs WHERE pipeline = 'numbers' AND state = 'failed' LIMIT 1", 'failed|08006', 'a run that no broker answers fails');
like(value("SELECT message FROM etl_runs WHERE pipeline = 'numbers' AND state = 'failed' LIMIT 1"), qr/of server "k"/, 'and says whose they are');
becomes("SELECT state, failures > 0 FROM etl_status WHERE pipeline = 'numbers'", 'idle|t', 'as does the status');
start_broker();
value("ALTER SERVER k OPTIONS (SET timeout '60')");
kafka('fill', topic => 'numbers', first => 701, last => 800, partitions => 3);
shift_clock(3600);
loaded(800, 'it is tried again, and goes on');

# -- messages that delete ------------------------------------------------------------------------

sub run
{
	my ($pipeline) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "CALL etl_run('$pipeline')");
	return $code == 0 ? '' : $err;
}

kafka('create', topic => 'cities');
kafka('produce', topic => 'cities', messages => messages(
		{ key => '1', value => '{"city": "Bonn"}' }, { key => '2', value => '{"city": "Kiel"}' }, { key => '1' }, { key => '3', value => '{"city": "Ulm"}' }));
value(q{CREATE TABLE cities (id int PRIMARY KEY, city text);
	SELECT etl_create_pipeline('cities', $$ etl_kafka('k', 'cities', tombstones => 'row') AS t(city text, _etl_key text, _etl_tombstone boolean) $$,
		query => 'SELECT _etl_key::int AS id, city, _etl_tombstone AS gone FROM batch', target => 'cities', key => 'id', delete_when => 'gone')});
is(run('cities'), '', 'a topic by key');
is(value('SELECT id, city FROM cities ORDER BY id'), "2|Kiel\n3|Ulm", 'a tombstone deletes the row of its key');
kafka('produce', topic => 'cities', messages => messages({ key => '1', value => '{"city": "Jena"}' }, { key => '2' }));
is(run('cities'), '', 'and later ones');
is(value('SELECT id, city FROM cities ORDER BY id'), "1|Jena\n3|Ulm", 'as does a later one, and a key can return');

for my $removes ("mode => 'replace'", "deletes => 'delete'")
{
	like(($node->psql('postgres', qq{SELECT etl_create_pipeline('c', \$\$ etl_kafka('k', 'cities') AS t(id int) \$\$, target => 'cities', key => 'id', $removes)}))[2],
		qr/the source of a pipeline with .* cannot be etl_kafka.*delete_when/s, "what has no end is no snapshot: $removes");
}

kafka('create', topic => 'shop.public.customers');
my $envelope = sub { return { value => qq({"payload": {"op": "$_[0]", "before": $_[1], "after": $_[2], "ts_ms": $_[3]}}) } };
kafka('produce', topic => 'shop.public.customers', messages => messages(
		$envelope->('c', 'null', '{"id": 1, "name": "Ann"}', 1), $envelope->('c', 'null', '{"id": 2, "name": "Bob"}', 2),
		$envelope->('u', '{"id": 1, "name": "Ann"}', '{"id": 1, "name": "Anna"}', 3),
		$envelope->('d', '{"id": 2, "name": "Bob"}', 'null', 4), { key => '2' }));
# The recipe of the documentation, as it stands there.
my ($recipe) = slurp_file("$FindBin::RealBin/../../doc/kafka.md") =~ /^## Debezium\n.*?^```sql\n(.*?)^```/ms;
$recipe =~ s/'events'/'k'/;
value($recipe);
is(run('customers'), '', 'envelopes of Debezium');
is(value('SELECT * FROM customers'), '1|Anna', 'insert, update and delete');
is(value(q{SELECT read, tombstones, deleted, dead_letters FROM etl_runs WHERE pipeline = 'customers'} =~ s/dead_letters/malformed + convert_failed + load_failed/r), '4|1|0|0', 'counted');

$node->stop;
done_testing();
