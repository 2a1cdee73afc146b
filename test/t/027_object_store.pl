# Objects of a bucket: patterns, lists, and pipelines that load each version of each object once.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture qw(query query_fails);
use ObjectStore;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'moto is not installed' if !has_store();
start_store();
my $node = PostgreSQL::Test::Cluster->new('store');
$node->init;
$node->append_conf('postgresql.conf', 'log_min_messages = notice');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION etl');
my $keys = PostgreSQL::Test::Utils::tempdir . '/credentials';
append_to_file($keys, sprintf "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", store_key(0));
store_server($node, 'lake', 's3://lake', keys => "credentials_file '$keys'");
store_server($node, 'logs', 's3://lake/logs/');

# The targets of the requests since the last reset, without what is the same in each.
sub asked
{
	return map { $_->{target} =~ s{^/lake}{}r =~ s{list-type=2&encoding-type=url&?}{}r } store_requests();
}

sub numbers
{
	my ($server, $path) = @_;
	return query($node, "SELECT string_agg(n::text, ' ' ORDER BY n) FROM etl_csv('$server', path => '$path') AS t(n int)");
}

# -- keys and patterns ---------------------------------------------------------------------------

my %objects = (
	'logs/2026-01/a.csv' => 1, 'logs/2026-01/b.csv' => 2, 'logs/2026-02/a.csv' => 3, 'logs/2026-02/deep/er/a.csv' => 4,
	'logs/a.csv' => 5, "odd/day=1/a b+c%20(1)~'\x{e9}?.csv" => 6, 'odd/*.csv' => 7, 'logs2/a.csv' => 8);
store_do('put', key => $_, body => "n\n$objects{$_}\n") for keys %objects;
store_do('put', key => 'logs/folder/', body => '');
store_do('put', key => 'logs/2026-01/note.txt', body => 'not a CSV');
store_do('reset');

is(numbers('lake', 'logs/2026-01/a.csv'), '1', 'a key');
is_deeply([ asked() ], ['/logs/2026-01/a.csv'], 'is asked for without a list');
is(numbers('lake', 'logs/2026-*/a.csv'), '1 3', 'a star stays in its folder');
is(numbers('lake', 'logs/**/a.csv'), '1 3 4 5', 'two stars do not');
is(numbers('lake', 'logs/2026-0[2-9]/**.csv'), '3 4', 'a set of characters');
is(numbers('logs', '2026-01/?.csv'), '1 2', 'below the prefix of a server');
is(numbers('logs', '/a.csv'), '5', 'with a slash');
is(numbers('lake', 'odd/\*.csv'), '7', 'a star that is meant');
is($node->safe_psql('postgres', "SELECT n FROM etl_csv('lake', path => U&'odd/day=1/a b+c%20(1)~''\\00e9\\\\?.csv') AS t(n int)"), '6', 'a key with characters that a URL escapes');
is($node->safe_psql('postgres', "SELECT n FROM etl_csv('lake', path => 'odd/day=1/*.csv') AS t(n int)"), '6', 'which a list escapes, too');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT _etl_source, ' ') FROM etl_csv('lake', path => 'logs/2026-01/*.csv') AS t(n int, _etl_source text)"),
	's3://lake/logs/2026-01/a.csv s3://lake/logs/2026-01/b.csv', 'what a part is called');

query_fails($node, "SELECT * FROM etl_csv('lake', path => 'none-*.csv') AS t(n int)", '58P01', qr/no object matches "s3:\/\/lake\/none-\*\.csv"/, 'no match');
query_fails($node, "SELECT * FROM etl_csv('lake', path => 'logs/fold*/**') AS t(n int)", '58P01', qr/no object matches/, 'a folder is no object');
query_fails($node, "SELECT * FROM etl_csv('logs', path => '../odd/a.csv') AS t(n int)", '22023', qr/could not read "s3:\/\/lake\/logs\/\.\.\/odd\/a\.csv"/, 'out of the prefix');
query_fails($node, "SELECT * FROM etl_csv('lake', path => repeat('*a', 3000)) AS t(n int)", '22023', qr/pattern of keys, is too long/, 'a pattern that is too long');
query_fails($node, "SELECT * FROM etl_csv('logs', path => 'none.csv') AS t(n int)", '58P01', qr/HTTP status 404/, 'no such key');

