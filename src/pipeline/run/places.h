/*
 * places.h
 *		Places of rows in the target: a set of ctids, within work_mem.
 */
#ifndef ETL_PLACES_H
#define ETL_PLACES_H

#include "etl.h"
#include "storage/itemptr.h"

typedef struct EtlPlaces EtlPlaces;

/* An empty set, in the current memory context. */
extern EtlPlaces *EtlPlacesCreate(void);
/* Notes a place, unless the set is full: it may lack some, and never has one that was not noted. */
extern void EtlPlacesAdd(EtlPlaces *places, const ItemPointerData *place);
extern bool EtlPlacesHas(const EtlPlaces *places, const ItemPointerData *place);

#endif /* ETL_PLACES_H */
