/*
 * kafka.c
 *		The entry of the library, and what it tells of a cluster.
 */
#include "kafka.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

PG_MODULE_MAGIC;

const EtlSourceApi *etl;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	etl = EtlSourceConnect();
	etl->add(&KafkaKind);
}

/* Topics whose names begin so are Kafka's own. */
static bool
is_internal(const char *topic)
{
	return strncmp(topic, "__", 2) == 0;
}

PG_FUNCTION_INFO_V1(etl_topics);
PG_FUNCTION_INFO_V1(etl_kafka_offsets);

/* etl_topics(server text) returns table (topic text, partitions int, replicas int, internal boolean) */
Datum
etl_topics(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	KafkaServer *server = KafkaServerRead(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	KafkaClient *client = KafkaClientCreate(server, NULL);
	const rd_kafka_metadata_t *metadata;

	InitMaterializedSRF(fcinfo, 0);
	metadata = KafkaClientTopics(client, NULL);
	for (int i = 0; i < metadata->topic_cnt; i++)
	{
		const rd_kafka_metadata_topic_t *topic = &metadata->topics[i];
		bool has_partition = topic->partition_cnt > 0;
		bool isnull[4] = {false, false, !has_partition, false};
		Datum values[4];

		CHECK_FOR_INTERRUPTS();
		values[0] = CStringGetTextDatum(topic->topic);
		values[1] = Int32GetDatum(topic->partition_cnt);
		values[2] = Int32GetDatum(has_partition ? topic->partitions[0].replica_cnt : 0);
		values[3] = BoolGetDatum(is_internal(topic->topic));
		tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
	}
	MemoryContextDelete(KafkaClientContext(client));
	return (Datum) 0;
}

typedef struct Ends
{
	const char *topic;
	int partition;
	int64_t low;
	int64_t high;
} Ends;

static rd_kafka_resp_err_t
ask_ends(KafkaClient *client, void *arg, int ms)
{
	Ends *ends = arg;

	return rd_kafka_query_watermark_offsets(KafkaClientHandle(client), ends->topic, ends->partition,
											&ends->low, &ends->high, ms);
}

/* etl_kafka_offsets(server text, topic text) returns table (partition int, low bigint, high bigint) */
Datum
etl_kafka_offsets(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	KafkaServer *server = KafkaServerRead(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Ends ends = {.topic = text_to_cstring(PG_GETARG_TEXT_PP(1))};
	KafkaClient *client = KafkaClientCreate(server, NULL);
	int n;

	InitMaterializedSRF(fcinfo, 0);
	n = KafkaClientTopics(client, ends.topic)->topics[0].partition_cnt;
	for (; ends.partition < n; ends.partition++)
	{
		bool isnull[3] = {false};
		Datum values[3];

		KafkaClientAsk(client, ask_ends, &ends,
					   psprintf("find the ends of topic \"%s\"", ends.topic));
		values[0] = Int32GetDatum(ends.partition);
		values[1] = Int64GetDatum(ends.low);
		values[2] = Int64GetDatum(ends.high);
		tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
	}
	MemoryContextDelete(KafkaClientContext(client));
	return (Datum) 0;
}
