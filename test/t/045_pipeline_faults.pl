# Pipelines on a disk that is full, and through shutdowns, cancels and crashes while a whole source is spooled or
# loaded.  After the next run the targets are what one undisturbed run makes of the files, and no temporary file is left.
use strict;
use warnings;

use Cwd qw(realpath);
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $dir = PostgreSQL::Test::Utils::tempdir();
my $mock = "$dir/diskmock.so";
my $limit = "$dir/limit";
system_or_bail($ENV{CC} // 'cc', '-D_GNU_SOURCE', '-shared', '-fPIC', '-o', $mock,
	dirname(realpath($0)) . '/../fixtures/diskmock.c', '-ldl');

my $node = PostgreSQL::Test::Cluster->new('faults');
$node->init;
$node->append_conf('postgresql.conf', "max_worker_processes = 16\nrestart_after_crash = on\n");

sub start_node
{
	local $ENV{LD_PRELOAD} = join ' ', grep { $_ } $ENV{LD_PRELOAD}, $mock;
	local $ENV{DISKMOCK_PATH} = '/small_disk/:/pgsql_tmp/';
	local $ENV{DISKMOCK_LIMIT} = $limit;
	$node->start;
}
start_node();

sub query
{
	return $node->safe_psql('postgres', $_[0]);
}

# Bytes that a file of the small disk can have; undef: as many as it wants.
sub set_limit
{
	unlink $limit;
	append_to_file($limit, "$_[0]\n") if defined $_[0];
}

my $rows = 20000;
my $bad = 0;
open(my $out, '>', "$dir/rows.csv") or die $!;
print $out "id,n\n";
for my $id (1 .. $rows)
{
	$bad++ if $id % 1009 == 0;
	print $out "$id," . ($id % 1009 == 0 ? 'x' : $id % 50) . "\n";
}
close($out);
my $good = $rows - $bad;

mkdir "$dir/small_disk" or die $!;
$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$dir/small_disk'");
query(qq{
	CREATE EXTENSION etl;
	ALTER DATABASE postgres SET etl.settle_time = 0;
	CREATE TABLE appended (id int, n int) TABLESPACE small;
	CREATE TABLE upserted (id int PRIMARY KEY USING INDEX TABLESPACE small, n int) TABLESPACE small;
	CREATE TABLE sums (n int PRIMARY KEY, rows bigint, total numeric);
	CREATE FUNCTION gate(id bigint) RETURNS boolean LANGUAGE plpgsql AS \$\$
	BEGIN
		PERFORM pg_advisory_xact_lock(42);
		RETURN true;
	END \$\$;
	SELECT etl_create_pipeline(name, source => \$\$etl_csv('$dir/rows.csv') AS t(id int, n int)\$\$,
		target => name, key => key, batch_size => 1000)
	FROM (VALUES ('appended', NULL::text[]), ('upserted', '{id}')) AS v(name, key);
	SELECT etl_create_pipeline('sums', source => \$\$etl_csv('$dir/rows.csv') AS t(id int, n int)\$\$,
		query => 'SELECT n, count(*) AS rows, sum(id) AS total FROM batch GROUP BY n',
		target => 'sums', key => '{n}', whole => true);
});

# What one undisturbed run makes of the file.
query("CREATE TABLE oracle AS SELECT id, n::int FROM etl_csv('$dir/rows.csv') AS t(id int, n text) WHERE n <> 'x'");

