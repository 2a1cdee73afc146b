/*
 * target.h
 *		Where requests go, in whose name, and how: a URL by itself, or a foreign server of the wrapper etl
 *		with the current user's mapping.
 *
 * Both are made for the current user and check what that user may do.  A target belongs to the memory
 * context in which it was made, and holds secrets: nothing of it goes into a message but server and
 * EtlUrlDisplay() of a URL.
 */
#ifndef ETL_TARGET_H
#define ETL_TARGET_H

#include "etl.h"
#include "nodes/pg_list.h"

#include "source/http/breaker.h"
#include "source/http/bucket.h"
#include "source/http/retry.h"
#include "source/http/url.h"

#define ETL_MAX_CONCURRENCY 64

typedef enum EtlAuth
{
	ETL_AUTH_NONE,
	ETL_AUTH_BEARER, /* token */
	ETL_AUTH_BASIC,	 /* user, password */
	ETL_AUTH_HEADER, /* key, in the header auth_name */
	ETL_AUTH_QUERY,	 /* key, as parameter auth_name */
	ETL_AUTH_OAUTH2, /* a token that token_url gives, as grant says */
	ETL_AUTH_AWS,	 /* a signature with secret_access_key */
	ETL_AUTH_SAS,	 /* sas_token, in the query: a signature of Azure */
	ETL_AUTH_PUBLIC, /* nothing, but there is a bucket, which is in some region */
} EtlAuth;

/* What token_url is shown for a token. */
typedef enum EtlGrant
{
	ETL_GRANT_CLIENT,	 /* client_id and client_secret; also refresh_token, if there is one */
	ETL_GRANT_JWT_BEARER /* an assertion that private_key signs (RFC 7523) */
} EtlGrant;

/* Whose keys sign, if not those of the mapping: that of the machine on which we run, as AWS knows it (aws_machine.h). */
typedef enum EtlMachine
{
	ETL_MACHINE_NONE,
	ETL_MACHINE_WEB_IDENTITY,
	ETL_MACHINE_CONTAINER,
	ETL_MACHINE_INSTANCE,
} EtlMachine;

typedef struct EtlTarget
{
	const char *server; /* NULL: a URL by itself */
	Oid server_id;		/* InvalidOid then */
	Oid role;			/* in whose name */
	EtlUrl base;
	EtlBucketKind kind;
	const char *
		bucket; /* of s3://bucket/prefix or az://container/prefix, which base stands for; NULL: it is a URL of http */
	const char *prefix; /* "": all keys */

	bool anywhere;				 /* the user is a superuser */
	bool allow_private;			 /* of the server */
	const char *allowed_origins; /* of the server, beside that of base; NULL: none */
	const char *secret_origins; /* of the mapping, for its secrets; NULL: any that the server has */
	bool has_secret_files;		/* the mapping names files on the server */

	EtlAuth auth;
	const char *auth_name;
	const char *token;
	const char *user;
	const char *password;
	const char *key;
	const char *token_url;
	const char *scope;
	bool token_auth_in_body;
	const char *client_id;
	const char *client_secret;
	const char *refresh_token;
	EtlGrant grant;
	const char *algorithm;	 /* of the assertion; NULL: RS256 */
	const char *issuer;		 /* NULL: client_id */
	const char *subject;	 /* NULL: none */
	const char *audience;	 /* NULL: token_url */
	const char *key_id;		 /* NULL: none */
	const char *private_key; /* PEM */
	const char *access_key_id;
	const char *secret_access_key;
	const char *session_token;	  /* NULL: none */
	const char *credentials_file; /* in the place of these; NULL: they are here */
	const char *profile;		  /* in that file; NULL: default */
	EtlMachine machine;
	const char *role_arn;	   /* for a web identity */
	const char *identity_file; /* with its token */
	const char *sas_token;	   /* a query, without its '?' */
	const char *service;	   /* of AWS */
	const char *region;		   /* NULL: the default, or as the answers say */
	const char *endpoint;	   /* of the bucket; NULL: AWS */
	const char *addressing;	   /* of the bucket; NULL: as usual at the endpoint */
	bool request_payer;		   /* we pay for the requests */
	bool writable;			   /* what is there may be changed */
	List *headers;			   /* "Name: value" */
	List *secrets; /* of char *: what no message may show, beside headers and values of a query */

	int concurrency; /* objects that are requested at the same time */
	EtlRate rate;
	EtlRetryPolicy retry;
	int connect_timeout; /* ms */
	int read_timeout;	 /* ms */
	int max_answer_time; /* ms for one answer, head and body; 0: any */
	int max_body;		 /* kB of one; 0: any */
	const char *proxy;
	const char *ca_file;
	const char *client_cert;
	const char *client_key;
	const char *dialect; /* for etl_api */
} EtlTarget;

extern void EtlTargetInit(void);

/*
 * A URL as a user wrote it, or else a foreign server by name; an error if it is no URL that can be read, or there is no
 * such server, or the user lacks USAGE on it.
 */
extern EtlTarget *EtlTargetOf(const char *source);

/* The URL of a path of the target (NULL, of the target itself), with what its own query has. */
extern void EtlTargetUrl(const EtlTarget *target, const char *path, EtlUrl *url);

/* Why a request for this target may not go to url (a sentence, for errdetail), NULL if it may; what to do, for errhint. */
extern const char *EtlTargetRefusal(const EtlTarget *target, const EtlUrl *url, const char **hint);

/* What to do about an address that is not one of the public internet. */
#define ETL_PRIVATE_HINT \
	"Only superusers, and servers with the option \"allow_private\", may reach such addresses."

/* Whether the target's credentials and headers may go to url. */
extern bool EtlTargetTrusts(const EtlTarget *target, const EtlUrl *url);

/* Whether a connection for url may only be made to addresses of the public internet. */
extern bool EtlTargetIsPublicOnly(const EtlTarget *target, const EtlUrl *url);

/* user and password as Basic authentication has them (RFC 7617); palloc'd. */
extern char *EtlTargetBasic(const char *user, const char *password);

/* Puts *** wherever text holds a secret of the target, or of the URL and headers of a request (secret.h); in place. */
extern void EtlTargetMask(const EtlTarget *target, const EtlUrl *url, const List *headers,
						  char *text, bool cut);

#endif /* ETL_TARGET_H */
