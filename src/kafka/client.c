/*
 * client.c
 *		A client of librdkafka: made, asked, and destroyed in order.
 *
 * Threads of librdkafka run two functions of ours: connect_broker, which says no to addresses that the role may not reach,
 * and take_log, which drops what librdkafka would print.  Neither touches anything of the backend; what the first one has
 * refused is left in one word.
 *
 * What librdkafka asks of a broker for us it waits for.  So it is asked for a short time, then a longer one, and
 * between two of these the backend looks whether the query is to end; none is longer than MAX_SLICE.
 */
#include "kafka.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands/defrem.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#define FIRST_SLICE 100 /* ms */
#define MAX_SLICE 1000

/* The address is of a kind that a role may not reach; set by a thread. */
typedef struct Refused
{
	const char *volatile purpose; /* constant; NULL: none was */
	bool allow_private;
} Refused;

struct KafkaClient
{
	KafkaClient *next; /* of all in this backend */
	const char *server;
	int timeout;
	rd_kafka_t *handle;
	Refused *refused; /* malloc'd: threads see it until the handle is gone */
	const rd_kafka_metadata_t *metadata;
	rd_kafka_resp_err_t problem; /* the last that was told; 0: none */
	char reason[512];			 /* its text */
	MemoryContextCallback callback;
};

static KafkaClient *clients = NULL;

/* ----------------------------------------------------------------
 *	In threads of librdkafka
 * ---------------------------------------------------------------- */

static int
connect_broker(int fd, const struct sockaddr *address, int len, const char *id, void *opaque)
{
	Refused *refused = opaque;
	const char *purpose = refused->allow_private ? NULL : etl->address_purpose(address);

	if (purpose != NULL)
	{
		refused->purpose = purpose;
		return EACCES;
	}
	return connect(fd, address, (socklen_t) len) == 0 || errno == EINPROGRESS ? 0 : errno;
}

static void
take_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
}

/* ----------------------------------------------------------------
 *	Errors
 * ---------------------------------------------------------------- */

/* Called by rd_kafka_poll, so in the backend's own thread; it only takes a note, as errors must not pass through librdkafka. */
static void
take_error(rd_kafka_t *handle, int error, const char *reason, void *opaque)
{
	for (KafkaClient *client = clients; client != NULL; client = client->next)
	{
		if (client->handle != handle)
			continue;
		/* that all are down says less than why one is */
		if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && client->problem != 0)
			continue;
		client->problem = error;
		strlcpy(client->reason, reason, sizeof(client->reason));
	}
}

static int
sqlstate_of(rd_kafka_resp_err_t error)
{
	switch (error)
	{
		case RD_KAFKA_RESP_ERR__AUTHENTICATION:
		case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
			return ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
			return ERRCODE_INSUFFICIENT_PRIVILEGE;
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
		case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
			return ERRCODE_UNDEFINED_OBJECT;
		case RD_KAFKA_RESP_ERR__BAD_MSG:
		case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
		case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
			return ERRCODE_PROTOCOL_VIOLATION;
		default:
			return ERRCODE_CONNECTION_FAILURE;
	}
}

/* Whether it may be another error the next time. */
static bool
is_passing(rd_kafka_resp_err_t error)
{
	switch (error)
	{
		case RD_KAFKA_RESP_ERR__TRANSPORT:
		case RD_KAFKA_RESP_ERR__TIMED_OUT:
		case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
		case RD_KAFKA_RESP_ERR__RESOLVE:
		case RD_KAFKA_RESP_ERR__WAIT_COORD:
		case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
		case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
		case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
			return true;
		default:
			return false;
	}
}

static void
raise_refused(const KafkaClient *client)
{
	if (client->refused->purpose == NULL)
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		 errmsg("a broker of server \"%s\" is at a private address", client->server),
		 errdetail("The address is for %s.", client->refused->purpose),
		 errhint("A superuser can allow that with option allow_private 'true' of the server.")));
}

/* Until 2.6.1 it sends its nonce twice, which brokers that look have no name for but invalid credentials. */
static bool
is_old_scram(const KafkaClient *client)
{
	return client->problem == RD_KAFKA_RESP_ERR__AUTHENTICATION &&
		   strstr(client->reason, "SCRAM") != NULL && rd_kafka_version() < 0x02060100;
}

