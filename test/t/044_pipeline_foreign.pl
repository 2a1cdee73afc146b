# Foreign tables as targets: rows that the other server refuses, at once or only when its transaction commits, are
# found; a connection that breaks is nobody's fault.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('foreign');
$node->init;
$node->append_conf('postgresql.conf', "max_worker_processes = 16\n");
$node->start;

if ($node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'") eq '0')
{
	$node->stop;
	plan skip_all => 'postgres_fdw is not installed';
}

my $dir = PostgreSQL::Test::Utils::tempdir();
my ($host, $port) = ($node->host, $node->port);

# Row 30 and 60 break a CHECK, 45 comes twice by "code", which is only checked at commit, and 80 ends the connection
# while there is a reason.
append_to_file("$dir/rows.csv",
	join('', "id,code\n", map { ($_ == 30 || $_ == 60 ? -$_ : $_) . ',' . ($_ == 45 ? 44 : $_) . "\n" } 1 .. 100));

$node->safe_psql('postgres', 'CREATE DATABASE remote');
$node->safe_psql('remote', q{
	CREATE TABLE stored (id int CHECK (id > 0), code int UNIQUE DEFERRABLE INITIALLY DEFERRED);
	CREATE TABLE reasons (why text);
	CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF NEW.id = 80 AND EXISTS (SELECT FROM public.reasons) THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER hang_up BEFORE INSERT ON stored FOR EACH ROW EXECUTE FUNCTION hang_up();
	INSERT INTO reasons VALUES ('a test');
});

sub query
{
	return $node->safe_psql('postgres', $_[0]);
}

query(qq{
	CREATE EXTENSION etl;
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'remote');
	CREATE USER MAPPING FOR CURRENT_USER SERVER other;
	ALTER DATABASE postgres SET etl.settle_time = 0;
});

for my $batched (1, 20)
{
	query(qq{
		CREATE FOREIGN TABLE there_$batched (id int, code int) SERVER other OPTIONS (table_name 'stored', batch_size '$batched');
		SELECT etl_create_pipeline('p$batched', source => \$\$etl_csv('$dir/rows.csv') AS t(id int, code int)\$\$,
			target => 'there_$batched', batch_size => 70);
	});
	$node->safe_psql('remote', "TRUNCATE stored; TRUNCATE reasons; INSERT INTO reasons VALUES ('a test')");

	my ($ret, $out, $err) = $node->psql('postgres', "CALL etl_run('p$batched')");
	isnt($ret, 0, "batch_size $batched: a connection that breaks fails the run");
	is($node->safe_psql('remote', 'SELECT count(*) FROM stored'), '67', 'the batch before is there');
	is(query("SELECT count(*) FROM etl_dead_letters WHERE pipeline = 'p$batched' AND line > 70"), '0', 'no row is blamed');

	$node->safe_psql('remote', 'TRUNCATE reasons');
	query("CALL etl_run('p$batched')");
	is($node->safe_psql('remote', 'SELECT count(*), count(DISTINCT id), count(DISTINCT code) FROM stored'), '97|97|97',
		'the next run does the rest');
	is(query("SELECT string_agg(raw || ' ' || sqlstate, ', ' ORDER BY line) FROM etl_dead_letters WHERE pipeline = 'p$batched'"),
		'-30,30 23514, 45,44 23505, -60,60 23514', 'each bad row is a dead letter, those that fail at commit, too');
	is(query("SELECT sum(read), sum(loaded), sum(load_failed) FROM etl_runs WHERE pipeline = 'p$batched'"),
		'100|97|3', 'the counters tell so');
}

# A server that is not there.
query("ALTER SERVER other OPTIONS (SET port '1'); SELECT etl_reset('p1')");
my ($ret, $out, $err) = $node->psql('postgres', "CALL etl_run('p1')");
like($err, qr/could not connect/, 'a server that is not there fails the run');
is(query("SELECT count(*) FROM etl_dead_letters WHERE pipeline = 'p1'"), '3', 'no row is blamed');

$node->stop;
done_testing();
