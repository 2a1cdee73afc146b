# The cost of many columns, counted in comparisons of texts: no more than n times something for n columns.  Only a run looks for each
# declared name among all names of a file.  (PostgreSQL's own parser does that, too; it is not counted.)
use strict;
use warnings FATAL => 'all';

use Cwd qw(realpath);
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $mock = "$dir/countmock.so";
system_or_bail($ENV{CC} // 'cc', '-D_GNU_SOURCE', '-shared', '-fPIC', '-O2', '-fno-builtin', '-o', $mock,
	dirname(realpath($0)) . '/../fixtures/countmock.c', '-ldl');

my $node = PostgreSQL::Test::Cluster->new('columns');
$node->init;
{
	local $ENV{LD_PRELOAD} = join ' ', grep { $_ } $ENV{LD_PRELOAD}, $mock;
	local $ENV{COUNTMOCK_FILE} = "$dir/counts";
	$node->start;
}
$node->safe_psql('postgres', 'CREATE EXTENSION etl');

# What the session of some statements, and the workers that it waits for, have compared.
sub count_of
{
	my ($statements) = @_;
	my $count = 0;

	append_to_file("$dir/counts", '');    # it may not be there yet
	my $before = -s "$dir/counts";
	my ($pid) = $node->safe_psql('postgres', "$statements; SELECT pg_backend_pid()") =~ /(\d+)$/;

	for my $i (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if slurp_file("$dir/counts", $before) =~ /^$pid /m;
		select undef, undef, undef, 0.1;
	}
	$count += (split)[1] for split /\n/, slurp_file("$dir/counts", $before);
	return $count;
}

my %counts;
for my $n (100, 200, 400)
{
	my @names = map { sprintf 'c%03d', $_ } 1 .. $n;    # of one length, by which those of others are passed over
	my $columns = join ', ', map { "$_ int" } @names;
	my $kinds = {
		csv => [ join(',', @names), join(',', 1 .. $n), 'etl_csv' ],
		json => [ '', '{' . join(',', map { qq("$_":1) } @names) . '}', 'etl_json' ],
	};

	for my $kind (sort keys %$kinds)
	{
		my ($head, $record, $function) = @{ $kinds->{$kind} };
		my $name = "$kind$n";

		append_to_file("$dir/$name", "$head\n$record\n");
		$node->safe_psql('postgres', "CREATE TABLE $name ($columns, PRIMARY KEY (c001))");
		$counts{"$kind, definition"}[ $n / 200 ] = count_of(
			"SELECT etl_create_pipeline('$name', source => \$\$$function('$dir/$name') AS t($columns)\$\$, target => '$name', key => '{c001}')");
		$counts{"$kind, run"}[ $n / 200 ] = count_of("CALL etl_run('$name')");
		is($node->safe_psql('postgres', "SELECT count($names[-1]) FROM $name"), '1', "$name is loaded");
	}
}
# From the second to the third size the cost grows by twice what it does from the first to the second; a square by 4 times, a cube by 8.
for my $what (sort keys %counts)
{
	my @count = @{ $counts{$what} };

	note("$what: @count");
	cmp_ok($count[0], '>', 0, "$what: comparisons are counted");
	cmp_ok($count[2] - $count[1], '<', ($what =~ /run/ ? 5 : 2.5) * ($count[1] - $count[0]), "$what: and grow as they should");
}

done_testing();
