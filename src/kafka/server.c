/*
 * server.c
 *		Options of servers and user mappings of the wrapper etl_kafka, as properties of librdkafka.
 *
 * Some options have names of ours; the others are properties by their own names, and only those of this list: none of them
 * loads a library, runs a program, names a file or changes what exactly once rests on.
 *
 * Who may name files and private addresses, and whose files a server may have sent, is as for servers of etl.
 */
#include "kafka.h"

#include "access/reloptions.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#define WRAPPER "etl_kafka"
#define SERVER ForeignServerRelationId
#define MAPPING UserMappingRelationId

typedef enum Privilege
{
	ANYBODY,
	FILE_READER, /* it names a file of the server */
	SUPERUSER
} Privilege;

#define SECRET 1  /* no message may show the value */
#define IN_FILE 2 /* has a twin, name_file, that names a file which holds the value */
#define OURS 4	  /* no property */

typedef struct Option
{
	const char *name;
	Oid catalog;
	Privilege privilege;
	const char *property; /* of librdkafka; NULL: the name is */
	int flags;
} Option;

/* clang-format off */
static const Option options[] = {
	{"brokers",			SERVER,	 ANYBODY,	  "bootstrap.servers"},
	{"security",		SERVER,	 ANYBODY,	  "security.protocol"},
	{"mechanism",		SERVER,	 ANYBODY,	  "sasl.mechanisms"},
	{"ca_file",			SERVER,	 FILE_READER, "ssl.ca.location"},
	{"client_cert",		SERVER,	 FILE_READER, "ssl.certificate.location"},
	{"client_key",		SERVER,	 FILE_READER, "ssl.key.location"},
	{"allow_private",	SERVER,	 SUPERUSER,	  NULL, OURS},
	{"timeout",			SERVER,	 ANYBODY,	  NULL, OURS},
	{"user",			MAPPING, ANYBODY,	  "sasl.username", IN_FILE},
	{"password",		MAPPING, ANYBODY,	  "sasl.password", SECRET | IN_FILE},
	{"key_password",	MAPPING, ANYBODY,	  "ssl.key.password", SECRET | IN_FILE},
	{"broker.address.family", SERVER},
	{"check.crcs",		SERVER},
	{"client.id",		SERVER},
	{"client.rack",		SERVER},
	{"fetch.max.bytes",	SERVER},
	{"fetch.message.max.bytes", SERVER},
	{"fetch.min.bytes",	SERVER},
	{"fetch.wait.max.ms", SERVER},
	{"metadata.max.age.ms", SERVER},
	{"receive.message.max.bytes", SERVER},
	{"reconnect.backoff.max.ms", SERVER},
	{"reconnect.backoff.ms", SERVER},
	{"socket.connection.setup.timeout.ms", SERVER},
	{"socket.keepalive.enable", SERVER},
	{"socket.timeout.ms", SERVER},
};
/* clang-format on */

/* The option of this name; *is_file if it is name_file. */
static const Option *
find_option(const char *name, Oid catalog, bool *is_file)
{
	for (int i = 0; i < lengthof(options); i++)
	{
		size_t len = strlen(options[i].name);

		if (options[i].catalog != catalog || strncmp(name, options[i].name, len) != 0)
			continue;
		*is_file = (options[i].flags & IN_FILE) && strcmp(name + len, "_file") == 0;
		if (name[len] == '\0' || *is_file)
			return &options[i];
	}
	return NULL;
}

static const Option *
get_option(const char *name, Oid catalog, bool *is_file)
{
	const Option *option = find_option(name, catalog, is_file);
	const char *names[lengthof(options)];
	const char *closest;
	bool ignored;
	int n = 0;

	if (option != NULL)
		return option;
	for (int i = 0; i < lengthof(options); i++)
		if (options[i].catalog == catalog)
			names[n++] = options[i].name;
	closest = etl->closest(name, names, n);
	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("invalid option \"%s\"", name),
					closest != NULL ? errhint("Perhaps you meant the option \"%s\".", closest)
					: find_option(name, catalog == SERVER ? MAPPING : SERVER, &ignored) != NULL
						? (catalog == SERVER ? errhint("It is an option of user mappings.")
											 : errhint("It is an option of the server."))
						: 0));
}