# A second reading finds what the first did.
is($node->safe_psql('postgres', q{
	SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
	SELECT sum(b.n) FROM generate_series(1, 3) AS g, LATERAL (SELECT * FROM etl_csv('lake', path => 'logs/2026-0*/?.csv') AS t(n int) WHERE n <> g) AS b}),
	3 * 6 - 6, 'read again');

# -- a look, and a table ----------------------------------------------------------------------------

store_do('put', key => "look/$_->[0]", body => $_->[1]) for
	['a.csv', "id,name\n1,x\n2,y\n"], ['b.csv', "id,name\n3,z\n"], ['a.ndjson', qq({"id":1,"name":"x"}\n{"id":2,"name":"y"}\n)], ['b.json', '[{"id":3,"name":"z"}]'];
is($node->safe_psql('postgres', "SELECT record FROM etl_peek('lake', path => 'look/a.csv')"), qq({"id": "1", "name": "x"}\n{"id": "2", "name": "y"}), 'etl_peek');
is($node->safe_psql('postgres', "SELECT line, record ->> 'id' FROM etl_peek('lake', path => 'look/?.csv')"), "2|1\n3|2\n2|3", 'at a pattern');
is($node->safe_psql('postgres', "SELECT record FROM etl_peek('lake', path => 'look/*json')"), qq({"id":1,"name":"x"}\n{"id":2,"name":"y"}\n{"id":3,"name":"z"}), 'of JSON');
store_do('reset');
is($node->safe_psql('postgres', "SELECT record ->> 'id' FROM etl_peek('lake', path => 'look/*.csv', rows => 1)"), '1', 'one record');
is_deeply([ asked() ], [ '?prefix=look%2F', '/look/a.csv' ], 'asks for one object, once');
is($node->safe_psql('postgres', "SELECT string_agg(declaration, ' ' ORDER BY position) FROM etl_csv_columns('lake', path => 'look/*.csv')"), 'id bigint, name text', 'etl_csv_columns');
is($node->safe_psql('postgres', "SELECT string_agg(declaration, ' ' ORDER BY position) FROM etl_json_columns('lake', path => 'look/*json')"), 'id bigint, name text', 'etl_json_columns');
is($node->safe_psql('postgres', "SELECT etl_import('from_csv', 'lake', path => 'look/*.csv'); TABLE from_csv"), "3\n1|x\n2|y\n3|z", 'etl_import');
is($node->safe_psql('postgres', "SELECT etl_import('from_json', 'lake', path => 'look/*json'); TABLE from_json"), "3\n1|x\n2|y\n3|z", 'of JSON');
is($node->safe_psql('postgres', "SELECT etl_import('from_logs', 'logs', path => '2026-01/*.csv'); TABLE from_logs"), "2\n1\n2", 'below the prefix of a server');
query_fails($node, "SELECT * FROM etl_peek('lake', path => 'look/none*')", '58P01', qr/no object matches "s3:\/\/lake\/look\/none\*"/, 'no match');
query_fails($node, "SELECT etl_import('none', 'lake', path => 'look/none.csv')", '58P01', qr/HTTP status 404/, 'no such key');
# Values that the sample did not have: the table is made again, from the same objects.
store_do('put', key => 'grow/1.csv', body => "v\n" . "1\n" x 50);
store_do('put', key => 'grow/2.csv', body => "v\nx\n");
like(query($node, "SELECT etl_import('grown', 'lake', sample_rows => 10, path => 'grow/*.csv'); SELECT count(*), max(v) FROM grown"), qr/51\n51\|x/, 'a type that was guessed wrong');

store_do('fault', kind => 'status', status => 403, code => 'InvalidObjectState', match => 'look/b.csv');
query_fails($node, "SELECT * FROM etl_csv('lake', path => 'look/*.csv') AS t(id int)", '55000', qr/could not read "[^"]*\/look\/b\.csv": the object is in an archive/, 'an object in an archive');
store_do('reset');

# -- lists -----------------------------------------------------------------------------------------

is($node->safe_psql('postgres', "SELECT key, size, etag ~ '^\"[0-9a-f]{32}\"\$', now() - modified < '1 h' FROM etl_list('lake', 'logs/2026-01/*.csv')"),
	"logs/2026-01/a.csv|4|t|t\nlogs/2026-01/b.csv|4|t|t", 'etl_list');