void
KafkaRaise(const KafkaClient *client, rd_kafka_resp_err_t error, const char *what)
{
	bool connection = sqlstate_of(error) == ERRCODE_CONNECTION_FAILURE;

	raise_refused(client);
	if (connection && sqlstate_of(client->problem) != ERRCODE_CONNECTION_FAILURE)
		error = client->problem;
	ereport(
		ERROR,
		(errcode(sqlstate_of(error)),
		 errmsg("could not %s of server \"%s\": %s", what, client->server, rd_kafka_err2str(error)),
		 client->problem != 0 ? errdetail("%s", client->reason) : 0,
		 is_old_scram(client) ? errhint("Brokers of Kafka 4 do not understand SCRAM of librdkafka "
										"before 2.6.1, and this is %s.",
										rd_kafka_version_str())
							  : 0));
}

void
KafkaClientServe(KafkaClient *client)
{
	rd_kafka_poll(client->handle, 0);
	raise_refused(client);
	if (client->problem == RD_KAFKA_RESP_ERR__AUTHENTICATION)
		KafkaRaise(client, client->problem, "log in to brokers");
}

/* ----------------------------------------------------------------
 *	Making and destroying
 * ---------------------------------------------------------------- */

static void
destroy(void *arg)
{
	KafkaClient *client = arg;

	for (KafkaClient **link = &clients; *link != NULL; link = &(*link)->next)
		if (*link == client)
		{
			*link = client->next;
			break;
		}
	if (client->metadata != NULL)
		rd_kafka_metadata_destroy(client->metadata);
	if (client->handle != NULL)
		rd_kafka_destroy_flags(client->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	free(client->refused);
}

/*
 * A process that ends with threads in OpenSSL may crash on the way, and take the whole server with it.  So at its end none
 * is left, also where no memory context is reset any more.
 */
static void
destroy_all(int code, Datum arg)
{
	while (clients != NULL)
	{
		KafkaClient *client = clients;

		MemoryContextDelete(GetMemoryChunkContext(client));
	}
}

pg_noreturn static void
raise_property(rd_kafka_conf_t *conf, const char *name)
{
	rd_kafka_conf_destroy(conf);
	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					errmsg("librdkafka does not take property \"%s\" with its value", name)));
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	if (rd_kafka_conf_set(conf, name, value, NULL, 0) != RD_KAFKA_CONF_OK)
		raise_property(conf, name);
}

/* What no option may change. */
static const struct
{
	const char *name;
	const char *value;
} fixed[] = {
	{"enable.auto.commit", "false"},
	{"enable.auto.offset.store", "false"},
	{"auto.offset.reset", "error"},
	{"isolation.level", "read_committed"},
	{"enable.partition.eof", "true"},
	{"allow.auto.create.topics", "false"},
	{"queued.min.messages", "10000000"},
	{"log.connection.close", "false"},
	{"ssl.endpoint.identification.algorithm", "https"},
};

/*
 * How much librdkafka holds of messages that were not read yet.  When its queue is full, it fetches nothing for a time that can
 * be set since 2.2.  Before, that is a second, for which the queue must last, or the reader waits for it.
 */
static void
bound_queue(rd_kafka_conf_t *conf)
{
	bool short_pause =
		rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "10", NULL, 0) == RD_KAFKA_CONF_OK;

	set(conf, "queued.max.messages.kbytes", short_pause ? "16384" : "65536");
}

static rd_kafka_conf_t *
make_conf(const KafkaServer *server, Refused *refused, const char *group)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	ListCell *lc;

	set(conf, "client.id", "etl");
	set(conf, "fetch.wait.max.ms",
		"100"); /* after which a broker says that a partition is at its end */
	foreach (lc, server->properties)
		set(conf, lfirst_node(DefElem, lc)->defname, defGetString(lfirst_node(DefElem, lc)));
	for (int i = 0; i < lengthof(fixed); i++)
		set(conf, fixed[i].name, fixed[i].value);
	if (group != NULL)
		set(conf, "group.id", group);
	bound_queue(conf);
	rd_kafka_conf_set_opaque(conf, refused);
	rd_kafka_conf_set_connect_cb(conf, connect_broker);
	rd_kafka_conf_set_log_cb(conf, take_log);
	rd_kafka_conf_set_error_cb(conf, take_error);
	return conf;
}

