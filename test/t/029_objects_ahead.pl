# Objects that are requested ahead, while the one before is read.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture qw(query query_fails wait_for);
use ObjectStore;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'moto is not installed' if !has_store();
start_store();
my $node = PostgreSQL::Test::Cluster->new('ahead');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION etl; CREATE TABLE loaded (n int, source text)');
store_server($node, 'lake', 's3://lake');
store_server($node, 'four', 's3://lake', options => "auth 'aws', concurrency '4'");
store_server($node, 'one', 's3://lake', options => "auth 'aws', concurrency '1'");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub rows_of { return "(SELECT * FROM etl_csv('$_[0]', path => '$_[1]') AS t(n int, _etl_source text, _etl_line bigint))"; }

# The numbers of the objects that were asked for since the last reset.
sub asked { return map { $_->{target} =~ m{/a/(\d+)\.csv} ? $1 + 0 : () } store_requests(); }

store_do('many', prefix => 'a/', count => 50);

# -- how many are requested ------------------------------------------------------------------------

sub asked_while_held
{
	my ($server) = @_;
	store_do('reset');
	store_do('fault', kind => 'hold', match => 'a/000010.csv');
	my $session = $node->background_psql('postgres');
	$session->query_until(qr/going/, "\\echo going\nSELECT count(*) FROM " . rows_of($server, 'a/*.csv') . " AS r;\n\\echo over\n");
	my $expected = $server eq 'one' ? 11 : 14;
	wait_for(sub { scalar(asked()) >= $expected }, 'requests');
	my @asked = asked();
	store_do('reset');
	$session->query_until(qr/over/, '');
	$session->quit;
	return join ' ', sort { $a <=> $b } @asked;
}

is(asked_while_held('four'), join(' ', 0 .. 13), 'while an object is waited for, the next three are requested');
is(asked_while_held('one'), join(' ', 0 .. 10), 'with concurrency 1 none is');

store_do('reset');
is(sql('SELECT n FROM ' . rows_of('lake', 'a/*.csv') . ' AS r LIMIT 1'), '0', 'who reads one row');
is_deeply([ asked() ], [0], 'asks for one object');

# -- the rows are the same -------------------------------------------------------------------------

my $digest = "SELECT count(*), md5(string_agg(n || _etl_source || _etl_line, ' ')) FROM ";
is(sql($digest . rows_of('lake', 'a/*.csv') . ' AS r'), sql($digest . rows_of('one', 'a/*.csv') . ' AS r'), 'order of rows and where they are from');
store_do('reset');
sql('SELECT count(*) FROM ' . rows_of('lake', 'a/*.csv') . ' AS r');
is_deeply([ sort { $a <=> $b } asked() ], [ 0 .. 49 ], 'each object is asked for once');
is(sql('SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SELECT sum(r.n) FROM generate_series(1, 3) AS g, LATERAL ' . rows_of('lake', 'a/00000?.csv') . ' AS r WHERE r.n <> g'),
	3 * 45 - 6, 'read again');
store_do('put', key => "big/$_.csv", size => 500_000 + $_) for 1 .. 12;
is(sql($digest . rows_of('lake', 'big/*.csv') . ' AS r'), sql($digest . rows_of('one', 'big/*.csv') . ' AS r'), 'objects larger than a buffer');
store_do('reset');
store_do('fault', kind => 'cut', bytes => 300_000, match => 'big/', count => 12);
is(sql($digest . rows_of('lake', 'big/*.csv') . ' AS r'), sql($digest . rows_of('one', 'big/*.csv') . ' AS r'), 'objects that break off');

# -- faults are those of the object -----------------------------------------------------------------

store_do('reset');
sql(q{SELECT etl_create_pipeline('p', $$etl_csv('lake', path => 'a/*.csv') AS t(n int, _etl_source text)$$, target => 'loaded',
	query => 'SELECT n, _etl_source AS source FROM batch', on_bad_part => 'set_aside')});
store_do('fault', kind => 'status', status => 403, code => 'AccessDenied', match => 'a/000020.csv');
query($node, q{CALL etl_run('p')});
is(sql('SELECT count(*), count(DISTINCT n), count(*) FILTER (WHERE n = 20) FROM loaded'), '49|49|0', 'an object that may not be read: the others load');
is(sql(q{SELECT part FROM etl_parts WHERE state = 'set_aside'}), 's3://lake/a/000020.csv', 'and it is the one that is set aside');
store_do('reset');
query($node, q{CALL etl_run('p')});
is(sql('SELECT count(*), count(DISTINCT n) FROM loaded'), '50|50', 'later it loads as well');
is_deeply([ asked() ], [20], 'and no other is asked for');

# A key for which there can be no request, behind others.
store_do('put', key => 'odd/1.csv', body => "n\n1\n");
store_do('put', key => 'odd/2.csv', body => "n\n2\n");
store_do('put', key => 'odd/3/./x.csv', body => "n\n3\n");
store_do('put', key => 'odd/4.csv', body => "n\n4\n");
sql(q{TRUNCATE loaded; SELECT etl_alter_pipeline('p', source => $$etl_csv('lake', path => 'odd/**') AS t(n int, _etl_source text)$$)});
query($node, q{CALL etl_run('p')});
is(sql(q{SELECT string_agg(n::text, ' ' ORDER BY n) FROM loaded}), '1 2 4', 'a key that cannot be asked for');
is(sql(q{SELECT part, sqlstate FROM etl_parts WHERE state = 'set_aside'}), 's3://lake/odd/3/./x.csv|22023', 'is set aside by itself');

# -- what runs stopped within -----------------------------------------------------------------------

sql(q{TRUNCATE loaded; SELECT etl_alter_pipeline('p', source => $$etl_csv('lake', path => 'big/*.csv') AS t(n int, _etl_source text)$$, on_bad_part => 'fail')});
my $all = sql('SELECT count(*) FROM ' . rows_of('one', 'big/*.csv') . ' AS r');
store_do('fault', kind => 'cut', bytes => 300_000, match => 'big/5.csv', count => 1);
store_do('fault', kind => 'status', status => 403, code => 'AccessDenied', match => 'big/5.csv', after => 1);
like(query($node, q{CALL etl_run('p')}), qr/HTTP status 403/, 'a run that fails within an object');
store_do('reset');
query($node, q{CALL etl_run('p')});
is(sql('SELECT count(*), count(DISTINCT (source, n)) FROM loaded'), "$all|$all", 'is continued');
my @ranges = map { $_->{target} =~ m{/big/(\d+)} && $_->{headers}{range} ? $1 : () } store_requests();
is_deeply(\@ranges, [5], 'within it, and with the others whole');

query_fails($node, q{ALTER SERVER four OPTIONS (SET concurrency '65')}, 'HV024', qr/invalid value for option "concurrency"/, 'concurrency has bounds');

done_testing();
