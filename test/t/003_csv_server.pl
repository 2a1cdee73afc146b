# A server's surroundings: few file descriptors, preloading, a standby, pg_dump and restore.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', 'max_files_per_process = 64');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION etl;
COPY (VALUES ('a', 'b'), ('1', 'x'), ('-2', 'y'), ('3', 'z')) TO PROGRAM 'cat >data.csv' (FORMAT csv);
SQL
my $csv = $node->data_dir . '/data.csv';

# Few descriptors: what cannot be opened is an error that says what to do, and no more than that.
my $many = join ' UNION ALL ', map { "SELECT a FROM etl_csv('data.csv') AS t$_(a int)" } 1 .. 200;
my ($status, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY verbose\n$many;");
isnt($status, 0, 'two hundred files at once are too many');
like($stderr, qr/ERROR:  53000: could not open file "data.csv" for reading: Too many open files\nHINT:  .*max_files_per_process/, 'and why');

($status, $stdout, $stderr) = $node->psql('postgres', <<'SQL', on_error_stop => 0);
BEGIN;
DO $$
BEGIN
	FOR i IN 1 .. 200 LOOP
		EXECUTE format('DECLARE c%s CURSOR FOR SELECT a FROM etl_csv(''data.csv'') AS t(a int)', i);
		BEGIN
			EXECUTE format('MOVE 1 FROM c%s', i);
		EXCEPTION WHEN insufficient_resources THEN
			RAISE NOTICE 'stopped';
			EXIT;
		END;
	END LOOP;
END $$;
FETCH 1 FROM c1;
CLOSE c2;
SELECT sum(a) FROM etl_csv('data.csv') AS t(a int);
SELECT count(*) FROM pg_class WHERE relname = 'pg_class';
ROLLBACK;
SELECT count(*) FROM generate_series(1, 1000) AS i, LATERAL etl_csv(substr('data.csv', i - i + 1)) AS t(a int);
SQL
like($stderr, qr/^psql:<stdin>:\d+: NOTICE:  stopped$/, 'cursors are refused when there are too many');
is($stdout, "-2\n2\n1\n3000", 'the others go on, and so does all that is not a file of ours');

# One after the other, any number of files will do.
is($node->safe_psql('postgres', "SELECT count(*) FROM ($many) AS s WHERE false"), '0', 'a plan alone opens none');
is( $node->safe_psql('postgres', join(';', map { "SELECT count(*) FROM etl_csv('data.csv') AS t(a int)" } 1 .. 200)),
	join("\n", (3) x 200), 'nor does anything stay open between statements');

# pg_dump, and restore into another database.
$node->safe_psql('postgres', <<"SQL");
CREATE TYPE ab AS (a int, b text);
CREATE VIEW by_columns AS SELECT t.a, t.b AS bee FROM etl_csv('$csv', delimiter => ',', on_error => 'skip') AS t(a int, b text, _etl_line bigint) WHERE t._etl_line > 2;
CREATE VIEW by_type AS SELECT x.*, x::text AS whole FROM etl_csv(NULL::ab, '$csv') WITH ORDINALITY AS x(one, two, n);
CREATE MATERIALIZED VIEW stored AS SELECT a FROM etl_csv('$csv') AS t(a int);
CREATE FUNCTION total() RETURNS bigint LANGUAGE sql AS 'SELECT sum(a) FROM by_columns';
CREATE ROLE reader;
DO \$\$ BEGIN EXECUTE (SELECT string_agg(format('GRANT EXECUTE ON FUNCTION %s TO reader', oid::regprocedure), ';') FROM pg_proc WHERE proname = 'etl_csv'); END \$\$;
CREATE DATABASE restored;
SQL
my $dump = $node->data_dir . '/../dump.sql';
$node->command_ok(['pg_dump', '-f', $dump, $node->connstr('postgres')], 'pg_dump');
unlike(slurp_file($dump), qr/CREATE FUNCTION public\.etl_/, 'leaves the functions to the extension');
$node->command_ok(['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored')], 'restore');
my $same = "SELECT * FROM by_columns; SELECT * FROM by_type; SELECT * FROM stored; SELECT total();
	SELECT has_function_privilege('reader', oid, 'EXECUTE') FROM pg_proc WHERE proname = 'etl_csv';
	SELECT pg_get_viewdef('by_type'), pg_get_viewdef('by_columns')";
is($node->safe_psql('restored', $same), $node->safe_psql('postgres', $same), 'all is as before');
like($node->safe_psql('restored', 'EXPLAIN SELECT * FROM by_type'), qr/Custom Scan \(EtlScan\)/, 'and streamed');

# A standby reads files as well, and skips faulty values in subtransactions.
$node->safe_psql('postgres', 'CREATE DOMAIN positive AS int CHECK (VALUE > 0)');
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT * FROM by_columns'), "-2|y\n3|z", 'a standby reads files');
is($standby->safe_psql('postgres', "SELECT * FROM etl_csv('$csv', on_error => 'skip') AS t(a positive, b text)"), "1|x\n3|z", 'and skips rows');
is($standby->safe_psql('postgres', "SELECT * FROM etl_csv('$csv', on_error => 'return') AS t(a positive, _etl_error text) WHERE a IS NULL"),
	'|column "a": value for domain positive violates check constraint "positive_check"', 'and tells why');
$standby->stop;

# Preloaded, in either way.
for my $setting ('shared_preload_libraries', 'session_preload_libraries')
{
	$node->append_conf('postgresql.conf', "$setting = 'etl'\netl.max_field_size = '3MB'");
	$node->restart;
	is($node->safe_psql('postgres', 'SHOW etl.max_field_size'), '3MB', "$setting: the setting is known at once");
	like($node->safe_psql('postgres', "EXPLAIN SELECT * FROM etl_csv('$csv') AS t(a int)"), qr/Custom Scan \(EtlScan\)/, "$setting: streamed");
	is($node->safe_psql('postgres', "SELECT sum(a) FROM etl_csv('$csv') AS t(a int)"), '2', "$setting: read");
	$node->append_conf('postgresql.conf', "$setting = ''");
}

$node->stop;
done_testing();
