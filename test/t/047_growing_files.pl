# Files that are appended to at the moment in which a run goes back to where the last one stopped: no run fails, and
# each line is loaded once.
use strict;
use warnings;

use Cwd qw(realpath);
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $mock = "$dir/growmock.so";
system_or_bail($ENV{CC} // 'cc', '-D_GNU_SOURCE', '-shared', '-fPIC', '-o', $mock,
	dirname(realpath($0)) . '/../fixtures/growmock.c', '-ldl');

my $node = PostgreSQL::Test::Cluster->new('growing');
$node->init;
{
	local $ENV{LD_PRELOAD} = join ' ', grep { $_ } $ENV{LD_PRELOAD}, $mock;
	local $ENV{GROWMOCK_PATH} = "$dir/log";
	local $ENV{GROWMOCK_TEXT} = "7,\"more\"\n";
	$node->start;
}

sub query
{
	return $node->safe_psql('postgres', $_[0]);
}

# How many lines a file has.
sub lines_of
{
	return scalar(() = slurp_file($_[0]) =~ /\n/g);
}

query('CREATE EXTENSION etl; CREATE TABLE log (n int, t text);');
for my $files ('log.csv', 'logs_*.csv')
{
	my @paths = map { "$dir/" . ($files =~ s/\*/$_/r) } $files =~ /\*/ ? ('a', 'b') : ('');
	append_to_file($_, qq{n,t\n1,"one"\n}) for @paths;
	query(qq{
		TRUNCATE log;
		SELECT etl_create_pipeline('log', source => \$\$etl_csv('$dir/$files') AS t(n int, t text)\$\$, target => 'log');
		CALL etl_run('log');
	});
	for my $i (1 .. 3)
	{
		append_to_file($_, qq{$i,"next"\n}) for @paths;
		query(q{CALL etl_run('log')});
	}
	is(query(q{SELECT count(*) FROM etl_runs WHERE pipeline = 'log' AND state <> 'succeeded'}), 0, "$files: no run fails");

	# What the mock has appended during a run is for the next one.
	my ($lines, $rows) = (0, -1);
	my $grown = 0;
	$grown += lines_of($_) for @paths;
	cmp_ok($grown, '>', 5 * @paths, "$files: the files have grown meanwhile");
	query(q{CALL etl_run('log')});
	$rows = query(q{SELECT count(*) FROM log});
	is($rows, $grown - @paths, "$files: what was there before the run is loaded once");
	query(q{SELECT etl_drop_pipeline('log')});
}

done_testing();
