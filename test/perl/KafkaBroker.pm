# What the tests of Kafka share: a broker of Apache Kafka, in one process on loopback, and a client of it (kafka_client.py).
package KafkaBroker;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(why_no_broker start_broker stop_broker broker broker_sasl kafka messages kafka_server);

my $tests = abs_path(dirname(__FILE__) . '/..');
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir);
my ($broker, $log) = (undef, "$folder/kafka.log");
my ($client, $stdin, $stdout, $stderr) = (undef, '', '', '');
my %port;

# The harness keeps both there.
sub jars { return $ENV{ETL_KAFKA} ? "$ENV{ETL_KAFKA}/jars" : undef; }
sub python_path { return join ':', grep { $_ } ($ENV{ETL_KAFKA} ? "$ENV{ETL_KAFKA}/python" : undef), $ENV{PYTHONPATH}; }

# Why there can be no broker; nothing if there can be one.
sub why_no_broker
{
	local $ENV{PYTHONPATH} = python_path();
	my $control = `pg_config --sharedir`;
	chomp $control;
	return 'etl_kafka is not installed (it needs librdkafka)' if !-e "$control/extension/etl_kafka.control";
	return 'Apache Kafka is not installed' if !jars() || !-d jars();
	my ($out, $err);
	return 'java is not installed' if !IPC::Run::run([ 'java', '-version' ], '>', \$out, '2>', \$err);
	return 'confluent_kafka is not installed'
		if !IPC::Run::run([ 'python3', '-c', 'import confluent_kafka' ], '>', \$out, '2>', \$err);
	return;
}

# A certificate of its own, that it is also the authority of.
sub make_certificate
{
	my @openssl = ('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1',
		'-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', "$folder/key.pem", '-out', "$folder/ca.pem");
	my ($out, $err);
	IPC::Run::run(\@openssl, '>', \$out, '2>', \$err) or BAIL_OUT("openssl: $err");
	append_to_file("$folder/keystore.pem", slurp_file("$folder/key.pem") . slurp_file("$folder/ca.pem"));
}

sub write_properties
{
	$port{$_} = PostgreSQL::Test::Cluster::get_free_port() for qw(plain sasl controller);
	append_to_file("$folder/server.properties", <<"PROPERTIES");
process.roles=broker,controller
node.id=1
controller.quorum.voters=1\@127.0.0.1:$port{controller}
listeners=PLAIN://127.0.0.1:$port{plain},SASL://127.0.0.1:$port{sasl},CONTROLLER://127.0.0.1:$port{controller}
advertised.listeners=PLAIN://127.0.0.1:$port{plain},SASL://127.0.0.1:$port{sasl}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
listener.security.protocol.map=PLAIN:PLAINTEXT,SASL:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location=$folder/keystore.pem
log.dirs=$folder/data
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.backoff.ms=100
log.retention.ms=-1
PROPERTIES
}

sub java
{
	return ('java', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', jars() . '/*', @_);
}

sub start_client
{
	local $ENV{PYTHONPATH} = python_path();
	$client = IPC::Run::start([ 'python3', "$tests/fixtures/kafka_client.py", broker() ], '<', \$stdin, '>', \$stdout, '2>', \$stderr);
}

# Starts it, the first time with its folder; what it had it has again.
sub start_broker
{
	if (!%port)
	{
		write_properties();
		make_certificate();
		my @format = java('kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qk', '-c', "$folder/server.properties",
			'--add-scram', 'SCRAM-SHA-256=[name=alice,password=secret]');
		my ($out, $err);
		IPC::Run::run(\@format, '>', \$out, '2>', \$err) or BAIL_OUT("the folder of Kafka is not made: $out$err");
		start_client();
	}
	$broker = IPC::Run::start([ java('kafka.Kafka', "$folder/server.properties") ], '<', '/dev/null', '>>', $log, '2>&1');
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return if ask({ do => 'ready' })->{ok};
		$broker->pumpable or last;
	}
	BAIL_OUT('Kafka did not start: ' . slurp_file($log));
}

# Kills it.
sub stop_broker
{
	$broker->kill_kill(grace => 0) if $broker;
	undef $broker;
}

sub broker { return "127.0.0.1:$port{plain}"; }

# Where it asks for TLS and a password; the authority of its certificate is in the file.
sub broker_sasl { return ("127.0.0.1:$port{sasl}", "$folder/ca.pem"); }

sub ask
{
	my ($request) = @_;
	$stdin .= encode_json($request) . "\n";
	$client->pump until $stdout =~ /\n/ || !$client->pumpable;
	$stdout =~ s/^(.*)\n// or BAIL_OUT("the client of Kafka ended: $stderr");
	return decode_json($1);
}

# kafka('create', topic => 'orders', partitions => 2): what the client answers.
sub kafka
{
	my ($do, %param) = @_;
	my $answer = ask({ do => $do, %param });
	BAIL_OUT("Kafka does not $do: $answer->{error}") if exists $answer->{error};
	return $answer->{ok};
}

# Messages with these values; a hash is a message as the client takes it.
sub messages { return [ map { ref $_ ? $_ : { value => $_ } } @_ ]; }

# Creates a foreign server for it.
sub kafka_server
{
	my ($node, $name, $options) = @_;
	$options //= "brokers '" . broker() . "'";
	$node->safe_psql('postgres', "CREATE SERVER $name FOREIGN DATA WRAPPER etl_kafka OPTIONS ($options, allow_private 'true', timeout '60')");
}

END
{
	my $status = $?;
	stop_broker();
	if ($client) { $client->kill_kill; }
	$? = $status;
}

1;
