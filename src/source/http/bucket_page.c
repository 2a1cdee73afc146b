/*
 * bucket_page.c
 *		A page of the list of a bucket: the only file that knows expat.
 *
 *		<ListBucketResult>
 *			<IsTruncated>, <NextContinuationToken>, <EncodingType>
 *			<Contents> <Key>, <LastModified>, <ETag>, <Size> </Contents> ...
 *		</ListBucketResult>
 *
 *		<EnumerationResults>
 *			<Blobs>
 *				<Blob> <Name>, <Properties> <Last-Modified>, <Etag>, <Content-Length> </Properties> </Blob> ...
 *			</Blobs>
 *			<NextMarker>
 *		</EnumerationResults>
 *
 * Keys may hold what XML cannot, so they come escaped as in a URL where the server says so: S3 for all of them, and perhaps
 * behind them; Azure for each.  Azure leaves out the quotes of an ETag, which its answers to GET have.
 *
 * Functions that expat calls raise no error: they note what is wrong and have it stop.
 */
#include "etl.h"

#include <expat.h>

#include "source/http/bucket_page.h"
#include "source/http/url.h"

#define MAX_TEXT 8192 /* of one element: a key has 1024 bytes, which may all be escaped */
#define MAX_DEPTH 16
#define MAX_PAGE (16 * 1024 * 1024) /* a page has a thousand keys */

typedef enum Element
{
	OTHER,
	RESULT,
	BLOBS,
	CONTENTS,
	PROPERTIES,
	KEY, /* from here on with a text */
	MODIFIED,
	ETAG,
	BARE_ETAG,
	SIZE,
	TYPE,
	MARKER,
	TOKEN,
	TRUNCATED,
	ENCODING
} Element;

typedef struct EtlBucketParser
{
	XML_Parser xml;
	EtlBucketObject **last; /* where the next object is linked */
	Element stack[MAX_DEPTH];
	int depth;
	size_t size;  /* bytes that were fed */
	bool is_list; /* the document is what it should be */
	bool truncated;
	bool escaped;
	char text[MAX_TEXT + 1]; /* of the element in hand */
	size_t len;
} EtlBucketParser;

static const struct
{
	const char *name;
	Element parent; /* OTHER: it is the document */
	Element element;
} elements[] = {
	{"ListBucketResult", OTHER, RESULT},
	{"Contents", RESULT, CONTENTS},
	{"Key", CONTENTS, KEY},
	{"LastModified", CONTENTS, MODIFIED},
	{"ETag", CONTENTS, ETAG},
	{"Size", CONTENTS, SIZE},
	{"NextContinuationToken", RESULT, TOKEN},
	{"IsTruncated", RESULT, TRUNCATED},
	{"EncodingType", RESULT, ENCODING},
	{"EnumerationResults", OTHER, RESULT},
	{"Blobs", RESULT, BLOBS},
	{"Blob", BLOBS, CONTENTS},
	{"Name", CONTENTS, KEY},
	{"Properties", CONTENTS, PROPERTIES},
	{"Last-Modified", PROPERTIES, MODIFIED},
	{"Etag", PROPERTIES, BARE_ETAG},
	{"Content-Length", PROPERTIES, SIZE},
	{"ResourceType", PROPERTIES, TYPE},
	{"NextMarker", RESULT, MARKER},
};

static void
stop(EtlBucketPage *page, const char *fault)
{
	if (page->fault == NULL)
		page->fault = fault;
	(void) XML_StopParser(page->parser->xml, XML_FALSE);
}

/* ----------------------------------------------------------------
 *	What expat calls
 * ---------------------------------------------------------------- */

static void *
take_memory(EtlBucketPage *page, size_t size)
{
	void *memory = palloc_extended(size, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO);

	if (memory == NULL)
		stop(page, "There is not enough memory for it.");
	return memory;
}

/* The text of the element in hand, between quotes ("": without). */
static char *
take_text(EtlBucketPage *page, const char *quote)
{
	const EtlBucketParser *parser = page->parser;
	size_t n = strlen(quote);
	char *copy = take_memory(page, parser->len + 2 * n + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, quote, n);
	memcpy(copy + n, parser->text, parser->len);
	memcpy(copy + n + parser->len, quote, n);
	return copy;
}

static Element
element_of(const XML_Char *name, Element parent, int depth)
{
	const char *colon = strrchr(name, ':');

	if (colon != NULL)
		name = colon + 1;
	for (int i = 0; i < lengthof(elements); i++)
		if (elements[i].parent == parent && (parent != OTHER || depth == 0) &&
			strcmp(elements[i].name, name) == 0)
			return elements[i].element;
	return OTHER;
}

static void
begin_object(EtlBucketPage *page)
{
	EtlBucketObject *object = take_memory(page, sizeof(EtlBucketObject));

	if (object == NULL)
		return;
	object->size = -1;
	*page->parser->last = object;
}

static void XMLCALL
on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	EtlBucketPage *page = arg;
	EtlBucketParser *parser = page->parser;
	Element parent = parser->depth > 0 ? parser->stack[parser->depth - 1] : OTHER;
	Element element = element_of(name, parent, parser->depth);

	if (parser->depth == MAX_DEPTH)
	{
		stop(page, "Its elements are nested too deeply.");
		return;
	}
	if (parser->depth == 0)
		parser->is_list = element == RESULT;
	parser->stack[parser->depth++] = element;
	parser->len = 0;
	if (element == CONTENTS)
		begin_object(page);
	if (element == KEY && attributes[0] != NULL && strcmp(attributes[0], "Encoded") == 0)
		(*parser->last)->escaped = strcmp(attributes[1], "true") == 0;
}

