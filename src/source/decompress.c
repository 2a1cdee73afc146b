/*
 * decompress.c
 *		Compressed sources: gzip by zlib, zstd by libzstd.
 *
 *		inner source  ->  input buffer  ->  library  ->  caller's buffer
 *
 * The first bytes, not the name, tell what a file is: names lie, and URLs often have none.  Other formats that
 * people compress or archive by are known too, so that their error says what they are.
 *
 * The libraries allocate with malloc and never call back, so no error passes through them.  What they
 * hold is given back by a callback of the memory context.
 */
#include "etl.h"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "miscadmin.h"
#include "source/decompress.h"
#include "utils/memutils.h"

#define INPUT_SIZE 65536
#define MAGIC_LEN ETL_MAX_PEEK /* none of those below is longer */

typedef struct Codec Codec;

typedef struct Decompressor
{
	EtlSource base;
	MemoryContextCallback callback;
	const Codec *codec;
	z_stream z;
	ZSTD_DStream *zstd;
	bool begun;		 /* the library holds something */
	bool at_start;	 /* between members, or before the first: here the input may end */
	bool any_member; /* one was read to its end */
	bool ended;		 /* inner has no more */
	size_t pos;		 /* of input: what is before it was used */
	size_t len;
	char *input; /* [INPUT_SIZE] */
	size_t nahead;
	char ahead[256]; /* what was unpacked before anybody read it */
} Decompressor;

struct Codec
{
	const char *name;
	void (*begin)(Decompressor *d);
	/* Unpacks from input to buf; returns how many bytes that gave.  Sets at_start at the end of a member. */
	size_t (*step)(Decompressor *d, char *buf, size_t len);
	void (*end)(Decompressor *d);
};

static void
raise_damaged(const Decompressor *d, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("compressed data of \"%s\" is damaged", d->base.name),
			 errdetail("The %s data is invalid near byte %llu: %s.", d->codec->name,
					   (unsigned long long) (d->base.inner->bytes_read - (d->len - d->pos)), why)));
}

static void
raise_out_of_memory(void)
{
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
					errdetail("Failed to start decompression.")));
}

/* ----------------------------------------------------------------
 *	gzip
 * ---------------------------------------------------------------- */

#define GZIP_ONLY 16 /* added to the window size: see inflateInit2 in zlib.h */

static void
gzip_begin(Decompressor *d)
{
	memset(&d->z, 0, sizeof(d->z));
	if (inflateInit2(&d->z, MAX_WBITS + GZIP_ONLY) != Z_OK)
		raise_out_of_memory();
}

/* Passes over zeros between members; true if anything else is left of the input in hand. */
static bool
gzip_skip_padding(Decompressor *d)
{
	while (d->pos < d->len && d->input[d->pos] == '\0')
		d->pos++;
	return d->pos < d->len;
}

static size_t
gzip_step(Decompressor *d, char *buf, size_t len)
{
	int status;

	if (d->at_start && d->any_member && !gzip_skip_padding(d))
		return 0;
	d->at_start = false;
	d->z.next_in = (Bytef *) d->input + d->pos;
	d->z.avail_in = d->len - d->pos;
	d->z.next_out = (Bytef *) buf;
	d->z.avail_out = len;
	status = inflate(&d->z, Z_NO_FLUSH);
	d->pos = d->len - d->z.avail_in;
	if (status == Z_STREAM_END)
	{
		d->at_start = d->any_member = true;
		(void) inflateReset(&d->z);
	}
	else if (status == Z_MEM_ERROR)
		raise_out_of_memory();
	else if (status != Z_OK && status != Z_BUF_ERROR)
		raise_damaged(d, d->z.msg != NULL ? d->z.msg : "not a gzip member");
	return len - d->z.avail_out;
}

static void
gzip_end(Decompressor *d)
{
	(void) inflateEnd(&d->z);
}

/* ----------------------------------------------------------------
 *	zstd
 * ---------------------------------------------------------------- */

static void
zstd_begin(Decompressor *d)
{
	d->zstd = ZSTD_createDStream();
	if (d->zstd == NULL)
		raise_out_of_memory();
}

