# Memory does not grow with the file: what a backend holds in the middle of a scan of a few hundred megabytes
# is what it holds in one of ten.  Nothing goes to temporary files either.
#
# RssAnon is read by the query itself, every so many rows, because at its end everything is given back.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'RssAnon is known on Linux only' if $^O ne 'linux';

use constant MARGIN_KB => 8 * 1024;

my $node = PostgreSQL::Test::Cluster->new('memory');
$node->init;
$node->append_conf('postgresql.conf', "log_temp_files = 0\nwork_mem = '4MB'\njit = off");
$node->start;

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION etl;

CREATE FUNCTION rss_kb() RETURNS int LANGUAGE sql VOLATILE AS
	$$ SELECT substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s+(\d+)')::int $$;

CREATE FUNCTION is_positive(n int) RETURNS boolean LANGUAGE plpgsql AS
	$$ BEGIN RETURN n > 0 AND (SELECT true); END $$;
CREATE DOMAIN positive AS int CHECK (is_positive(VALUE));

-- about 10 MB, and 32 times that; every tenth row is faulty as a number
COPY (SELECT i, CASE WHEN i % 10 = 0 THEN 'x' ELSE '' END || i, 'some text, and "more" of it ' || i, i * 1.25,
	timestamptz '2020-01-01 00:00:00Z' + i * interval '1 s' FROM generate_series(1, 120000) AS i)
TO PROGRAM 'cat >small.csv' (FORMAT csv);
COPY (SELECT WHERE false) TO PROGRAM 'for i in 1 2 3 4 5 6 7 8; do cat small.csv small.csv small.csv small.csv; done >large.csv';

-- one row whose field is large, after which rows are small again, many times over
COPY (SELECT i, CASE WHEN i % 100000 = 1 THEN repeat('x', 1000000) ELSE 'x' END FROM generate_series(1, 2000000) AS i)
TO PROGRAM 'cat >uneven.csv' (FORMAT csv);
COPY (SELECT WHERE false) TO PROGRAM 'head -n 100000 uneven.csv >even.csv';

COPY (SELECT 1) TO PROGRAM 'cat >tiny.csv' (FORMAT csv);
CREATE TABLE number AS SELECT i FROM generate_series(1, 100000) AS i;
VACUUM ANALYZE number;
SQL

my $log_start = -s $node->logfile;

cmp_ok(-s $node->data_dir . '/small.csv', '>', 9_000_000, 'the small file has about 10 MB');
cmp_ok(-s $node->data_dir . '/large.csv', '>', 300_000_000, 'the large one more than 300');

# The most that a scan holds, and how many rows it gave, of a query with a column "r" (RssAnon or NULL).  All
# its columns are used: count(s) is of whole rows.
sub peak
{
	my ($query) = @_;
	my $result = $node->safe_psql('postgres', "SELECT max(r), count(s) FROM ($query OFFSET 0) AS s");
	return split /\|/, $result;
}

# $query has one %s, for the file
sub flat
{
	my ($name, $query, $small, $large) = @_;
	my ($small_kb, $small_rows) = peak(sprintf $query, $small);
	my ($large_kb, $large_rows) = peak(sprintf $query, $large);

	note "$name: $small_kb kB over $small_rows rows, $large_kb kB over $large_rows rows";
	cmp_ok($large_rows, '>', $small_rows * 10, "$name: many more rows");
	cmp_ok(abs($large_kb - $small_kb), '<=', MARGIN_KB, "$name: no more memory");
	return;
}

my @files = ('small.csv', 'large.csv');
my $r = 'CASE WHEN mod(_etl_line, 20000) = 0 THEN rss_kb() END AS r';

flat('all columns', "SELECT t.*, $r FROM etl_csv('%s', header => false)
	AS t(id int, num text, txt text, n numeric, at timestamptz, _etl_line bigint)", @files);
flat('raw bytes and converted encoding', "SELECT txt, _etl_raw, $r FROM etl_csv('%s', header => false, encoding => 'LATIN1')
	AS t(id int, num text, txt text, n numeric, at timestamptz, _etl_raw text, _etl_line bigint)", @files);
flat('faulty values', "SELECT num, _etl_error, $r FROM etl_csv('%s', header => false, on_error => 'return')
	AS t(id int, num int, txt text, n numeric, at timestamptz, _etl_error text, _etl_line bigint)", @files);
flat('faulty structure', "SELECT id, $r FROM etl_csv('%s', header => false, on_error => 'return', match => 'position')
	AS t(id int, _etl_error text, _etl_line bigint)", @files);
flat('values in subtransactions', "SELECT num, $r FROM etl_csv('%s', header => false, on_error => 'return')
	AS t(id int, num positive, txt text, n text, at text, _etl_error text, _etl_line bigint)", @files);
flat('large fields between small ones', "SELECT length(b), $r FROM etl_csv('%s', header => false) AS t(a int, b text, _etl_line bigint)",
	'even.csv', 'uneven.csv');

# The plain function, in a SELECT list.
$node->safe_psql('postgres', 'CREATE TYPE entry AS (id int, num text, txt text, n numeric, at timestamptz)');
flat('SELECT list', "SELECT row, CASE WHEN mod((row).id, 20000) = 0 THEN rss_kb() END AS r
	FROM (SELECT etl_csv(NULL::entry, '%s', header => false) AS row) AS s", @files);

# A file opened again and again, and one read again and again.
my $again = "SELECT i, CASE WHEN mod(i, 1000) = 0 THEN rss_kb() END AS r FROM number";
flat('LATERAL', "$again, LATERAL etl_csv(substr('tiny.csv', i - i + 1), header => false) AS t(a int) WHERE i <= %s", 1000, 30000);
flat('rescan', "$again LEFT JOIN etl_csv('tiny.csv', header => false) AS t(a int) ON t.a <> -i WHERE i <= %s", 1000, 100000);

# A function that is not streamed leaves traces of its temporary file in the log; nothing above has.
unlike(slurp_file($node->logfile, $log_start), qr/temporary file/, 'no temporary files');
$node->safe_psql('postgres', "SELECT count(*) FROM ROWS FROM (etl_csv(NULL::entry, 'small.csv', header => false), generate_series(1, 2))");
like(slurp_file($node->logfile, $log_start), qr/temporary file/, 'which would be in the log');

$node->stop;
done_testing();
