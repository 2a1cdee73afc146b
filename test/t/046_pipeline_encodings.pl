# Pipelines in databases that are not UTF-8.  They read outside of transactions, and there, too, names and values have to be
# converted: of URLs, of what they hold, of paths into it, of tokens, of whatever a message shows.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use JSON::PP;
use MIME::Base64 qw(decode_base64url);
use PostgreSQL::Test::Utils;
use Test::More;

my $root = PostgreSQL::Test::Utils::tempdir . '/root';
mkdir $root or die $!;
sub write_file
{
	my ($name, $text) = @_;
	open my $out, '>:raw', "$root/$name" or die "$name: $!";
	print $out $text;
	close $out or die $!;
}
# The last value has a character that neither LATIN1 nor EUC_JP has.
write_file('données.csv', "clé,größe\n1,é1\n2,é2\n3,é€\n");
write_file('données.json', '{"données": [{"clé": 1, "größe": "é1"}, {"clé": 2, "größe": "\u00e92"}, {"clé": 3, "größe": "é€"}]}');
write_file('here.csv', "clé,größe\n1,é1\n2,é2\n3,é€\n");
write_file('here.ndjson', join '', map { qq({"clé": $_, "größe": "é) . ($_ == 3 ? '€' : $_) . qq("}\n) } 1 .. 3);
write_file('lines.ndjson', qq({"clé": 1, "größe": "é1"}\n{"clé": é}\n{"clé": €}\n{"clé": "\xff"}\n{"clé": 5, "größe": "é5"}\n));
start_fixture('--root', $root);
my $dir = fixture_dir();
system_or_bail('openssl', 'genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', "$dir/key.pem");
chmod 0644, "$dir/key.pem";
my $node = net_node('encodings', conf => "max_worker_processes = 16\netl.http_retry_budget = '2s'\n");
my $base = fixture_url('');
my $database;

sub sql
{
	my ($status, $stdout, $stderr) = $node->psql($database, "SET client_encoding = 'UTF8';\n$_[0]");
	return $status == 0 ? $stdout : $stderr;
}

my $columns = 't("clé" int, "größe" text)';