/*
 * The window is what the library holds of the output, since later data refers to it; its own limit of 128 MB,
 * which is also that of the program zstd, bounds the memory that a file can ask for.
 */
static void
raise_zstd_error(const Decompressor *d, size_t result)
{
	ZSTD_ErrorCode code = ZSTD_getErrorCode(result);

	if (code == ZSTD_error_memory_allocation)
		raise_out_of_memory();
	if (code == ZSTD_error_frameParameter_windowTooLarge)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("compressed data of \"%s\" needs a window of more than 128 MB",
							   d->base.name),
						errhint("Compress it without the option --long, or with --long=27.")));
	if (code == ZSTD_error_dictionary_wrong)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("compressed data of \"%s\" needs a dictionary", d->base.name),
						errhint("Compress it without a dictionary.")));
	raise_damaged(d, ZSTD_getErrorName(result));
}

static size_t
zstd_step(Decompressor *d, char *buf, size_t len)
{
	ZSTD_inBuffer in = {d->input, d->len, d->pos};
	ZSTD_outBuffer out = {buf, len, 0};
	size_t left = ZSTD_decompressStream(d->zstd, &out, &in);

	d->pos = in.pos;
	if (ZSTD_isError(left))
		raise_zstd_error(d, left);
	d->at_start = (left == 0);
	return out.pos;
}

static void
zstd_end(Decompressor *d)
{
	ZSTD_freeDStream(d->zstd);
}

/* ---------------------------------------------------------------- */

static const Codec gzip = {"gzip", gzip_begin, gzip_step, gzip_end};
static const Codec zstd = {"zstd", zstd_begin, zstd_step, zstd_end};

typedef struct Magic
{
	const char *bytes;
	size_t len;
	unsigned char mask; /* of the bits of the first byte that count */
	const Codec *codec; /* NULL: it is known only to be refused */
	const char *what;
	const char *hint; /* what to do with what is refused */
} Magic;

#define UNPACK "Unpack it, or compress it by gzip or zstd; save a spreadsheet as CSV."
#define CONVERT "Convert it to CSV or NDJSON."

static const Magic magics[] = {
	{"\x1f\x8b", 2, 0xff, &gzip, "compressed by gzip"},
	{"\x28\xb5\x2f\xfd", 4, 0xff, &zstd, "compressed by zstd"},
	{"\x50\x2a\x4d\x18", 4, 0xf0, &zstd, "compressed by zstd"}, /* a skippable frame, as of pzstd */
	{"PK\x03\x04", 4, 0xff, NULL, "a zip archive", UNPACK},
	{"\xfd\x37zXZ", 5, 0xff, NULL, "compressed by xz", UNPACK},
	{"BZh91AY&SY", 10, 0xff, NULL, "compressed by bzip2", UNPACK},
	{"7z\xbc\xaf\x27\x1c", 6, 0xff, NULL, "a 7z archive", UNPACK},
	{"\x04\x22\x4d\x18", 4, 0xff, NULL, "compressed by lz4", UNPACK},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8, 0xff, NULL, "a document of Microsoft Office", UNPACK},
	{"PAR1\x15", 5, 0xff, NULL, "a Parquet file", CONVERT},
	{"ORC\x08", 4, 0xff, NULL, "an ORC file", CONVERT},
	{"Obj\x01", 4, 0xff, NULL, "an Avro file", CONVERT},
	{"ARROW1\0\0", 8, 0xff, NULL, "an Arrow file", CONVERT},
	{"SQLite format 3", 16, 0xff, NULL, "a database of SQLite", CONVERT},
	{"%PDF-", 5, 0xff, NULL, "a PDF document", CONVERT},
};

static const Magic *
find_magic(const char *bytes, size_t len)
{
	for (int i = 0; i < lengthof(magics); i++)
		if (len >= magics[i].len &&
			(bytes[0] & magics[i].mask) == (magics[i].bytes[0] & magics[i].mask) &&
			memcmp(bytes + 1, magics[i].bytes + 1, magics[i].len - 1) == 0)
			return &magics[i];
	return NULL;
}

