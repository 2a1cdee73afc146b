# What a run, and a look at its pipeline, read of the history: as much of 100,000 runs as of one.  Counted in rows that
# PostgreSQL reads of our tables.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('history');
$node->init;
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->start;
append_to_file("$dir/rows.csv", "id\n1\n2\n");
$node->safe_psql('postgres', qq{
	CREATE EXTENSION etl;
	CREATE TABLE rows (id int PRIMARY KEY);
	SELECT etl_create_pipeline('rows', source => \$\$etl_csv('$dir/rows.csv') AS t(id int)\$\$, target => 'rows', key => 'id');
	CALL etl_run('rows');
});

# How many rows of our tables some statements read, in each of our processes.
sub reads_of
{
	my ($statements) = @_;
	$node->safe_psql('postgres', 'SELECT pg_stat_reset()');
	$node->safe_psql('postgres', "$statements; SELECT pg_stat_force_next_flush()");
	return $node->safe_psql('postgres', q(SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))
		FROM pg_stat_all_tables WHERE schemaname = 'etl_catalog'));
}

my %statements = (
	'a run that finds nothing' => q(CALL etl_run('rows')),
	'a look at the pipeline' => q(SELECT * FROM etl_status WHERE pipeline = 'rows'),
	'the purge' => q(SELECT etl_purge('rows', '1 year')),
);
my %before = map { $_ => reads_of($statements{$_}) } keys %statements;

$node->safe_psql('postgres', q{
	INSERT INTO etl_catalog.runs (pipeline, kind, state, pid, started_at, finished_at)
	SELECT p.id, 'load', 'succeeded', 0, now() - i * interval '1 second', now() - i * interval '1 second'
	FROM etl_catalog.pipelines AS p, generate_series(1, 100000) AS i ORDER BY i DESC;
	ANALYZE etl_catalog.runs;
	CALL etl_run('rows')});
for my $what (sort keys %statements)
{
	my $reads = reads_of($statements{$what});
	cmp_ok($reads, '<', $before{$what} + 200, "$what reads no more of a long history ($before{$what}, then $reads)");
}

# Without the indexes for that it would.
$node->safe_psql('postgres', q{DO $$ DECLARE i regclass; BEGIN
	FOR i IN SELECT indexrelid FROM pg_index WHERE indrelid = 'etl_catalog.runs'::regclass AND NOT indisprimary LOOP
		EXECUTE format('DROP INDEX %s', i);
	END LOOP;
END $$});
cmp_ok(reads_of($statements{$_}), '>', 50000, "$_: the count would show it") for sort keys %statements;

done_testing();
