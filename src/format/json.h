/*
 * json.h
 *		From the bytes of a JSON body to its items, one at a time, while the body arrives.
 *
 * EtlJsonFormat (see format.h) takes EtlJsonOptions and gives EtlJsonItem.  What is declared here besides is the same
 * reader by its own name, for tests.  Room is asked for only when bytes are wished for, or memory is no longer that of
 * one item.
 *
 * Items are what the items path leads to.  A path that ends in a name ("data", "$") and leads to an array
 * means the elements of that array; one that ends in "[]" or "*" means just what it says.  A null where a
 * path that ends in a name leads is no item; anything else is one.
 *
 * Without an items path a body is either one array, whose elements are the items, or any number of other
 * values with white space between them (NDJSON), each of them an item; a single object is the case of one.
 *
 * The same pass picks up the last value at each of some other paths (the captures): the reference to the
 * next page, a flag, a total.  They may stand before, behind or inside the items.  A capture may also be
 * of the last item, where its path starts at the item.
 *
 * An item is valid until the next call for an item or for room.  Memory is one item, its tokens, and
 * buffers of fixed size.  What stands outside the items is read and forgotten.  Items behind a test wait in
 * memory until what it looks at has come; together they must not be larger than one item may be.
 *
 * A body must be what jsonb would accept, whether or not anybody reads that part of it: UTF-8, no \u0000,
 * no broken surrogate pair, no number beyond numeric.  Two things differ: a byte order mark at the start
 * is passed over, and strings are never too long.  Of members with one name the last one counts, as in
 * jsonb; it is an error only where items were handed out before it could be known.
 *
 * Where such an escape or number stands inside an item, the item alone is faulty, and the next one follows: the
 * structure is whole.  Outside of items, and where it is captured, it breaks the body; or, where lines are read, the line.
 *
 * Nothing here raises an error but for lack of memory: what is wrong is a status.  So these files also
 * build without a server.
 */
#ifndef ETL_JSON_H
#define ETL_JSON_H

#include "etl.h"

#include "format/format.h"
#include "format/json_path.h"

#define ETL_JSON_MAX_CAPTURES 16
#define ETL_JSON_MAX_ITEM_SIZE ((size_t) 0x0fffffff) /* bytes; jsonb cannot hold more either */
#define ETL_JSON_MAX_DEPTH 65535

typedef enum EtlJsonType
{
	ETL_JSON_NULL,
	ETL_JSON_FALSE,
	ETL_JSON_TRUE,
	ETL_JSON_NUMBER,
	ETL_JSON_STRING,
	ETL_JSON_ARRAY,
	ETL_JSON_OBJECT,
} EtlJsonType;

typedef enum EtlJsonStatus
{
	ETL_JSON_ITEM = ETL_FORMAT_RECORD,
	ETL_JSON_NEED_DATA = ETL_FORMAT_NEED_DATA,
	ETL_JSON_END = ETL_FORMAT_END, /* the body is complete and all items were handed out */

	/* What follows is fatal, and comes when all items before it were handed out. */
	ETL_JSON_EMPTY = ETL_FORMAT_EMPTY,		/* the body has no value at all */
	ETL_JSON_TRUNCATED = ETL_FORMAT_BROKEN, /* the body ends inside a value */
	ETL_JSON_TRAILING,						/* something follows the only value that there may be */
	ETL_JSON_SYNTAX,						/* not JSON: the fault's detail says why */
	ETL_JSON_BAD_ENCODING,					/* not UTF-8 */
	ETL_JSON_NUL_CHARACTER,					/* \u0000, which no text or jsonb can hold */
	ETL_JSON_BAD_SURROGATE,					/* half a surrogate pair */
	ETL_JSON_NUMBER_RANGE,					/* a number beyond the range of numeric */
	ETL_JSON_TOO_DEEP,						/* nested deeper than max_depth */
	ETL_JSON_ITEM_TOO_LARGE, /* an item, or any other value that must be held, beyond max_item_size */
	ETL_JSON_DUPLICATE_KEY, /* a name of the items path, or of a test, twice in one object */
} EtlJsonStatus;

/*
 * What to pick up.  With of_last_item the path, which then can only have names, starts at the last item of
 * the body; what it gives is known at the end.
 */
typedef struct EtlJsonCapture
{
	const EtlJsonPath *path;
	bool of_last_item;
} EtlJsonCapture;

/*
 * What to read.  Paths are borrowed and must outlive the reader.
 *
 * With many, the body is any number of values with white space between them, and items starts at the root
 * of each of them; without items, each of them is an item, even an array.
 *
 * With lines, each line of such a body is one value, or blank: with many, or, where there are neither items nor captures,
 * if the first line that is not blank is one value and no array.  A line that is not one whole value, or in which something
 * is wrong outside of the items, is one faulty item without tokens, and the next line follows; nothing that stands on it
 * is captured or handed out.  Of a line that is larger than max_item_size the item has only the beginning.
 *
 * initials are the bytes that names begin with which are looked for in items, [UCHAR_MAX + 1] (see EtlAddInitials).
 * Members with others need not have tokens.
 */
