/*
 * bucket_list.c
 *		The objects of a bucket whose keys match a pattern (ListObjectsV2 of S3, List Blobs of Azure).
 */
#include "etl.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "source/http/bucket.h"
#include "source/http/bucket_list.h"
#include "source/utf8.h"

#define MAX_PATTERN 4096 /* bytes: a key has 1024 */

struct EtlBucketList
{
	const EtlTarget *target;
	const EtlKeyPattern *pattern;
	MemoryContext context;
	MemoryContext call_context; /* for the call, emptied with each */
	MemoryContext page_context; /* for what follows, emptied with each page */
	MemoryContextCallback release;
	EtlBucketPage *page; /* NULL: before the first */
	EtlBucketObject *next;

	EtlExchange *exchange;
	EtlCall call;
	bool sent;	   /* the page that is to come was asked for */
	char *token;   /* for the page that is to come; NULL: the first, or none */
	int number;	   /* of the page in hand, from 1; 0: before the first */
	int nknown;	   /* pages that have been seen, also before a rewind */
	int room;	   /* for so many of */
	uint64 *known; /* their hashes */
};

/* ----------------------------------------------------------------
 *	Keys
 * ---------------------------------------------------------------- */

char *
EtlBucketPrefix(const EtlTarget *target)
{
	size_t len = strlen(target->prefix);

	while (len > 0 && target->prefix[len - 1] == '/')
		len--;
	return psprintf("%.*s%s", (int) len, target->prefix, len > 0 ? "/" : "");
}

EtlKeyPattern *
EtlBucketPattern(const EtlTarget *target, const char *path)
{
	char *below;

	if (strlen(path != NULL ? path : target->prefix) > MAX_PATTERN)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a key, or a pattern of keys, is too long"),
						errdetail("It has %d bytes at most.", MAX_PATTERN)));
	if (path == NULL)
		return EtlKeyPatternCreate(target->prefix, 0);
	below = EtlBucketPrefix(target);
	return EtlKeyPatternCreate(psprintf("%s%s", below, EtlToUtf8(path + (*path == '/'))),
							   strlen(below));
}

char *
EtlBucketName(const EtlTarget *target, const char *key)
{
	return psprintf("%s%s/%s", EtlBucketScheme(target->kind), target->bucket, EtlFromUtf8(key));
}

const char *
EtlBucketNeeds(const EtlTarget *target, bool list)
{
	const char *payer = target->request_payer
							? ""
							: " If its owner has those pay who ask, set \"request_payer\", too.";

	if (target->kind == ETL_BUCKET_AZURE)
		return list
				   ? "The signature needs the permission to list (\"l\" in its \"sp\"), for the container."
				   : "The signature needs the permission to read (\"r\" in its \"sp\").";
	if (list)
		return psprintf("The keys need the action \"s3:ListBucket\" on bucket \"%s\".%s",
						target->bucket, payer);
	return psprintf("The keys need the action \"s3:GetObject\" on this object of bucket \"%s\". "
					"Without \"s3:ListBucket\", an object that does not exist is refused, too.%s",
					target->bucket, payer);
}

const char *
EtlBucketKeyFault(const EtlTarget *target, const char *key, EtlUrl *url)
{
	EtlBucketPlace place = {target->kind, target->endpoint, target->region, target->addressing};
	const char *fault = EtlBucketUrl(target->bucket, key, &place, url);

	/* Who is between may undo an escape once more than there is one. */
	if (fault == NULL && target->server != NULL && *key != '\0' &&
		!EtlUrlIsBelow(&target->base, url))
		fault = "The key leads out of the URL of the server.";
	return fault;
}

void
EtlBucketKeyUrl(const EtlTarget *target, const char *key, EtlUrl *url)
{
	const char *fault = EtlBucketKeyFault(target, key, url);

	if (fault != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("could not read \"%s\"", EtlBucketName(target, key)),
						errdetail("%s", fault)));
}