is($node->safe_psql('postgres', "SELECT string_agg(key, ' ') FROM etl_list('logs', '2026-02/')"), '2026-02/a.csv 2026-02/deep/er/a.csv', 'all that is below, as the server takes it for a path');
is($node->safe_psql('postgres', "SELECT count(*) FROM etl_list('logs')"), '7', 'all of a server');
is($node->safe_psql('postgres', "SELECT sum(t.n) FROM etl_list('logs', '**/a.csv') AS l, LATERAL etl_csv('logs', path => l.key) AS t(n int)"), '13', 'a list and what it names');
query_fails($node, "SELECT * FROM etl_list('none', '*')", '42704', qr/server "none" does not exist/, 'no such server');
query_fails($node, "SELECT * FROM etl_list('https://host.example/')", '22023', qr/is not a bucket/, 'no bucket');

store_do('many', prefix => 'many/', count => 50);
store_do('reset');
is($node->safe_psql('postgres', "SELECT count(*), min(key), max(key) FROM etl_list('lake', 'many/')"), '50|many/000000.csv|many/000049.csv', 'pages');
is(scalar(asked()), store_is_moto() ? 3 : 1, 'each of which is asked for once');
is($node->safe_psql('postgres', "SELECT count(*) FROM etl_list('lake', 'many/00*9.csv')"), '5', 'a pattern over pages');
is($node->safe_psql('postgres', "SELECT sum(n) FROM etl_csv('lake', path => 'many/*.csv') AS t(n int)"), 49 * 50 / 2, 'and their objects');

store_do('fault', kind => 'cut', bytes => 3000, match => 'list-type', count => 2);
is($node->safe_psql('postgres', "SELECT count(*) FROM etl_list('lake', 'many/')"), '50', 'a page that breaks off is asked for again');
store_do('reset');
store_do('fault', kind => 'status', status => 403, code => 'AccessDenied', match => 'list-type');
my $message = query_fails($node, "SELECT * FROM etl_csv('lake', path => 'logs/*') AS t(n int)", '42501', qr/AccessDenied/, 'a list that is not allowed');
like($message, qr/listing "s3:\/\/lake\/logs\/", page 1/, 'and where it was');
like($message, qr/HINT:  The keys need the action "s3:ListBucket" on bucket "lake".*request_payer/, 'and what it needs');
store_do('reset');
store_do('fault', kind => 'status', status => 403, code => 'AccessDenied', match => 'logs/a.csv');
for my $path ('logs/a.csv', 'logs/a*')
{
	query_fails($node, "SELECT * FROM etl_csv('lake', path => '$path') AS t(n int)", '42501',
		qr/HINT:  The keys need the action "s3:GetObject" on this object of bucket "lake".*"s3:ListBucket"/, "$path: an object that is not allowed");
}
store_do('reset');
store_do('fault', kind => 'status', status => 200, code => 'None', match => 'list-type');
query_fails($node, "SELECT * FROM etl_csv('lake', path => 'logs/*') AS t(n int)", '08P01', qr/could not read the list of bucket "lake"/, 'an answer that is no list');
store_do('reset');

# -- an object that changes while it is read ---------------------------------------------------------

store_do('put', key => 'big.csv', size => 3_000_000);
my $all = $node->safe_psql('postgres', "SELECT count(*) FROM etl_csv('lake', path => 'big.csv') AS t(n int)");
store_do('fault', kind => 'cut', bytes => 1_000_000, match => 'big.csv', count => 2);
is($node->safe_psql('postgres', "SELECT count(*) FROM etl_csv('lake', path => 'big.csv') AS t(n int)"), $all, 'an object that breaks off goes on');
my @rest = grep { $_->{headers}{range} } store_requests();
is(scalar(grep { $_->{headers}{'if-match'} && $_->{status} == 206 } @rest), 2, 'by its range, if it is still the same');

store_do('reset');
store_do('fault', kind => 'cut', bytes => 1_000_000, match => 'big.csv', count => 1);
store_do('fault', kind => 'change', key => 'big.csv', body => "n\n7\n", match => 'big.csv', count => 1);
query_fails($node, "SELECT count(*) FROM etl_csv('lake', path => 'big.csv') AS t(n int)", '08006', qr/could not resume reading "s3:\/\/lake\/big\.csv"/, 'it is not');
store_do('reset');

# -- pipelines -------------------------------------------------------------------------------------

$node->safe_psql('postgres', q{
	CREATE TABLE loaded (n int, source text);
	SELECT etl_create_pipeline('lake', $$etl_csv('lake', path => 'in/**/*.csv') AS t(n int, _etl_source text)$$,
		target => 'loaded', query => 'SELECT n, _etl_source AS source FROM batch')});