typedef struct EtlJsonOptions
{
	const EtlJsonPath *items; /* NULL: see above */
	bool many;
	bool lines;
	int ncaptures;
	EtlJsonCapture captures[ETL_JSON_MAX_CAPTURES];
	const bool *initials; /* see above; NULL: all */
	int max_depth;		  /* 1 is one array or object that holds none */
	size_t max_item_size; /* bytes, at most ETL_JSON_MAX_ITEM_SIZE */
} EtlJsonOptions;

/*
 * A value inside an item.  The tokens of an item are in the order of its text, the item itself the first;
 * the members of an object follow it, all or those that can be looked for.  The inside of an array is not in
 * tokens, unless the item is the array: then its elements are.
 *
 * Offsets count from the item's data, or, for what had escapes, from its decoded.
 */
typedef struct EtlJsonToken
{
	uint32 start; /* raw text, with the quotes of a string */
	uint32 len;
	uint32 text; /* of a string: what it says, escapes resolved */
	uint32 text_len;
	uint32 key; /* of a member: its name, escapes resolved */
	uint32 key_len;
	uint32 next; /* first token behind this value and all inside it */
	uint8 type;	 /* EtlJsonType */
	bool text_decoded;
	bool key_decoded;
} EtlJsonToken;

typedef struct EtlJsonFault
{
	EtlJsonStatus status;
	uint64 offset; /* byte of the body where it shows; what is too large starts there */
	bool in_item;  /* it lies inside the item that would have been next, or is that item's own */
	const char *detail; /* of ETL_JSON_SYNTAX: a sentence that says why */
} EtlJsonFault;

typedef struct EtlJsonItem
{
	const char *data; /* exactly as it stands in the body */
	size_t len;
	const EtlJsonToken *tokens; /* at least one, but none of a line that is no value */
	uint32 ntokens;
	const char *decoded; /* text of strings that had escapes */
	const char *key;	 /* the member's name if the items path ends in "*", else NULL */
	size_t key_len;
	int64 index;   /* how many items of this body were handed out before */
	uint64 offset; /* byte of the body at which data starts */
	uint64 line;   /* on which it stands, from 1, if lines are read; else 0 */
	const EtlJsonFault
		*fault; /* of this item alone; NULL: it is sound, and what tokens say can be used */
} EtlJsonItem;

/* What was captured. */
typedef struct EtlJsonValue
{
	EtlJsonType type;
	const char *text; /* a string's text, escapes resolved; anything else as it stands */
	size_t len;
} EtlJsonValue;

typedef struct EtlJsonReader EtlJsonReader;

extern EtlJsonReader *EtlJsonReaderCreate(const EtlJsonOptions *options);
extern void EtlJsonReaderReset(EtlJsonReader *reader); /* at byte 0 of a new body */
extern void EtlJsonReaderFree(EtlJsonReader *reader);
extern char *EtlJsonReaderRoom(EtlJsonReader *reader, size_t *len);
extern void EtlJsonReaderFed(EtlJsonReader *reader, size_t n);
extern EtlJsonStatus EtlJsonReaderNext(EtlJsonReader *reader, EtlJsonItem *item);

/*
 * The last value at captures[i] in what has been read so far, NULL if there was none.  Reading may be ahead
 * of the items handed out by a few KB.  Valid until the next call for an item.
 */
extern const EtlJsonValue *EtlJsonReaderCaptured(const EtlJsonReader *reader, int i);

/* Whether the items path has led to anything yet, even to an empty array (also one on the way) or a null. */
extern bool EtlJsonReaderFoundItems(const EtlJsonReader *reader);

/* A hash of the bytes of the items handed out so far, in their order. */
extern uint64 EtlJsonReaderHash(const EtlJsonReader *reader);

/* After a fatal status. */
extern const EtlJsonFault *EtlJsonReaderFault(const EtlJsonReader *reader);

/* The tokens of an object's members, or of an array's elements; NULL at the end. */
static inline const EtlJsonToken *
EtlJsonFirstIn(const EtlJsonItem *item, const EtlJsonToken *parent)
{
	const EtlJsonToken *token = parent + 1;

	return token < item->tokens + parent->next ? token : NULL;
}

static inline const EtlJsonToken *
EtlJsonNextIn(const EtlJsonItem *item, const EtlJsonToken *parent, const EtlJsonToken *token)
{
	return token->next < parent->next ? item->tokens + token->next : NULL;
}

/* The name of a member. */
static inline const char *
EtlJsonTokenKey(const EtlJsonItem *item, const EtlJsonToken *token)
{
	return (token->key_decoded ? item->decoded : item->data) + token->key;
}

/* A string's text, escapes resolved; anything else as it stands in the body.  Not NUL-terminated. */
static inline const char *
EtlJsonTokenText(const EtlJsonItem *item, const EtlJsonToken *token, size_t *len)
{
	if (token->type == ETL_JSON_STRING)
	{
		*len = token->text_len;
		return (token->text_decoded ? item->decoded : item->data) + token->text;
	}
	*len = token->len;
	return item->data + token->start;
}

/* What a path of names leads to, from the item down.  NULL: nothing, or the path has other steps. */
extern const EtlJsonToken *EtlJsonFind(const EtlJsonItem *item, const EtlJsonPath *path);

#endif /* ETL_JSON_H */