static void XMLCALL
on_text(void *arg, const XML_Char *text, int len)
{
	EtlBucketPage *page = arg;
	EtlBucketParser *parser = page->parser;

	if (parser->depth == 0 || parser->stack[parser->depth - 1] < KEY)
		return;
	if ((size_t) len > MAX_TEXT - parser->len)
	{
		stop(page, "A key or a token in it is too long.");
		return;
	}
	memcpy(parser->text + parser->len, text, len);
	parser->len += len;
}

static void
take_element(EtlBucketPage *page, Element element)
{
	EtlBucketParser *parser = page->parser;
	EtlBucketObject *object = *parser->last;

	parser->text[parser->len] = '\0';
	switch (element)
	{
		case CONTENTS:
			if (object->key == NULL)
				stop(page, "An object in it has no key.");
			parser->last = &object->next;
			break;
		case KEY:
			object->key = take_text(page, "");
			break;
		case MODIFIED:
			object->modified = take_text(page, "");
			break;
		case ETAG:
			object->etag = take_text(page, "");
			break;
		case SIZE:
			object->size = strtoll(parser->text, NULL, 10);
			break;
		case BARE_ETAG:
			object->etag = take_text(page, *parser->text == '"' ? "" : "\"");
			break;
		case TYPE:
			object->is_directory = strcmp(parser->text, "directory") == 0;
			break;
		case MARKER:
			parser->truncated = parser->len > 0;
			page->token = take_text(page, "");
			break;
		case TOKEN:
			page->token = take_text(page, "");
			break;
		case TRUNCATED:
			parser->truncated = strcmp(parser->text, "true") == 0;
			break;
		case ENCODING:
			parser->escaped = strcmp(parser->text, "url") == 0;
			break;
		case RESULT:
		case BLOBS:
		case PROPERTIES:
		case OTHER:
			break;
	}
}

static void XMLCALL
on_end(void *arg, const XML_Char *name)
{
	EtlBucketPage *page = arg;

	take_element(page, page->parser->stack[--page->parser->depth]);
	page->parser->len = 0;
}

/* No such answer declares a type of document, and entities of its own are how XML attacks who reads it. */
static void XMLCALL
on_doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public,
		   int has_internal)
{
	stop(arg, "It declares a type of document.");
}

/* ----------------------------------------------------------------
 *	The page
 * ---------------------------------------------------------------- */

EtlBucketPage *
EtlBucketPageCreate(void)
{
	EtlBucketPage *page = palloc0(sizeof(EtlBucketPage));
	EtlBucketParser *parser = palloc0(sizeof(EtlBucketParser));

	page->parser = parser;
	parser->last = &page->objects;
	parser->xml = XML_ParserCreate(NULL);
	if (parser->xml == NULL)
	{
		page->fault = "There is not enough memory for it.";
		return page;
	}
	XML_SetUserData(parser->xml, page);
	XML_SetElementHandler(parser->xml, on_start, on_end);
	XML_SetCharacterDataHandler(parser->xml, on_text);
	XML_SetStartDoctypeDeclHandler(parser->xml, on_doctype);
	return page;
}

void
EtlBucketPageFree(EtlBucketPage *page)
{
	if (page->parser->xml != NULL)
		XML_ParserFree(page->parser->xml);
	page->parser->xml = NULL;
}

static bool
parse(EtlBucketPage *page, const char *data, size_t len, bool is_last)
{
	if (page->fault == NULL &&
		XML_Parse(page->parser->xml, data, (int) len, is_last) != XML_STATUS_OK &&
		page->fault == NULL)
		page->fault = "It is not the XML that it should be.";
	return page->fault == NULL;
}

bool
EtlBucketPageFeed(EtlBucketPage *page, const char *data, size_t len)
{
	page->parser->size += len;
	if (page->fault == NULL && page->parser->size > MAX_PAGE)
		page->fault = "It is larger than 16 MB.";
	return parse(page, data, len, false);
}

/* A blank is written as in a form, too. */
static char *
unescape(char *text)
{
	for (char *p = text; (p = strchr(p, '+')) != NULL;)
		*p = ' ';
	return EtlUrlUnescape(text);
}

bool
EtlBucketPageEnd(EtlBucketPage *page)
{
	EtlBucketParser *parser = page->parser;

	if (!parse(page, "", 0, true))
		return false;
	if (!parser->is_list)
		page->fault = "It is not the list of a bucket.";
	else if (parser->truncated && (page->token == NULL || *page->token == '\0'))
		page->fault = "It says that there is more, but not how to ask for that.";
	if (!parser->truncated)
		page->token = NULL;
	for (EtlBucketObject **at = &page->objects; *at != NULL && page->fault == NULL;)
	{
		EtlBucketObject *object = *at;

		if (parser->escaped)
			object->key = unescape(object->key);
		else if (object->escaped)
			object->key = EtlUrlUnescape(object->key);
		if (object->key == NULL || *object->key == '\0')
			page->fault = "A key in it is empty, or not escaped as it should be.";
		if (object->is_directory)
			*at = object->next;
		else
			at = &object->next;
	}
	return page->fault == NULL;
}
