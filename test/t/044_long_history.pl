# What a run costs does not grow with what earlier ones have left: runs, dead letters that are resolved, tombstones, parts.
# What is counted is rows and entries of indexes that are read; and indexes are seen to be needed for that.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $history = 20_000;    # rows in each table
my $bound = 500;         # of them may be read
my $dir = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('history');
$node->init;
$node->append_conf('postgresql.conf', "etl.settle_time = 0\nautovacuum = off\n");
$node->start;

sub value { return $node->safe_psql('postgres', $_[0]); }

# A file has a row that is loaded, one that is deleted and one that is bad.
my $file = 0;
sub run
{
	my $id = ++$file * 10;
	append_to_file(sprintf("$dir/changes-%04d.csv", $file), "op,id,name,at\nset,$id,Ann,$file\nset,x,bad,$file\ndelete," . ($id + 1) . ",,$file\n");
	like(value("CALL etl_run('customers')"), qr/^\d+\|succeeded\|/, "run $file");
	return;
}

# What the statements read of each table: { table => rows and entries }.
sub reads
{
	my ($work) = @_;
	my $alone = q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type IN ('client backend', 'etl pipeline') AND pid <> pg_backend_pid()};

	# A process tells its counts at its end at the latest.
	$node->poll_query_until('postgres', $alone) or die 'others stay';
	value('SELECT pg_stat_reset()');
	$work->();
	$node->poll_query_until('postgres', $alone) or die 'others stay';
	return map { split /\|/ } split /\n/, value(q{
		SELECT t.relname, t.seq_tup_read + coalesce((SELECT sum(i.idx_tup_read) FROM pg_stat_user_indexes i WHERE i.relid = t.relid), 0)
		FROM pg_stat_user_tables t WHERE t.schemaname = 'etl_catalog' AND t.relname IN ('runs', 'dead_letters', 'tombstones', 'checkpoints')});
}

sub look
{
	return value(q{SELECT count(*) FROM etl_status; SELECT etl_metrics()});
}

value(qq{
	CREATE EXTENSION etl;
	CREATE TABLE customers (id int PRIMARY KEY, name text, at int);
	SELECT etl_create_pipeline('customers', source => \$\$etl_csv('$dir/changes-*.csv') AS t(op text, id int, name text, at int)\$\$, target => 'customers',
		query => 'SELECT id, name, at, op FROM batch', key => '{id}', delete_when => \$\$op = 'delete'\$\$, watermark => 'at')});
run();
value(qq{
	INSERT INTO etl_catalog.runs (pipeline, kind, state, pid, started_at, finished_at)
	SELECT p.id, 'load', 'succeeded', 1, now() - i * interval '1 second', now() - i * interval '1 second'
	FROM etl_catalog.pipelines p, generate_series(1, $history) AS i;
	INSERT INTO etl_catalog.dead_letters (pipeline, run, stage, raw, sqlstate, message, replayable, resolved_at, resolution)
	SELECT p.id, 1, 'convert', 'set,x,old,' || i, '22P02', 'bad', true, now() - i * interval '1 second', 'superseded'
	FROM etl_catalog.pipelines p, generate_series(1, $history) AS i;
	INSERT INTO etl_catalog.tombstones (pipeline, key_hash, key, key_type, key_order, deleted_at)
	SELECT pipeline, i, key, key_type, key_order, now() - i * interval '1 second' FROM etl_catalog.tombstones, generate_series(1, $history) AS i;
	VACUUM ANALYZE});

my %run = reads(\&run);
my %look = reads(\&look);
cmp_ok($run{$_}, '<', $bound, "a run reads few rows of $_") for sort keys %run;
cmp_ok($look{$_}, '<', $bound, "etl_status and etl_metrics read few rows of $_") for sort keys %look;

# Without an index it would be more, but for those of dead letters that are open.
for my $index (split /\n/, value(q{SELECT i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
	WHERE c.relnamespace = 'etl_catalog'::regnamespace AND c.relname IN ('runs', 'dead_letters', 'tombstones') AND NOT i.indisunique ORDER BY 1}))
{
	my $definition = value("SELECT pg_get_indexdef('$index'::regclass)");
	next if $definition =~ /resolved_at IS NULL|dead_letters USING btree \(pipeline, id\)$/;
	my ($table) = $definition =~ /etl_catalog\.(\w+) USING/;
	value("DROP INDEX $index");
	my %with_run = reads(\&run);
	my %with_look = reads(\&look);
	cmp_ok($with_run{$table} + $with_look{$table}, '>', $history, "$definition is needed");
	value($definition);
}
$node->stop;
done_testing();