sub run { return query($node, "CALL etl_run('lake')"); }
sub loaded { return $node->safe_psql('postgres', "SELECT coalesce(string_agg(n::text, ' ' ORDER BY n), '') FROM loaded"); }

unlike(run(), qr/ERROR/, 'a bucket without a match is no failure');
is(loaded(), '', 'and gives nothing');

store_do('put', key => 'in/a.csv', body => "n\n1\n2\n");
store_do('put', key => 'in/x/b.csv', body => "n\n3\n");
run();
is(loaded(), '1 2 3', 'what is there is loaded');

store_do('put', key => 'in/0-comes-late.csv', body => "n\n4\n");
store_do('reset');
run();
is(loaded(), '1 2 3 4', 'what has come is loaded, wherever its name stands');
is_deeply([ asked() ], [ '?prefix=in%2F', '/in/0-comes-late.csv' ], 'and nothing else is asked for');

store_do('put', key => 'in/x/b.csv', body => "n\n5\n");
store_do('reset');
run();
is(loaded(), '1 2 3 4 5', 'another version is another content');
run();
is(loaded(), '1 2 3 4 5', 'and loaded once');

is($node->safe_psql('postgres', "SELECT part, state, rows FROM etl_parts WHERE pipeline = 'lake' ORDER BY part"),
	"s3://lake/in/0-comes-late.csv|done|1\ns3://lake/in/a.csv|done|2\ns3://lake/in/x/b.csv|done|1", 'etl_parts');

# A run that ends within an object goes on there.
sub fail_within
{
	$node->safe_psql('postgres', 'TRUNCATE loaded');
	store_do('reset');
	store_do('fault', kind => 'cut', bytes => 2_000_000, match => 'big.csv', count => 1);
	store_do('fault', kind => 'status', status => 403, code => 'AccessDenied', match => 'big.csv', after => 1);
	like(run(), qr/HTTP status 403/, 'a run that fails within an object');
	store_do('reset');
}

