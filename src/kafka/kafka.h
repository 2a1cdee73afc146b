/*
 * kafka.h
 *		The extension etl_kafka: topics of Kafka as a source of etl.
 *
 *		server.c	options of servers and user mappings -> what librdkafka is to be told
 *		client.c	a client of librdkafka, and what it is asked one request at a time
 *		scan.c		messages of a topic (etl_source.h)
 *		kafka.c		the functions of SQL
 *
 * librdkafka has threads of its own.  They exist only while a client does, take no signals, and run none of our code but
 * two functions of client.c, which touch nothing of the backend's.  This is the only folder that includes librdkafka.
 */
#ifndef ETL_KAFKA_H
#define ETL_KAFKA_H

#include "etl.h"

#include <librdkafka/rdkafka.h>

#include "etl_source.h"
#include "nodes/pg_list.h"

extern const EtlSourceApi *etl;
extern const EtlSourceKind KafkaKind;

/* ---------------- server.c ---------------- */

typedef struct KafkaServer
{
	const char *name;
	bool allow_private; /* brokers may be anywhere */
	int timeout;		/* ms for which brokers may be silent while something of them is due */
	List *properties;	/* of DefElem *: of librdkafka, with their values */
	List *secrets;		/* of char *: in no message */
} KafkaServer;

/*
 * Reads the options of a server and of the current user's mapping.  Errors: 42704 if there is none, 42809 if it is of
 * another wrapper, 42501 without USAGE, HV00J if an option is lacking, and what reading a file raises.
 */
extern KafkaServer *KafkaServerRead(const char *name);

/* ---------------- client.c ---------------- */

typedef struct KafkaClient KafkaClient;

/* In the current memory context, with which it goes.  Does not wait.  group: NULL, or the group that offsets are published to. */
extern KafkaClient *KafkaClientCreate(const KafkaServer *server, const char *group);
extern rd_kafka_t *KafkaClientHandle(const KafkaClient *client);
/* Where a callback is registered that is to run before the client goes. */
extern MemoryContext KafkaClientContext(KafkaClient *client);

/*
 * Asks once more and once more until there is an answer, for as long as the server may be silent, and stops at once when the
 * query is cancelled.  "ask" may wait so many ms; what it returns is an error that may pass, or not.  Errors: 08006 if
 * nobody answers, 28000 if the broker refuses who we are, 42501 for addresses and rights, and what the answer is.
 */
typedef rd_kafka_resp_err_t (*KafkaQuestion)(KafkaClient *client, void *arg, int ms);
extern void KafkaClientAsk(KafkaClient *client, KafkaQuestion ask, void *arg, const char *what);

/*
 * Where nothing has come for long, and nothing may be due: asks about the topic once, if there was a problem, which may be over.
 * False: there is no answer.
 */
extern bool KafkaClientIsWell(KafkaClient *client, const char *topic);

/* The metadata of one topic, or of all (NULL); good until the client goes.  42704 if there is no such topic. */
extern const rd_kafka_metadata_t *KafkaClientTopics(KafkaClient *client, const char *topic);

/* Serves what librdkafka has to say; an error if it says that no wait will help. */
extern void KafkaClientServe(KafkaClient *client);

/* Raises an error of librdkafka as one of SQL. */
pg_noreturn extern void
KafkaRaise(const KafkaClient *client, rd_kafka_resp_err_t error, const char *what);

#endif /* ETL_KAFKA_H */