/* ----------------------------------------------------------------
 *	Pages
 * ---------------------------------------------------------------- */

static void
release_page(void *arg)
{
	EtlBucketPage *page = ((EtlBucketList *) arg)->page;

	if (page != NULL)
		EtlBucketPageFree(page);
	((EtlBucketList *) arg)->page = NULL;
}

static void
begin_page(EtlBucketList *list)
{
	MemoryContextReset(list->page_context);
	list->next = NULL;
	list->release.func = release_page;
	list->release.arg = list;
	MemoryContextRegisterResetCallback(list->page_context, &list->release);
	list->page = EtlBucketPageCreate();
}

/* The query that asks for a page: ListObjectsV2, or List Blobs. */
static void
append_params(const EtlBucketList *list, StringInfo query)
{
	bool is_azure = list->target->kind == ETL_BUCKET_AZURE;

	EtlUrlAppendParam(query, is_azure ? "restype" : "list-type", is_azure ? "container" : "2");
	EtlUrlAppendParam(query, is_azure ? "comp" : "encoding-type", is_azure ? "list" : "url");
	if (*EtlKeyPatternPrefix(list->pattern) != '\0')
		EtlUrlAppendParam(query, "prefix", EtlKeyPatternPrefix(list->pattern));
	if (list->token != NULL)
		EtlUrlAppendParam(query, is_azure ? "marker" : "continuation-token", list->token);
}

/* What asks for the page that is to come. */
static void
prepare_call(EtlBucketList *list)
{
	MemoryContext old;
	StringInfoData query;
	size_t len;

	MemoryContextReset(list->call_context);
	old = MemoryContextSwitchTo(list->call_context);
	memset(&list->call, 0, sizeof(list->call));
	EtlBucketKeyUrl(list->target, "", &list->call.url);
	len = strlen(list->call.url.path);
	if (len > 1)
		list->call.url.path[len - 1] = '\0'; /* the slash behind the bucket */
	list->call.needs = EtlBucketNeeds(list->target, true);
	initStringInfo(&query);
	append_params(list, &query);
	EtlUrlSetQuery(&list->call.url, &query);
	MemoryContextSwitchTo(old);
}

/* Reads the answer as far as it comes; false: it broke off. */
static bool
read_answer(EtlBucketList *list)
{
	char buf[8192];
	size_t n;

	if (EtlExchangeAwait(list->exchange) != 200)
		EtlExchangeRaise(list->exchange);
	begin_page(list);
	while ((n = EtlExchangeRead(list->exchange, buf, sizeof(buf))) > 0)
		if (!EtlBucketPageFeed(list->page, buf, n))
			return true;
	if (EtlExchangeBroke(list->exchange))
		return false;
	(void) EtlBucketPageEnd(list->page);
	return true;
}

static uint64
hash_of(const EtlBucketPage *page)
{
	uint64 hash = 0;

	for (const EtlBucketObject *object = page->objects; object != NULL; object = object->next)
	{
		hash =
			hash_bytes_extended((unsigned char *) object->key, (int) strlen(object->key) + 1, hash);
		if (object->etag != NULL)
			hash = hash_bytes_extended((unsigned char *) object->etag, (int) strlen(object->etag),
									   hash);
	}
	return hash;
}

/* A page that comes again must be what it was. */
static void
check_same(EtlBucketList *list)
{
	uint64 hash = hash_of(list->page);

	if (list->number <= list->nknown && list->known[list->number - 1] != hash)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("objects of bucket \"%s\" changed while a statement was reading them again",
						list->target->bucket),
				 errhint("Read them once, in a WITH query that is MATERIALIZED.")));
	if (list->number <= list->nknown)
		return;
	if (list->nknown == list->room)
	{
		list->room *= 2;
		list->known = repalloc(list->known, list->room * sizeof(uint64));
	}
	list->known[list->nknown++] = hash;
}