bool
EtlIsCompressed(const char *bytes, size_t len)
{
	return find_magic(bytes, len) != NULL;
}
/* Gets more input behind what is left; false if inner has no more. */
static bool
fill(Decompressor *d)
{
	size_t n;

	if (d->ended)
		return false;
	memmove(d->input, d->input + d->pos, d->len - d->pos);
	d->len -= d->pos;
	d->pos = 0;
	n = EtlSourceRead(d->base.inner, d->input + d->len, INPUT_SIZE - d->len);
	d->ended = (n == 0);
	d->len += n;
	return n > 0;
}

/* Unpacks a piece, perhaps an empty one, or gets input for the next; false at the end. */
static bool
take_step(Decompressor *d, char *buf, size_t len, size_t *n)
{
	CHECK_FOR_INTERRUPTS();
	*n = 0;
	if (d->pos < d->len)
		*n = d->codec->step(d, buf, len);
	else if (!fill(d))
	{
		/* the library may hold output that its last input gave */
		if (!d->at_start)
			*n = d->codec->step(d, buf, len);
		if (*n == 0 && !d->at_start)
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("compressed data of \"%s\" is truncated", d->base.name),
					 errdetail("The %s data ends after %llu bytes, before its end mark.",
							   d->codec->name, (unsigned long long) d->base.inner->bytes_read)));
		return *n > 0;
	}
	return true;
}

static size_t
decompress_read(EtlSource *source, char *buf, size_t len)
{
	Decompressor *d = (Decompressor *) source;
	size_t n = Min(d->nahead, len);

	memcpy(buf, d->ahead, n);
	d->nahead -= n;
	memmove(d->ahead, d->ahead + n, d->nahead);
	while (n == 0)
	{
		if (!take_step(d, buf, len, &n))
			return 0;
	}
	source->bytes_read += n;
	return n;
}

/* Only unpacking tells whether what has come is enough for a byte. */
static bool
decompress_ready(EtlSource *source, int64 until)
{
	Decompressor *d = (Decompressor *) source;

	while (d->nahead == 0)
	{
		if (d->pos == d->len && !d->ended && !EtlSourceReady(source->inner, until))
			return false;
		if (!take_step(d, d->ahead, sizeof(d->ahead), &d->nahead))
			return true;
	}
	return true;
}

static void
decompress_close(EtlSource *source)
{
	Decompressor *d = (Decompressor *) source;

	if (d->begun)
		d->codec->end(d);
	d->begun = false;
}

static void
begin(Decompressor *d)
{
	d->codec->begin(d);
	d->begun = true;
	d->at_start = true;
}

static void
decompress_rewind(EtlSource *source, bool strict)
{
	Decompressor *d = (Decompressor *) source;

	decompress_close(source);
	d->pos = d->len = d->nahead = 0;
	d->ended = false;
	begin(d);
}

static const EtlSourceOps decompress_ops = {
	.read = decompress_read,
	.ready = decompress_ready,
	.close = decompress_close,
	.rewind = decompress_rewind,
};

static void
close_callback(void *arg)
{
	decompress_close((EtlSource *) arg);
}

EtlSource *
EtlDecompressOpen(EtlSource *inner)
{
	char head[MAGIC_LEN];
	const Magic *magic = find_magic(head, EtlSourcePeek(inner, head, sizeof(head)));
	Decompressor *d;

	if (magic == NULL)
		return inner;
	if (magic->codec == NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("\"%s\" is %s, which is not supported", inner->name, magic->what),
						errhint("%s", magic->hint)));
	d = palloc0(sizeof(Decompressor));
	d->base.ops = &decompress_ops;
	d->base.name = inner->name;
	d->base.inner = inner;
	d->base.size = -1;
	d->codec = magic->codec;
	d->input = palloc(INPUT_SIZE);
	d->callback.func = close_callback;
	d->callback.arg = d;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &d->callback);
	begin(d);
	return &d->base;
}
