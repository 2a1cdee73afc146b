# Enrichment: what is asked for the keys of a batch, what is kept, and what becomes of records when a server fails.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

start_fixture();
my $node = net_node('enrich', conf => "max_worker_processes = 16\netl.breaker_failures = 1000\netl.http_retry_budget = '5s'\n");
my $file = fixture_dir() . '/leads.csv';

sub sql { return query($node, $_[0]); }
sub sent { return scalar fixture_requests(); }

# Records with these keys, from 1 on, in a file in the place of the one before.
sub write_file
{
	my @keys = @_;
	open my $out, '>', $file or die $!;
	print $out "id,q\n", map { "$_," . ($keys[ $_ - 1 ] // '') . "\n" } 1 .. @keys;
	close $out;
}

# A pipeline of such a file; "call" has further arguments of the call.
sub create
{
	my ($name, %given) = @_;
	my $call = 'etl_api(' . sql_quote(fixture_url('/lookup')) . ', params => ' . ($given{params} // "jsonb_build_object('q', q)")
	  . ($given{call} // '') . ') AS g(' . ($given{columns} // 'length int') . ')';
	my %enrichment = (call => $call, key => $given{key} // '{q}', %{ $given{enrichment} // {} });
	my $options = $given{options} // '';
	my $source = sql_quote("etl_csv(" . sql_quote($given{file} // $file) . ") AS t(id int, q text)");
	my $query = sql_quote($given{query} // 'SELECT id, q, length FROM batch LEFT JOIN g USING (q)');
	return "CREATE TABLE IF NOT EXISTS $name (id int, q text, length int); SELECT etl_create_pipeline('$name', source => $source, query => $query, "
	  . "target => '$name', enrich => " . sql_quote(encode_json({ g => \%enrichment })) . "$options)";
}

sub run_of
{
	my ($name) = @_;
	fixture_reset();
	sql("CALL etl_run('$name')");
	return sql("SELECT state FROM etl_runs WHERE pipeline = '$name' ORDER BY run DESC LIMIT 1");
}

sub check { return is(sql($_[0]), $_[1], $_[2]); }

# -- rows and requests ------------------------------------------------------------------------------

# One of a hundred rows has a key of its own; one has none.
write_file((map { 'key' . $_ % 100 } 1 .. 9_999), undef);
sql(create('leads', options => ", batch_size => 20000"));
is(run_of('leads'), 'succeeded', 'a run');
is(sent(), 100, 'each key of a batch is asked for once');
check('SELECT count(*), count(DISTINCT id), count(length), bool_and(length = length(q)) FROM leads', '10000|10000|9999|t',
	'each record has what was said of its key, and one without a key has nothing');

write_file('"a&b=c"', '"a b/../?#%"', '"quo""te"', "\x{c3}\x{a4}", '"a,b"', 'a&b=c');
sql(create('hostile', call => ", pagination => 'none'", query => 'SELECT id, g.q, length FROM batch LEFT JOIN g USING (q)'));
is(run_of('hostile'), 'succeeded', 'hostile keys');
check('SELECT id, q, length FROM hostile ORDER BY 1, 3', "1|a&b=c|5\n2|a b/../?#%|10\n3|quo\"te|6\n4|\x{c3}\x{a4}|1\n5|a,b|1\n5|a,b|1\n6|a&b=c|5",
	'are only keys, and one may have several items');

write_file('a', 'b');
sql(create('posted', params => 'NULL', call => ", body => jsonb_build_object('keys', jsonb_build_array(q, q || 'x')), pagination => 'none'"));
is(run_of('posted'), 'succeeded', 'bodies');
check('SELECT id, length FROM posted ORDER BY 1, 2', "1|1\n1|2\n2|1\n2|2", 'by POST');
sql(create('paged', params => "jsonb_build_object('q', q, 'pages', 1)", columns => 'page int', query => 'SELECT id, q, g.page AS length FROM batch JOIN g USING (q)',
	call => ", items => 'items', pagination => 'cursor', next => 'next', next_param => 'page'"));
is(run_of('paged'), 'succeeded', 'pages');
check('SELECT id, length FROM paged ORDER BY 1, 2', "1|1\n1|2\n2|1\n2|2", 'all of them');

# -- what is kept -----------------------------------------------------------------------------------

write_file('a', 'b', 'a');
sql(create('kept', enrichment => { cache => '7 days' }));
is(run_of('kept') . sent(), 'succeeded2', 'asked for');
sql("SELECT etl_reset('kept')");
is(run_of('kept') . sent(), 'succeeded0', 'kept for the next run');
check('SELECT count(*), sum(length) FROM kept', '6|6', 'which gives the same');
sql("UPDATE etl_catalog.enriched SET fetched_at = fetched_at - interval '8 days' WHERE key = (SELECT min(key) FROM etl_catalog.enriched)");
sql("SELECT etl_reset('kept')");
is(run_of('kept') . sent(), 'succeeded1', 'but not for longer than that');
sql(create('other', enrichment => { cache => '7 days' }));
is(run_of('other') . sent(), 'succeeded2', 'and for no other pipeline');
my $changed = create('kept', enrichment => { cache => '7 days' }, call => ", headers => '{\"X-A\": \"1\"}'") =~ s/.*etl_create_pipeline/SELECT etl_alter_pipeline/sr;
sql("SELECT etl_reset('kept')");
sql($changed =~ s/source => .*?, query => .*?, target => 'kept', //sr);
is(run_of('kept') . sent(), 'succeeded2', 'nor for another call');
sql("SELECT etl_drop_pipeline('kept')");
check("SELECT count(DISTINCT pipeline) FROM etl_catalog.enriched", '1', 'and it goes with the pipeline');

# -- what fails ---------------------------------------------------------------------------------------

write_file('a', 'x1', 'b');
my $missing = "jsonb_build_object('q', q, 'missing', 1)";
sql(create('strict', params => $missing, enrichment => { on_error => 'fail' }));
is(run_of('strict'), 'failed', 'a key that the server refuses ends the run');
like(sql("SELECT message FROM etl_runs WHERE pipeline = 'strict'"), qr/HTTP status 404/, 'which says why');
check('SELECT count(*) FROM strict', '0', 'and nothing of the batch is loaded');
sql(create('lax', params => $missing, enrichment => { on_error => 'null' }));
is(run_of('lax'), 'succeeded', 'or has no row');
check('SELECT * FROM lax ORDER BY id', "1|a|1\n2|x1|\n3|b|1", 'beside those of the others');
like(slurp_file($node->logfile), qr/has no answer for 1 of 3 keys\n.*The first: SQLSTATE \w{5}\.$/m, 'and the log has no value');

write_file('a', 'x1', 'b', 'x1', 'c', 'x2', undef);
sql('CREATE TABLE letters (id int PRIMARY KEY, q text, length int)');
sql(create('letters', params => $missing, options => ", key => 'id'"));
is(run_of('letters') . sent(), 'succeeded5', 'or its records become dead letters');
check('SELECT * FROM letters ORDER BY id', "1|a|1\n3|b|1\n5|c|1\n7||", 'beside those that are loaded');
like(sql("SELECT string_agg(concat_ws('|', stage, line, sqlstate, message), ';' ORDER BY line) FROM etl_dead_letters WHERE pipeline = 'letters'"),
	qr/^enrich\|3\|58P01\|enrichment "g": could not read .*HTTP status 404;enrich\|5\|.*;enrich\|7\|/, 'which say why');
check("SELECT read, malformed, convert_failed, converted, loaded FROM etl_runs WHERE pipeline = 'letters'", '7|0|3|4|4', 'the counters add up');
sql("CALL etl_retry_dead_letters('letters')");
check("SELECT count(*) FROM etl_dead_letters WHERE pipeline = 'letters' AND resolved_at IS NULL", '3', 'tried again in vain');
sql("SELECT etl_alter_pipeline('letters', enrich => (SELECT replace(enrich::text, 'missing', 'found')::jsonb FROM etl_pipelines WHERE name = 'letters'))");
sql("CALL etl_retry_dead_letters('letters')");
check('SELECT * FROM letters WHERE id IN (2, 4, 6) ORDER BY id', "2|x1|2\n4|x1|2\n6|x2|2", 'and with an answer they are loaded');
check("SELECT count(*) FROM etl_dead_letters WHERE pipeline = 'letters' AND resolved_at IS NULL", '0', 'and resolved');
sql(create('guarded', params => 'NULL', enrichment => { on_error => 'null' }) =~ s/lookup/guarded/r);
is(run_of('guarded'), 'failed', 'a server that takes no credentials ends the run, whatever on_error says');

# A storm: each key is refused with "later" several times.
write_file(map { "k$_" } 1 .. 40);
sql(create('storm', params => "jsonb_build_object('q', q, 'later', 2)", enrichment => { on_error => 'null' }));
is(run_of('storm') . sent(), 'succeeded120', 'a server that says "later" is asked later');
check('SELECT count(*), count(length) FROM storm', '40|40', 'and nothing is lost');
sql(create('down', enrichment => { on_error => 'null', cache => '1 day' }));
fixture_do('/_storm?kind=fail');
is(run_of('down'), 'failed', 'a server that is down ends the run, whatever on_error says');
fixture_do('/_storm');
is(run_of('down'), 'succeeded', 'and the next one goes on');
check('SELECT count(*), count(DISTINCT id), count(length) FROM down', '40|40|40', 'with nothing lost, and nothing twice');

# -- killed ---------------------------------------------------------------------------------------------

my $kills = $ENV{ENRICH_KILLS} // 2;
my $keys = 10 * ($kills + 2);
write_file(map { "k$_" } 1 .. $keys);
sql(create('killed', params => "jsonb_build_object('q', q, 'hold', 1)", options => ', batch_size => 10', enrichment => { cache => '1 day' }));
fixture_reset();
for my $kill (0 .. $kills)
{
	my $before = sent();
	my $run = sql("SELECT etl_start('killed')");
	# batches of ten keys, which all wait: some answers come, then the run dies in the next batch
	wait_for(sub { sent() >= $before + 10 }, 'a batch is asked for');
	if ($kill == $kills) { last; }
	fixture_do('/_release') for 1 .. 10;
	wait_for(sub { sent() >= $before + 20 || sql("SELECT count(*) FROM killed") == $keys }, 'and the next one');
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'");
	wait_for(sub { sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'etl pipeline'") == 0 }, 'it is killed');
	fixture_do('/_release') for 1 .. 10;    # those that nobody waits for any more
}
wait_for(sub { fixture_do('/_release'); sql("SELECT count(*) FROM killed") == $keys }, 'the last run ends');
check('SELECT count(*), count(DISTINCT id), count(length) FROM killed', "$keys|$keys|$keys", 'rows are exact after kills');
my %times;
$times{ $_->{path} }++ for grep { $_->{path} =~ /^\/lookup/ } fixture_requests();
my ($most) = sort { $b <=> $a } values %times;
cmp_ok($most, '<=', 1 + $kills, 'each key is asked for at most once more for each kill');

# -- rights ----------------------------------------------------------------------------------------------

write_file('a');
my $port = fixture_url('/lookup');
sql("CREATE SERVER geo FOREIGN DATA WRAPPER etl OPTIONS (url '$port', auth 'bearer', allow_private 'true')");
for my $role ('ann', 'bob')
{
	sql("CREATE ROLE $role LOGIN; GRANT pg_read_server_files TO $role; GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO $role; GRANT CREATE ON SCHEMA public TO $role; GRANT USAGE ON FOREIGN SERVER geo TO $role; "
		  . "CREATE USER MAPPING FOR $role SERVER geo OPTIONS (token 'token-of-$role')");
	my $create = create("of_$role", enrichment => { cache => '1 day' }) =~ s/etl_api\(''http.*?'',/etl_api(''geo'',/r;
	sql("SET ROLE $role; $create");
	fixture_reset();
	sql("SET ROLE $role; CALL etl_run('of_$role')");
	is_deeply([ map { $_->{headers}{authorization} } fixture_requests() ], ["Bearer token-of-$role"], "the mapping of $role is used");
}
like(sql('SET ROLE ann; SELECT * FROM etl_catalog.enriched'), qr/permission denied/, 'nobody reads what is kept');

# -- definitions that cannot be ----------------------------------------------------------------------------

sub refuses
{
	my ($definition, $sqlstate, $pattern, $name) = @_;
	return query_fails($node, $definition, $sqlstate, $pattern, $name);
}

refuses(create('no', options => ", redact => '{q}'"), '22023', qr/may hold what is redacted/, 'a key that is redacted');
refuses(create('no', options => ", whole => true, key => 'id'"), '22023', qr/cannot have enrich/, 'the whole source');
refuses(create('no', key => 'z'), '42703', qr/no column of the source/, 'a key that is no column');
refuses(create('no', key => '{id}'), '22023', qr/reads column "q", which is not in its key/, 'a request of more than the key');
refuses(create('no', call => ', items => q'), '0A000', qr/argument "items" .* depends on the batch/, 'an answer that is read by the key');
refuses(create('no', params => "(SELECT jsonb_build_object('q', q))"), '0A000', qr/cannot have a subquery/, 'a subquery');
refuses(create('no', enrichment => { call => 'leads' }), '0A000', qr/must be a call of etl_api/, 'no call');
refuses(create('no', enrichment => { call => "etl_csv('x') AS t(a int)" }), '0A000', qr/must be a call of etl_api/, 'another function');
refuses(create('no', enrichment => { call => "etl_api('x') AS t(a int), leads" }), '0A000', qr/must be a call of etl_api/, 'more than a call');
refuses(create('no', enrichment => { call => "etl_api('x') AS t(a int); DROP TABLE leads" }), '0A000', qr/must be a call of etl_api/, 'two statements');
refuses(create('no', enrichment => { concurrency => 0 }), '22023', qr/between 1 and 100/, 'no concurrency');
refuses(create('no', enrichment => { cash => '1 day' }), '22023', qr/has no member "cash"/, 'an unknown member');
refuses(create('no', enrichment => { on_error => 'skip' }), '22023', qr/on_error/, 'an unknown word');

done_testing();
