# etl_api_many: many requests at once, in order or as they come; what becomes of those that fail.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use PostgreSQL::Test::Utils;
use Test::More;

start_fixture();
my $node = net_node('many', conf => "etl.breaker_failures = 1000\n");
my $server = sql_quote(fixture_url('/lookup'));

$node->safe_psql('postgres', q{
CREATE FUNCTION requests(VARIADIC keys text[]) RETURNS jsonb[] LANGUAGE sql IMMUTABLE AS
$$ SELECT array_agg(CASE WHEN k IS NOT NULL THEN jsonb_build_object('params', jsonb_build_object('q', k)) END ORDER BY n)
   FROM unnest(keys) WITH ORDINALITY AS u(k, n) $$;
CREATE TABLE result(line text)});

# etl_api_many with further arguments, read with these columns.
sub many
{
	my ($arguments, $columns) = @_;
	$columns //= '_etl_request int, q text';
	return "etl_api_many($server, $arguments) AS t($columns)";
}

sub check
{
	my ($sql, $expected, $name) = @_;
	return is(query($node, $sql), $expected, $name);
}

sub sent { return scalar fixture_requests(); }

# -- what is asked for ----------------------------------------------------------------------------

check('SELECT * FROM ' . many("requests('a', 'b', NULL, 'a', 'c')"), "1|a\n2|b\n4|a\n5|c", 'in order; nothing is asked for null');
check("SELECT q, length FROM " . many(q{requests(E'a&b=c', 'a b/../?#%', E'a\nb', E'\u00e4', '')}, 'q text, length int'),
	"a&b=c|5\na b/../?#%|10\na\nb|3\n\x{c3}\x{a4}|1\n|0", 'hostile keys are only keys');
check('SELECT * FROM ' . many("query => \$\$ SELECT jsonb_build_object('params', jsonb_build_object('q', i)) FROM generate_series(1, 3) AS i \$\$"),
	"1|1\n2|2\n3|3", 'requests of a query');
check('SELECT * FROM ' . many("ARRAY['{\"path\": \"/one\"}', '{\"path\": \"/two\", \"params\": {\"q\": \"three\"}}', '{}']::jsonb[], params => '{\"q\": [null]}'"),
	"1|one\n2|three\n3|", 'a path of its own');
fixture_reset();
check('SELECT q FROM ' . many("ARRAY['{\"body\": {\"keys\": [\"x\", \"y\"]}, \"headers\": {\"X-Own\": \"1\"}}']::jsonb[], pagination => 'none', headers => '{\"X-All\": \"2\"}'"),
	"x\ny", 'a body is sent by POST');
is_deeply([ map { @{ $_->{headers} }{ 'x-own', 'x-all' } } fixture_requests() ], [ 1, 2 ], 'headers come beside those of all');
check('SELECT _etl_request, _etl_page, q FROM ' . many(
		"requests('a', 'b'), params => '{\"pages\": 1}', items => 'items', pagination => 'cursor', next => 'next', next_param => 'page'",
		'_etl_request int, _etl_page int, q text'),
	"1|1|a\n1|2|a\n2|1|b\n2|2|b", 'pages of each request');
check("SELECT count(*), count(DISTINCT t.q), bool_and(t.q = (o.n % 100)::text) FROM generate_series(1, 1000) WITH ORDINALITY AS o(n, i) JOIN "
	  . many("query => 'SELECT jsonb_build_object(''params'', jsonb_build_object(''q'', i % 100)) FROM generate_series(1, 1000) AS i'")
	  . ' ON t._etl_request = o.i', '1000|100|t', 'a thousand requests and their rows belong together');
check('SELECT count(*) FROM ' . many("'{}'::jsonb[]"), 0, 'no requests');
$node->safe_psql('postgres', 'CREATE TYPE known AS (q text, length int)');
check("SELECT q, length FROM etl_api_many(NULL::known, $server, requests('abc'))", 'abc|3', 'with the columns of a type');

# -- how many at once, and in which order ---------------------------------------------------------

my $held = sql_quote('{"params": {"q": "first", "hold": 1}}');
my $rest = "requests('b', 'c', 'd')";

for my $order ('false', 'true')
{
	fixture_reset();
	my $session = start_psql($node, "INSERT INTO result SELECT string_agg(q, ',') FROM "
		  . many("${held}::jsonb || $rest, concurrency => 2, in_order => $order"));
	if ($order eq 'false') { wait_for(sub { sent() == 4 }, 'requests are sent as others end'); }
	else { wait_for(sub { sent() == 2 }, 'as many are sent as may be under way'); }
	fixture_do('/_release');
	is(finish_psql($session), '', 'and the answer that was held ends it');
	my $line = query($node, 'DELETE FROM result RETURNING line');
	if ($order eq 'false') { like($line, qr/^b,c,/, 'rows come as the answers do'); }
	else { is($line, 'first,b,c,d', 'rows come in order'); }
}

