# etl_import seen from another session: its line in pg_stat_progress_copy while something holds it up, and that
# nothing is left of it when it is cancelled, whatever it is busy with.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('import');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\ntimezone = 'UTC'");
$node->start;

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION etl;
COPY (SELECT i AS id, 'some text ' || i AS v FROM generate_series(1, 100000) AS i) TO PROGRAM 'cat >plain.csv' (FORMAT csv, HEADER);
COPY (SELECT WHERE false) TO PROGRAM 'gzip -c plain.csv >packed.csv.gz; for i in 1 2 3; do cp plain.csv part-$i.csv; done';
-- whose last value fits no number
COPY (SELECT WHERE false) TO PROGRAM '(cat plain.csv; echo last,x) >misfit.csv';
-- 20 GB that look like nothing on disk: nobody waits for the end of them
COPY (SELECT WHERE false) TO PROGRAM 'yes 12345678 | head -c 200000000 | gzip -1 >part.gz; (echo id | gzip; for i in $(seq 100); do cat part.gz; done) >long.csv.gz; rm part.gz';

-- Holds an import up: a trigger at one row of a table that exists, an event trigger when a new table is made, or made
-- again.
CREATE TABLE target (id bigint, v text);
CREATE FUNCTION wait_in_row() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$;
CREATE TRIGGER wait BEFORE INSERT ON target FOR EACH ROW WHEN (NEW.id = 50000) EXECUTE FUNCTION wait_in_row();
CREATE SEQUENCE time_made;
CREATE FUNCTION wait_in_command() RETURNS event_trigger LANGUAGE plpgsql AS
	$$ BEGIN IF nextval('time_made') = current_setting('import.wait_at')::int THEN PERFORM pg_advisory_xact_lock_shared(1); END IF; END $$;
CREATE EVENT TRIGGER wait ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION wait_in_command();
SQL

my $holder = $node->background_psql('postgres');
my $importer = $node->background_psql('postgres', on_error_stop => 0);

sub start_import
{
	my ($call, $timeout) = @_;
	$timeout //= 0;
	$importer->query_until(qr/started/, "\\echo started\nSET statement_timeout = '$timeout';\nSELECT $call;\n\\echo ended :SQLSTATE\nRESET statement_timeout;\n");
}

# Returns its SQLSTATE.
sub end_import
{
	$importer->query_until(qr/ended \S+/, '') =~ /ended (\S+)/;
	$importer->{stderr} = '';
	return $1;
}

my $importer_pid = $importer->query_safe('SELECT pg_backend_pid()');
my $is_held = "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $importer_pid AND wait_event = 'advisory'";

# The line of progress shows what is read of how much.
my $data = $node->data_dir;
my %size_of = (
	'plain.csv' => -s "$data/plain.csv",
	'packed.csv.gz' => -s "$data/packed.csv.gz",
	'part-*.csv' => 3 * -s "$data/part-1.csv");
for my $source (sort keys %size_of)
{
	$holder->query_safe('SELECT pg_advisory_lock(1)');
	start_import("etl_import('target', '$source')");
	ok($node->poll_query_until('postgres', $is_held), "$source: the import is held up at a row");
	is( $node->safe_psql('postgres', <<SQL), "target|COPY FROM|FILE|t|t|$size_of{$source}", "$source: its progress");
		SELECT relid::regclass, command, type, bytes_processed BETWEEN 1 AND bytes_total,
			tuples_processed BETWEEN 1 AND 50000, bytes_total
		FROM pg_stat_progress_copy WHERE pid = $importer_pid
SQL
	$holder->query_safe('SELECT pg_advisory_unlock(1)');
	is(end_import(), '00000', "$source: it ends");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_progress_copy'), '0', "$source: no progress is left");
}

# Cancelled, it ends, and nothing is left: no table, no line, and a session that goes on.
$holder->query_safe('SELECT pg_advisory_lock(1)');
my %wait_at = ('while the table is made' => 1, 'while it is made again, with other types' => 2);
for my $name (sort keys %wait_at)
{
	$importer->query_safe("SELECT set_config('import.wait_at', '$wait_at{$name}', false), setval('time_made', 1, false)");
	start_import("etl_import('made', 'misfit.csv')");
	ok($node->poll_query_until('postgres', $is_held), "$name: the import is held up");
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($importer_pid)");
	is(end_import(), '57014', "$name: cancelled");
	is( $importer->query_safe("SELECT to_regclass('made') IS NULL, (SELECT count(*) FROM pg_stat_progress_copy)"),
		't|0', "$name: nothing is left");
}
$node->safe_psql('postgres', 'DROP EVENT TRIGGER wait');
my %call = (
	'while all values are looked at' => "etl_csv_columns('long.csv.gz', NULL)",
	'while they are, before a load' => "etl_import('made', 'long.csv.gz', sample_rows => NULL)",
	'while they are loaded' => "etl_import('made', 'long.csv.gz', sample_rows => 1)");
for my $name (sort keys %call)
{
	start_import($call{$name}, '300ms');
	is(end_import(), '57014', "$name: cancelled");
	is( $importer->query_safe("SELECT to_regclass('made') IS NULL, (SELECT count(*) FROM pg_stat_progress_copy)"),
		't|0', "$name: nothing is left");
}

$importer->quit;
$holder->quit;
$node->stop;
done_testing();
