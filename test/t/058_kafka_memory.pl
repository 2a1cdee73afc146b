# How much of a topic is held in memory, however many partitions it has.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use KafkaBroker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

plan skip_all => 'RssAnon is known on Linux only' if $^O ne 'linux';
my $why_not = why_no_broker();
plan skip_all => $why_not if $why_not;
start_broker();
my $node = PostgreSQL::Test::Cluster->new('kafka');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION etl; CREATE EXTENSION etl_kafka');
kafka_server($node, 'k');

# A cursor that stands still while librdkafka fetches, until that has enough.
my $rss = q{SELECT substring(pg_read_file('/proc/self/status') from 'RssAnon:\s+(\d+)')};
for my $partitions (1, 16)
{
	kafka('create', topic => "wide$partitions", partitions => $partitions);
	kafka('fill', topic => "wide$partitions", first => 1, last => 100_000, partitions => $partitions, pad => 1800);
	my $cursor = $node->background_psql('postgres');
	my $before = $cursor->query_safe($rss);
	my ($last, $now) = (-1, 0);
	$cursor->query_safe(qq{BEGIN; DECLARE c CURSOR FOR SELECT id FROM etl_kafka('k', 'wide$partitions') AS t(id int); FETCH 1 FROM c});
	while ($now != $last)
	{
		usleep(1_000_000);
		($last, $now) = ($now, $cursor->query_safe($rss) - $before);
	}
	note("$partitions partitions: $now kB");
	cmp_ok($now, '>', 10_000, "$partitions partitions: some of 180 MB is held");
	cmp_ok($now, '<', 120_000, 'and not all');
	is($cursor->query_safe('MOVE ALL IN c; SELECT 1'), '1', 'they are read to their ends');
	$cursor->quit;
}
done_testing();
