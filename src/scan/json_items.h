/*
 * json_items.h
 *		The items of one JSON file, or of several: what is between the bytes and the columns.
 *
 *		Open	reads where the items are, and takes the files
 *		Next	goes to the next item, of whichever file
 */
#ifndef ETL_JSON_ITEMS_H
#define ETL_JSON_ITEMS_H

#include "etl.h"
#include "format/json.h"
#include "scan/args.h"
#include "scan/parts.h"
#include "scan/stream.h"

typedef struct EtlJsonItems
{
	EtlStream stream;
	EtlParts parts;
	const char *path; /* where they are, as it was given; or NULL */
	EtlJsonOptions options;
	EtlJsonItem item; /* the current one */
	bool empty;		  /* the current part has no value, and is passed over */
	bool has_value;	  /* some part has one */
} EtlJsonItems;

/* Reads the options, in the current memory context; 22023 for what they cannot be.  many: as in EtlJsonOptions. */
extern void EtlJsonItemsPrepare(EtlJsonItems *items, const EtlArgs *args, bool many);

/* Takes the sources, each to be read from where "resume" (NULL: its start) has it; options stay as they are from now on. */
extern void
EtlJsonItemsOpen(EtlJsonItems *items, struct EtlSourceSet *sources, const EtlResume *resume);

/* Goes to the next item.  A file whose structure is broken is an error. */
extern EtlPartsStep EtlJsonItemsNext(EtlJsonItems *items);

#endif /* ETL_JSON_ITEMS_H */
