/*
 * scan.c
 *		Messages of a topic.
 *
 *		start		partitions, where each begins, and where it ends: at its end when the scan started
 *		next		what comes of them, in one queue that librdkafka fills
 *		finish		a partition is read to its end: an event says so, or a message from behind it
 *
 * No consumer group has a say in what is read: partitions are read from offsets of ours, those that a pipeline committed with its
 * rows, and an offset that is not there is an error and not a jump.  Of transactions only those that are committed are
 * read, so that the end of a partition is where the first open one begins.  Offsets have holes, so nothing is counted: only
 * librdkafka knows that a partition is at its end.
 *
 * The queue writes to a pipe when something comes into it.  That is what etl waits for.
 */
#include "kafka.h"

#include <fcntl.h>
#include <unistd.h>

#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#define MESSAGES_AT_ONCE 500
#define MAX_PUBLISH_MS 5000
#define PUBLISH_SLICE_MS 100
#define NEW_PARTITIONS_MS 10000 /* after which a scan that follows looks for some */
#define LOOK_MS 500				/* for errors, while nothing comes */

/* Where to start or stop. */
typedef enum PlaceKind
{
	AT_EARLIEST,
	AT_LATEST,
	AT_OFFSET,
	AT_TIME
} PlaceKind;

typedef struct Place
{
	PlaceKind kind;
	int64 value; /* the offset, or ms since 1970 */
} Place;

typedef struct Partition
{
	bool begun;	  /* etl knows it */
	bool reading; /* librdkafka does */
	int64 low;	  /* of what the broker has */
	int64 high;
	int64 start; /* of the first reading */
	int64 next;	 /* offset */
	int64 stop;	 /* messages from this offset on are not read; PG_INT64_MAX: all are */
} Partition;

typedef struct KafkaScan
{
	EtlSourceScan base;
	KafkaServer *server;
	const char *topic;
	const char *group; /* to which offsets are published; or NULL */
	int only;		   /* this partition; -1: all */
	Place start_at;
	Place stop_at;
	bool skips_gaps;

	rd_kafka_queue_t *published; /* answers to that; or NULL */
	int npublishing;			 /* that are due */

	KafkaClient *client; /* NULL: not started */
	rd_kafka_topic_t *handle;
	rd_kafka_queue_t *queue;
	int pipe[2];
	MemoryContextCallback callback;
	int npartitions;
	Partition *partitions;
	int nreading;

	rd_kafka_message_t *messages[MESSAGES_AT_ONCE];
	int nmessages;
	int at;			   /* the one that is in hand, or comes next */
	bool in_hand;	   /* the one before it was given to etl */
	int ending;		   /* a partition that is done, of which etl does not know; -1: none */
	instr_time looked; /* for partitions */
	instr_time heard;  /* when something came last */
	EtlSourceHeader *headers;
	int max_headers;
} KafkaScan;

/* ----------------------------------------------------------------
 *	Arguments
 * ---------------------------------------------------------------- */