store_do('put', key => 'in/big.csv', size => 3_000_000);
fail_within();
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM loaded'), '>', 0, 'has loaded what was before');
run();
is($node->safe_psql('postgres', 'SELECT count(*) = count(DISTINCT n), count(*) FROM loaded'), "t|$all", 'the next one goes on there');
my ($resumed) = grep { $_->{target} =~ /big/ } store_requests();
like($resumed->{headers}{range}, qr/^bytes=[1-9]/, 'by a range');
like($resumed->{headers}{'if-match'}, qr/^"/, 'of the version that it had');

# The same, but the object changes in between.
store_do('put', key => 'in/big.csv', size => 3_000_010);
fail_within();
store_do('put', key => 'in/big.csv', body => "n\n7\n8\n");
$node->safe_psql('postgres', 'TRUNCATE loaded');
run();
is(loaded(), '7 8', 'a version that is not there any more: the new one is loaded from its start');
like(slurp_file($node->logfile), qr/NOTICE:  "s3:\/\/lake\/in\/big\.csv" has changed since it was read in part/, 'which is told');

# The same by the key of one object, in several batches: the last one ends it.
store_do('put', key => 'single.csv', body => join("\n", 'n', 1 .. 25) . "\n");
$node->safe_psql('postgres', q{
	TRUNCATE loaded;
	SELECT etl_create_pipeline('single', $$etl_csv('lake', path => 'single.csv') AS t(n int, _etl_source text)$$,
		target => 'loaded', query => 'SELECT n, _etl_source AS source FROM batch', batch_size => 10)});
query($node, "CALL etl_run('single')");
is($node->safe_psql('postgres', "SELECT part, state, rows FROM etl_parts WHERE pipeline = 'single'"), 's3://lake/single.csv|done|25', 'one object, by its key');
query($node, "CALL etl_run('single')");
is(loaded(), join(' ', 1 .. 25), 'is loaded once');

# -- rows that are gone ------------------------------------------------------------------------------

store_do('put', key => "whole/$_.csv", body => "n\n$_\n") for 1 .. 3;
$node->safe_psql('postgres', q{
	CREATE TABLE whole (n int PRIMARY KEY);
	SELECT etl_create_pipeline('whole', $$etl_csv('lake', path => 'whole/*.csv') AS t(n int)$$, target => 'whole', key => 'n', deletes => 'delete')});

# Runs it, and says how that ended, and which rows there are.
sub run_whole
{
	query($node, "CALL etl_run('whole')");
	return $node->safe_psql('postgres', q{SELECT concat_ws(' ', state, sqlstate, message ~ 'whole/2.csv', deleted, (SELECT string_agg(n::text, ' ' ORDER BY n) FROM whole))
		FROM etl_runs WHERE pipeline = 'whole' ORDER BY run DESC LIMIT 1});
}

is(run_whole(), 'succeeded 0 1 2 3', 'a run that removes rows');
store_do('put', key => 'whole/2.csv', body => '');
is(run_whole(), 'failed 22P04 t 0 1 2 3', 'takes no empty object for one without rows');
store_do('put', key => 'whole/2.csv', body => "n\n");
is(run_whole(), 'succeeded 1 1 3', 'as one that has a header only');
store_do('delete', key => "whole/$_.csv") for 1 .. 3;
like(run_whole(), qr/^failed \S+ .*0 1 3$/, 'nor a bucket without a match for an empty table');

# -- checkpoints of objects that are gone ------------------------------------------------------------

sub ledger { return $node->safe_psql('postgres', "SELECT $_[0] FROM etl_catalog.checkpoints c JOIN etl_catalog.pipelines p ON p.id = c.pipeline WHERE p.name = 'ledger'"); }
my $missing = 'count(*), count(missing_since)';

store_do('put', key => "ledger/$_.csv", body => "n\n$_\n") for 1, 1500, 9999;
$node->safe_psql('postgres', q{
	TRUNCATE loaded;
	SELECT etl_create_pipeline('ledger', $$etl_csv('lake', path => 'ledger/*.csv') AS t(n int, _etl_source text)$$,
		target => 'loaded', query => 'SELECT n, _etl_source AS source FROM batch')});
sub run_ledger { return query($node, "CALL etl_run('ledger')"); }
run_ledger();
# More than a run holds at a time: as if all of these had been loaded as well.
$node->safe_psql('postgres', q{
	INSERT INTO etl_catalog.checkpoints (pipeline, part, position, skipped, rows, state, version, attempts, pending)
	SELECT pipeline, 's3://lake/' || folder || '/' || i || '.csv', position, skipped, rows, state, version, attempts, pending
	FROM etl_catalog.checkpoints, generate_series(1, 3500) AS i, unnest(ARRAY['ledger', 'other']) AS folder WHERE part = 's3://lake/ledger/1.csv'
	ON CONFLICT DO NOTHING});
store_do('reset');
run_ledger();
is(loaded(), '1 1500 9999', 'among thousands of checkpoints a run finds those of its objects');
is_deeply([ asked() ], ['?prefix=ledger%2F'], 'and reads nothing again');
is(ledger($missing), '7001|3498', 'those of objects that are gone are marked, and none that the pattern does not have');
is(ledger("string_agg(split_part(part, '/', 5), ' ' ORDER BY part) FILTER (WHERE missing_since IS NULL AND part ~ 'ledger')"), '1.csv 1500.csv 9999.csv', 'nor of those that are there');
store_do('put', key => 'ledger/700.csv', body => "n\n700\n");
run_ledger();
is(loaded(), '1 700 1500 9999', 'one that comes back with another content is loaded');
store_do('put', key => 'ledger/800.csv', body => "n\n1\n");
run_ledger();
is(loaded(), '1 700 1500 9999', 'and not with the one that was loaded');
is(ledger($missing), '7001|3496', 'it is not missing any more');
$node->safe_psql('postgres', q{UPDATE etl_catalog.checkpoints SET missing_since = missing_since - interval '31 days'});
store_do('put', key => 'ledger/900.csv', body => "n\n1\n");
run_ledger();
is(loaded(), '1 700 1500 9999', 'one that comes back at the last moment is known');
is(ledger($missing), '3506|0', 'the others are forgotten after etl.retention');
run_ledger();
is(loaded(), '1 700 1500 9999', 'what is there is not');
# Another pattern does not look for them: they may have come back.
store_do('delete', key => 'ledger/700.csv');
run_ledger();
is(ledger($missing), '3506|1', 'an object that is deleted');
$node->safe_psql('postgres', q{SELECT etl_alter_pipeline('ledger', source => $$etl_csv('lake', path => 'ledger/9*.csv') AS t(n int, _etl_source text)$$)});
run_ledger();
is(ledger($missing), '3506|0', 'nobody knows of it where the pattern is another one');

done_testing();