static void
check_privilege(const char *name, Privilege privilege)
{
	if (privilege == FILE_READER && !has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to set option \"%s\"", name),
						errdetail("Only roles with privileges of the \"%s\" role may name files on "
								  "the database server.",
								  "pg_read_server_files")));
	if (privilege == SUPERUSER && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", name),
				 errdetail("Only superusers may say that brokers can be at private addresses.")));
}

/* ----------------------------------------------------------------
 *	Values
 * ---------------------------------------------------------------- */

pg_noreturn static void
refuse(const char *name, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					errmsg("invalid value for option \"%s\"", name), errdetail("%s", detail)));
}

/* Seconds, as ms. */
static int
read_timeout(const char *value)
{
	char *end;
	long seconds = strtol(value, &end, 10);

	if (*value == '\0' || *end != '\0' || seconds < 1 || seconds > 3600)
		refuse("timeout", "It is a number of seconds from 1 to 3600.");
	return (int) seconds * 1000;
}

static bool
read_bool(const char *name, const char *value)
{
	bool result;

	if (!parse_bool(value, &result))
		refuse(name, "It is true or false.");
	return result;
}

/* Whether librdkafka takes the value; it says nothing of it, which may be a secret. */
static void
check_property(const Option *option, const char *value)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char reason[256];
	rd_kafka_conf_res_t result = rd_kafka_conf_set(
		conf, option->property ? option->property : option->name, value, reason, sizeof(reason));

	rd_kafka_conf_destroy(conf);
	if (result == RD_KAFKA_CONF_OK)
		return;
	if (result == RD_KAFKA_CONF_UNKNOWN)
		refuse(option->name,
			   "The version of librdkafka that is installed does not know this option.");
	refuse(option->name, option->flags & SECRET ? "librdkafka does not take it." : pstrdup(reason));
}

static void
check_value(const Option *option, const char *name, const char *value, bool is_file)
{
	static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
	int i = 0;

	for (const char *c = value; *c != '\0'; c++)
		if ((unsigned char) *c < ' ' || *c == 0x7f)
			refuse(name, "It must not hold control characters.");
	if (*value == '\0')
		refuse(name, "It must not be empty.");
	if ((is_file || option->privilege == FILE_READER) && !is_absolute_path(value))
		refuse(name, "It must be an absolute path.");
	if (strcmp(name, "timeout") == 0)
		(void) read_timeout(value);
	else if (option->flags & OURS)
		(void) read_bool(name, value);
	else if (strcmp(name, "mechanism") == 0)
	{
		while (i < lengthof(mechanisms) && strcmp(mechanisms[i], value) != 0)
			i++;
		if (i == lengthof(mechanisms))
			refuse(name, "It is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.");
	}
	else if (!is_file)
		check_property(option, value);
}

PG_FUNCTION_INFO_V1(etl_kafka_validator);

/* etl_kafka_validator(options text[], catalog oid): an error if one of them cannot be. */
Datum
etl_kafka_validator(PG_FUNCTION_ARGS)
{
	List *given = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid catalog = PG_GETARG_OID(1);
	const Option *seen[lengthof(options)];
	int nseen = 0;
	ListCell *lc;

	foreach (lc, given)
	{
		DefElem *element = lfirst_node(DefElem, lc);
		bool is_file = false;
		const Option *option = get_option(element->defname, catalog, &is_file);

		for (int i = 0; i < nseen; i++)
			if (seen[i] == option)
				ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
								errmsg("options \"%s\" and \"%s_file\" exclude each other",
									   option->name, option->name)));
		seen[nseen++] = option;
		check_privilege(element->defname, is_file ? FILE_READER : option->privilege);
		check_value(option, element->defname, defGetString(element), is_file);
	}
	PG_RETURN_VOID();
}