static Place
read_place(const EtlSourceScan *scan, const char *argument, PlaceKind otherwise)
{
	char *text = etl->argument(scan, argument);
	Place place = {otherwise, 0};
	Timestamp time;
	char *end;

	if (text == NULL)
		return place;
	if (strcmp(text, "earliest") == 0)
		return (Place){AT_EARLIEST};
	if (strcmp(text, "latest") == 0)
		return (Place){AT_LATEST};
	place.value = strtoi64(text, &end, 10);
	place.kind = AT_OFFSET;
	if (*text != '\0' && *end == '\0' && place.value >= 0)
		return place;
	time = DatumGetTimestampTz(DirectFunctionCall3(
		timestamptz_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	place.kind = AT_TIME;
	place.value =
		time / 1000 + (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (USECS_PER_DAY / 1000);
	return place;
}

static void
scan_open(EtlSourceScan *scan)
{
	static const char *const gaps[] = {"error", "continue"};
	KafkaScan *kafka = (KafkaScan *) scan;
	char *server = etl->argument(scan, "server");
	char *partition = etl->argument(scan, "partition");

	kafka->topic = etl->argument(scan, "topic");
	if (server == NULL || kafka->topic == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s must not be null", server == NULL ? "server" : "topic")));
	kafka->server = KafkaServerRead(server);
	kafka->group = etl->argument(scan, "publish_group");
	kafka->only = partition != NULL ? pg_strtoint32(partition) : -1;
	if (partition != NULL && kafka->only < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("partition must not be negative")));
	kafka->start_at = read_place(scan, "start_at", AT_EARLIEST);
	kafka->stop_at = read_place(scan, "stop_at", AT_LATEST);
	kafka->skips_gaps = etl->choice(scan, "on_gap", gaps, lengthof(gaps)) == 1;
	kafka->pipe[0] = kafka->pipe[1] = -1;
	kafka->ending = -1;
}

/* ----------------------------------------------------------------
 *	Starting
 * ---------------------------------------------------------------- */

/* Before the client goes: what is of it. */
static void
release(void *arg)
{
	KafkaScan *kafka = arg;

	for (int i = kafka->at - (kafka->in_hand ? 1 : 0); i < kafka->nmessages; i++)
		rd_kafka_message_destroy(kafka->messages[i]);
	kafka->nmessages = 0;
	for (int i = 0; i < kafka->npartitions; i++)
		if (kafka->partitions[i].reading)
			rd_kafka_consume_stop(kafka->handle, i);
	if (kafka->queue != NULL)
	{
		rd_kafka_queue_io_event_enable(kafka->queue, -1, NULL, 0);
		rd_kafka_queue_destroy(kafka->queue);
	}
	if (kafka->published != NULL)
		rd_kafka_queue_destroy(kafka->published);
	if (kafka->handle != NULL)
		rd_kafka_topic_destroy(kafka->handle);
	for (int i = 0; i < 2; i++)
		if (kafka->pipe[i] >= 0)
			close(kafka->pipe[i]);
}

static void
open_pipe(KafkaScan *kafka)
{
	if (pipe(kafka->pipe) != 0)
		ereport(ERROR, (errcode_for_socket_access(), errmsg("could not create a pipe: %m")));
	for (int i = 0; i < 2; i++)
		if (fcntl(kafka->pipe[i], F_SETFL, O_NONBLOCK) != 0 ||
			fcntl(kafka->pipe[i], F_SETFD, FD_CLOEXEC) != 0)
			ereport(ERROR, (errcode_for_socket_access(), errmsg("could not set up a pipe: %m")));
}

static void
connect_client(KafkaScan *kafka)
{
	MemoryContext old = MemoryContextSwitchTo(kafka->base.context);

	kafka->client = KafkaClientCreate(kafka->server, kafka->group);
	MemoryContextSwitchTo(old);
	kafka->callback.func = release;
	kafka->callback.arg = kafka;
	MemoryContextRegisterResetCallback(KafkaClientContext(kafka->client), &kafka->callback);
	open_pipe(kafka);
	kafka->queue = rd_kafka_queue_new(KafkaClientHandle(kafka->client));
	rd_kafka_queue_io_event_enable(kafka->queue, kafka->pipe[1], "x", 1);
	kafka->handle = rd_kafka_topic_new(KafkaClientHandle(kafka->client), kafka->topic, NULL);
	if (kafka->handle == NULL)
		KafkaRaise(kafka->client, rd_kafka_last_error(),
				   psprintf("read topic \"%s\"", kafka->topic));
}

typedef struct Question
{
	KafkaScan *kafka;
	int partition;
	int64 time;
	int64_t low; /* the answers */
	int64_t high;
	int64 offset;
} Question;

static rd_kafka_resp_err_t
ask_watermarks(KafkaClient *client, void *arg, int ms)
{
	Question *question = arg;

	return rd_kafka_query_watermark_offsets(KafkaClientHandle(client), question->kafka->topic,
											question->partition, &question->low, &question->high,
											ms);
}

static rd_kafka_resp_err_t
ask_offset_of_time(KafkaClient *client, void *arg, int ms)
{
	Question *question = arg;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_resp_err_t error;

	rd_kafka_topic_partition_list_add(list, question->kafka->topic, question->partition)->offset =
		question->time;
	error = rd_kafka_offsets_for_times(KafkaClientHandle(client), list, ms);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		error = list->elems[0].err;
	question->offset = list->elems[0].offset; /* less than 0: all messages are older */
	rd_kafka_topic_partition_list_destroy(list);
	return error;
}

static void
find_watermarks(KafkaScan *kafka, int number)
{
	Question question = {.kafka = kafka, .partition = number};

	KafkaClientAsk(kafka->client, ask_watermarks, &question,
				   psprintf("find the ends of topic \"%s\"", kafka->topic));
	kafka->partitions[number].low = question.low;
	kafka->partitions[number].high = question.high;
}

/* The offset that a place is in a partition. */
static int64
offset_of_place(KafkaScan *kafka, int number, const Place *place)
{
	const Partition *partition = &kafka->partitions[number];
	Question question = {.kafka = kafka, .partition = number, .time = place->value};

	switch (place->kind)
	{
		case AT_EARLIEST:
			return partition->low;
		case AT_LATEST:
			return partition->high;
		case AT_OFFSET:
			return place->value;
		case AT_TIME:
			break;
	}
	KafkaClientAsk(kafka->client, ask_offset_of_time, &question,
				   psprintf("find a time in topic \"%s\"", kafka->topic));
	return question.offset >= 0 ? question.offset : partition->high;
}

static char *
name_of(const KafkaScan *kafka, int number)
{
	return psprintf("%s[%d]", kafka->topic, number);
}

static void
raise_other_topic(const KafkaScan *kafka, int number, int64 offset)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg("topic \"%s\" is not the one that earlier runs have read", kafka->topic),
		 errdetail("They read partition %d up to offset %lld, and it ends at %lld: the topic "
				   "was made anew, or has lost messages.",
				   number, (long long) offset, (long long) kafka->partitions[number].high),
		 errhint("If all of it is to be read from its start, call etl_reset() for the pipeline.")));
}

