/*
 * role.c
 *		The type etl_catalog.role: a role, stored by its OID and written by its name.
 *
 * The OID follows a role that is renamed.  In a dump it would mean nothing, or another role of the server on which the
 * dump is restored; so a dump has the name, and none where the role was dropped: that is nobody, as is a name of which
 * there is no role when the dump is restored.
 *
 * PostgreSQL gives an OID that is free to a new role once its counter has gone round, and nothing tells whether a role has
 * been renamed or is another one.  So what a dropped role has left is made nobody's as soon as the scheduler or a run comes
 * upon it (EtlCatalogDisown).
 */
#include "etl.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"

PG_FUNCTION_INFO_V1(etl_role_in);
PG_FUNCTION_INFO_V1(etl_role_out);

/* etl_catalog.role_in(cstring) returns etl_catalog.role */
Datum
etl_role_in(PG_FUNCTION_ARGS)
{
	const char *name = PG_GETARG_CSTRING(0);
	Oid role = name[0] != '\0' ? get_role_oid(name, true) : InvalidOid;

	if (name[0] != '\0' && !OidIsValid(role))
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("role \"%s\" does not exist", name),
				 errdetail("What belonged to it belongs to nobody."),
				 errhint("A superuser can give pipelines another owner: "
						 "etl_alter_pipeline(name, owner => ...).")));
	PG_RETURN_OID(role);
}

/* etl_catalog.role_out(etl_catalog.role) returns cstring */
Datum
etl_role_out(PG_FUNCTION_ARGS)
{
	char *name = GetUserNameFromId(PG_GETARG_OID(0), true);

	PG_RETURN_CSTRING(name != NULL ? name : pstrdup(""));
}
