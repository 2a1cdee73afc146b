/*
 * item_spool.c
 *		JSON items in a temporary file, for scans that may be read again.
 *
 * What was read is replayed as it is written; then the scan goes on where it stopped.  So one statement sees one
 * answer, and spends each request once.
 */
#include "etl.h"

#include "api/json_body.h"
#include "scan/item_spool.h"
#include "source/temp_file.h"

/* What stands before each item in the file. */
typedef struct SpooledItem
{
	EtlSpooledFrom from;
	int64 index;
	uint64 line;
	uint64 len;
	bool too_large; /* it is the beginning of such a line */
} SpooledItem;

struct EtlItemSpool
{
	MemoryContext context;
	EtlTempFile *file;
	int64 nspooled;
	int64 nreplayed; /* by the current reading; all of them while new ones are added */
	bool replays;
	uint64 at; /* place in the file of the next item to be replayed */
	EtlReader *reader;
	char *message; /* the one replayed last */
};

EtlItemSpool *
EtlItemSpoolCreate(void)
{
	EtlItemSpool *spool = palloc0(sizeof(EtlItemSpool));

	spool->context = CurrentMemoryContext;
	spool->file = EtlTempFileCreate();
	return spool;
}

void
EtlItemSpoolAdd(EtlItemSpool *spool, const EtlSpooledFrom *from, const EtlJsonItem *item)
{
	SpooledItem head = {
		.from = *from,
		.index = item->index,
		.line = item->line,
		.len = item->len,
		.too_large = item->fault != NULL && item->fault->status == ETL_JSON_ITEM_TOO_LARGE,
	};

	EtlTempFileAppend(spool->file, &head, sizeof(head));
	EtlTempFileAppend(spool->file, item->data, item->len);
	spool->nspooled++;
	spool->nreplayed++;
}

void
EtlItemSpoolRewind(EtlItemSpool *spool, EtlJsonOptions *options)
{
	MemoryContext old = MemoryContextSwitchTo(spool->context);

	if (spool->reader == NULL)
	{
		EtlJsonSetLimits(options);
		spool->reader = EtlJsonFormat.create(options);
	}
	spool->nreplayed = 0;
	spool->at = 0;
	MemoryContextSwitchTo(old);
}

static void
read_file(EtlItemSpool *spool, void *to, size_t len)
{
	EtlTempFileRead(spool->file, spool->at, to, len);
	spool->at += len;
}

/* What is left of an item, as a feed. */
typedef struct SpooledBytes
{
	EtlItemSpool *spool;
	uint64 left;
} SpooledBytes;

static ssize_t
feed_spooled(void *arg, char *buf, size_t len)
{
	SpooledBytes *bytes = arg;

	len = Min(len, bytes->left);
	read_file(bytes->spool, buf, len);
	bytes->left -= len;
	return (ssize_t) len;
}

/* An item is found in its text once more. */
static void
read_item(EtlItemSpool *spool, const SpooledItem *head, EtlJsonItem *item)
{
	static const EtlJsonFault too_large = {.status = ETL_JSON_ITEM_TOO_LARGE, .in_item = true};
	SpooledBytes bytes = {spool, head->len};

	EtlReaderReset(spool->reader, NULL);
	if (EtlReaderNext(spool->reader, item, feed_spooled, &bytes) != ETL_FORMAT_RECORD)
		elog(ERROR, "an item in the spool is not what it was");
	item->index = head->index;
	item->line = head->line;
	if (head->too_large)
		item->fault = &too_large;
}

static void
read_message(EtlItemSpool *spool, const SpooledItem *head, EtlJsonItem *item)
{
	if (spool->message != NULL)
		pfree(spool->message);
	spool->message = MemoryContextAllocZero(spool->context, head->len + 1);
	read_file(spool, spool->message, head->len);
	memset(item, 0, sizeof(*item));
	item->data = spool->message;
	item->len = head->len;
}

bool
EtlItemSpoolNext(EtlItemSpool *spool, EtlSpooledFrom *from, EtlJsonItem *item)
{
	SpooledItem head;

	spool->replays = spool->nreplayed < spool->nspooled;
	if (!spool->replays)
		return false;
	read_file(spool, &head, sizeof(head));
	if (head.from.sqlstate != 0)
		read_message(spool, &head, item);
	else
		read_item(spool, &head, item);
	*from = head.from;
	spool->nreplayed++;
	return true;
}

bool
EtlItemSpoolReplays(const EtlItemSpool *spool)
{
	return spool->replays;
}