static void
raise_gap(const KafkaScan *kafka, int number, int64 offset)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg("messages of topic \"%s\" are gone that were not read", kafka->topic),
		 errdetail("Offset %lld of partition %d comes next, and the partition begins at %lld.",
				   (long long) offset, number, (long long) kafka->partitions[number].low),
		 errhint(
			 "They were removed by the topic's retention. With on_gap => 'continue' a faulty row "
			 "says what is missing, and reading goes on.")));
}

static void
start_reading(KafkaScan *kafka, int number)
{
	Partition *partition = &kafka->partitions[number];

	if (rd_kafka_consume_start_queue(kafka->handle, number, partition->next, kafka->queue) != 0)
		KafkaRaise(kafka->client, rd_kafka_last_error(),
				   psprintf("read topic \"%s\"", kafka->topic));
	partition->reading = true;
	kafka->nreading++;
}

/* Where a partition begins and stops.  In a pipeline that has read others of the topic, a new one is read from its start. */
static void
begin_partition(KafkaScan *kafka, int number, int64 found, bool others)
{
	static const Place earliest = {AT_EARLIEST};
	Partition *partition = &kafka->partitions[number];

	find_watermarks(kafka, number);
	if (found > partition->high)
		raise_other_topic(kafka, number, found);
	partition->start =
		found >= 0 ? found : offset_of_place(kafka, number, others ? &earliest : &kafka->start_at);
	partition->stop = kafka->base.follows && kafka->stop_at.kind == AT_LATEST
						  ? PG_INT64_MAX
						  : offset_of_place(kafka, number, &kafka->stop_at);
	if (!kafka->base.follows)
		partition->stop = Min(partition->stop, partition->high);
	if (partition->start < partition->low && partition->start < partition->stop &&
		!kafka->skips_gaps)
		raise_gap(kafka, number, partition->start);
	partition->next = partition->start;
	partition->begun = true;
	etl->begin(&kafka->base, number, name_of(kafka, number), partition->start);
}

static bool
is_wanted(const KafkaScan *kafka, int number)
{
	return kafka->only < 0 || kafka->only == number;
}

static void
check_partitions(const KafkaScan *kafka)
{
	bool offsets = kafka->start_at.kind == AT_OFFSET || kafka->stop_at.kind == AT_OFFSET;

	if (kafka->only >= kafka->npartitions)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("topic \"%s\" has no partition %d", kafka->topic, kafka->only),
						errdetail("It has %d partitions, from 0.", kafka->npartitions)));
	if (offsets && kafka->only < 0 && kafka->npartitions > 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("an offset is one of a partition, and topic \"%s\" has %d",
							   kafka->topic, kafka->npartitions),
						errhint("Name the partition, or start and stop at a time.")));
}

/* Makes room for so many partitions. */
static void
grow(KafkaScan *kafka, int n)
{
	Partition *more = MemoryContextAllocZero(kafka->base.context, sizeof(Partition) * n);

	if (kafka->npartitions > 0)
	{
		memcpy(more, kafka->partitions, sizeof(Partition) * kafka->npartitions);
		pfree(kafka->partitions);
	}
	kafka->partitions = more;
	kafka->npartitions = n;
	INSTR_TIME_SET_CURRENT(kafka->looked);
}

