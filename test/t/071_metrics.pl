# etl_metrics(): that the text is one, whatever pipelines are called; that counters never fall, whatever happens to
# runs; what it says of the server; and that the files of doc/ for Prometheus and Grafana use what is there.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";
use HttpFixture;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Prometheus;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my $promtool = promtool_path();
start_fixture();
my $node = net_node('metrics', preload => 1, conf => <<'CONF');
etl.databases = 'postgres'
max_worker_processes = 16
etl.breaker_failures = 2
etl.max_workers = 3
etl.log_interval = 0
restart_after_crash = on
CONF
my $dir = fixture_dir();

sub value { return $node->safe_psql('postgres', $_[0]); }

sub becomes
{
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name);
}

sub metrics_text { return value('SELECT etl_metrics()') . "\n"; }

# The samples of this moment, held against those before: counters may only grow.
my (%before, %seen);
my $fallen = 0;

sub metrics
{
	my ($samples, $types) = parse_metrics(metrics_text());

	for my $sample (grep { /^\w+_(total|sum|count)\b/ } keys %before)
	{
		next if exists $samples->{$sample} && $samples->{$sample} >= $before{$sample};
		$fallen++;
		diag("$sample was $before{$sample}, is " . ($samples->{$sample} // 'gone'));
	}
	%before = %$samples;
	$seen{ s/\{.*//r } = 1 for keys %$samples;
	return $samples;
}

# -- the parser -----------------------------------------------------------------------------------

my $head = "# HELP x_total X.\n# TYPE x_total counter\n";
for my $broken (
	[ "${head}x_total{a=\"b\"c\"} 1\n", 'a quote in a label' ], [ "${head}x_total{a=\"b\\c\"} 1\n", 'a backslash' ],
	[ "${head}x_total{a=\"b\nc\"} 1\n", 'a line end' ], [ "${head}x_total 1\nx_total 1\n", 'a sample twice' ],
	[ "${head}x_total 1", 'no line end' ], [ "${head}x_total f\n", 'no number' ], [ "x_total 1\n", 'no type' ])
{
	ok(!eval { parse_metrics($broken->[0]); 1 }, "the parser of the test refuses $broken->[1]");
}
is_deeply([ parse_metrics("${head}x_total{a=\"b\\\"\\\\\\n,}{\",c=\"\"} 1.5e+10\n") ],
	[ { 'x_total{a="b\"\\\\\n,}{",c=""}' => '1.5e+10' }, { x_total => 'counter' } ], 'and reads what is right');

# -- names ----------------------------------------------------------------------------------------

value(q{
	COPY (SELECT i, CASE WHEN i = 3 THEN 900 END FROM generate_series(1, 900) AS i) TO PROGRAM 'cat >nodes.csv' (FORMAT csv);
	CREATE TABLE nodes (id int PRIMARY KEY, parent int REFERENCES nodes, at date);
	CREATE TABLE heap (id int, parent int)});

my @names = ('plain', 'a"b', 'back\\slash', 'back\\\\slash\\', 'a\\nb', '{x="y"} 1', ' ', '#', "\x{c3}\x{a9}t\x{c3}\x{a9}",
	'%s', "it's", '\\"', ',');
for (@names)
{
	value('SELECT etl_create_pipeline(' . sql_quote($_)
		  . q{, source => $$etl_csv('nodes.csv', header => false) AS t(id int, parent int)$$, target => 'heap')});
}
my $samples = metrics();
for (@names)
{
	my $escaped = s/\\/\\\\/gr =~ s/"/\\"/gr;
	is($samples->{qq{etl_runs_total{database="postgres",pipeline="$escaped",result="succeeded"}}}, 0,
		"a pipeline called $escaped");
}
value('SELECT etl_drop_pipeline(pipeline) FROM etl_status');
%before = ();

# -- counters -------------------------------------------------------------------------------------

# The pipeline stops in front of row 500; row 3 fails its foreign key until row 900 is there.
value(q{
	CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF NEW.id = 500 THEN
			PERFORM pg_advisory_lock(42);
			PERFORM pg_advisory_unlock(42);
		END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER gate BEFORE INSERT ON nodes FOR EACH ROW EXECUTE FUNCTION gate();
	SELECT etl_create_pipeline('nodes', source => $$etl_csv('nodes.csv', header => false) AS t(id int, parent int)$$,
		target => 'nodes', key => '{id}', batch_size => 100, watermark => 'at', query => 'SELECT *, current_date AS at FROM batch')});
my $gate = $node->background_psql('postgres', on_error_stop => 0);

sub of_nodes
{
	my ($metric, $more) = @_;
	return $metric . '{database="postgres",pipeline="nodes"' . ($more ? ",$more" : '') . '}';
}

sub start_to_gate
{
	value("TRUNCATE nodes; SELECT etl_reset('nodes')");
	$gate->query('SELECT pg_advisory_lock(42)');
	my $run = value("SELECT etl_start('nodes')");
	becomes("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", 1, "run $run is at the gate");
	return $run;
}

sub ends
{
	my ($run, $state) = @_;
	becomes("SELECT state FROM etl_runs WHERE run = $run", $state, "run $run: $state");
}

metrics();
my $run = start_to_gate();
$samples = metrics();
is($samples->{ of_nodes('etl_rows_total', 'stage="read"') }, 400, 'rows of a run under way');
is($samples->{ of_nodes('etl_batches_total') }, 4, 'its batches');
is(value("SELECT load_failed FROM etl_runs WHERE run = $run"), 1, 'a row waits for another');
is($samples->{ of_nodes('etl_rows_total', 'stage="load_failed"') }, 0, 'and is not counted as failed yet');
is($samples->{ of_nodes('etl_pipeline_status', 'state="running"') }, 1, 'its state');
is($samples->{ of_nodes('etl_pipeline_status', 'state="idle"') }, 0, 'and not another');
is($samples->{ of_nodes('etl_dead_letters_open') }, 1, 'its dead letter');
$gate->query('SELECT pg_advisory_unlock(42)');
ends($run, 'succeeded');
$samples = metrics();
is($samples->{ of_nodes('etl_rows_total', 'stage="load_failed"') }, 0, 'in the end the row is loaded');
is($samples->{ of_nodes('etl_rows_total', 'stage="loaded"') }, 900, 'as are the others');
is($samples->{ of_nodes('etl_run_duration_seconds_count') }, 1, 'one run has a duration');
cmp_ok(abs($samples->{ of_nodes('etl_run_duration_seconds_sum') } - $samples->{ of_nodes('etl_last_run_duration_seconds') }),
	'<', 1e-6, 'which is the last');
cmp_ok(time() - $samples->{ of_nodes('etl_last_success_timestamp_seconds') }, '<', 600, 'and was a moment ago');

# Cancelled, purged, and killed: the server starts anew, with the totals of pipelines.
$run = start_to_gate();
value("SELECT etl_cancel('nodes')");
ends($run, 'cancelled');
is(metrics()->{ of_nodes('etl_runs_total', 'result="cancelled"') }, 1, 'a cancelled run');
value("SELECT etl_purge('nodes', '0')");
metrics();
$gate->query('SELECT pg_advisory_unlock(42)');
$run = start_to_gate();
metrics();
kill 'KILL', value("SELECT pid FROM etl_runs WHERE run = $run");
$gate->quit;
$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM etl_progress)') or die 'the server does not come back';
is(metrics()->{ of_nodes('etl_runs_total', 'result="crashed"') }, 0, 'nobody knows yet that a run has crashed');
value("CALL etl_run('nodes')");
is(metrics()->{ of_nodes('etl_runs_total', 'result="crashed"') }, 1, 'the next run knows');
is(value('SELECT sum(read) = (SELECT read FROM etl_catalog.totals) - 1300 FROM etl_runs'), 't',
	'its rows are in the totals, as are those of the purged runs');
is($fallen, 0, 'no counter has ever fallen');

# -- the server -----------------------------------------------------------------------------------

sub read_url
{
	my ($path) = @_;
	$node->psql('postgres', 'SELECT count(*) FROM etl_csv(' . sql_quote(fixture_url($path)) . ') AS t(id int, name text)');
}

%before = ();
my $was = metrics();
read_url('/rows/3?status=503&times=1');
$samples = metrics();
is($samples->{etl_http_requests_total} - $was->{etl_http_requests_total}, 2, 'requests');
is($samples->{etl_http_retries_total} - $was->{etl_http_retries_total}, 1, 'retries');
cmp_ok($samples->{etl_http_received_bytes_total}, '>', $was->{etl_http_received_bytes_total}, 'bytes');
cmp_ok($samples->{etl_http_wait_seconds_total}, '>=', $was->{etl_http_wait_seconds_total}, 'waits');
my $origin = fixture_url('');
is($samples->{qq{etl_breaker_status{origin="$origin",role="@{[ scalar getpwuid $< ]}",state="closed"}}}, 1, 'a breaker is closed');
read_url('/rows/3?status=500&token=sekrit');
$samples = metrics();
is($samples->{qq{etl_breaker_status{origin="$origin",role="@{[ scalar getpwuid $< ]}",state="open"}}}, 1, 'and opens');
is($samples->{qq{etl_breaker_status{origin="$origin",role="@{[ scalar getpwuid $< ]}",state="closed"}}}, 0, 'and then is not closed');
unlike(metrics_text(), qr/sekrit|nodes\.csv/, 'no more of URLs and sources than the origin');

is($samples->{'etl_scheduler_up{database="postgres"}'}, 1, 'the scheduler is up');
is($samples->{etl_workers_max}, 3, 'three workers may run');
is($samples->{etl_workers_running}, 0, 'none does');
$gate = $node->background_psql('postgres', on_error_stop => 0);
$gate->query('SELECT pg_advisory_lock(42)');
value("TRUNCATE nodes; SELECT etl_reset('nodes'); SELECT etl_alter_pipeline('nodes', schedule => '1 second')");
becomes("SELECT value FROM etl_metric_samples WHERE metric = 'etl_workers_running'", 1, 'a scheduled run is one');
becomes("SELECT value > 0 FROM etl_metric_samples WHERE metric = 'etl_runs_skipped_total'", 't', 'times are left out meanwhile');
ok(metrics()->{ of_nodes('etl_pipeline_next_run_timestamp_seconds') }, 'the schedule has a next time');
$gate->quit;
value("SELECT etl_pause('nodes')");
$node->append_conf('postgresql.conf', "etl.enabled = off\n");
$node->reload;
becomes("SELECT value FROM etl_metric_samples WHERE metric = 'etl_scheduler_up'", 0, 'etl.enabled = off stops the scheduler');
becomes("SELECT count(*) FROM etl_progress", 0, 'no run is under way');
is(metrics()->{ of_nodes('etl_pipeline_enabled') }, 0, 'a paused pipeline is not enabled');
value('CREATE ROLE somebody');
is(value("SET ROLE somebody; SELECT count(*) FROM etl_metric_samples WHERE labels ? 'origin' OR labels ? 'pipeline'"), 0,
	'who is nobody sees neither pipelines nor origins');
is(value("SELECT etl_metrics() = etl_metrics() FROM set_config('extra_float_digits', '-15', false)"), 't', 'digits are all there');

# -- doc/ -----------------------------------------------------------------------------------------

my %known = map { $_ => 1 } split /\n/, value(q{
	SELECT family FROM etl_catalog.metric_families WHERE type <> 'summary' UNION ALL
	SELECT family || s FROM etl_catalog.metric_families, unnest('{_sum,_count}'::text[]) AS s WHERE type = 'summary'});
$seen{etl_source_lag_messages}++; # of topics: 056_kafka_faults.pl
is(join(' ', sort keys %seen), join(' ', sort keys %known), 'all metrics have been seen, and no other');

sub names_in { my %names = map { $_ => 1 } $_[0] =~ /\betl_\w+/g; return sort keys %names; }

my $rules = slurp_file("$top/doc/etl-alerts.yml");
is(join(' ', grep { !$known{$_} } names_in(join "\n", $rules =~ /expr: (.*?)\n +(?:for|labels):/gs)), '', 'the alerts use what is there');

my $dashboard = decode_json(slurp_file("$top/doc/etl-dashboard.json"));
my @expressions = map { $_->{expr} } map { @{ $_->{targets} } } @{ $dashboard->{panels} };
my %shown = map { $_ => 1 } names_in(join "\n", @expressions, map { $_->{definition} // '' } @{ $dashboard->{templating}{list} });
is(join(' ', grep { !$known{$_} } sort keys %shown), '', 'the dashboard uses what is there');
cmp_ok(@expressions, '>', 20, 'and has something to show');

my $monitoring = slurp_file("$top/doc/monitoring.md");
is(join(' ', grep { $monitoring !~ /`\Q$_\E`/ } map { s/_(sum|count)$//r } sort keys %known), '', 'doc/monitoring.md has all');

# The queries of the exporters, run as they stand: together they give each metric, under its name.
my (%exported, %collected);
my $text = slurp_file("$top/doc/etl-postgres_exporter.yml");
while ($text =~ /^(\w+):\n  query: \|\n(.*?)  metrics:\n(.*?)(?=^\w|\z)/msg)
{
	my ($key, $query, $columns) = ($1, $2, $3);
	my @given = split /\|/, value("SELECT string_agg(k, '|' ORDER BY k) FROM (SELECT json_object_keys(to_json(q)) FROM ($query LIMIT 1) AS q) AS k(k)");
	my @named = $columns =~ /^    - (\w+): /mg;
	is("@given", join(' ', sort @named), "etl-postgres_exporter.yml: columns of $key") or next;
	$exported{"${key}_$_"}++ for $columns =~ /^    - (\w+): \{usage: (?:COUNTER|GAUGE)/mg;
}
is(join(' ', map { "$_ $exported{$_}" } sort keys %exported), join(' ', map { "$_ 1" } sort keys %known), 'all that is there');

$text = slurp_file("$top/doc/etl-sql_exporter.collector.yml");
while ($text =~ /^  - metric_name: (\w+)\n    type: (\w+)\n.*?    query: \|\n(.*?)(?=^  -|\z)/msg)
{
	my ($metric, $type, $query) = ($1, $2, $3);
	is(value("SELECT count(*) FROM ($query) AS q"), value("SELECT count(*) FROM etl_metric_samples WHERE metric = '$metric'"),
		"etl-sql_exporter.collector.yml: $metric");
	$collected{$metric} = $type;
}
is_deeply(\%collected, { map { $_ => /_(total|sum|count)$/ ? 'counter' : 'gauge' } keys %known }, 'all that is there');

# -- promtool -------------------------------------------------------------------------------------

SKIP:
{
	skip 'promtool is not installed', 4 if !$promtool;
	append_to_file("$dir/metrics", metrics_text());
	my ($out, $err) = run_command([ 'sh', '-c', "'$promtool' check metrics <'$dir/metrics'" ]);
	is("$out$err", '', 'promtool check metrics');
	command_ok([ $promtool, 'check', 'rules', "$top/doc/etl-alerts.yml" ], 'promtool check rules');
	command_ok([ $promtool, 'test', 'rules', "$top/test/fixtures/alerts_test.yml" ], 'promtool test rules');

	# The expressions of the dashboard as rules, with what Grafana puts in.
	my $number = 0;
	append_to_file("$dir/dashboard.yml", "groups:\n- name: dashboard\n  rules:\n" . join '', map {
		my $e = s/\$__rate_interval/5m/gr =~ s/\$(database|pipeline)\b/.*/gr =~ s/'/''/gr;
		"  - record: panel:" . ++$number . "\n    expr: '$e'\n" } @expressions);
	command_ok([ $promtool, 'check', 'rules', "$dir/dashboard.yml" ], 'the expressions of the dashboard');
}

$node->stop;
done_testing();