/* Its threads get no signal: those are the backend's. */
static void
start_threads(KafkaClient *client, rd_kafka_conf_t *conf)
{
	sigset_t all;
	sigset_t old;
	char reason[256];

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	client->handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (client->handle != NULL)
		return;
	rd_kafka_conf_destroy(conf);
	ereport(ERROR, (errcode(ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION),
					errmsg("could not start a client for server \"%s\"", client->server),
					errdetail("%s", reason)));
}

KafkaClient *
KafkaClientCreate(const KafkaServer *server, const char *group)
{
	static bool at_exit = false;
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "etl_kafka client", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KafkaClient *client = palloc0(sizeof(KafkaClient));

	if (!at_exit)
		before_shmem_exit(destroy_all, (Datum) 0);
	at_exit = true;
	client->server = pstrdup(server->name);
	client->timeout = server->timeout;
	client->refused = calloc(1, sizeof(Refused));
	if (client->refused == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	client->refused->allow_private = server->allow_private;
	client->callback.func = destroy;
	client->callback.arg = client;
	MemoryContextRegisterResetCallback(context, &client->callback);
	client->next = clients;
	clients = client;
	start_threads(client, make_conf(server, client->refused, group));
	MemoryContextSwitchTo(old);
	return client;
}

rd_kafka_t *
KafkaClientHandle(const KafkaClient *client)
{
	return client->handle;
}

MemoryContext
KafkaClientContext(KafkaClient *client)
{
	return GetMemoryChunkContext(client);
}

/* ----------------------------------------------------------------
 *	Asking
 * ---------------------------------------------------------------- */

void
KafkaClientAsk(KafkaClient *client, KafkaQuestion ask, void *arg, const char *what)
{
	instr_time start;
	instr_time now;
	int slice = FIRST_SLICE;
	rd_kafka_resp_err_t error;

	INSTR_TIME_SET_CURRENT(start);
	while ((error = ask(client, arg, slice)) != RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		KafkaClientServe(client);
		INSTR_TIME_SET_CURRENT(now);
		INSTR_TIME_SUBTRACT(now, start);
		if (!is_passing(error) || INSTR_TIME_GET_MILLISEC(now) > client->timeout)
			KafkaRaise(client, error, what);
		etl->sleep(slice == FIRST_SLICE ? 10 : 50);
		slice = Min(slice * 2, MAX_SLICE);
	}
	CHECK_FOR_INTERRUPTS();
}

static rd_kafka_resp_err_t
ask_topics(KafkaClient *client, void *arg, int ms)
{
	const char *name = arg;
	rd_kafka_topic_t *topic = name != NULL ? rd_kafka_topic_new(client->handle, name, NULL) : NULL;
	rd_kafka_resp_err_t error;

	if (name != NULL && topic == NULL)
		return rd_kafka_last_error();
	if (client->metadata != NULL)
		rd_kafka_metadata_destroy(client->metadata);
	client->metadata = NULL;
	error = rd_kafka_metadata(client->handle, name == NULL, topic, &client->metadata, ms);
	if (topic != NULL)
		rd_kafka_topic_destroy(topic);
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR || name == NULL)
		return error;
	if (client->metadata->topic_cnt != 1)
		return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	return client->metadata->topics[0].err;
}

/* What is asked is answered by any broker: other questions wait for one of them, longer than they are told to. */
bool
KafkaClientIsWell(KafkaClient *client, const char *topic)
{
	if (client->problem == 0)
		return true;
	if (ask_topics(client, unconstify(char *, topic), MAX_SLICE) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	client->problem = 0;
	return true;
}

const rd_kafka_metadata_t *
KafkaClientTopics(KafkaClient *client, const char *topic)
{
	KafkaClientAsk(client, ask_topics, unconstify(char *, topic),
				   topic != NULL ? psprintf("look up topic \"%s\"", topic) : "list the topics");
	return client->metadata;
}