/* ----------------------------------------------------------------
 *	Reading
 * ---------------------------------------------------------------- */

/* What the owner of a server writes decides who gets the secrets of its mappings, so it must be one who may read the file. */
static void
check_file_owner(const ForeignServer *server)
{
	if (!has_privs_of_role(server->owner, ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to send a secret of a file to server \"%s\"",
						server->servername),
				 errdetail("Its owner \"%s\" can have it sent anywhere, and is not of role \"%s\".",
						   GetUserNameFromId(server->owner, false), "pg_read_server_files")));
}

static void
read_options(KafkaServer *kafka, const ForeignServer *server, List *given, Oid catalog)
{
	ListCell *lc;

	foreach (lc, given)
	{
		DefElem *element = lfirst_node(DefElem, lc);
		char *value = defGetString(element);
		bool is_file = false;
		const Option *option = get_option(element->defname, catalog, &is_file);

		if (is_file)
		{
			check_file_owner(server);
			value = etl->secret_file(value);
		}
		if (option->flags & SECRET)
			kafka->secrets = lappend(kafka->secrets, value);
		if (strcmp(option->name, "timeout") == 0)
			kafka->timeout = read_timeout(value);
		else if (option->flags & OURS)
			kafka->allow_private = read_bool(option->name, value);
		else
			kafka->properties =
				lappend(kafka->properties,
						makeDefElem(pstrdup(option->property ? option->property : option->name),
									(Node *) makeString(value), -1));
	}
}

/* The options of the current user's mapping, or else of PUBLIC's; none if there is neither. */
static List *
mapping_options(Oid server)
{
	if (!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(GetUserId()),
							   ObjectIdGetDatum(server)) &&
		!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
							   ObjectIdGetDatum(server)))
		return NIL;
	return GetUserMapping(GetUserId(), server)->options;
}

static const char *
property(const KafkaServer *kafka, const char *name)
{
	ListCell *lc;

	foreach (lc, kafka->properties)
		if (strcmp(lfirst_node(DefElem, lc)->defname, name) == 0)
			return defGetString(lfirst_node(DefElem, lc));
	return NULL;
}

static void
require(const KafkaServer *kafka, const char *name, const char *option, bool of_mapping)
{
	if (property(kafka, name) != NULL)
		return;
	ereport(ERROR, (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
					errmsg("server \"%s\" lacks option \"%s\"", kafka->name, option),
					of_mapping ? errhint("Set it in a user mapping of \"%s\".",
										 GetUserNameFromId(GetUserId(), false))
							   : errhint("Set it with ALTER SERVER.")));
}

KafkaServer *
KafkaServerRead(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, true);
	KafkaServer *kafka = palloc0(sizeof(KafkaServer));
	const char *security;
	AclResult allowed;

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("server \"%s\" does not exist", name),
				 errhint("Create it with CREATE SERVER ... FOREIGN DATA WRAPPER %s.", WRAPPER)));
	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, WRAPPER) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not of the foreign data wrapper \"%s\"", name, WRAPPER)));
	allowed = object_aclcheck(ForeignServerRelationId, server->serverid, GetUserId(), ACL_USAGE);
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_FOREIGN_SERVER, name);

	kafka->name = pstrdup(name);
	kafka->timeout = 30 * 1000;
	read_options(kafka, server, server->options, SERVER);
	read_options(kafka, server, mapping_options(server->serverid), MAPPING);
	require(kafka, "bootstrap.servers", "brokers", false);
	security = property(kafka, "security.protocol");
	if (security != NULL && pg_strncasecmp(security, "sasl", 4) == 0)
	{
		require(kafka, "sasl.mechanisms", "mechanism", false);
		require(kafka, "sasl.username", "user", true);
		require(kafka, "sasl.password", "password", true);
	}
	return kafka;
}
