/* etl_kafka 1.0: topics of Kafka as a source of etl */

\echo Use "CREATE EXTENSION etl_kafka" to load this file. \quit

/* As for etl: nothing below can mean what somebody else has put into the schema. */
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

/*
 * Servers of this wrapper are clusters of Kafka.  Their options, and those of user mappings, are in doc/kafka.md.
 */
CREATE FUNCTION @extschema@.etl_kafka_validator(options text[], catalog oid) RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.etl_kafka_validator IS 'checks the options of servers and user mappings of Kafka';

CREATE FOREIGN DATA WRAPPER etl_kafka VALIDATOR @extschema@.etl_kafka_validator;
COMMENT ON FOREIGN DATA WRAPPER etl_kafka IS 'clusters of Kafka that etl reads';

/*
 * etl_kafka: the messages of a topic.
 *
 * server        a server of the wrapper etl_kafka
 * topic         its name
 * format        what messages hold: 'json', items as etl_json reads those of a file, so one message is one row or more;
 *               'csv', records without a header, whose fields are the columns in their order; 'text' and 'bytes', the one
 *               column that is declared, of any name
 * items         of JSON: the path of the items in a message
 * partition     only this one
 * start_at      'earliest', 'latest', a time, or an offset (of one partition).  In a pipeline: of partitions when it
 *               first reads the topic; later it goes on where it stopped, and partitions that are new it reads from their start
 * stop_at       the same; messages from there on are not read.  'latest' is what there is when the scan starts
 * on_gap        what becomes of messages that are gone before they were read: 'error', or 'continue' with a faulty row
 *               that says which these are
 * tombstones    messages without a value: 'ignore', or 'row', with NULLs but for what came with it, as is the default where
 *               _etl_tombstone is declared; else they are faulty rows
 * publish_group a consumer group to which a pipeline tells how far it is, for tools that show a lag; nothing is read from it
 * missing_columns, on_error, reject_limit    as for etl_api
 *
 * Further columns that may be declared: _etl_source text (topic[partition]), _etl_partition int, _etl_offset bigint,
 * _etl_timestamp timestamptz, _etl_key text (or bytea, or jsonb), _etl_headers jsonb (an array of pairs),
 * _etl_tombstone boolean, _etl_index int (of the item in the message), _etl_raw text, _etl_item jsonb, _etl_error text.
 *
 * Of transactions only those that are committed are read, and nothing behind one that is open.
 *
 * Errors: 42704 for a server, topic or partition that does not exist; 42501 without USAGE on the server, for a broker at a
 * private address, and what the cluster does not allow; 28000 if it does not know us; 08006 if no broker answers within the
 * timeout of the server; 55000 for messages that are gone, and where a pipeline meets another cluster or another topic than
 * before; 22023 for arguments; and those of etl_json for a message, which are faults of its row.
 */
CREATE FUNCTION @extschema@.etl_kafka(
    server text,
    topic text,
    format text DEFAULT 'json',
    items text DEFAULT NULL,
    partition int DEFAULT NULL,
    start_at text DEFAULT 'earliest',
    stop_at text DEFAULT 'latest',
    on_gap text DEFAULT 'error',
    tombstones text DEFAULT NULL,
    publish_group text DEFAULT NULL,
    missing_columns text DEFAULT NULL,
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_kafka'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_internal.etl_scan_support;
COMMENT ON FUNCTION @extschema@.etl_kafka IS 'messages of a topic of Kafka';

DO $do$ BEGIN EXECUTE etl_internal.twins_of('@extschema@.etl_kafka'); END $do$;

/*
 * etl_topics: the topics of a cluster.
 *
 * internal: of Kafka itself.  Errors: those of etl_kafka for the server.
 */
CREATE FUNCTION @extschema@.etl_topics(server text, OUT topic text, OUT partitions int, OUT replicas int, OUT internal boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_topics'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 100;
COMMENT ON FUNCTION @extschema@.etl_topics IS 'topics of a cluster of Kafka';

/*
 * etl_kafka_offsets: what a topic has now, by partition: the offset of the first message, and that which the next one will get.
 *
 * Errors: those of etl_kafka for the server; 42704 if there is no such topic.
 */
CREATE FUNCTION @extschema@.etl_kafka_offsets(server text, topic text, OUT partition int, OUT low bigint, OUT high bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_kafka_offsets'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 16;
COMMENT ON FUNCTION @extschema@.etl_kafka_offsets IS 'offsets at which the partitions of a topic of Kafka begin and end';

/*
 * etl_kafka_peek: messages of a topic as they are, without naming a column.
 *
 * value is NULL of a tombstone, and where it is no text, of which "error" is the reason.  Errors: those of etl_kafka.
 */
CREATE FUNCTION @extschema@.etl_kafka_peek(
    server text,
    topic text,
    rows bigint DEFAULT 10,
    partition int DEFAULT NULL,
    start_at text DEFAULT 'earliest',
    OUT source text,
    OUT "offset" bigint,
    OUT "timestamp" timestamptz,
    OUT key text,
    OUT value text,
    OUT headers jsonb,
    OUT error text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10
BEGIN ATOMIC
    SELECT m._etl_source, m._etl_offset, m._etl_timestamp, m._etl_key, m.value, m._etl_headers, m._etl_error
    FROM @extschema@.etl_kafka(server, topic, format => 'text', partition => partition, start_at => start_at, tombstones => 'row',
        on_error => 'return') AS m(_etl_source text, _etl_offset bigint, _etl_timestamp timestamptz, _etl_key text, value text,
        _etl_headers jsonb, _etl_error text)
    LIMIT rows;
END;
COMMENT ON FUNCTION @extschema@.etl_kafka_peek IS 'first messages of a topic of Kafka, as they are';

/* As for etl: they have to be granted. */
REVOKE EXECUTE ON FUNCTION @extschema@.etl_kafka_validator, @extschema@.etl_topics, @extschema@.etl_kafka_offsets, @extschema@.etl_kafka_peek FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.etl_kafka_validator TO PUBLIC;
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN SELECT oid FROM pg_catalog.pg_proc WHERE proname = 'etl_kafka' AND pronamespace = '@extschema@'::regnamespace
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END $$;