sub is_exact
{
	my ($name) = @_;
	my ($table, $counted) = $name eq 'sums' ? ('(SELECT n, count(*), sum(id) FROM oracle GROUP BY n)', 'bool_and(true)')
		: ('(SELECT * FROM oracle)', "sum(loaded) = $good");

	is(query("SELECT count(*) FROM ((TABLE $name EXCEPT ALL SELECT * FROM $table AS o) UNION ALL
			(SELECT * FROM $table AS o EXCEPT ALL TABLE $name)) AS d"), '0', "$name: exactly what is in the file");
	is(query("SELECT $counted, bool_and(read = malformed + convert_failed + converted
			AND emitted = invalid + superseded + load_failed + loaded + skipped) FROM etl_runs WHERE pipeline = '$name'"),
		't|t', "$name: counters are true");
	is(query("SELECT count(*), count(DISTINCT raw) FROM etl_dead_letters WHERE pipeline = '$name' AND NOT resolved"),
		"$bad|$bad", "$name: each bad record is one open dead letter");
}

sub no_temporary_files
{
	is(query("SELECT count(*) FROM pg_tablespace AS t, pg_ls_tmpdir(t.oid) WHERE spcname <> 'pg_global'"), '0', 'no temporary file is left');
}

# The disk of the target is full.
for my $name ('appended', 'upserted')
{
	set_limit(200_000);
	my ($ret, $stdout, $stderr) = $node->psql('postgres', "CALL etl_run('$name')");
	like($stderr, qr/failed.*could not extend file.*No space left on device/s, "$name: a full disk fails the run");
	my ($state, $loaded) = split /\|/, query("SELECT state || ' ' || sqlstate, loaded FROM etl_runs WHERE pipeline = '$name'");
	is($state, 'failed 53100', 'with its reason');
	cmp_ok($loaded, '>', 0, 'after some batches');
	is(query("SELECT count(*) FROM $name"), $loaded, 'which are in the table');
	is(query("SELECT count(*) FROM etl_dead_letters WHERE pipeline = '$name' AND sqlstate <> '22P02'"), '0', 'no row is blamed');
	set_limit(undef);
	query("CALL etl_run('$name')");
	is_exact($name);
}

# The disk of the temporary files is full.
query("ALTER DATABASE postgres SET work_mem = '64kB'");
set_limit(100_000);
my ($ret, $stdout, $stderr) = $node->psql('postgres', "CALL etl_run('sums')");
like($stderr, qr/failed.*No space left on device/s, 'a source that cannot be spooled fails the run');
is(query("SELECT state, sqlstate, read, loaded FROM etl_runs WHERE pipeline = 'sums'"), 'failed|53100|0|0',
	'with its reason');
is(query('SELECT count(*) FROM sums'), '0', 'nothing of it is loaded');
is(query("SELECT count(*) FROM etl_dead_letters WHERE pipeline = 'sums'"), '0', 'and no dead letter written');
no_temporary_files();
set_limit(undef);
query("ALTER DATABASE postgres SET temp_file_limit = '100kB'");
($ret, $stdout, $stderr) = $node->psql('postgres', "CALL etl_run('sums')");
like($stderr, qr/temp_file_limit/, 'temp_file_limit counts for the spool');
query("ALTER DATABASE postgres RESET temp_file_limit");
query("CALL etl_run('sums')");
is_exact('sums');
no_temporary_files();

# Ended while the whole source is loaded: in the query, behind the gate.
sub start_to_gate
{
	my ($gate) = @_;

	query("TRUNCATE sums; SELECT etl_alter_pipeline('sums',
		query => 'SELECT n, count(*) AS rows, sum(id) AS total FROM batch GROUP BY n HAVING gate(count(*))')");
	$gate->query('SELECT pg_advisory_lock(42)');
	my $run = query("SELECT etl_start('sums')");
	$node->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") or die 'no run at the gate';
	return $run;
}

sub state_of
{
	my ($run) = @_;

	$node->poll_query_until('postgres', "SELECT state <> 'running' FROM etl_runs WHERE run = $run") or die "run $run does not end";
	return query("SELECT state FROM etl_runs WHERE run = $run");
}

for my $how ('cancel', 'terminate', 'kill', 'immediate')
{
	my $gate = $node->background_psql('postgres', on_error_stop => 0);
	my $run = start_to_gate($gate);
	my $pid = query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'etl pipeline'");
	my $expected = 'crashed';

	is(query('SELECT count(*) FROM sums'), '0', "$how: nothing is loaded before the end");
	if ($how eq 'cancel')
	{
		query("SELECT etl_cancel('sums')");
		$expected = 'cancelled';
	}
	elsif ($how eq 'terminate')
	{
		query("SELECT etl_alter_pipeline('sums', on_shutdown => 'drop')");
		query("SELECT pg_terminate_backend($pid)");
		$expected = 'cancelled|stopped';
	}
	elsif ($how eq 'kill')
	{
		kill 'KILL', $pid;
		$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'no recovery';
	}
	else
	{
		$node->stop('immediate');
		start_node();
	}
	like(state_of($run), qr/^($expected)$/, "$how: the run says so");
	is(query('SELECT count(*) FROM sums'), '0', 'nothing of it is loaded');
	eval { $gate->quit };
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'etl pipeline'");
	query("CALL etl_run('sums')");
	is_exact('sums');
	no_temporary_files();
}

# A fast shutdown at random moments, while the source is spooled or loaded.
query("SELECT etl_alter_pipeline('sums', on_shutdown => 'drain',
	query => 'SELECT n, count(*) AS rows, sum(id) AS total FROM batch GROUP BY n')");
srand($ENV{ETL_TEST_SEED} // 7);
for my $name ('sums', 'appended', 'upserted', 'sums', 'upserted')
{
	query("TRUNCATE $name; SELECT etl_reset('$name'); DELETE FROM etl_catalog.dead_letters; DELETE FROM etl_catalog.runs");
	query("SELECT etl_start('$name')");
	usleep(int(rand(60_000)));
	$node->stop('fast');
	start_node();
	query("CALL etl_run('$name')");
	is_exact($name);
}
no_temporary_files();

$node->stop;
done_testing();
