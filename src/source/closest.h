/*
 * closest.h
 *		The name that is most like one that does not exist, for hints.
 *
 *		EtlClosest closest = {written};
 *
 *		for each name that there is
 *			EtlClosestSee(&closest, name);
 *		closest.name	the one that is like it; NULL: none is
 */
#ifndef ETL_CLOSEST_H
#define ETL_CLOSEST_H

typedef struct EtlClosest
{
	const char *written;
	const char *name; /* borrowed */
	int distance;
} EtlClosest;

extern void EtlClosestSee(EtlClosest *closest, const char *name);

#endif /* ETL_CLOSEST_H */