static void
raise_bad_page(const EtlBucketList *list)
{
	ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
					errmsg("could not read the list of bucket \"%s\"", list->target->bucket),
					errdetail("%s", list->page->fault),
					errhint("Check the options of the server: is that an object store that speaks "
							"the protocol of %s?",
							list->target->kind == ETL_BUCKET_AZURE ? "Azure" : "S3")));
}

static void
show_list(void *arg)
{
	const EtlBucketList *list = arg;

	errcontext("listing \"%s\", page %d",
			   EtlBucketName(list->target, EtlKeyPatternPrefix(list->pattern)), list->number);
}

static void
set_token(EtlBucketList *list, const char *token)
{
	char *old = list->token;

	list->token = token != NULL ? MemoryContextStrdup(list->context, token) : NULL;
	if (old != NULL)
		pfree(old);
}

/* Asks for the page that is to come, and does not wait for it. */
static void
send_page(EtlBucketList *list)
{
	if (list->sent)
		return;
	prepare_call(list);
	EtlExchangeSend(list->exchange, &list->call);
	list->sent = true;
}

static void
fetch_page(EtlBucketList *list)
{
	ErrorContextCallback callback = {error_context_stack, show_list, list};
	MemoryContext old = MemoryContextSwitchTo(list->page_context);

	error_context_stack = &callback;
	list->number++;
	send_page(list);
	list->sent = false;
	while (!read_answer(list))
	{
		prepare_call(list);
		EtlExchangeSendAgain(list->exchange, &list->call, ETL_NO_WAIT_ASKED);
	}
	EtlExchangeClose(list->exchange);
	if (list->page->fault != NULL)
		raise_bad_page(list);
	if (list->page->token != NULL && list->token != NULL &&
		strcmp(list->page->token, list->token) == 0)
		ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
						errmsg("could not read the list of bucket \"%s\"", list->target->bucket),
						errdetail("A page says that it is followed by itself.")));
	check_same(list);
	set_token(list, list->page->token);
	list->next = list->page->objects;
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(old);
}

/* ----------------------------------------------------------------
 *	The list
 * ---------------------------------------------------------------- */

EtlBucketList *
EtlBucketListOpen(const EtlTarget *target, const EtlKeyPattern *pattern, EtlHttpStats *stats)
{
	EtlBucketList *list = palloc0(sizeof(EtlBucketList));

	list->target = target;
	list->pattern = pattern;
	list->context = CurrentMemoryContext;
	list->page_context =
		AllocSetContextCreate(CurrentMemoryContext, "etl bucket page", ALLOCSET_DEFAULT_SIZES);
	list->call_context =
		AllocSetContextCreate(CurrentMemoryContext, "etl bucket call", ALLOCSET_SMALL_SIZES);
	list->exchange = EtlExchangeCreate(target, stats);
	list->room = 16;
	list->known = palloc(list->room * sizeof(uint64));
	return list;
}

/* The next object of the page in hand that matches; NULL: it has none any more. */
static const EtlBucketObject *
next_of_page(EtlBucketList *list)
{
	const EtlBucketObject *object;

	while ((object = list->next) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		list->next = object->next;
		if (EtlKeyPatternMatches(list->pattern, object->key))
			return object;
	}
	return NULL;
}

static bool
has_page(const EtlBucketList *list)
{
	return list->number == 0 || list->token != NULL;
}

const EtlBucketObject *
EtlBucketListNext(EtlBucketList *list)
{
	const EtlBucketObject *object;

	while ((object = next_of_page(list)) == NULL && has_page(list))
		fetch_page(list);
	return object;
}

const EtlBucketObject *
EtlBucketListAhead(EtlBucketList *list)
{
	const EtlBucketObject *object = next_of_page(list);

	if (object == NULL && has_page(list))
		send_page(list);
	return object;
}

void
EtlBucketListRewind(EtlBucketList *list)
{
	EtlExchangeClose(list->exchange);
	list->sent = false;
	set_token(list, NULL);
	list->number = 0;
	list->next = NULL;
}
