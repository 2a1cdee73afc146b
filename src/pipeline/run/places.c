/*
 * places.c
 *		Places of rows in the target: a set of ctids, within work_mem.
 *
 * A hash table of groups of 64 places, with a bit for each.  Rows that are looked up in the order of their places, or nearly
 * so, fill the groups; then a million of them take about a megabyte.
 */
#include "etl.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "pipeline/run/places.h"

#define PLACES_OF_GROUP 64

typedef struct PlaceGroup
{
	uint64 number;
	uint64 bits;
	char status; /* of simplehash.h */
} PlaceGroup;

#define SH_PREFIX groups
#define SH_ELEMENT_TYPE PlaceGroup
#define SH_KEY_TYPE uint64
#define SH_KEY number
#define SH_HASH_KEY(tb, key) (murmurhash32((uint32) ((key) ^ (key) >> 32)))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

struct EtlPlaces
{
	groups_hash *groups;
	uint32 max; /* so many groups make it full */
};

static uint64
number_of(const ItemPointerData *place)
{
	return ((uint64) ItemPointerGetBlockNumberNoCheck(place) << 16 |
			ItemPointerGetOffsetNumberNoCheck(place)) /
		   PLACES_OF_GROUP;
}

static uint64
bit_of(const ItemPointerData *place)
{
	return UINT64CONST(1) << ItemPointerGetOffsetNumberNoCheck(place) % PLACES_OF_GROUP;
}

EtlPlaces *
EtlPlacesCreate(void)
{
	EtlPlaces *places = palloc0(sizeof(EtlPlaces));
	Size max = (Size) work_mem * 1024 / sizeof(PlaceGroup) / 2; /* of the table half may be empty */

	places->groups = groups_create(CurrentMemoryContext, 1024, NULL);
	places->max = (uint32) Min(max, PG_UINT32_MAX / 4);
	return places;
}

void
EtlPlacesAdd(EtlPlaces *places, const ItemPointerData *place)
{
	uint64 number = number_of(place);
	PlaceGroup *group;
	bool found;

	if (places->groups->members >= places->max)
		group = groups_lookup(places->groups, number);
	else
	{
		group = groups_insert(places->groups, number, &found);
		if (!found)
			group->bits = 0;
	}
	if (group != NULL)
		group->bits |= bit_of(place);
}

bool
EtlPlacesHas(const EtlPlaces *places, const ItemPointerData *place)
{
	const PlaceGroup *group = groups_lookup(places->groups, number_of(place));

	return group != NULL && (group->bits & bit_of(place)) != 0;
}
