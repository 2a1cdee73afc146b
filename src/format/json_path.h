/*
 * json_path.h
 *		Where in a JSON text something stands: "data.items", "hits.hits[]._source", "link[rel=next].url".
 *
 * A path leads from the root of the text down through members and elements:
 *
 *		path	= "$"								the root itself
 *				| [ "$" "." ] first { step }
 *				| "$" bracket { step }				as in $[].node
 *		first	= key | "*" | bracket
 *		step	= "." key | "." "*" | bracket
 *		bracket = "[" "]"							any element of an array
 *				| "[" test "]"						any element that passes the test
 *		test	= key { "." key } "=" literal
 *		key		= bare | quoted
 *		literal = quoted | one or more bytes other than "]" and control characters
 *		bare	= one or more bytes other than . [ ] " = and control characters; not a lone "*", and not
 *				  a lone "$" that begins the path
 *		quoted	= '"' { any byte but " and \ | \" | \\ } '"'
 *
 * A key is compared byte by byte with the decoded name of a member.  "*" is the value of any member of an
 * object.  Only "[]" enters an array: "data.id" does not look into the elements of data.
 *
 * A test looks at the value of a member of the element, or of an object below it: a string by its decoded
 * text, a number, true and false as they are written; null, an array or an object never passes.  A path can
 * have one test.
 */
#ifndef ETL_JSON_PATH_H
#define ETL_JSON_PATH_H

#include "etl.h"

#define ETL_JSON_MAX_STEPS 32

typedef enum EtlJsonStepKind
{
	ETL_JSON_STEP_MEMBER,	 /* the member called name */
	ETL_JSON_STEP_ANY_VALUE, /* .*: the value of any member */
	ETL_JSON_STEP_ELEMENT,	 /* []: any element, or any that passes the test */
} EtlJsonStepKind;

typedef struct EtlJsonName
{
	const char *text; /* not NUL-terminated */
	uint32 len;
} EtlJsonName;

typedef struct EtlJsonTest
{
	int nkeys;
	EtlJsonName keys[ETL_JSON_MAX_STEPS]; /* from the element down */
	EtlJsonName literal;
} EtlJsonTest;

typedef struct EtlJsonStep
{
	EtlJsonStepKind kind;
	EtlJsonName name;  /* of ETL_JSON_STEP_MEMBER */
	EtlJsonTest *test; /* of ETL_JSON_STEP_ELEMENT, NULL for "[]" */
} EtlJsonStep;

typedef struct EtlJsonPath
{
	int nsteps; /* 0 for "$" */
	EtlJsonStep steps[FLEXIBLE_ARRAY_MEMBER];
} EtlJsonPath;

/* Why a text is no path. */
typedef struct EtlJsonPathFault
{
	const char *problem; /* static; reads on after "invalid path: " */
	size_t at;			 /* byte of the text where it shows */
} EtlJsonPathFault;

/*
 * Parses len bytes at text.  The path is palloc'd in one piece with all that it points to, so pfree frees
 * it.  Returns NULL and fills *fault if the text is not in the language.
 */
extern EtlJsonPath *EtlJsonPathParse(const char *text, size_t len, EtlJsonPathFault *fault);

/* Does the path end in a name, or is it "$", rather than say by "[]" or "*" that there are many? */
static inline bool
EtlJsonPathEndsInName(const EtlJsonPath *path)
{
	return path->nsteps == 0 || path->steps[path->nsteps - 1].kind == ETL_JSON_STEP_MEMBER;
}

static inline bool
EtlJsonNameIs(const EtlJsonName *name, const char *text, size_t len)
{
	return name->len == len && memcmp(name->text, text, len) == 0;
}

#endif /* ETL_JSON_PATH_H */
