/*
 * names.c
 *		Names that must differ.
 *
 * A hash table, for a file may well call ten thousand columns the same.
 */
#include "etl.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "scan/names.h"

typedef struct NameEntry
{
	const char *name;
	int number;
	int last; /* number that was put behind it last */
	char status;
} NameEntry;

#define SH_PREFIX nametable
#define SH_ELEMENT_TYPE NameEntry
#define SH_KEY_TYPE const char *
#define SH_KEY name
#define SH_HASH_KEY(table, key) hash_bytes((const unsigned char *) (key), strlen(key))
#define SH_EQUAL(table, a, b) (strcmp(a, b) == 0)
#define SH_SCOPE static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

struct EtlNames
{
	nametable_hash *table;
};

EtlNames *
EtlNamesCreate(void)
{
	EtlNames *names = palloc(sizeof(EtlNames));

	names->table = nametable_create(CurrentMemoryContext, 32, NULL);
	return names;
}

bool
EtlNamesAddNumber(EtlNames *names, const char *name, int number)
{
	bool found;
	NameEntry *entry = nametable_insert(names->table, name, &found);

	if (!found)
	{
		entry->number = number;
		entry->last = 1;
	}
	return !found;
}

bool
EtlNamesAdd(EtlNames *names, const char *name)
{
	return EtlNamesAddNumber(names, name, 0);
}

int
EtlNamesFind(const EtlNames *names, const char *name)
{
	const NameEntry *entry = nametable_lookup(names->table, name);

	return entry != NULL ? entry->number : -1;
}

static char *
clip(const char *name, const char *suffix, int max_len)
{
	int len = strlen(name);

	if (max_len > 0)
		len = pg_mbcliplen(name, len, max_len - strlen(suffix));
	return psprintf("%.*s%s", len, name, suffix);
}

char *
EtlNamesAddUnique(EtlNames *names, const char *name, int max_len)
{
	char *plain = clip(name, "", max_len);
	char *unique = plain;
	char suffix[16];

	while (!EtlNamesAdd(names, unique))
	{
		/* the entry may have moved since it was added */
		snprintf(suffix, sizeof(suffix), "_%d", ++nametable_lookup(names->table, plain)->last);
		unique = clip(name, suffix, max_len);
	}
	return unique;
}

bool
EtlListHas(const List *names, const char *name)
{
	const ListCell *lc;

	foreach (lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}
