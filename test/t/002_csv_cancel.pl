# A scan stops when it is told to: pg_cancel_backend, pg_terminate_backend and statement_timeout act before it has taken
# two more seconds of a processor, whatever it is busy with, and it leaves no descriptor behind.

use strict;
use warnings;

use IPC::Run qw(start finish timeout);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LIMIT => 2.3;    # seconds of a processor, however many others want it; a third of a second is the statement's own

my $node = PostgreSQL::Test::Cluster->new('cancel');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\nenable_material = off");
$node->start;

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION etl;
CREATE TYPE entry AS (a text, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);

-- 150 MB of rows, and of comments; many fields in one record, one large field, characters that are none
COPY (SELECT i, 'some text ' || i FROM generate_series(1, 400000) AS i) TO PROGRAM 'cat >part.csv' (FORMAT csv);
COPY (SELECT WHERE false) TO PROGRAM 'for i in 1 2 3 4; do cat part.csv part.csv part.csv; done >rows.csv';
COPY (SELECT WHERE false) TO PROGRAM 'sed s/^/#/ rows.csv >comments.csv';
-- directories that a pattern can go through in a million ways
COPY (SELECT WHERE false) TO PROGRAM 'mkdir -p $(seq -f many/%g 100)';
COPY (SELECT WHERE false) TO PROGRAM 'head -c 15000000 /dev/zero | tr ''\0'' , >fields.csv';
COPY (SELECT WHERE false) TO PROGRAM 'head -c 100000000 /dev/zero | tr ''\0'' x >field.csv';
COPY (SELECT WHERE false) TO PROGRAM 'head -c 100000000 /dev/zero | tr ''\0'' ''\201'' >undefined.csv';
SQL

# Each of these takes longer than anybody waits, so that all of them are interrupted.
my %scan = (
	'nested loops over two files' =>
	  q[SELECT count(*) FROM etl_csv('rows.csv', header => false) AS x(a int, b text), etl_csv('rows.csv', header => false) AS y(a int, b text)],
	'reading again and again' =>
	  q[SELECT count(*) FROM generate_series(1, 1000) AS i LEFT JOIN etl_csv('rows.csv', header => false) AS x(a int, b text) ON a < -i],
	'opening again and again' =>
	  q[SELECT count(*) FROM generate_series(1, 1000000000) AS i, LATERAL etl_csv(substr('part.csv', i - i + 1), header => false) AS x(a int, b text)],
	'a filter that lets nothing through' =>
	  q[SELECT count(*) FROM generate_series(1, 1000) AS i, LATERAL (SELECT 1 FROM etl_csv(substr('rows.csv', i - i + 1), header => false) AS x(a int, b text) WHERE b = '') AS s],
	'rows that are all skipped' =>
	  q[SELECT count(*) FROM generate_series(1, 1000) AS i, LATERAL (SELECT b FROM etl_csv(substr('rows.csv', i - i + 1), header => false, on_error => 'skip') AS x(a int, b int)) AS s],
	'values in subtransactions' =>
	  q[SELECT count(*) FROM generate_series(1, 1000) AS i, LATERAL (SELECT b FROM etl_csv(substr('rows.csv', i - i + 1), header => false, on_error => 'skip') AS x(a int, b positive)) AS s],
	'looking for files' => q[SELECT a FROM etl_csv('many/*/../*/../*/../*x') AS x(a text)],
	'looking for files in a loop' =>
	  q[SELECT a FROM generate_series(1, 2) AS i, LATERAL etl_csv(substr('many/*/../*/../*/../*x', i - i + 1)) AS x(a text)],
	'comments only' =>
	  q[SELECT count(*) FROM generate_series(1, 1000) AS i, LATERAL etl_csv(substr('comments.csv', i - i + 1), header => false, comment => '#') AS x(a text)],
	'lines that are skipped' =>
	  q[SELECT count(*) FROM generate_series(1, 1000) AS i, LATERAL etl_csv(substr('rows.csv', i - i + 1), header => false, skip_lines => 100000000) AS x(a text)],
	'one record of many fields' =>
	  q[SELECT count(*) FROM generate_series(1, 1000) AS i, LATERAL (SELECT a FROM etl_csv(substr('fields.csv', i - i + 1), header => false, on_error => 'skip') AS x(a text)) AS s],
	'one field' =>
	  q[SELECT count(a) FROM generate_series(1, 1000) AS i, LATERAL (SELECT a FROM etl_csv(substr('field.csv', i - i + 1), header => false) AS x(a text)) AS s],
	'characters that are none' =>
	  q[SELECT count(*) FROM generate_series(1, 1000) AS i, LATERAL (SELECT a FROM etl_csv(substr('undefined.csv', i - i + 1), header => false, encoding => 'WIN1252', on_error => 'skip') AS x(a text)) AS s],
	'a file inserted into a table' =>
	  q[CREATE TABLE target AS SELECT y.* FROM generate_series(1, 100) AS i, LATERAL etl_csv(substr('rows.csv', i - i + 1), header => false) AS y(a int, b text)],
	'the plain function' =>
	  q[SELECT count(*) FROM generate_series(1, 1000) AS i, LATERAL (SELECT etl_csv(NULL::entry, substr('rows.csv', i - i + 1), header => false)) AS s],
	'a loop in PL/pgSQL' =>
	  q[DO $$ DECLARE r record; BEGIN FOR i IN 1 .. 1000 LOOP FOR r IN SELECT * FROM etl_csv('rows.csv', header => false) AS x(a int, b text) LOOP NULL; END LOOP; END LOOP; END $$],
);

