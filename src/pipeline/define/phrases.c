/*
 * phrases.c
 *		Parts of which the statements of a definition are made: columns, types, keys, values as the target has them.
 */
#include "etl.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "pipeline/define/check.h"
#include "pipeline/define/phrases.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/typcache.h"

const char *
EtlColumnName(TupleDesc desc, int i)
{
	return quote_identifier(NameStr(TupleDescAttr(desc, i)->attname));
}

char *
EtlTypeName(Oid type, int32 typmod)
{
	return format_type_extended(type, typmod,
								FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

char *
EtlDefinitionList(TupleDesc desc, bool generic)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		appendStringInfo(&list, "%s%s %s", i > 0 ? ", " : "",
						 generic ? psprintf("c%d", i + 1) : EtlColumnName(desc, i),
						 EtlTypeName(attr->atttypid, attr->atttypmod));
		if (OidIsValid(attr->attcollation) && attr->attcollation != DEFAULT_COLLATION_OID)
			appendStringInfo(&list, " COLLATE %s", generate_collation_name(attr->attcollation));
	}
	return list.data;
}

bool
EtlIsKeyColumn(const EtlStatements *s, int column)
{
	for (int i = 0; i < s->nkeys; i++)
		if (s->keys[i] == column)
			return true;
	return false;
}

const char *
EtlOnly(Relation target)
{
	return target->rd_rel->relkind == RELKIND_RELATION ? "ONLY " : "";
}

int
EtlNextUpdated(const EtlStatements *s, Relation target, int i)
{
	for (; i < s->emitted->natts; i++)
		if (!EtlIsKeyColumn(s, i) &&
			EtlTargetAttribute(s, target, i)->attidentity != ATTRIBUTE_IDENTITY_ALWAYS)
			return i;
	return -1;
}

char *
EtlComparable(const EtlStatements *s, Relation target, int i, const char *value)
{
	Form_pg_attribute attr = EtlTargetAttribute(s, target, i);

	if (OidIsValid(lookup_type_cache(attr->atttypid, TYPECACHE_EQ_OPR)->eq_opr))
		return pstrdup(value);
	return psprintf("(%s)::pg_catalog.text", value);
}

/* Whether a length or precision rounds what exceeds it; else it is a limit. */
static bool
type_rounds(Oid type)
{
	Oid element = get_element_type(type);
	TYPCATEGORY category = TypeCategory(OidIsValid(element) ? element : type);

	return category == TYPCATEGORY_NUMERIC || category == TYPCATEGORY_DATETIME ||
		   category == TYPCATEGORY_TIMESPAN;
}

/*
 * A column of what the query gave as a value of the target's type, as an assignment makes it: where a length is a
 * limit, spaces beyond it are cut off and anything else is an error, which an explicit cast would not raise.
 */
char *
EtlAssigned(Oid from, int32 from_typmod, Form_pg_attribute attr, int i)
{
	bool rounds = type_rounds(attr->atttypid);
	char *value =
		psprintf("e.c%d::%s", i + 1, EtlTypeName(attr->atttypid, rounds ? attr->atttypmod : -1));
	Oid function;

	if (rounds || attr->atttypmod < 0 ||
		(from == attr->atttypid && from_typmod == attr->atttypmod) ||
		find_typmod_coercion_function(attr->atttypid, &function) != COERCION_PATH_FUNC)
		return value;
	return psprintf("%s(%s, %d%s)",
					quote_qualified_identifier(get_namespace_name(get_func_namespace(function)),
											   get_func_name(function)),
					value, attr->atttypmod, get_func_nargs(function) > 2 ? ", false" : "");
}

char *
EtlAsAssigned(const EtlStatements *s, Relation target, int i)
{
	Form_pg_attribute from = TupleDescAttr(s->emitted, i);

	return EtlAssigned(from->atttypid, from->atttypmod, EtlTargetAttribute(s, target, i), i);
}

char *
EtlCollated(Form_pg_attribute attr, char *value)
{
	if (!OidIsValid(attr->attcollation))
		return value;
	return psprintf("(%s COLLATE %s)", value, generate_collation_name(attr->attcollation));
}

char *
EtlAsInTarget(const EtlStatements *s, Relation target, int i)
{
	return EtlCollated(EtlTargetAttribute(s, target, i), EtlAsAssigned(s, target, i));
}

void
EtlAddSameKey(StringInfo text, const EtlStatements *s, Relation target, const char *alias)
{
	for (int i = 0; i < s->nkeys; i++)
		appendStringInfo(text, "%s%s.%s = %s", i > 0 ? " AND " : "", alias,
						 EtlColumnName(s->emitted, s->keys[i]),
						 EtlAsInTarget(s, target, s->keys[i]));
	if (s->valid_to != NULL)
		appendStringInfo(text, " AND %s.%s IS NULL", alias, s->valid_to);
}