/* Whether the topic has got partitions since the scan has looked; they are read from their start. */
static void
find_new_partitions(KafkaScan *kafka)
{
	int known = kafka->npartitions;
	instr_time now;
	int n;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, kafka->looked);
	if (!kafka->base.follows || kafka->only >= 0 ||
		INSTR_TIME_GET_MILLISEC(now) < NEW_PARTITIONS_MS)
		return;
	n = KafkaClientTopics(kafka->client, kafka->topic)->topics[0].partition_cnt;
	grow(kafka, Max(n, known));
	for (int i = known; i < kafka->npartitions; i++)
	{
		begin_partition(kafka, i, -1, true);
		start_reading(kafka, i);
	}
}

static void
scan_start(KafkaScan *kafka)
{
	const rd_kafka_metadata_t *metadata;
	int64 *found;
	bool others = false;
	char *cluster;

	connect_client(kafka);
	metadata = KafkaClientTopics(kafka->client, kafka->topic);
	cluster = rd_kafka_clusterid(KafkaClientHandle(kafka->client), 0);
	grow(kafka, metadata->topics[0].partition_cnt);
	check_partitions(kafka);
	found = palloc(sizeof(int64) * kafka->npartitions);
	for (int i = 0; i < kafka->npartitions; i++)
	{
		found[i] = -1;
		if (!is_wanted(kafka, i))
			continue;
		found[i] = etl->find(&kafka->base, cluster != NULL ? cluster : "", name_of(kafka, i));
		others |= found[i] >= 0;
	}
	if (cluster != NULL)
		rd_kafka_mem_free(KafkaClientHandle(kafka->client), cluster);
	for (int i = 0; i < kafka->npartitions; i++)
		if (is_wanted(kafka, i))
			begin_partition(kafka, i, found[i], others);
	for (int i = 0; i < kafka->npartitions; i++)
		if (kafka->partitions[i].begun && kafka->partitions[i].next < kafka->partitions[i].stop)
			start_reading(kafka, i);
	INSTR_TIME_SET_CURRENT(kafka->heard);
}

/* ----------------------------------------------------------------
 *	Messages
 * ---------------------------------------------------------------- */

static void
finish_partition(KafkaScan *kafka, int number)
{
	Partition *partition = &kafka->partitions[number];

	rd_kafka_consume_stop(kafka->handle, number);
	partition->reading = false;
	kafka->nreading--;
	kafka->ending = number;
}

/* The partition begins behind the offset that was to be read next. */
static EtlSourceStep
pass_gap(KafkaScan *kafka, int number, EtlMessage *message)
{
	Partition *partition = &kafka->partitions[number];
	int64 from = partition->next;

	rd_kafka_consume_stop(kafka->handle, number);
	partition->reading = false;
	kafka->nreading--;
	find_watermarks(kafka, number);
	if (from > partition->high)
		raise_other_topic(kafka, number, from);
	if (!kafka->skips_gaps)
		raise_gap(kafka, number, from);
	partition->next = partition->low;
	if (partition->next < partition->stop)
		start_reading(kafka, number);
	else
		kafka->ending = number;
	*message = (EtlMessage){
		.part = number,
		.offset = partition->low - 1,
		.timestamp = -1,
		.fault = psprintf("messages are gone that were not read: offsets %lld to %lld",
						  (long long) from, (long long) partition->low - 1),
		.fault_hint = "They were removed by the topic's retention.",
		.fault_sqlstate = ERRCODE_NO_DATA_FOUND,
	};
	return ETL_SOURCE_MESSAGE;
}