# In one session, so that what one of them leaves behind is seen after all of them.
my $script = "\\set ON_ERROR_STOP off\n\\set VERBOSITY sqlstate\n\\pset tuples_only on\n\\pset format unaligned\n";
$script .= "SELECT count(*) FROM etl_csv('part.csv', header => false) AS x(a int, b text);\n";
$script .= "SELECT pg_backend_pid() AS pid \\gset\n\\setenv BACKEND :pid\n";
my $count_ticks = '\! cat /proc/$BACKEND/stat 2>/dev/null' . "\n";
for my $name (sort keys %scan)
{
	# (rolled back, so that the limit is gone before anything else is done)
	$script .= "\\echo # $name\n${count_ticks}BEGIN;\nSET LOCAL statement_timeout = '300ms';\n";
	$script .= "$scan{$name};\n\\echo :SQLSTATE\nROLLBACK;\n$count_ticks";
}
# What that session has open at its end; a cursor shows that the count can be another.
my $count_files = q[\! ls -l /proc/$BACKEND/fd | grep -c '[.]csv$' | sed 's/^/open files: /'] . "\n";
$script .= $count_files;
$script .= "BEGIN;\nDECLARE c CURSOR FOR SELECT a FROM etl_csv('rows.csv', header => false) AS x(a int, b text);\nFETCH 1 FROM c;\n";
$script .= $count_files;
my ($stdout, $stderr) = ('', '');
$node->psql('postgres', $script, stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
for my $name (sort keys %scan)
{
	my ($section) = $stdout =~ /^\# \Q$name\E\n(.*?)(?=^\#|\z)/ms;
	my ($sqlstate) = $section =~ /^(\w{5})$/m;
	# the user's and the system's, in hundredths
	my @ticks = map { $_->[0] + $_->[1] } map { [ (split)[ 13, 14 ] ] } $section =~ /^(\d+ \(postgres\).*)$/mg;

	is($sqlstate, '57014', "statement_timeout: $name");
  SKIP:
	{
		skip 'the time of a process is in /proc on Linux only', 1 if $^O ne 'linux';
		cmp_ok(($ticks[1] - $ticks[0]) / 100, '<', LIMIT, "statement_timeout in time: $name");
	}
}
SKIP:
{
	skip 'open files are listed in /proc on Linux only', 1 if $^O ne 'linux';
	is(join(' ', $stdout =~ /^open files: (\d+)$/mg), '0 1', 'no descriptor is left behind');
}

# From another session.
for my $how ('pg_cancel_backend', 'pg_terminate_backend')
{
	for my $name ('nested loops over two files', 'rows that are all skipped', 'one field')
	{
		my ($out, $err) = ('', '');
		my $psql = start(['psql', '-X', '-d', $node->connstr('postgres'), '-v', 'VERBOSITY=verbose', '-c', $scan{$name}],
			'>', \$out, '2>', \$err, timeout($PostgreSQL::Test::Utils::timeout_default));

		$node->poll_query_until('postgres',
			"SELECT count(*) = 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%etl_csv%' AND now() - query_start > '0.2 s'")
		  or die 'the scan did not start';
		$node->safe_psql('postgres', "SELECT $how(pid) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%etl_csv%'");
		finish($psql);
		like($err, $how eq 'pg_cancel_backend' ? qr/57014/ : qr/57P01/, "$how says so: $name");
	}
}

is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_class WHERE relname = \'target\''), '0', 'nothing stays of a table');
$node->stop;
done_testing();
