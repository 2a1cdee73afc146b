/*
 * closest.c
 *		What somebody may have meant who wrote a name that there is not: as PostgreSQL's own hints have it, the name
 *		with the fewest changes of characters, if those are fewer than half of what was written.
 */
#include "etl.h"

#include "mb/pg_wchar.h"
#include "source/closest.h"
#include "utils/varlena.h"

#define FAR 5 /* that many changes make another word */

void
EtlClosestSee(EtlClosest *closest, const char *name)
{
	int bytes = (int) strlen(closest->written);
	int length = pg_mbstrlen(closest->written);
	int best = closest->name != NULL ? closest->distance : FAR;
	int distance;

	if (bytes >= NAMEDATALEN || strlen(name) >= NAMEDATALEN)
		return;
	distance = varstr_levenshtein_less_equal(closest->written, bytes, name, (int) strlen(name), 1,
											 1, 1, best, true);
	if (distance >= best || distance > (length + 1) / 2 || distance >= length)
		return;
	closest->name = name;
	closest->distance = distance;
}
