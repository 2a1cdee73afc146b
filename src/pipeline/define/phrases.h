/*
 * phrases.h
 *		Parts of which the statements of a definition are made: columns, types, keys, values as the target has them.
 *
 * Columns of what the query gives are numbers from 0.  In a statement over etl_emitted() they are e.c1, e.c2, ...
 */
#ifndef ETL_PHRASES_H
#define ETL_PHRASES_H

#include "pipeline/define/texts.h"
#include "utils/rel.h"

/* The name of a column, quoted where it has to be. */
extern const char *EtlColumnName(TupleDesc desc, int column);
extern char *EtlTypeName(Oid type, int32 typmod);
/* A column definition list.  With generic names no column can be mistaken for one of provenance. */
extern char *EtlDefinitionList(TupleDesc desc, bool generic);
/* ONLY, where the rows of a table that others inherit from are its own. */
extern const char *EtlOnly(Relation target);

extern bool EtlIsKeyColumn(const EtlStatements *s, int column);
/* The next column of the query, from a number on, that an update writes; -1: there is none. */
extern int EtlNextUpdated(const EtlStatements *s, Relation target, int column);
/* A value of a column in a comparison of rows; of a type that has no equality, as text. */
extern char *EtlComparable(const EtlStatements *s, Relation target, int column, const char *value);

/* What the query gave for a column as an assignment makes it a value of the target's type, and also with its collation. */
extern char *EtlAsAssigned(const EtlStatements *s, Relation target, int column);
extern char *EtlAsInTarget(const EtlStatements *s, Relation target, int column);
/* The same for a column of etl_emitted(), from 0, of another type than the query's columns. */
extern char *EtlAssigned(Oid from, int32 from_typmod, Form_pg_attribute attr, int column);
extern char *EtlCollated(Form_pg_attribute attr, char *value);

/* "alias.key = value AND ...": the row of the target, by that name, has the key of the row in hand. */
extern void
EtlAddSameKey(StringInfo text, const EtlStatements *s, Relation target, const char *alias);

#endif /* ETL_PHRASES_H */