fixture_reset();
check('SELECT q FROM ' . many("requests('a', 'b', 'c')") . ' LIMIT 1', 'a', 'who wants one row');
is(sent(), 1, 'pays for one request');
fixture_reset();
check('SELECT o.n, count(t.q) FROM generate_series(1, 3) AS o(n) LEFT JOIN LATERAL (SELECT q FROM '
	  . many("requests('a', 'x', 'b'), params => '{\"missing\": 1}', on_error => 'return'", '_etl_request int, q text, _etl_error text')
	  . ' WHERE _etl_request <= o.n OFFSET 0) AS t ON true GROUP BY 1 ORDER BY 1', "1|1\n2|1\n3|2", 'read again');
is(sent(), 3, 'it is not sent again');

# -- what fails ------------------------------------------------------------------------------------

my $mixed = "requests('a', 'x', 'b'), params => '{\"missing\": 1}'";
query_fails($node, 'SELECT * FROM ' . many($mixed), '58P01', qr/HTTP status 404.*CONTEXT:  request 2/s, 'a request that fails is an error');
check('SELECT * FROM ' . many("$mixed, on_error => 'skip'"), "1|a\n3|b", 'is left out');
like(query($node, 'SELECT * FROM ' . many("$mixed, on_error => 'return'", '_etl_request int, q text, _etl_error text, _etl_page int, _etl_item jsonb')),
	qr/^1\|a\|\|1\|\{.*\}\n2\|\|could not read ".*": HTTP status 404\|\|\n3\|b\|\|1\|/, 'is a row of its own');
query_fails($node, 'SELECT * FROM ' . many("$mixed, on_error => 'skip', reject_limit => 0"), '58P01', qr/more than 0 rows are faulty/, 'reject_limit counts it');
check('SELECT * FROM ' . many("ARRAY['{\"parms\": 1}', '3', '{\"headers\": {\"a\": \"b\\nc\"}}', '{}']::jsonb[], on_error => 'skip'"), '4|',
	'so is what is no request');
query_fails($node, 'SELECT * FROM ' . many("ARRAY['{\"parms\": 1}']::jsonb[]"), '22023', qr/a request has no member "parms"/, 'which is an error else');
fixture_reset();
check('SELECT * FROM ' . many("requests('a', 'b', 'c'), params => '{\"later\": 2}'"), "1|a\n2|b\n3|c", 'who is to come later does');
is(sent(), 9, 'each as often as it takes');

query_fails($node, 'SELECT * FROM ' . many('NULL::jsonb[]'), '22023', qr/either "requests" or "query"/, 'nothing is asked for');
query_fails($node, 'SELECT * FROM ' . many("query => 'SELECT 1'"), '42804', qr/one column of type jsonb/, 'a query of other rows');
query_fails($node, 'SELECT * FROM ' . many("query => 'CREATE TABLE made()'"), '42601', qr/one statement that returns rows/, 'no query');
query_fails($node, 'SELECT * FROM ' . many("query => 'DELETE FROM result RETURNING NULL::jsonb'"), '0A000', qr/DELETE|cursor/, 'a query that writes');
query_fails($node, 'SELECT * FROM ' . many("requests('a'), concurrency => 101"), '22023', qr/concurrency/, 'too many at once');
query_fails($node, 'SELECT * FROM ' . many("requests('a'), concurrency => 0"), '22023', qr/concurrency/, 'none at once');

# -- cancelled, and a breaker that is open ----------------------------------------------------------

fixture_reset();
my $session = start_psql($node, 'SELECT * FROM ' . many("requests('a', 'b', 'c'), params => '{\"hold\": 1}'"));
wait_for(sub { sent() == 3 }, 'all wait for their answers');
$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%etl_api_many%' AND pid <> pg_backend_pid()");
like(finish_psql($session), qr/ERROR:  57014/, 'cancelled');
fixture_do('/_release') for 1 .. 3;

# After the pause of the breaker a probe goes first, and the others wait for what it finds.
my $failing = sql_quote(fixture_url('/status/500'));
check("SET etl.breaker_failures = 1; SET etl.breaker_pause = '1ms'; CREATE SERVER failing FOREIGN DATA WRAPPER etl OPTIONS (url $failing, max_attempts '1'); "
	  . "SELECT count(*) FROM etl_api_many('failing', requests('a'), on_error => 'skip') AS t(q text); SELECT pg_sleep(0.01); SELECT * FROM "
	  . many("requests('a', 'b', 'c')"),
	"0\n\n1|a\n2|b\n3|c", 'a probe goes first, and the others wait for it');

done_testing();
