/*
 * closest.c
 *		What somebody may have meant who wrote a name that there is not: as PostgreSQL's own hints have it, the name
 *		with the fewest changes, if those are fewer than half of what was written.
 */
#include "etl.h"

#include "source/closest.h"
#include "utils/varlena.h"

#define FAR 5 /* that many changes make another word */

void
EtlClosestSee(EtlClosest *closest, const char *name)
{
	int length = (int) strlen(closest->written);
	int best = closest->name != NULL ? closest->distance : FAR;
	int distance;

	if (length >= NAMEDATALEN || strlen(name) >= NAMEDATALEN)
		return;
	distance = varstr_levenshtein_less_equal(closest->written, length, name, (int) strlen(name), 1,
											 1, 1, best, true);
	if (distance >= best || distance > (length + 1) / 2 || distance >= length)
		return;
	closest->name = name;
	closest->distance = distance;
}