# A pipeline into a table of its own name.
sub create
{
	my ($name, $source, $options, $as) = @_;
	$as //= $columns;
	return sql(qq{CREATE TABLE $name ("clé" int, "größe" text);
		SELECT etl_create_pipeline('$name', source => \$\$$source AS $as\$\$, query => 'SELECT "clé", "größe" FROM batch', target => '$name'}
		  . ($options // '') . ')');
}

sub run_of
{
	my ($name) = @_;
	sql("CALL etl_run('$name')");
	return sql("SELECT concat_ws('|', state, read, loaded, message) FROM etl_runs WHERE pipeline = '$name' ORDER BY run DESC LIMIT 1");
}

my $accents = "items => 'données', pagination => 'cursor', next => 'fin.suite', next_param => 'où'";
sub api
{
	my ($path, $options) = @_;
	return "etl_api('$base/api/$path', " . ($options // $accents) . ')';
}

for my $encoding ('LATIN1', 'EUC_JP')
{
	$database = lc $encoding;
	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
	is(sql("CREATE EXTENSION etl; CREATE SERVER web FOREIGN DATA WRAPPER etl OPTIONS (url '$base')"), '', $encoding);

	# Files and URLs: two records that the database has characters for, and one that is a dead letter.
	my %sources = (
		csv_file => "etl_csv('$root/here.csv', encoding => 'UTF8')",
		csv_url => "etl_csv('$base/files/données.csv', encoding => 'UTF8')",
		csv_server => "etl_csv('web', path => '/files/données.csv', encoding => 'UTF8')",
		json_file => "etl_json('$root/here.ndjson', format => 'ndjson')",
		json_url => "etl_json('$base/files/données.json', items => 'données')",
		json_server => "etl_json('web', path => '/files/données.json', items => 'données')",
	);
	for my $name (sort keys %sources)
	{
		is(create($name, $sources{$name}), '', "a pipeline over $name");
		is(run_of($name), 'succeeded|3|2', 'loads what can be converted');
		is(sql(qq{SELECT string_agg("größe", ',' ORDER BY "clé") FROM $name}), 'é1,é2', 'converted');
		is(sql("SELECT count(*) FROM etl_dead_letters WHERE pipeline = '$name' AND message ~ 'has no equivalent'"), '1', 'and sets aside what cannot be');
		is(run_of($name), 'succeeded|0|0', 'what was read is not read again');
		sql("CALL etl_retry_dead_letters('$name')");
		is(sql("SELECT count(*) FROM etl_dead_letters WHERE pipeline = '$name' AND message ~ 'has no equivalent'"), '1', 'a second chance changes nothing');
	}
	# Lines that are no JSON are shown as they are, unless they are no text in the database.
	is(create('lines', "etl_json('$root/lines.ndjson')"), '', 'a pipeline over broken lines');
	is(run_of('lines'), 'succeeded|5|2', 'loads the others');
	sql("CALL etl_retry_dead_letters('lines')");
	is(sql("SELECT line, raw, replayable, attempts FROM etl_dead_letters WHERE pipeline = 'lines' ORDER BY line"),
		join("\n", '2|{"clé": é}|t|2', '3|{"cl\xc3\xa9": \xe2\x82\xac}|f|1', '4|{"cl\xc3\xa9": "\xff"}|f|1'), 'and sets them aside');
	write_file('grown.csv', "clé,größe\n1,é1\n");
	is(create('grown', "etl_csv('$root/grown.csv', encoding => 'UTF8')"), '', 'a file that grows');
	is(run_of('grown'), 'succeeded|1|1', 'is read');
	write_file('grown.csv', "clé,größe\n1,é1\n2,é2\n");
	is(run_of('grown'), 'succeeded|2|2', 'and read whole, as no byte of it is a place in what is converted');
	is(create('lost', "etl_json('$base/files/données.json', items => 'où')"), '', 'a path that leads nowhere');
	like(run_of('lost'), qr/^failed.*"où"/, 'is shown');

	like(sql("SELECT * FROM etl_csv('$base/status/404/a%20caf%C3%A9%20%E2%82%AC') AS t(id int)"), qr/DETAIL:  The response begins: a café \?$/,
		'what a server says is shown');

	# Pages, and the next run in their midst.
	for my $case ([ 'pages', '', $accents ], [ 'pages_csv', '/csv=1', "format => 'csv', pagination => 'cursor', next => 'header:X-Next', next_param => 'où'" ])
	{
		my ($name, $knobs, $options) = @$case;
		is(create($name, api("accents/n=25/euro=24$knobs", $options), ", batch_size => 4, on_error => 'fail'"), '', "a pipeline over $name");
		sql(qq{ALTER TABLE $name ADD CONSTRAINT stop CHECK ("clé" < 14)});
		like(run_of($name), qr/^failed/, 'that fails in the midst');
		sql("ALTER TABLE $name DROP CONSTRAINT stop; SELECT etl_alter_pipeline('$name', on_error => 'dead_letter')");
		like(run_of($name), qr/^succeeded\|13\|12/, 'is gone on with');
		is(sql(qq{SELECT count(*), count(DISTINCT "clé"), bool_and("größe" = 'é' || "clé") FROM $name}), '24|24|t', 'to its end');
		is(sql("SELECT count(*) FROM etl_dead_letters WHERE pipeline = '$name' AND message ~ 'has no equivalent'"), '1', 'but for one item');
	}
	is(create('auto', api('accents/n=25/lists=1', "params => '{}'")), '', 'pages that say nothing of themselves');
	like(run_of('auto'), qr/^failed.*several lists/, 'are not guessed');
	is(create('waits', api('github/n=25/first=403', "pagination => 'link', " . api_options(answers => '403 wait', wait => 'message~"in ([0-9.]+) s"=delta')),
		'', 't("clé" int, "größe" text, name text)'), '', 'pages that ask to wait');
	is(create('kept_out', "etl_json('$base/files/données.json', items => 'données')", q{, redact => '{größe}'}), '', 'a column that is kept out');
	is(run_of('kept_out'), 'succeeded|3|2', 'of a dead letter');
	is(sql("SELECT raw FROM etl_dead_letters WHERE pipeline = 'kept_out'"), '{"clé":3}', 'by its name');

	# What is carried along with the next request, by name.
	fixture_reset();
	is(create('carried', api('hubspot/n=25/size=10', q{pagination => 'hubspot_search', options => '{"carry": "größe"}', next_param => 'body:après',}
			  . q{ body => '{"größe": "é", "once": 1}'})), '', 'a body with names');
	like(run_of('carried'), qr/^(succeeded|failed)\|/, 'is sent');
	my @bodies = map { $_->{body} } fixture_requests();
	is($bodies[0], '{"once": 1, "größe": "é"}', 'in UTF-8');
	is($bodies[1], '{"après": "10", "größe": "é"}', 'and carried along by its name');

	# What servers and mappings say is sent in UTF-8, too.
	sql(qq{CREATE SERVER known FOREIGN DATA WRAPPER etl OPTIONS (url '$base/api/accents/n=25/é=1', auth 'query', auth_name 'clé', headers '{"X-A": "ü"}');
		CREATE USER MAPPING FOR CURRENT_USER SERVER known OPTIONS (key 'ßecret')});
	fixture_reset();
	is(create('known', "etl_api('known', '', $accents)"), '', 'a server with names');
	like(run_of('known'), qr/^succeeded\|25/, 'is read');
	my ($first) = fixture_requests();
	is($first->{path}, '/api/accents/n=25/%C3%A9=1?cl%C3%A9=%C3%9Fecret', 'by its URL, with its key');
	is($first->{headers}{'x-a'}, "\x{c3}\x{bc}", 'and header');

	# A token for a signed assertion.
	sql("CREATE SERVER signed FOREIGN DATA WRAPPER etl OPTIONS (url '$base', auth 'oauth2', grant 'jwt_bearer', token_url '$base/token',
		scope 'tout é', issuer 'moi'); CREATE USER MAPPING FOR CURRENT_USER SERVER signed OPTIONS (private_key_file '$dir/key.pem')");
	fixture_reset();
	is(create('signed', q{etl_api('signed', '/api/guarded/n=25/size=10', missing_columns => 'null')}, '', 't("clé" int, "größe" text, id int)'), '', 'a server that wants an assertion');
	like(run_of('signed'), qr/^succeeded\|25\|/, 'has its token');
	my ($assertion) = map { $_->{body} =~ /(?:^|&)assertion=([^&]+)/ ? $1 : () } fixture_requests();
	is(decode_json(decode_base64url((split /\./, $assertion)[1]))->{scope}, "tout \x{e9}", 'signed in UTF-8');
}

unlike(slurp_file($node->logfile), qr/outside a transaction|TRAP/, 'no conversion needs a transaction');
$node->stop;
done_testing();
