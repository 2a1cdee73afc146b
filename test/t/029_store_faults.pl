# A bucket behind a network and a store that fail all the time: each version of each object is loaded exactly once nonetheless.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ObjectStore;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'moto is not installed' if !has_store();
start_store();
my $identity = PostgreSQL::Test::Utils::tempdir() . '/identity';
append_to_file($identity, 'who-the-machine-is');
my $node = PostgreSQL::Test::Cluster->new('faults');
$node->init;
# A breaker that has opened lets requests through at once: here, nobody recovers by being left alone.
$node->append_conf('postgresql.conf', "session_preload_libraries = etl\netl.breaker_pause = 1ms\netl.aws_container_url = '" . store_url() . "/container'\n");
$node->append_conf('postgresql.conf', "etl.aws_container_token_file = '$identity'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION etl');
store_server($node, 'lake', 's3://lake', options => "auth 'aws', credentials 'container'", keys => '');

my $objects = 12;
store_do('put', key => "in/$_.csv", size => 40_000) for 1 .. $objects;
my $rows = $node->safe_psql('postgres', "SELECT count(*) FROM etl_csv('lake', path => 'in/1.csv') AS t(n int)");
$node->safe_psql('postgres', q{
	CREATE TABLE loaded (object text, n int);
	SELECT etl_create_pipeline('lake', $$etl_csv('lake', path => 'in/*.csv') AS t(n int, _etl_source text)$$, target => 'loaded',
		query => 'SELECT _etl_source AS object, n FROM batch', batch_size => 1000)});

# Keys are good for seven requests; answers come late, not at all, break off, or ask to come later; two objects are
# overwritten while they are read.
store_do('machine', lifetime => 3600, uses => 7);
store_do('fault', kind => 'slow', ms => 20, every => 2);
store_do('fault', kind => 'reset', every => 5);
store_do('fault', kind => 'status', status => 503, every => 11);
store_do('fault', kind => 'cut', bytes => 20_000, every => 3, match => '.csv');
store_do('fault', kind => 'change', key => "in/$_.csv", body => "n\n-1\n", match => "in/$_.csv") for 3, 7;
store_do('fault', kind => 'cut', bytes => 20_000, match => "in/$_.csv") for 3, 7;

sub open_parts
{
	return $node->safe_psql('postgres', "SELECT $objects - count(*) FROM etl_parts WHERE pipeline = 'lake' AND state = 'done'");
}

# A run ends where it finds an object changed, or has tried often enough; the next one goes on.
my $nruns = 0;
do { $node->psql('postgres', "CALL etl_run('lake')"); } until ++$nruns == 30 || open_parts() == 0;
my %seen = map { $_->{status} // 'none' => 1 } store_requests();
store_do('reset');
$node->safe_psql('postgres', "CALL etl_run('lake')");
is(open_parts(), 0, 'all objects are read to their ends');
ok($seen{$_}, "with answers of status $_ on the way") for 206, 400, 412, 503, 'none';

# The versions that were overwritten may be there in part.
my $changed = "object ~ '/[37].csv'";
is($node->safe_psql('postgres', 'SELECT count(*) FROM (SELECT FROM loaded GROUP BY object, n HAVING count(*) > 1) AS twice'), 0, 'nothing is loaded twice');
is($node->safe_psql('postgres', "SELECT count(*) FROM loaded WHERE NOT $changed"), ($objects - 2) * $rows, 'everything is loaded');
is($node->safe_psql('postgres', "SELECT string_agg(object, ' ' ORDER BY object) FROM loaded WHERE n = -1"), 's3://lake/in/3.csv s3://lake/in/7.csv', 'and so are the new versions');

done_testing();
