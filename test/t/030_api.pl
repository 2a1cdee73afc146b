# Paged APIs: every dialect that has a name, and every trap that a client was ever in.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use PostgreSQL::Test::Utils;
use Test::More;

start_fixture();
# Many deliberate failures: none may close the door to the next, or take seconds.
my $node = net_node('api', conf => "etl.breaker_failures = 1000\n");

my $knobs = 'n=25/size=10';
my $cursor = "items => 'items', pagination => 'cursor', next => 'next_cursor', next_param => 'cursor'";

# etl_api of a path of the fixture, with further arguments.
my %used;
sub api
{
	my ($path, $options) = @_;
	$used{$1} = 1 if ($options // '') =~ /pagination => '(\w+)'/;
	return 'etl_api(' . sql_quote(fixture_url("/api/$path")) . (defined $options ? ", $options" : '') . ')';
}

# Of an API, or all.  A query that failed may have asked for a page ahead, and the fixture may come to that request only after
# it was told to forget those before.
sub number_of_requests
{
	my ($name) = map { m{^(\w+)} } $_[0] // '';

	return scalar grep { !defined $name || $_->{path} =~ m{^/api/$name\b} } fixture_requests();
}

# All items come, once each, in order, from so many pages, with so many requests; or with up to so many, [N], where some are
# dropped that may not have been sent yet.
sub check_all
{
	my ($path, $options, $pages, $requests, $name, $items) = @_;
	$items //= 25;
	fixture_reset();
	is( query(
			$node,
			'SELECT count(*), count(DISTINCT id), max(id::numeric) - min(id::numeric) + 1, max(_etl_page), '
			  . 'bool_and(in_order) FROM (SELECT *, abs(id::numeric - lag(id::numeric, 1, id::numeric) OVER ()) <= 1'
			  . ' AS in_order FROM '
			  . api($path, $options)
			  . ' AS t(id text, _etl_page int)) AS s'),
		"$items|$items|$items|$pages|t", $name // $path);
	my $sent = number_of_requests($path);
	my $most = ref $requests ? $requests->[0] : $requests;
	ok($sent <= $most && $sent >= (ref $requests ? $pages : $most), 'by as many requests as it takes: ' . ($name // $path))
	  or diag("$sent requests, not $most");
}

sub check_fails
{
	my ($path, $options, $sqlstate, $pattern, $name) = @_;
	fixture_reset();
	return query_fails($node, 'SELECT count(*) FROM ' . api($path, $options) . ' AS t(id text)',
		$sqlstate, $pattern, $name);
}

# -- dialects by name -----------------------------------------------------------------------------

my $items = "items => 'items'";
check_all("github/$knobs", "pagination => 'github'", 3, 3);
check_all("gitlab/$knobs", "pagination => 'cursor', next => 'header:X-Next-Page', next_param => 'page'", 3, 3);
check_all("gitlab/$knobs/keyset=1", "pagination => 'gitlab'", 3, 4, 'gitlab, where an empty page is the end of a keyset');
check_all("stripe/$knobs", "pagination => 'stripe'", 3, 3);
check_all("slack/$knobs", "pagination => 'slack', items => 'members'", 4, 4, 'slack, with a short page');
check_all("shopify/$knobs", "pagination => 'shopify', items => 'orders', params => '{\"status\": \"any\"}'", 3, 3);
check_all("graphql/$knobs", "pagination => 'graphql', items => 'data.orders.edges[].node', "
	  . "next => 'data.orders.pageInfo.endCursor', stop => 'data.orders.pageInfo.hasNextPage=false', "
	  . "body => '{\"query\": \"{orders}\"}'", 3, 3);
check_all("notion/$knobs", "pagination => 'notion'", 3, 3);
check_all("notion/$knobs", "pagination => 'notion', next_param => 'body:start_cursor', body => '{\"filter\": {}}'",
	3, 3, 'notion, by POST');
check_all("hubspot/$knobs", "pagination => 'hubspot'", 3, 3);
check_all("hubspot/$knobs", "pagination => 'hubspot_search', body => '{}'", 3, 3, 'hubspot_search');
check_all("salesforce/$knobs", "pagination => 'salesforce'", 4, 4, 'salesforce, with batches of any size');
check_all("zendesk/$knobs", "pagination => 'zendesk', items => 'tickets'", 3, 3);
check_all("zendesk_export/$knobs",
	"pagination => 'zendesk_export', items => 'tickets', params => '{\"start_time\": 7}'", 3, 3);
check_all("jira/$knobs", "pagination => 'jira'", 3, 3);
check_all("jira_offset/$knobs", "pagination => 'jira_offset'", 3, 3);
check_all("twilio/$knobs", "pagination => 'twilio', items => 'calls'", 3, 3);
check_all("square/$knobs", "pagination => 'square', items => 'payments'", 3, 3);
check_all("square/$knobs/alone=1",
	"pagination => 'square', items => 'payments', params => '{\"a\": 1}', " . api_options(carry => 'none'), 3, 3,
	'square, where the cursor must come alone');
check_all("airtable/$knobs", "pagination => 'airtable'", 3, 3);
check_all("airtable/$knobs/expires=1", "pagination => 'airtable'", 3, 6, 'airtable, whose iterator expires');
check_all("intercom/$knobs", "pagination => 'intercom'", 3, 3);
check_all("intercom/$knobs",
	"pagination => 'intercom', next_param => 'body:pagination.starting_after', body => '{}'", 3, 3,
	'intercom, by POST');
check_all("google/$knobs", "pagination => 'google'", 3, 3);
check_all("google/$knobs/empty=1,3,4", "pagination => 'google'", 6, 6, 'google, with empty pages that go on');
check_all("odata/$knobs", "pagination => 'odata'", 3, 3, 'odata, whose key has @ and a dot');
check_all("elasticsearch/$knobs", "pagination => 'elasticsearch', page_size => 10, body => '{\"sort\": []}'",
	3, 4, 'elasticsearch, whose cursor is an array');
check_all("elasticsearch/$knobs/ties=1", "pagination => 'elasticsearch', page_size => 10, body => '{\"sort\": []}'",
	3, 4, 'more items of one time than a page has, with a tiebreaker');
check_all("elasticsearch_scroll/$knobs", "pagination => 'elasticsearch_scroll', body => '{\"scroll\": \"1m\"}', "
	  . api_options(next_path => "/api/elasticsearch_scroll/$knobs"), 3, 4, 'elasticsearch_scroll, whose cursor is always the same');
check_all("couchdb/$knobs", "pagination => 'couchdb', body => '{\"selector\": {}}'", 3, 3);
check_all("couchdb/$knobs", "pagination => 'couchdb', page_size => 5, body => '{\"selector\": {}}'", 5, 6,
	'couchdb, whose limit stands in the body');
check_all("couchdb_changes/$knobs", "pagination => 'couchdb_changes'", 3, 3);
check_all("couchdb_changes/$knobs/pending=0", "pagination => 'couchdb_changes'", 3, 4,
	'couchdb_changes of old servers, which end with an empty page');
check_all("jsonapi/$knobs", "pagination => 'jsonapi'", 3, 3);
check_all("jsonapi/$knobs/object=1", "pagination => 'jsonapi', next => 'links.next.href'", 3, 3, 'jsonapi, with objects');
check_all("fhir/$knobs", "pagination => 'fhir'", 3, 3);
check_all("socrata/$knobs", "pagination => 'socrata', page_size => 50", 3, 3, 'socrata, with a clamped size of pages');
check_all("ckan/$knobs", "pagination => 'ckan', page_size => 32000", 3, 3, 'ckan, with a clamped size of pages');
check_all("crossref/$knobs", "pagination => 'crossref'", 3, 3, 'crossref, whose cursor is always the same');
check_all("openalex/$knobs", "pagination => 'openalex'", 3, 4, 'openalex, with an empty page at the end');
check_all("reddit/$knobs", "pagination => 'reddit'", 3, 3);
check_all("discord/$knobs", "pagination => 'discord'", 3, 3, 'discord, with numbers beyond 2^53');
check_all("wordpress/$knobs", "pagination => 'wordpress'", 3, 3);
check_all("pagerduty/$knobs", "pagination => 'pagerduty', items => 'users'", 3, 3);
check_all("freshdesk/$knobs", "pagination => 'freshdesk', page_size => 10", 3, 3);
check_all("pipedrive/$knobs", "pagination => 'pipedrive'", 3, 3);

# -- dialects that the first answer shows ---------------------------------------------------------

check_all("$_/$knobs", undef, 3, 3, "auto: $_")
  for qw(github gitlab hubspot zendesk jira_offset twilio square intercom google odata jsonapi wordpress
  pagerduty pipedrive pages offsets counted next_url ndjson);
check_all("salesforce/$knobs", undef, 4, 4, 'auto: salesforce');
check_all("jsonapi/$knobs/object=1", undef, 3, 3, 'auto: a next link that is an object');
check_all("next_url/$knobs/late=1", undef, 3, 3, 'auto: a next link behind the items');
is(query($node, 'SELECT id FROM ' . api("single/$knobs") . ' AS t(id int)'), '1', 'auto: a single object');
is(query($node, 'SELECT count(*) FROM ' . api("nothing/$knobs") . ' AS t(id int)'), '0', 'auto: No Content');

# In doubt it is an error, which says what was seen; never page one.
my $what = check_fails("bare/$knobs", undef, '08P01', qr/cannot tell whether this page is all there is/, 'a bare list');
like($what, qr/no Link header, and its body is a bare list.*pagination => 'none'/s, 'it says what was seen, and what to do');
check_all("bare/$knobs", "pagination => 'none'", 1, 1, 'unless it is said to be all', 10);
check_fails("total_only/$knobs", undef, '08P01', qr/the total is 25, but the last page is reached after 10 items/,
	'a total without a way to the rest');
check_fails("openalex/$knobs", undef, '08P01', qr/the total is 25/, 'a cursor that has to be asked for');
check_fails("lists/$knobs", undef, '22023', qr/several lists.*"cats".*"dogs".*items =>/s, 'two lists');

# First answers without a list of objects: one item, an empty page, or a doubt
for my $case (
	[ '{"id":1,"tags":[],"error":null,"errors":{}}', 1, 'an object' ],
	[ '{"data":null,"next":null}', 0, 'null is no item' ],
	[ '{"tickets":[],"next_page":null}', 0, 'an empty list of any name' ],
	[ '{"data":[],"included":[{"id":9}],"next":null}', 0, 'an empty list, and something beside it' ],
	[ '{"data":[1,2,3],"next":null}', 3, 'plain values' ],
	[ '{"data":[1,2,3]}', qr/cannot tell where the items are.*The body is an object with "data" \(array\).*items => '\$'/s, 'plain values, and no word of pages' ],
	[ '{"data":null}', qr/cannot tell where the items are/, 'null, and no word of pages' ],
	[ '{"rows_here":{"a":1},"has_more":false}', qr/cannot tell where the items are/, 'a page without a list' ],
	[ '{"link":[{"relation":"self"}],"total":0}', qr/cannot tell where the items are/, 'a list that is never of items' ],
	[ '{"error":"no such key"}', qr/the answer seems to be an error.*"error" \(string\)/s, 'an error with status 200' ],
	[ '{"status":"error","message":"quota","data":[]}', qr/the answer seems to be an error.*"status" \(string\)/s, 'a refusal with an empty list' ],
	[ '{"success":false,"items":[]}', qr/the answer seems to be an error/, 'another one' ],
	[ '{"success":false,"message":"no"}', qr/the answer seems to be an error/, 'and one without' ],
	[ '{"status":"ok","data":[],"next":null}', 0, 'a success with an empty list' ],
	[ '{"status":"error","data":[{"id":1}],"next":null}', 1, 'a list of items is one' ],
	[ '{"@odata.context":"x","value":[{"id":1}]}', 1, 'OData without a next link is complete' ],
	[ '{"data":[{"id":1}],"next_cursor":false}', 1, 'no cursor, by false' ],
	[ '{"@odata.count":"2","rows":[1]}', qr/cannot tell where the items are.*The body is an object with "\@odata.count" \(string\)/s, 'a name in quotes is quoted once' ],
	[ '{"data":null,"errors":[{"message":"no"}]}', qr/the answer seems to be an error/, 'errors with status 200' ])
{
	my ($body, $expected, $name) = @$case;
	my $answer = "HTTP/1.1 200 OK\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
	my $from = 'etl_api(' . sql_quote(fixture_url('/raw?text=' . $answer =~ s/([^\w])/sprintf('%%%02X', ord($1))/ger));
	my $select = "SELECT count(*) FROM $from) AS t(_etl_item jsonb)";

	if (ref $expected) { query_fails($node, $select, '22023', $expected, "auto: $name"); }
	else { is(query($node, $select), $expected, "auto: $name"); }
}
check_fails("promise/$knobs", undef, '08P01', qr/says that there is more, but not where/, 'has_more without a cursor');
check_fails("jira/$knobs", undef, '08P01', qr/page 2 has the same items as page 1/, 'a parameter that the server does not know');

# -- traps ----------------------------------------------------------------------------------------

check_all("same_cursor/$knobs", "$cursor, " . api_options(guard => 'content'), 3, 3, 'the same cursor, new items');
check_fails("same_cursor/$knobs", $cursor, '08P01', qr/page 2 leads back to page 2.*"guard": "content"/s,
	'the same cursor, unless that is said to be right');
my $message = check_fails("same_items/$knobs", $cursor, '08P01', qr/page 2 has the same items as page 1/,
	'new cursors, the same items');
like($message, qr/reference to it was [0-9a-f]{8} \(a hash\)/, 'a cursor is shown as a hash');
check_fails("cycle/$knobs", $cursor, '08P01', qr/page 3 has the same items as page 1/, 'A, B, A');
is(query($node, 'SELECT count(*) FROM ' . api("cycle/$knobs", "$cursor, max_pages => 5, " . api_options(guard => 'off')) . ' AS t(id int)'),
	'50', 'without the guard it is for max_pages to end that');
check_fails('restless', "$cursor, concurrency => 1", '08P01', qr/page 3 leads back to page 2/, 'A, B, A, with items that are never the same');
is(number_of_requests(), 3, 'that is seen at once');
check_fails('restless', "items => 'items', pagination => 'next_url', next => 'next'", '08P01',
	qr/page 3 leads back to page 2/, 'the same with URLs');
check_fails('restless', "items => 'items', pagination => 'next_url', next => 'next', params => '{\"cursor\": \"A\"}'", '08P01',
	qr/page 2 leads back to page 1/, 'back to where the call began');
my $since = "pagination => 'cursor', next => 'last:at', next_param => 'since'";
check_fails('since/n=25/size=10/each=12', $since, '08P01', qr/page 2 has the same items as page 1/,
	'more items of one time than a page has, and nothing else to go by');
is(number_of_requests(), 2, 'that is seen at once');
check_fails("hollow/$knobs", $cursor, '08P01', qr/4 pages in a row are empty/, 'empty pages for ever');
is(number_of_requests(), 4, 'three of them are borne with');
check_fails("hollow/$knobs", "$cursor, " . api_options(on_empty => 'error'), '08P01', qr/a page is empty, but names a next one/,
	'on_empty error');
is(query($node, 'SELECT count(*) FROM ' . api("hollow/$knobs", "$cursor, " . api_options(on_empty => 'stop')) . ' AS t(id int)'),
	'0', 'on_empty stop');
like(
	($node->psql('postgres', 'SELECT count(*) FROM ' . api("hollow/$knobs", "$cursor, " . api_options(on_truncation => 'warning')) . ' AS t(id int)'))[2],
	qr/WARNING:  4 pages in a row are empty/, 'on_truncation warning');
is(query($node, 'SELECT count(*) FROM ' . api('ckan/n=0', "pagination => 'ckan'") . ' AS t(id int)'), '0',
	'a next link where the total is 0');
check_fails("promise/$knobs", "$cursor, stop => 'has_more=false'", '08P01', qr/says that there is more, but not where/,
	'a promise that is broken');
check_fails("zendesk/$knobs/forgets=1", "pagination => 'zendesk', items => 'tickets'", '08P01',
	qr/there is nothing at "links.next"/, 'a flag without a link');
check_fails('hubspot/n=30', "pagination => 'hubspot', " . api_options(cap => 30), '08P01', qr/30 items at most/, 'a cap that is reached');
my $search = "pagination => 'hubspot_search', "
  . q{body => '{"filterGroups": [{"filters": [{"propertyName": "id", "operator": "GT", "value": "{key}"}]}]}', };
my %key = (cap => 20, rekey => 'last:id', key => 0);
check_all('hubspot_search/n=65', $search . api_options(%key), 7, 7, 'a new search behind the last item', 65);
check_all('hubspot_search/n=60', $search . api_options(%key), 6, 7, 'also where the cap is the end', 60);
check_fails('hubspot_search/n=65', $search . api_options(cap => 20, key => 0), '08P01', qr/20 items at most/, 'without it the cap is an error');
check_fails('hubspot_search/n=65/stuck=1', $search . api_options(%key), '08P01',
	qr/has the same items as page/, 'a search that ignores the key');
check_fails('hubspot_search/n=65/stuck=1', $search . api_options(%key, guard => 'off'), '08P01',
	qr/the key does not advance/, 'also without the guard');

# A key that several items share: what the next search hands out once more is passed over.
my $behind = "$cursor, params => '{\"since\": \"{key}\"}', " . api_options(%key, rekey => 'last:at');
check_all('capped/n=65/cap=20', $behind, 7, 7, 'a search that takes the last key in', 65);
check_all('capped/n=65/cap=20/each=3', $behind, 8, 8, 'more items of one key', 65);
check_all('capped/n=39/cap=20', $behind, 4, 5, 'the cap is reached by the last item', 39);
check_all('capped/n=20/cap=20', $behind, 2, 3, 'the cap is all there is', 20);
check_all('capped/n=19/cap=20', $behind, 2, 2, 'the cap is never reached', 19);
check_all('capped/n=65/cap=20/each=3/drop=40', $behind, 8, 16, 'pages that break off at the border', 65);
check_all('capped/n=65/cap=20/op=gt', $behind =~ s/"0"/"-1"/r, 7, 7, 'a search for later keys, which are unique', 65);
check_all('capped/n=65/cap=20/desc=1', $behind =~ s/"0"/"999"/r, 7, 7, 'newest first', 65);
check_fails('capped/n=65/cap=20/each=20', $behind, '08P01', qr/the key does not advance/, 'as many of one key as a search gives');
check_fails('capped/n=65/cap=20/each=25', $behind =~ s/"0"/"-1"/r, '08P01', qr/the key does not advance|same items as page/,
	'more of one key than a search gives');
check_fails('capped/n=65/cap=20/each=3/op=gt', $behind =~ s/"0"/"-1"/r, '08P01',
	qr/items may be missing where one search ends.*The last 2 items/s, 'a search that leaves out others of the last key');
check_fails('capped/n=65/cap=20/mixed=1', $behind, '08P01', qr/not in the order of their keys/, 'items in no order');
check_fails('capped/n=65/cap=20', $behind =~ s/last:at/last:nowhere/r, '08P01', qr/the last item has no key at "last:nowhere"/,
	'items without a key');

# Slices of time: item n is n hours after 2024-01-01; with what is said otherwise.
sub slices
{
	my %options = (
		pagination => 'cursor',
		items => 'items',
		next => 'next_cursor',
		next_param => 'query:page',
		slice => '1 day',
		slice_from => '2024-01-01 00:00+00',
		slice_to => '2024-01-04 06:00+00',
		params => '{"from": "{from}", "to": "{to}"}',
		@_);
	my @given = sort grep { defined $options{$_} } keys %options;
	my %rare = map { $_ => $options{$_} } grep { /^slice|^answers$|^cap$|^on_truncation$/ } @given;
	return join ', ', (map { "$_ => " . sql_quote($options{$_}) } grep { !exists $rare{$_} } @given), api_options(%rare);
}
sub check_slices
{
	my ($name, $path, $pages, $items, @options) = @_;
	return check_all("sliced/$path", slices(@options), $pages, $pages, "slices: $name", $items);
}
check_slices('days', 'n=100/size=10', 10, 78);
is_deeply(
	[ map { $_->{path} =~ s/.*\?//r } (fixture_requests())[ 0, 2, 3, 9 ] ],
	[
		'to=2024-01-02T00%3A00%3A00Z&from=2024-01-01T00%3A00%3A00Z',
		'to=2024-01-02T00%3A00%3A00Z&from=2024-01-01T00%3A00%3A00Z&page=3',
		'to=2024-01-03T00%3A00%3A00Z&from=2024-01-02T00%3A00%3A00Z',
		'to=2024-01-04T06%3A00%3A00Z&from=2024-01-04T00%3A00%3A00Z'
	],
	'slices: what is asked for');
check_slices('a page for each', 'n=100/size=50', 4, 78);
check_slices('one that is longer than all', 'n=100/size=50', 2, 78, slice => '1 month');
check_slices('one behind the other', 'n=100/size=10/last=1', 10, 78, slice_gap => '1 second');
check_slices('seconds', 'n=100/size=10/unit=1', 10, 78, slice_format => 'epoch');
check_slices('milliseconds', 'n=100/size=10/unit=1000/last=1', 10, 78, slice_format => 'epoch_ms', slice_gap => '1 ms');
my @no_params = (params => undef);
check_slices('texts in a body', 'n=100/size=10', 10, 78, @no_params, body => '{"range": {"from": "{from}", "to": "{to}"}}');
check_slices('numbers in a body', 'n=100/size=10/unit=1', 10, 78, @no_params, slice_format => 'epoch',
	body => '{"range": {"from": "{from:number}", "to": "{to:number}"}}');
check_all("sliced/n=20/size=10/none=$_", slices(answers => '404 empty'), 2, 5, "slices: nothing there: $_", 20) for 204, 404;
check_slices('numbered pages', 'n=100/size=10/counted=1', 10, 78, pagination => 'page', stop => 'pages=pages', concurrency => 4,
	map { $_ => undef } qw(next next_param));
query($node, "ALTER DATABASE postgres SET timezone = 'Asia/Tokyo'");
check_slices('dates, of the time zone', 'n=100/size=50', 3, 72, slice_format => 'date', slice_from => '2024-01-01', slice_to => '2024-01-04');
query($node, 'ALTER DATABASE postgres RESET timezone');
check_all('sliced/n=100/size=10/drop=60', slices(), 10, 20, 'slices: pages that break off', 78);
check_fails('sliced/n=100', slices(params => '{"a": 1}'), '22023', qr/"slice" has no effect without \{from\} or \{to\}/, 'slices that nobody asks for');
check_fails('sliced/n=100', slices(slice_from => undef), '22023', qr/"slice" needs "slice_from"/, 'slices from nowhere');
check_fails('sliced/n=100', slices(slice => undef), '22023', qr/need "slice"/, 'slices of no length');
check_all('sliced/n=100/size=50', slices(pagination => 'none', map { $_ => undef } qw(next next_param)), 4, 4, 'slices: one request each', 78);
check_fails('sliced/n=100', slices(slice_from => '2024-02-01'), '22023', qr/must be before "slice_to"/, 'slices that end before they begin');
check_fails('sliced/n=100', slices(slice_from => '-infinity'), '22023', qr/must not be infinite/, 'slices for ever');
check_fails('sliced/n=100', slices(slice => '0 days'), '22023', qr/must be longer than nothing/, 'slices of nothing');
check_fails('sliced/n=100', slices(slice_format => 'german'), '22023', qr/not one of iso, date/, 'slices in another format');
check_fails('github/n=25', slices(pagination => 'link', map { $_ => undef } qw(items next next_param)), '08P01',
	qr/page 4 has the same items as page 1/, 'a server that ignores the slices');
check_all('sliced/n=100/size=10', slices() . ', max_pages => 4', 4, 4, 'slices: max_pages counts all pages', 34);
check_fails('sliced/n=100/size=10', slices(cap => 20), '08P01', qr/20 items at most.*"slice"/s, 'a slice that reaches the cap');
like(($node->psql('postgres', 'SELECT count(*) FROM ' . api('sliced/n=100/size=10', slices(cap => 24, on_truncation => 'warning'))
		  . ' AS t(id int)'))[2], qr/(WARNING:  the server hands out 24 items at most.*){3}/s, 'or goes on with the next one');

# -- a column that no item of any page has --------------------------------------------------------

# Also where the pages are read a second time, it is said once.
sub misspelt { return 'SELECT count(iid) FROM generate_series(1, 2) LEFT JOIN ' . api("github/$knobs", $_[0]) . ' AS t(id text, iid text) ON id IS NULL' }
my @misspelt = $node->psql('postgres', 'SET enable_material = off; ' . misspelt("pagination => 'github'"));
is("@misspelt[0, 1]", '0 0', 'a column that no item has is NULL');
is(scalar(() = $misspelt[2] =~ /NOTICE:  no item has column "iid"\nDETAIL:  The first item that lacks one, of "[^"]*", has "id"/g),
	1, 'and a NOTICE');
query_fails($node, misspelt("pagination => 'github', missing_columns => 'error'"), '42703', qr/Perhaps you meant "id"/, 'or an error');
is(($node->psql('postgres', misspelt("pagination => 'github', missing_columns => 'null'")))[2], '', 'or nothing');

check_fails("slack/$knobs/broken=1", "pagination => 'slack', items => 'members'", 'HV000',
	qr/the server answers with an error/, 'an error in a 200');
check_fails("github/$knobs", "pagination => 'stripe'", 'P0002', qr/there is nothing at "data"/, 'items that are not there');
check_fails("broken_link/$knobs", "pagination => 'link'", '08P01', qr/Link header cannot be read/, 'a broken Link header');
check_fails("nul/$knobs", $cursor, '22P05', qr/page 2 of.*item 3, byte 95/s, '\u0000, with page, item and byte');
is(query($node, "SELECT count(*), count(_etl_error) FROM " . api("nul/$knobs", "$cursor, on_error => 'return'") . ' AS t(id int, _etl_error text)'),
	'25|1', '\u0000 in an item is a fault of that item');
check_all('offsets/n=45/short=20', "pagination => 'offset', $items, stop => 'total=total', concurrency => 4", 6, [9],
	'a page that is shorter than the others', 45);

# A list that changes while its pages are counted.
check_fails("moving/n=9/size=3/by=-1", undef, '08P01',
	qr/had 9 items, and then 8.*may be missing, or be there twice.*"on_truncation": "warning"/s, 'a list that becomes shorter');
check_fails("moving/n=9/size=3/by=1", undef, '08P01', qr/had 9 items, and then 10/, 'or longer');
like(($node->psql('postgres', 'SELECT count(*) FROM ' . api('moving/n=12/size=3/by=-1', api_options(on_truncation => 'warning')) . ' AS t(id int)'))[2],
	qr/WARNING:  the list has changed while it was read page by page/, 'or says so');
is(query($node, 'SELECT count(*) FROM ' . api('moving/n=15/size=3/by=-1', 'max_pages => 2') . ' AS t(id int)'), '6',
	'who wants some pages only gets them');
check_all("moving/n=9/size=3/by=0", undef, 3, 3, 'one that stays as it is', 9);

# A list without a total that grows while its last page has been read: what is added to that one is there, too.
sub growing
{
	my ($knobs, %options) = @_;
	my $call = join '', map { ", $_ => $options{$_}" } sort keys %options;
	return api("stream/by=page/$knobs", "items => 'items', pagination => 'page', stop => 'empty'$call") . ' AS t(id int, name text, _etl_page int)';
}
sub read_growing
{
	my ($steps, $source) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my @ids;

	fixture_reset();
	$session->query_safe("BEGIN; DECLARE c CURSOR FOR SELECT id FROM $source");
	for my $step (@$steps)
	{
		my ($state, $fetch) = @$step;
		fixture_do("/_stream?$state");
		push @ids, split /\n/, $session->query("FETCH $fetch FROM c");
	}
	my $message = $session->{stderr};
	$session->quit;
	return (\@ids, $message);
}
sub check_growing
{
	my ($steps, $source, $n, $pages, $name) = @_;
	my ($ids) = read_growing($steps, $source);
	is_deeply($ids, [ 1 .. $n ], "a list that grows: $name");
	is(join(' ', map { $_->{path} =~ /\bpage=(\d+)/ } grep { $_->{path} =~ m{^/api/stream} } fixture_requests()), $pages, "$name: what is asked for");
}
my @stream = ('n=18&shift=0', 18);
my $ten = growing('size=10', page_size => 10);
check_growing([ \@stream, [ 'n=18', 'ALL' ] ], $ten, 18, '1 2 3', 'not at all');
check_growing([ \@stream, [ 'n=20', 'ALL' ] ], $ten, 18, '1 2 3', 'in its last page, behind which is nothing');
check_growing([ \@stream, [ 'n=45', 'ALL' ] ], $ten, 45, '1 2 3 2 3 4 5 6', 'beyond its last page');
check_growing([ \@stream, [ 'n=24', 24 - 18 ], [ 'n=37', 'ALL' ] ], $ten, 37, '1 2 3 2 3 4 3 4 5', 'and again');
check_growing([ [ 'n=8', 8 ], [ 'n=24', 'ALL' ] ], $ten, 24, '1 2 1 2 3 4', 'beyond its first page');
check_growing([ [ 'n=8', 8 ], [ 'n=24', 'ALL' ] ], growing('size=10'), 24, '1 2 1 2 3 4', 'pages whose size nobody has said');
check_growing([ [ 'n=24', 'ALL' ] ], growing('size=10'), 24, '1 2 1 2 3 4', 'of which the first is asked for again');
check_growing([ [ 'n=24', 'ALL' ] ], growing('size=10/restless=1'), 24, '1 2 1 2 3 4', 'though its items are never the same');
check_growing([ [ 'n=18', 18 ], [ 'n=45', 'ALL' ] ], growing('size=10', page_size => 10, options => q('{"on_empty": "continue:1"}'), stop => "'short'") =~ s/stop => 'empty', //r,
	18, '1 2', 'a short page is the last one, if the call says so');
{
	my $gaps = growing('size=1/lack=3', page_size => 1, options => q('{"on_empty": "continue:1", "on_truncation": "warning"}')) =~ s/stop => 'empty', //r;
	my ($ids) = read_growing([ [ 'n=8', 'ALL' ] ], $gaps);
	is("@$ids", '1 2 4 5 7 8', 'a list that grows: empty pages are passed over');
	is(join(' ', map { $_->{path} =~ /\bpage=(\d+)/ } fixture_requests()), '1 2 3 4 3 4 5 6 7 6 7 8 9 10', 'and asked for again');
}
fixture_do('/_stream?n=24');
is(query($node, 'SELECT count(*), count(DISTINCT id) FROM ' . growing('size=10/lack=7', page_size => 10)), '21|21', 'pages that lack items');
fixture_do('/_stream?n=400');
is(query($node, 'SELECT count(*), count(DISTINCT id), max(_etl_page) FROM ' . growing('size=10/lack=7')), '343|343|40', 'many of them');
for my $given ('', ', page_size => 10')
{
	my (undef, $message) = read_growing([ [ 'n=8&shift=0', 8 ], [ 'n=24&shift=1', 'ALL' ] ], growing('size=10') =~ s/\) AS/$given) AS/r);
	like($message, qr/the list has changed while it was read page by page: page 1 has other items than before/, "other items than before$given");
}
{
	my $warned = growing('size=10', options => q('{"on_truncation": "warning"}'));
	my ($ids, $message) = read_growing([ [ 'n=8&shift=0', 8 ], [ 'n=24&shift=1', 'ALL' ] ], $warned);
	is(scalar @$ids, 24, 'or a warning');
	like($message, qr/WARNING:.*page 1 has other items than before/, 'which says so');
}
{
	my (undef, $message) = read_growing([ [ 'n=18&shift=0', 18 ], [ 'n=45', 1 ], [ 'n=19', 'ALL' ] ], $ten);
	is($message // '', '', 'a list that grows and shrinks again ends');
}

# A total that is that of the page tells nothing.
check_fails("page_total/n=25", "params => '{\"size\": 10}'", '08P01',
	qr/cannot tell whether this page is all there is.*The total is 10, which is as many items as the page has/s,
	'as many items as were asked for');
check_fails("page_total/n=25?size=10", undef, '08P01', qr/cannot tell whether/, 'the same in the URL');
check_all("page_total/n=25", "params => '{\"size\": 250}'", 1, 1, 'fewer than were asked for', 25);

# A parameter of the call gives way to that of paging.
check_all("first_wins/$knobs", "params => '{\"page\": 1, \"per_page\": 10}'", 3, 3, 'auto: a page that the call asks for');
check_all("first_wins/$knobs", "pagination => 'page', items => 'results', page_size => 5, " . api_options(limit_param => 'per_page')
	. ", params => '{\"per_page\": 10}'", 5, 6, 'page_size is stronger than params');
check_fails("first_wins/$knobs", "params => '{\"page\": 2}'", '22023', qr/gives parameter "page".*set option "first"/s,
	'but pages are counted from "first"');
check_all("crossref/$knobs", "pagination => 'crossref', params => '{\"cursor\": \"*\"}'", 3, 3, 'a cursor to begin with');

# Where the items are is found for all kinds of paging.
check_all("stripe/$knobs", "pagination => 'cursor', next => 'last:id', next_param => 'starting_after', stop => 'has_more=false'",
	3, 3, 'items that are not said: cursor');
check_all("pages/$knobs", "pagination => 'page', stop => 'total=total'", 3, 3, 'items that are not said: page');
check_all("offsets/$knobs", "pagination => 'offset', stop => 'total=total'", 3, 3, 'items that are not said: offset');
check_all("pages/$knobs", "pagination => 'none', stop => 'empty'", 1, 1, 'items that are not said: none', 10);
is(query($node, 'SELECT count(_etl_item) FROM ' . api("pages/$knobs", "pagination => 'none', items => '\$'") . ' AS t(_etl_item jsonb)'),
	'1', 'unless the body is said to be the item');
check_fails("lists/$knobs", "pagination => 'none'", '22023', qr/several lists.*"cats".*"dogs"/s, 'two lists, of a single page');
check_fails("bare/$knobs", "pagination => 'nope'", '42704', qr/dialect "nope" does not exist/, 'no such dialect');
check_fails("bare/$knobs", "pagination => 'cursor'", '22023', qr/"next" must say where the cursor is/, 'half a dialect');

# -- where the next page may be -------------------------------------------------------------------

my $next_url = "pagination => 'next_url', $items, next => 'next'";
my $other = fixture_port('other');
check_all("next_url/$knobs/to=$_", $next_url, 3, 3, "a next link: $_") for qw(relative path absolute named dotted);
check_all("next_url/$knobs/to=$_", undef, 3, 3, "auto: a next link: $_") for qw(path absolute named dotted);
check_fails("next_url/$knobs/to=other/port=$other", $next_url, '42501', qr/the next page is at another origin/, 'another port');
is(number_of_requests(), 1, 'nothing was sent there');
check_fails("next_url/$knobs/to=name", $next_url, '42501', qr/the next page is at another origin/, 'another name');
check_fails("next_url/$knobs/to=file", $next_url, '08P01', qr/cannot be followed/, 'another scheme');
check_fails("next_url/$knobs/to=bad", $next_url, '08P01', qr/cannot be followed/, 'no URL');
is(query($node, 'SELECT id FROM ' . api("next_url/$knobs/to=other/port=$other", $next_url) . ' AS t(id int) LIMIT 3'),
	"1\n2\n3", 'who wants no next page is not bothered');

my $https = fixture_url("/api/next_url/$knobs/to=absolute", 'https', 'localhost');
query($node, "CREATE SERVER pinned FOREIGN DATA WRAPPER etl OPTIONS (url '" . fixture_url('', 'https', 'localhost')
	  . "', ca_file '" . fixture_dir() . "/ca.crt', auth 'bearer');"
	  . "CREATE USER MAPPING FOR CURRENT_USER SERVER pinned OPTIONS (token 'secret')");
fixture_reset();
query_fails($node, "SELECT count(*) FROM etl_api('pinned', '/api/next_url/$knobs/to=absolute', $next_url) AS t(id int)",
	'42501', qr/another origin/, 'from https to http');
is_deeply([ map { $_->{port} } fixture_requests() ], [ fixture_port('https') ], 'no token goes there');

query($node, "CREATE SERVER open FOREIGN DATA WRAPPER etl OPTIONS (url '" . fixture_url('')
	  . "', allowed_origins '" . fixture_url('', 'other') . "')");
is(query($node, "SELECT count(*) FROM etl_api('open', '/api/next_url/$knobs/to=other/port=$other', $next_url) AS t(id int)"),
	'25', 'unless allowed_origins lists it');

# -- waits ----------------------------------------------------------------------------------------

check_all("github/$knobs/first=403:x-ratelimit-remaining:0", "pagination => 'github'", 3, 4, 'a limit by 403');
check_all("github/$knobs/first=429:Retry-After:0.57", "pagination => 'link'", 3, 4, 'a decimal');
check_all("github/$knobs/first=429:X-Reset:$_+1", "pagination => 'link', " . api_options(wait => 'header:X-Reset'), 3, 4, "a wait: $_")
  for qw(now ms date);
check_all("github/$knobs/first=403", "pagination => 'link', " . api_options(answers => '403 wait', wait => 'message~"in ([0-9.]+) s"=delta'),
	3, 4, 'a time in the text of an error');
check_fails("github/$knobs/first=403", "pagination => 'link', " . api_options(answers => '403 error="slow down" fail|403 wait'), '42501',
	qr/HTTP status 403/, 'what is in the error of the first request counts');
check_fails("github/$knobs/first=403", "pagination => 'link', " . api_options(answers => '403 wait', wait => 'message~"("'), '2201B',
	qr/invalid regular expression/, 'a regular expression that is none');
check_all("github/$knobs/first=429", "pagination => 'link'", 3, 4, 'a wait of nobody knows how long');
check_all("busy/$knobs", "$cursor, " . api_options(answers => '200 ok=false wait', wait => 'retry_after=delta'), 3, 4, 'a wait in a body');
check_fails("github/$knobs/first=404", "pagination => 'link'", '58P01', qr/HTTP status 404/, 'what is not there');
check_fails("notion/$knobs/first=503", "pagination => 'notion', body => '{}'", '58030', qr/HTTP status 503/,
	'a POST is not repeated');
check_all("notion/$knobs/first=503", "pagination => 'notion', next_param => 'body:start_cursor', body => '{}', " . api_options(repeatable => 'true'),
	3, 4, 'unless it may be');

# -- OAuth 2.0 ------------------------------------------------------------------------------------

# etl_api of a path of a server whose tokens come from the fixture.
sub with_oauth
{
	my ($mapping, $path, $token_url) = @_;
	query($node, "DROP SERVER IF EXISTS crm CASCADE; CREATE SERVER crm FOREIGN DATA WRAPPER etl OPTIONS (url '"
		  . fixture_url('') . "', auth 'oauth2', token_url '" . fixture_url($token_url // '/token') . "');"
		  . "CREATE USER MAPPING FOR CURRENT_USER SERVER crm OPTIONS (client_id 'me', client_secret 'hush'$mapping)");
	fixture_reset();
	return "SELECT count(*), count(DISTINCT id) FROM etl_api('crm', '/api/guarded/$path') AS t(id int)";
}
sub steps { return join(' ', map { $_->{path} =~ m{^/token} ? 'token' : $_->{path} =~ /page=(\d+)/ ? $1 : 1 } fixture_requests()); }
sub grants { return map { $_->{body} } grep { $_->{path} =~ m{^/token} } fixture_requests(); }

my $scan = with_oauth('', 'n=25/size=10');
is(query($node, "$scan; $scan"), "25|25\n25|25", 'OAuth: client credentials');
is(steps(), 'token 1 2 3 1 2 3', 'OAuth: one token for all pages of all scans');
is(query($node, with_oauth('', 'n=25/size=10/revoke=2')), '25|25', 'OAuth: a token that is refused on the way');
is(steps(), 'token 1 2 token 2 3', 'OAuth: is fetched anew, and the page asked for again');
is_deeply([ grants() ], [ ('grant_type=client_credentials') x 2 ], 'OAuth: for the client');
is(query($node, with_oauth(", refresh_token 'first'", 'n=24/size=10/revoke=3', '/token?rotate=1')), '24|24', 'OAuth: a refresh token');
is(steps(), 'token 1 2 3 token 3', 'OAuth: one refresh for one 401');
is_deeply([ grants() ], [ map { "grant_type=refresh_token&refresh_token=$_" } 'first', 'refresh-1' ],
	'OAuth: by the refresh token that came last');
like($message = query_fails($node, with_oauth('', 'n=25/never=1'), '42501', qr/HTTP status 401/, 'OAuth: a token that is never good enough'),
	qr/^(?!.*(?:hush|token-\d))/s, 'OAuth: nothing secret is said about it');
is(steps(), 'token 1 token 1', 'OAuth: it is fetched anew once');

# -- a slow consumer ------------------------------------------------------------------------------

my $heavy = api('heavy/mb=40', "pagination => 'none'");
my $sent = 'SELECT sent FROM ' . api('heavy_sent/mb=40', "pagination => 'none'") . ' AS t(sent bigint)';
# Each other request may take what there is still room for, but once.
my @seen = split /\n/, query($node, "BEGIN; DECLARE c CURSOR FOR SELECT id FROM $heavy AS t(id int); FETCH 3 FROM c;"
	  . " SELECT 'slept' FROM pg_sleep(1); $sent; SELECT 'slept' FROM pg_sleep(0.5); $sent;"
	  . " SELECT 'slept' FROM pg_sleep(0.5); $sent; SELECT 'slept' FROM pg_sleep(0.5); $sent; MOVE 39995 IN c; FETCH ALL FROM c; COMMIT");
is("@seen[0 .. 2]", '1 2 3', 'the first rows of a large page are there before the rest');
cmp_ok($seen[4], '<', 20_000_000, 'what nobody has asked for is not sent');
is($seen[10], $seen[8], 'and stays where it is while other requests go on');
is("@seen[11 .. 12]", '39999 40000', 'until it is wanted');
fixture_reset();
is(query($node, "SELECT id FROM $heavy AS t(id int) LIMIT 2; SELECT 'slept' FROM pg_sleep(0.2); $sent") =~ s/\d+$//r, "1\n2\nslept\n",
	'LIMIT leaves it there');

# -- pages that break off -------------------------------------------------------------------------

check_all("github/$knobs/drop=100", "pagination => 'github'", 3, 6, 'each page breaks off once');
check_all("pages/$knobs/drop=100", undef, 3, 6, 'also where the dialect is not known yet');
check_fails('changing/n=500', "$cursor", '40001', qr/the page has changed since it was first read/,
	'a page that is another one the second time');

# -- what is asked ---------------------------------------------------------------------------------

sub asked { return map { $_->{path} =~ s/^[^?]*//r } fixture_requests(); }

fixture_reset();
query($node, 'SELECT count(*) FROM ' . api("notion/$knobs", "pagination => 'notion', page_size => 10, "
	  . q{params => '{"none": null, "list": [1, "b"], "text": "x y&=+\u00e9", "yes": true, "n": 1.50}', }
	  . q{headers => '{"Notion-Version": "2022-06-28", "Accept": "text/json"}'}) . ' AS t(id int)');
is_deeply(
	[asked()],
	[
		'?n=1.50&yes=true&list=1&list=b&text=x%20y%26%3D%2B%C3%A9&page_size=10',
		'?n=1.50&yes=true&list=1&list=b&text=x%20y%26%3D%2B%C3%A9&page_size=10&start_cursor=10',
		'?n=1.50&yes=true&list=1&list=b&text=x%20y%26%3D%2B%C3%A9&page_size=10&start_cursor=20'
	],
	'parameters are encoded and carried along; null leaves one out');
my @sent = fixture_requests();
is("$sent[2]{method} $sent[2]{headers}{'notion-version'} $sent[2]{headers}{accept}", 'GET 2022-06-28 text/json', 'headers too');

fixture_reset();
query($node, 'SELECT count(*) FROM ' . api("hubspot/$knobs", "pagination => 'hubspot_search', page_size => 10, "
	  . q{body => '{"sorts": ["id"], "paging": {"x": 1}}', next_param => 'body:paging.deep.after'}) . ' AS t(id int) LIMIT 11');
@sent = fixture_requests();
is("$sent[0]{method} $sent[0]{headers}{'content-type'} $sent[0]{body}",
	'POST application/json {"limit": 10, "sorts": ["id"], "paging": {"x": 1}}', 'the first body');
is($sent[1]{body}, '{"limit": 10, "sorts": ["id"], "paging": {"x": 1, "deep": {"after": "10"}}}',
	'the next one has its reference, and objects on the way to it');

fixture_reset();
query($node, 'SELECT count(*) FROM ' . api("zendesk_export/$knobs", "pagination => 'zendesk_export', items => 'tickets', "
	  . q{params => '{"start_time": 7, "keep": 1}', } . api_options(carry => 'keep')) . ' AS t(id int)');
is_deeply([asked()], [ '?keep=1&start_time=7', '?keep=1&cursor=10', '?keep=1&cursor=20' ], 'carry');
query_fails($node, 'SELECT * FROM ' . api("bare/$knobs", q{headers => '{"X": "a\r\nEvil: 1"}'}) . ' AS t(id int)',
	'22023', qr/control characters/, 'a header is one line');

# -- no request too many --------------------------------------------------------------------------

my $github = api('github/n=1000/size=100', "pagination => 'github'");
my $counted = api('offsets/n=1000/size=100', "pagination => 'offset', $items, stop => 'total=total', concurrency => 8");
for my $from ($github, $counted)
{
	my $what = $from eq $github ? 'links' : 'offsets, 8 at once';
	for my $case (
		[ 'LIMIT 3', 1 ],
		[ 'LIMIT 99 OFFSET 1', 1 ],
		[ 'LIMIT 100', 1 ],
		[ 'LIMIT 101', 2 ],
		[ 'LIMIT 200', 2 ],
		[ 'LIMIT 450', 5 ],
		[ 'WHERE id > 250 LIMIT 50', 3 ],
		[ 'WHERE id % 2 = 0 LIMIT 150', 3 ],
		[ 'ORDER BY id DESC LIMIT 3', 10 ])
	{
		fixture_reset();
		query($node, "SELECT id FROM $from AS t(id int) $case->[0]");
		is(number_of_requests(), $case->[1], "$case->[0]: $what");
	}
	for my $case ([ 'FETCH 100 FROM c', 1 ], [ 'FETCH 101 FROM c', 2 ], [ 'FETCH 60 FROM c; FETCH 60 FROM c', 2 ],
		[ 'MOVE 200 IN c; CLOSE c', 2 ])
	{
		fixture_reset();
		query($node, "BEGIN; DECLARE c CURSOR FOR SELECT id FROM $from AS t(id int); $case->[0]; COMMIT");
		is(number_of_requests(), $case->[1], "$case->[0]: $what");
	}
	fixture_reset();
	is(query($node, "SELECT EXISTS (SELECT FROM $from AS t(id int) WHERE id = 100)"), 't', "EXISTS: $what");
	is(number_of_requests(), 1, 'one page of them');
	fixture_reset();
	query($node, "PREPARE p AS SELECT id FROM $from AS t(id int) LIMIT \$1; SET plan_cache_mode = force_generic_plan; EXECUTE p(200)");
	is(number_of_requests(), 2, "LIMIT \$1: $what");
}
# What is surely needed is asked for ahead all the same: one after the other they would be 0.1 s apart.
fixture_reset();
query($node, 'SELECT id FROM ' . api('offsets/n=200/size=10/delay=100', "pagination => 'offset', $items, stop => 'total=total', "
	  . 'concurrency => 8') . ' AS t(id int) LIMIT 100');
my @moments = sort { $a <=> $b } map { $_->{time} } fixture_requests();
cmp_ok(scalar(grep { $moments[$_] - $moments[ $_ - 1 ] < 0.1 } 1 .. $#moments), '>=', 3, 'pages for a LIMIT are asked for together');
fixture_reset();
query($node, "EXPLAIN SELECT * FROM $github AS t(id int)");
is(number_of_requests(), 0, 'EXPLAIN asks for nothing');
query($node, 'SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off;'
	  . " SELECT count(*) FROM generate_series(1, 3) AS g LEFT JOIN $github AS t(id int) ON t.id > g");
is(number_of_requests(), 10, 'a scan that is read again asks once');
my $large = query_fails($node, "SET temp_file_limit = '16kB'; SET enable_material = off; SET enable_hashjoin = off;"
	  . ' SET enable_mergejoin = off; SELECT count(*) FROM generate_series(1, 3) AS g LEFT JOIN '
	  . api('github/n=2000/size=500', "pagination => 'github'") . ' AS t(id int) ON t.id > g',
	'53400', qr/temp_file_limit/, 'unless its items take more than a query may keep');
is(scalar(() = $large =~ /(WARNING|ERROR):/g), 1, 'which is one error and no more');
fixture_reset();
query($node, "SELECT (SELECT count(*) FROM $github AS t(id int) WHERE t.id > g) FROM generate_series(1, 3) AS g");
is(number_of_requests(), 10, 'so does one in a correlated subquery');
fixture_reset();
$node->psql('postgres', "SET statement_timeout = '300ms'; SELECT count(*) FROM "
	  . api('github/n=1000/size=10/delay=100', "pagination => 'github'") . ' AS t(id int)');
cmp_ok(number_of_requests(), '<=', 5, 'cancel ends it');

# -- what is said about it ------------------------------------------------------------------------

sub ended_by
{
	my ($path, $options, $tail) = @_;
	my $plan = query($node, 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM '
		  . api($path, $options) . ' AS t(id text) ' . ($tail // ''));
	return $plan =~ /Ended By: (\w+)/ ? $1 : $plan;
}
is(ended_by("github/$knobs", undef), 'no_next', 'ended by: no_next');
is(ended_by("stripe/$knobs", "pagination => 'stripe'"), 'flag', 'ended by: flag');
is(ended_by("socrata/$knobs", "pagination => 'socrata'"), 'short', 'ended by: short');
is(ended_by("freshdesk/n=20", "pagination => 'page'"), 'empty', 'ended by: empty');
is(ended_by("pages/$knobs", undef), 'total', 'ended by: total');
is(ended_by("github/$knobs", 'max_pages => 2'), 'cap', 'ended by: cap');
is(ended_by("github/$knobs", undef, 'LIMIT 1'), 'limit', 'ended by: limit');
is(ended_by("bare/$knobs", "pagination => 'none'"), 'single', 'ended by: single');
like(query($node, 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM '
		  . api('sliced/n=100', slices()) . ' AS t(id text)'),
	qr/Pages: 10\n *Searches: 4\n *Ended By: no_next/, 'searches are counted');
like(query($node, 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM ' . api("github/$knobs/drop=100")
		  . ' AS t(id text)'),
	qr/Records Read: 25\n.*Bytes Read: \d+\n.*Pagination: link\n.*Detected By: the Link header\n.*Pages: 3\n.*Ended By: no_next\n.*Requests: 6\n.*Retries: 3\n.*Waited: \d+ ms/,
	'EXPLAIN ANALYZE');
is( query($node, 'SELECT _etl_page, _etl_index, _etl_source, _etl_item FROM ' . api("github/$knobs?key=secret")
		  . ' AS t(id int, _etl_page int, _etl_index int, _etl_source text, _etl_item jsonb) WHERE id = 12'),
	'2|2|' . fixture_url("/api/github/$knobs?key=***") . '|{"id": 12, "name": "item 12"}', 'provenance');

fixture_reset();
my %explained = split /[|\n]/, query($node, "SELECT property, replace(value, E'\\n', ' ') FROM "
	  . api("hubspot/$knobs") =~ s/etl_api/etl_api_explain/r);
is(number_of_requests(), 1, 'etl_api_explain sends one request');
is($explained{'next page'}, 'there is one', 'it tells whether there is a next page');
is($explained{next}, 'paging.next.after', 'where the reference is');
is($explained{columns}, 'id bigint, name text', 'and which columns there are');
is(query($node, "SELECT count(*) FROM ($explained{call}" =~ s/;$//r . ') AS s'), '25', 'its call can be pasted');

# -- etl_json over http ---------------------------------------------------------------------------

my $quakes = "etl_json(" . sql_quote(fixture_url('/files/real/earthquakes.json')) . ", items => 'features')";
is(query($node, "SELECT count(*), sum(\"properties.mag\") FROM $quakes AS t(\"properties.mag\" numeric)"),
	'1707|2616.39', 'etl_json reads a URL');
is(query($node, "SELECT count(*) FROM " . $quakes =~ s/\.json'/.json?drop=300000&times=1'/r . ' AS t(id text)'),
	'1707', 'and goes on where it broke off');
is(query($node, "SELECT count(*) FROM etl_json('open', items => 'features', path => '/files/real/earthquakes.json?gzip=1') AS t(id text)"),
	'1707', 'also of a server, and compressed');
like(query($node, 'SELECT count(*) FROM ' . $quakes =~ s/\.json'/.json?end=300000&length=0&close=1'/r . ' AS t(id text)'),
	qr/the JSON file ends inside a value/, 'half a body is an error');

# -- newest first ---------------------------------------------------------------------------------

# Item n is n hours older than 2024-01-03 21:30 UTC.
for my $case (
	[ 'changed_at=2024-01-03 00:00+00', 3, 'a time' ],
	[ 'changed_at=2024-01-03T02:31:00+02:00', 3, 'a time in the zone of the items' ],
	[ 'changed_at=2024-01-03T12:30:00Z', 2, 'the last item is as old, and that is not older' ],
	[ 'changed_at=2024-01-03T12:30:01Z', 1, 'the last item is older by a second' ],
	[ 'epoch=980', 3, 'a number' ],
	[ 'epoch=1', 6, 'there is nothing older' ],
	[ 'nowhere=1', 6, 'no item has it' ])
{
	check_all('feed/n=60/size=10', "$cursor, stop => 'older:$case->[0]'", $case->[1], $case->[1], "older: $case->[2]",
		$case->[1] * 10);
}
is(ended_by('feed/n=60/size=10', "$cursor, stop => 'older:epoch=980'"), 'older', 'ended by: older');
is(ended_by('feed/n=60/size=10', "$cursor, stop => 'older:epoch=1'"), 'no_next', 'older: there is nothing older');
check_all('feed/n=60/size=10/each=25', "$cursor, stop => 'older:epoch=1000'", 3, 3,
	'older: more of one time than a page has', 30);
check_fails('feed/n=60/size=10', "$cursor, stop => 'older:id=2024-01-01'", '22008', qr/"51"/, 'older: a time against a number');
check_fails('feed/n=60/size=10', "$cursor, stop => 'older:changed_at'", '22023', qr/older needs a time or a number/, 'older: than what');

# -- pages of lines -------------------------------------------------------------------------------

# What is broken on a line is the fault of that line, unless it leaves open what the next page is.
my $ndjson = "format => 'ndjson'";
my $inside = "$ndjson, items => 'd'";

sub lines_of
{
	my ($path, $options) = @_;
	return query($node, 'SELECT count(*), count(id), count(DISTINCT id), max(_etl_page), string_agg(_etl_page || $$:$$ || _etl_index || $$ $$ || _etl_raw, $$, $$ ORDER BY _etl_page, _etl_index)'
		  . ' FILTER (WHERE id IS NULL) FROM '
		  . api("lines/n=25/size=10/$path", "$options, on_error => 'return'")
		  . ' AS t(id int, _etl_page int, _etl_index int, _etl_raw text, _etl_error text)');
}

check_fails('lines/n=25/size=10/bad=2:3', $ndjson, '22032', qr/the JSON line ends inside a value.*page 2 of "[^"]*", line 3, byte 88/s, 'lines: a broken one');
is(lines_of('bad=2:3,3:5', $ndjson), '25|23|23|3|2:3 {"id": 13, "name": "item 13, 3:5 {"id": 25, "name": "item 25', 'lines: broken ones are faults');
is(lines_of('bad=2:3', $inside =~ s/'d'/'\$'/r), '25|24|24|3|2:3 {"id": 13, "name": "item 13', 'lines: the path $');
is(lines_of('pairs=1/bad=2:3', $inside), '24|23|23|3|2:5 {"d": [{"id": 15, "name": "item 15"}, {"id": 16, "name": "item 16"}', 'lines: a broken one that would have items');
is(lines_of('pairs=1/bad=2:3/drop=200', $inside), '24|23|23|3|2:5 {"d": [{"id": 15, "name": "item 15"}, {"id": 16, "name": "item 16"}', 'lines: each page breaks off once');
like(query($node, 'SELECT count(*) FROM ' . api('lines/n=25/size=10/bad=2:3', "$ndjson, pagination => 'offset', stop => 'short', on_error => 'skip'") . ' AS t(id int)'),
	qr/^24$/, 'lines: where each is an item, they can be counted');
check_fails('lines/n=25/size=10/bad=2:3', "$inside, pagination => 'offset', stop => 'short', on_error => 'skip'" =~ s/'d'/'\$'/r, '22032',
	qr/cannot tell what follows the page, because its line 3 is broken.*Items are counted/s, 'lines: items inside of them cannot');
my $trailer = "$inside, pagination => 'cursor', next => 'next', next_param => 'page'";
is(lines_of('pairs=1/trailer=1/bad=2:3', $trailer), '24|23|23|3|2:5 {"d": [{"id": 15, "name": "item 15"}, {"id": 16, "name": "item 16"}', 'lines: the next page is on another one');
check_fails('lines/n=25/size=10/pairs=1/trailer=1/bad=2:6', "$trailer, on_error => 'skip'", '22032',
	qr/cannot tell what follows the page, because its line 6 is broken.*at "next"/s, 'lines: the next page was on it');
check_fails('lines/n=25/size=10/pairs=1/trailer=1/bad=3:4', "$trailer, on_error => 'skip'", '22032', qr/its line 4 is broken/, 'lines: or it was the end');
my $behind_last = "$ndjson, pagination => 'cursor', next => 'last:id', next_param => 'after', stop => 'short'";
is(lines_of('bad=2:3', $behind_last), '25|24|24|3|2:3 {"id": 13, "name": "item 13', 'lines: the last item leads on');
check_fails('lines/n=25/size=10/bad=2:10', "$behind_last, on_error => 'skip'", '22032', qr/the JSON page ends inside a value.*line 10/s, 'lines: not if it is broken');
is( query( $node, 'SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SELECT g, count(*), count(id), min(_etl_error) FROM generate_series(1, 2) AS g'
			  . ' LEFT JOIN ' . api('lines/n=25/size=10/bad=2:3', "$ndjson, on_error => 'return'") . ' AS t(id int, _etl_error text) ON g > 0 GROUP BY g ORDER BY g'),
	"1|25|24|the JSON line ends inside a value\n2|25|24|the JSON line ends inside a value", 'lines: read again they are as broken');
is( query( $node, "SET etl.max_item_size = '1kB'; SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off;"
			  . ' SELECT g, count(*), count(id), min(_etl_error) FROM generate_series(1, 2) AS g'
			  . ' LEFT JOIN etl_api(' . sql_quote(fixture_url('/raw?text=' . ("HTTP/1.1 200 OK\r\n\r\n{\"id\":1}\n{\"id\":\"" . 'x' x 2000 . "\"}\n{\"id\":3}") =~ s/([^\w])/sprintf('%%%02X', ord($1))/ger))
			  . ", $ndjson, pagination => 'none', on_error => 'return') AS t(id int, _etl_error text) ON g > 0 GROUP BY g ORDER BY g"),
	qq(1|3|2|the line is larger than "etl.max_item_size"\n2|3|2|the line is larger than "etl.max_item_size"), 'lines: also one that is too long');
query_fails($node, 'SELECT id FROM etl_api(' . sql_quote(fixture_url('/raw?text=' . "HTTP/1.1 200 OK\r\n\r\n{\"id\":1}\n{\"id\":}" =~ s/([^\w])/sprintf('%%%02X', ord($1))/ger))
	  . ", pagination => 'none') AS t(id int)", '22032', qr/the page is not JSON.*If each line is a value of its own, set format => 'ndjson'/s, 'lines: who does not ask for them is told');

# -- pages of CSV ---------------------------------------------------------------------------------

my $csv = "format => 'csv'";
check_all("csv/$knobs", $csv, 3, 3, 'CSV: the Link header, detected');
check_all("csv/$knobs", "$csv, pagination => 'link'", 3, 3, 'CSV: the Link header');
check_all("csv/$knobs", "$csv, pagination => 'cursor', next => 'header:X-Next', next_param => 'page'", 3, 3, 'CSV: a header');
check_all("csv/$knobs", "$csv, pagination => 'page', page_size => 10", 3, 4, 'CSV: pages are counted, to one that has a header only');
check_all("csv/$knobs/hollow=1", "$csv, pagination => 'page', page_size => 10", 3, 4, 'CSV: and to one that has nothing');
check_all("csv/$knobs", "$csv, pagination => 'page', stop => 'total=header:X-Total', concurrency => 3", 3, 3, 'CSV: a total');
check_all("csv/$knobs/drop=40", "$csv, pagination => 'link'", 3, 6, 'CSV: each page breaks off once');
is( query($node, 'SELECT id, full_name, note IS NULL, tags, _etl_page, _etl_index, _etl_item FROM ' . api("csv/$knobs", $csv)
		  . ' AS t(tags int[], full_name text, id int, note text, _etl_page int, _etl_index int, _etl_item jsonb) WHERE id IN (1, 12)'),
	qq{1|a, "1"\n\tb\\|f|{1,1}|1|1|{"id": "1", "note": "", "tags": "{1,1}", "Full Name": "a, \\"1\\"\\n\\tb\\\\"}\n}
	  . qq{12|a, "12"\n\tb\\|t|{1,12}|2|2|{"id": "12", "note": null, "tags": "{1,12}", "Full Name": "a, \\"12\\"\\n\\tb\\\\"}},
	'CSV: columns by the name that each page gives them');
is(query($node, 'SELECT j FROM etl_api(' . sql_quote(fixture_url('/api/csv/n=1')) . ", $csv, pagination => 'none')"
		  . ' AS t("Full Name" text, id jsonb, tags text) CROSS JOIN LATERAL (SELECT jsonb_typeof(id)) AS s(j)'),
	'number', 'CSV: a field is text for the input function of its column');
is(query($node, "SELECT count(*) FROM (SELECT * FROM " . api("csv/$knobs/bad=ragged", $csv) . " AS t(id int) LIMIT 12) AS s"),
	'12', 'CSV: what comes before a broken record is handed out');
for my $case (
	[ 'ragged', '22P04', qr/too few fields.*line 6 of the page has 1 fields, and the header has 4.*page 2 of/s ],
	[ 'quote', '22P04', qr/unterminated CSV quoted field.*line 6 of the page/s ],
	[ 'header', '42702', qr/two columns of the CSV page have the same name.*"id"/s ],
	[ 'latin', '22021', qr/not encoded in UTF-8.*line 6/s ],
	[ 'nul', '22021', qr/zero byte.*line 6/s ])
{
	check_fails("csv/$knobs/bad=$case->[0]", $csv, $case->[1], $case->[2], "CSV: $case->[0]");
}
query_fails($node, 'SELECT full_name FROM ' . api("csv/$knobs/bad=lacks", $csv) . ' AS t(full_name text)', '42703',
	qr/column "full_name" does not exist in the page.*"id", "note", "tags", "name"/s, 'CSV: a page without a column');
query_fails($node, 'SELECT id FROM ' . api("csv/$knobs", "$csv, pagination => 'cursor', next => 'next', next_param => 'x'")
	  . ' AS t(id int)', '22023', qr/a page of CSV has nothing at "next" but records/s, 'CSV: a path of the body');
query_fails($node, 'SELECT id FROM ' . api("csv/$knobs", "$csv, items => 'data'") . ' AS t(id int)', '22023',
	qr/"items" has no meaning in CSV/, 'CSV: items');
is(query($node, "SET etl.max_item_size = '1kB'; SELECT count(*) FROM " . api("csv/n=500/size=500", "$csv, pagination => 'none'") . ' AS t(id int)'),
	'500', 'CSV: a page may be larger than an item');

# -- databases that are not UTF-8 -----------------------------------------------------------------

query($node, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
sub in_latin
{
	my ($sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('latin', "\\set VERBOSITY verbose\nSET client_encoding = 'UTF8';\n$sql");
	return $status == 0 ? $stdout : $stderr;
}
in_latin('CREATE EXTENSION etl');
my $accents = "items => 'données', pagination => 'cursor', next => 'fin.suite', next_param => 'où'";
my $accents_csv = "format => 'csv', pagination => 'cursor', next => 'header:X-Next', next_param => 'où'";
my $wanted = 'count(*), max("größe"), max(octet_length("größe")) FROM';
my $with_accents = 'AS t("clé" int, "größe" text)';
for my $case ([ 'JSON', "accents/$knobs", $accents ], [ 'CSV', "accents/$knobs/csv=1", $accents_csv ])
{
	my ($what, $path, $options) = @$case;
	is(in_latin("SELECT $wanted " . api($path, $options) . " $with_accents"), '25|é9|3', "LATIN1: $what");
	like(in_latin("SELECT $wanted " . api("$path/euro=12", $options) . " $with_accents"),
		qr/22P05: character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" has no equivalent.*page 2 of.*item 3/s,
		"LATIN1: $what with a character that it lacks");
	like(in_latin("SELECT $wanted " . api("$path/euro=12", "$options, on_error => 'skip'") . " $with_accents"), qr/^24\|é9\|3$/m,
		"LATIN1: $what without that item");
	is(in_latin('SELECT count("clé") FROM ' . api("$path/euro=12", $options) . " $with_accents"), '25',
		"LATIN1: $what, where nobody wants it");
}
is(in_latin(q{SELECT _etl_item->>'größe' FROM } . api("accents/$knobs", $accents) . ' AS t(_etl_item jsonb) LIMIT 1'), 'é0',
	'LATIN1: whole items');
like(in_latin('SELECT * FROM ' . api("accents/$knobs/lists=1") . " $with_accents"), qr/several lists.*"é".*"è\?"/s, 'LATIN1: what was seen');
like(in_latin('SELECT * FROM ' . api("accents/$knobs", "items => 'où'") . " $with_accents"), qr/"où"/, 'LATIN1: a path that leads nowhere');
like(in_latin('SELECT * FROM ' . api("accents/$knobs/csv=1", $accents_csv) . ' AS t("ça" int)'),
	qr/column "ça" does not exist in the page.*"clé", "größe"/s, 'LATIN1: columns that CSV has');
like(in_latin('SELECT value FROM ' . api("accents/$knobs", $accents) =~ s/etl_api/etl_api_explain/r . " WHERE property = 'call'"),
	qr/items => 'données'.*next_param => 'où'.*AS t\("clé" bigint, "größe" text\)/s, 'LATIN1: etl_api_explain');
is(in_latin(q{SELECT etl_set_dialect('français', '{"pagination": "cursor", "items": "données", "next": "fin.suite", "next_param": "où"}'); }
	  . "SELECT $wanted " . api("accents/$knobs", "pagination => 'français'") . " $with_accents"), "\n25|é9|3", 'LATIN1: a dialect');
is(in_latin("SELECT $wanted etl_json(" . sql_quote(fixture_url("/api/accents/$knobs")) . ", items => 'données') $with_accents"),
	'10|é9|2', 'LATIN1: etl_json');

# -- what is no JSON says what it is, without the secrets that it echoes ---------------------------

for my $call ('etl_api(%s)', "etl_api(%s, pagination => 'none')", 'etl_json(%s)')
{
	my $csv = $call =~ /json/ ? qr/read it with etl_csv/ : qr/set format => 'csv'/;
	for ([ 'html', qr/begins with "<!DOCTYPE html> <html><body>Sign in .*Content-Type is "text\/html; charset=utf-8".*It is an HTML page/s ],
		[ 'csv', qr/begins with "id,name 1,Ann 2,.*Content-Type is "text\/csv".*If it is CSV, $csv/s ],
		[ 'text', qr/begins with "no such key: [^"]*", and its Content-Type is "text\/plain"/ ])
	{
		my ($kind, $shown) = @$_;
		my $sql = sprintf("SELECT * FROM $call AS t(id int)", sql_quote(fixture_url("/other/$kind?key=sekrit-12345")));
		my ($ret, $out, $err) = $node->psql('postgres', $sql);
		like($err, $shown, "$kind: $call");
		unlike($err, qr/sekrit/, 'without a secret');
	}
}

# -- a dialect of one's own -----------------------------------------------------------------------

query($node, qq{SELECT etl_set_dialect('mine', '{"pagination": "cursor", "items": "items", "next": "next_cursor", "next_param": "cursor", "guard": "content"}')});
check_all("same_cursor/$knobs", "pagination => 'mine'", 3, 3, 'a dialect of a user');
query_fails($node, q{SELECT etl_set_dialect('mine', '{"paginaton": "cursor"}')}, '22023', qr/no option "paginaton"/,
	'its options are checked');
query_fails($node, q{SELECT etl_set_dialect('cursor', '{}')}, '22023', qr/cannot be called/, 'and its name');
query($node, qq{SELECT etl_set_dialect('stripe', '{"pagination": "none", "items": "data"}')});
is(query($node, 'SELECT count(*) FROM ' . api("stripe/$knobs", "pagination => 'stripe'") . ' AS t(id int)'),
	'10', 'it goes before a preset');
is(query($node, q{SELECT etl_drop_dialect('stripe')}), 't', 'until it is dropped');
check_all("stripe/$knobs", "pagination => 'stripe'", 3, 3, 'then the preset is back');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'a dump');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'is restored');
is($node->safe_psql('restored', 'SELECT string_agg(name, chr(44)) FROM etl_dialects WHERE NOT preset'), 'mine',
	'with the dialects of users');
query($node, "ALTER SERVER open OPTIONS (ADD dialect 'hubspot')");
is(query($node, "SELECT count(*) FROM etl_api('open', '/api/hubspot/$knobs') AS t(id int)"), '25', "a server's dialect");

is(query($node, 'SELECT name FROM etl_dialects WHERE preset AND name <> ALL ('
		  . sql_quote('{' . join(',', sort keys %used) . '}') . ')'), '', 'each preset has read something');

done_testing();