static void
take_headers(KafkaScan *kafka, const rd_kafka_message_t *from, EtlMessage *message)
{
	rd_kafka_headers_t *headers;
	const char *name;
	const void *value;
	size_t len;
	int n = 0;

	if (rd_kafka_message_headers(from, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	while (rd_kafka_header_get_all(headers, n, &name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		if (n == kafka->max_headers)
		{
			EtlSourceHeader *more = MemoryContextAlloc(
				kafka->base.context, sizeof(EtlSourceHeader) * (2 * kafka->max_headers + 8));

			if (n > 0)
			{
				memcpy(more, kafka->headers, sizeof(EtlSourceHeader) * n);
				pfree(kafka->headers);
			}
			kafka->headers = more;
			kafka->max_headers = 2 * kafka->max_headers + 8;
		}
		kafka->headers[n++] = (EtlSourceHeader){name, value, len};
	}
	message->headers = kafka->headers;
	message->nheaders = n;
}

static EtlSourceStep
give_message(KafkaScan *kafka, const rd_kafka_message_t *from, EtlMessage *message)
{
	rd_kafka_timestamp_type_t type;
	int64 timestamp = rd_kafka_message_timestamp(from, &type);

	*message = (EtlMessage){
		.part = from->partition,
		.offset = from->offset,
		.value = from->payload,
		.len = from->payload != NULL ? from->len : 0,
		.key = from->key,
		.key_len = from->key != NULL ? from->key_len : 0,
		.timestamp = type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? timestamp : -1,
	};
	take_headers(kafka, from, message);
	return ETL_SOURCE_MESSAGE;
}

/* What became of a message, or of a partition: true if that is *step. */
static bool
take(KafkaScan *kafka, const rd_kafka_message_t *from, EtlMessage *message, EtlSourceStep *step)
{
	Partition *partition = &kafka->partitions[from->partition];

	if (!partition->reading)
		return false; /* it was under way when that ended */
	switch (from->err)
	{
		case RD_KAFKA_RESP_ERR_NO_ERROR:
			if (from->offset < partition->stop)
				*step = give_message(kafka, from, message);
			partition->next = Min(from->offset + 1, partition->stop);
			if (partition->next == partition->stop)
				finish_partition(kafka, from->partition);
			return from->offset < partition->stop;
		case RD_KAFKA_RESP_ERR__PARTITION_EOF:
			partition->next = Max(partition->next, from->offset);
			if (!kafka->base.follows)
			{
				finish_partition(kafka, from->partition);
				return false;
			}
			*message = (EtlMessage){.part = from->partition, .offset = partition->next};
			*step = ETL_SOURCE_PART_END;
			return true;
		case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
		case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
			*step = pass_gap(kafka, from->partition, message);
			return true;
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR__BAD_MSG:
		case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
		case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
		case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
			KafkaRaise(kafka->client, from->err, psprintf("read topic \"%s\"", kafka->topic));
		default:
			return false; /* librdkafka tries again */
	}
}

/* Of a whole queue, as much as is there; false: nothing is. */
static bool
fill_messages(KafkaScan *kafka)
{
	ssize_t n;

	Assert(kafka->at == kafka->nmessages && !kafka->in_hand);
	kafka->at = kafka->nmessages = 0;
	n = rd_kafka_consume_batch_queue(kafka->queue, 0, kafka->messages, MESSAGES_AT_ONCE);
	if (n <= 0)
		return false;
	kafka->nmessages = (int) n;
	INSTR_TIME_SET_CURRENT(kafka->heard);
	return true;
}

/* When nothing has come for as long as brokers may be silent: something is due, or they are asked. */
static void
check_silence(KafkaScan *kafka)
{
	instr_time now;

	KafkaClientServe(kafka->client);
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, kafka->heard);
	if (INSTR_TIME_GET_MILLISEC(now) <= kafka->server->timeout)
		return;
	if (!kafka->base.follows || !KafkaClientIsWell(kafka->client, kafka->topic))
		KafkaRaise(kafka->client, RD_KAFKA_RESP_ERR__TIMED_OUT,
				   psprintf("read topic \"%s\"", kafka->topic));
	INSTR_TIME_SET_CURRENT(kafka->heard);
}

/* Empties the pipe, and looks once more: what comes from now on writes to it again. */
static bool
look_again(KafkaScan *kafka)
{
	char bytes[64];

	while (read(kafka->pipe[0], bytes, sizeof(bytes)) == sizeof(bytes))
		;
	return fill_messages(kafka);
}

static EtlSourceStep
scan_next(EtlSourceScan *scan, EtlMessage *message, EtlSourceWait *wait)
{
	KafkaScan *kafka = (KafkaScan *) scan;
	EtlSourceStep step;

	if (kafka->client == NULL)
		scan_start(kafka);
	for (;;)
	{
		if (kafka->in_hand)
			rd_kafka_message_destroy(kafka->messages[kafka->at - 1]);
		kafka->in_hand = false;
		if (kafka->ending >= 0)
		{
			*message = (EtlMessage){.part = kafka->ending,
									.offset = kafka->partitions[kafka->ending].next};
			kafka->ending = -1;
			return ETL_SOURCE_PART_END;
		}
		if (kafka->nreading == 0)
			return ETL_SOURCE_END;
		if (kafka->at == kafka->nmessages && !fill_messages(kafka) && !look_again(kafka))
		{
			check_silence(kafka);
			find_new_partitions(kafka);
			*wait = (EtlSourceWait){kafka->pipe[0], LOOK_MS};
			return ETL_SOURCE_WAIT;
		}
		kafka->in_hand = true;
		if (take(kafka, kafka->messages[kafka->at++], message, &step))
			return step;
		CHECK_FOR_INTERRUPTS();
	}
}

/* The same partitions from the same offsets to the same ends. */
static void
scan_rewind(EtlSourceScan *scan)
{
	KafkaScan *kafka = (KafkaScan *) scan;

	for (int i = kafka->at - (kafka->in_hand ? 1 : 0); i < kafka->nmessages; i++)
		rd_kafka_message_destroy(kafka->messages[i]);
	kafka->in_hand = false;
	kafka->at = kafka->nmessages = 0;
	kafka->ending = -1;
	for (int i = 0; i < kafka->npartitions; i++)
	{
		Partition *partition = &kafka->partitions[i];

		if (partition->reading)
			rd_kafka_consume_stop(kafka->handle, i);
		partition->reading = false;
		partition->next = partition->start;
	}
	kafka->nreading = 0;
	for (int i = 0; i < kafka->npartitions; i++)
		if (kafka->partitions[i].begun && kafka->partitions[i].next < kafka->partitions[i].stop)
			start_reading(kafka, i);
	INSTR_TIME_SET_CURRENT(kafka->heard);
}

/*
 * Only tells others how far the pipeline is.  Nothing waits for it to arrive but the end of the scan, with which the client
 * goes, and that not for long.
 */
static void
scan_committed(EtlSourceScan *scan, const EtlSourcePlace *places, int n)
{
	KafkaScan *kafka = (KafkaScan *) scan;
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_event_t *event;

	if (kafka->group == NULL || kafka->client == NULL)
		return;
	if (kafka->published == NULL)
		kafka->published = rd_kafka_queue_new(KafkaClientHandle(kafka->client));
	list = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, kafka->topic, places[i].part)->offset =
			places[i].offset;
	if (rd_kafka_commit_queue(KafkaClientHandle(kafka->client), list, kafka->published, NULL,
							  NULL) == 0)
		kafka->npublishing++;
	rd_kafka_topic_partition_list_destroy(list);
	for (int waited = 0; kafka->npublishing > 0 && waited < MAX_PUBLISH_MS;
		 waited += PUBLISH_SLICE_MS)
	{
		bool is_last = kafka->nreading == 0 && kafka->ending < 0;

		while ((event = rd_kafka_queue_poll(kafka->published, is_last ? PUBLISH_SLICE_MS : 0)) !=
			   NULL)
		{
			kafka->npublishing--;
			rd_kafka_event_destroy(event);
		}
		if (!is_last)
			break;
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * By the ends that brokers have told with the last messages.  Offsets have holes, so there may be fewer; of a partition whose end
 * nobody has told yet that of the scan's start counts.
 */
static int64
scan_behind(const EtlSourceScan *scan)
{
	const KafkaScan *kafka = (const KafkaScan *) scan;
	int64 behind = 0;

	if (kafka->client == NULL)
		return -1;
	for (int i = 0; i < kafka->npartitions; i++)
	{
		const Partition *partition = &kafka->partitions[i];
		int64_t low;
		int64_t high;

		if (!partition->begun)
			continue;
		if (rd_kafka_get_watermark_offsets(KafkaClientHandle(kafka->client), kafka->topic, i, &low,
										   &high) != RD_KAFKA_RESP_ERR_NO_ERROR ||
			high < partition->high)
			high = partition->high;
		behind += Max(Min(high, partition->stop) - partition->next, 0);
	}
	return behind;
}

static void
scan_explain(const EtlSourceScan *scan, ExplainState *es)
{
	ExplainPropertyText("Topic", ((const KafkaScan *) scan)->topic, es);
}

PG_FUNCTION_INFO_V1(etl_kafka);

const EtlSourceKind KafkaKind = {
	.version = ETL_SOURCE_VERSION,
	.function = "etl_kafka",
	.entry = etl_kafka,
	.size = sizeof(KafkaScan),
	.open = scan_open,
	.next = scan_next,
	.rewind = scan_rewind,
	.committed = scan_committed,
	.behind = scan_behind,
	.explain = scan_explain,
};

/*
 * etl_kafka(server text, topic text, ...) returns setof record
 * etl_kafka(row_type anyelement, server text, topic text, ...) returns setof anyelement
 *
 * Reads the messages of a topic.
 */
Datum
etl_kafka(PG_FUNCTION_ARGS)
{
	return etl->rows(fcinfo, &KafkaKind);
}
