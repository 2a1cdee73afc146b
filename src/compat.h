/*
 * compat.h
 *		The only file that asks what it is compiled for: which major of PostgreSQL, which platform.
 *
 * Each entry says what changed and when; callers read as if only the newest major existed.
 */
#ifndef ETL_COMPAT_H
#define ETL_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "etl needs PostgreSQL 15 or later"
#endif

/* 16 moved the macros of varlena values out of postgres.h. */
#if PG_VERSION_NUM >= 160000 && !defined(FRONTEND)
#include "varatt.h"
#endif

/*
 * 16 made the type of an abbreviation, which was the result, an argument, and added one for the details of
 * an error.  Field 0 is only a place in its cache.
 */
#if PG_VERSION_NUM >= 160000
#define EtlDecodeTimezoneAbbrev(token, type, offset, tz) \
	DecodeTimezoneAbbrev(0, token, type, offset, tz, &(DateTimeErrorExtra){0})
#else
#define EtlDecodeTimezoneAbbrev(token, type, offset, tz) \
	((void) (*(type) = DecodeTimezoneAbbrev(0, token, offset, tz)))
#endif

/*
 * PostgreSQL 16 has one function for all object classes (object_aclcheck) where 15 has one for each.  Ours
 * are functions, databases and foreign servers.
 */
#if PG_VERSION_NUM < 160000 && !defined(FRONTEND)
#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_proc.h"
#define object_aclcheck(classid, objectid, roleid, mode)                              \
	((classid) == ProcedureRelationId  ? pg_proc_aclcheck(objectid, roleid, mode)     \
	 : (classid) == DatabaseRelationId ? pg_database_aclcheck(objectid, roleid, mode) \
									   : pg_foreign_server_aclcheck(objectid, roleid, mode))
#endif

/*
 * 16 tells members of a role who may become that role from those who only have its rights.
 */
#if PG_VERSION_NUM >= 160000
#define EtlCheckCanBecome(member, role) check_can_set_role(member, role)
#else
#define EtlCheckCanBecome(member, role) check_is_member_of_role(member, role)
#endif

/*
 * 16 keeps what a statement needs rights for apart from its range table.
 */
#if PG_VERSION_NUM >= 160000
#define EtlCheckPermissions(stmt) \
	((void) ExecCheckPermissions((stmt)->rtable, (stmt)->permInfos, true))
#else
#define EtlCheckPermissions(stmt) ((void) ExecCheckRTPerms((stmt)->rtable, true))
#endif

/*
 * PostgreSQL 18 says pg_noreturn before a declaration where older majors say pg_attribute_noreturn() after it.
 */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/*
 * PostgreSQL 18 moved what custom scans need to print their properties to headers of its own.
 */
#if !defined(FRONTEND)
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
#endif

/*
 * 18 made expandRTE ask for OLD and NEW of RETURNING.  We want plain variables, and nulls for dropped columns.
 */
#if PG_VERSION_NUM >= 180000
#define EtlExpandRTE(rte, rti, vars) \
	expandRTE(rte, rti, 0, VAR_RETURNING_DEFAULT, -1, true, NULL, vars)
#else
#define EtlExpandRTE(rte, rti, vars) expandRTE(rte, rti, 0, -1, true, NULL, vars)
#endif

/*
 * 18 can leave room in front of a minimal tuple.
 */
#if PG_VERSION_NUM >= 180000
#define EtlFormMinimalTuple(desc, values, nulls) heap_form_minimal_tuple(desc, values, nulls, 0)
#else
#define EtlFormMinimalTuple(desc, values, nulls) heap_form_minimal_tuple(desc, values, nulls)
#endif

/*
 * What an INSERT does to a partition and to indexes: 16 made the map to a partition's columns one that is looked up
 * when it is needed, and can leave out indexes that only summarize.
 */
#if PG_VERSION_NUM >= 160000
#define EtlRootToPartitionMap(rri, estate) ExecGetRootToChildMap(rri, estate)
#define EtlInsertIndexTuples(rri, slot, estate) \
	ExecInsertIndexTuples(rri, slot, estate, false, false, NULL, NIL, false)
#define EtlIsNewStorage(rel) ((rel)->rd_firstRelfilelocatorSubid != InvalidSubTransactionId)
#else
#define EtlRootToPartitionMap(rri, estate) ((rri)->ri_RootToPartitionMap)
#define EtlInsertIndexTuples(rri, slot, estate) \
	ExecInsertIndexTuples(rri, slot, estate, false, false, NULL, NIL)
#define EtlIsNewStorage(rel) ((rel)->rd_firstRelfilenodeSubid != InvalidSubTransactionId)
#endif

/*
 * 16 made the errors of this parser of names ones that can be caught as values.
 */
#if PG_VERSION_NUM >= 160000
#define EtlQualifiedNameList(name) stringToQualifiedNameList(name, NULL)
#else
#define EtlQualifiedNameList(name) stringToQualifiedNameList(name)
#endif

/*
 * 17 can also ask whether a stronger lock is held.
 */
#if PG_VERSION_NUM >= 170000
#define EtlLockHeldByMe(tag, mode) LockHeldByMe(tag, mode, false)
#else
#define EtlLockHeldByMe(tag, mode) LockHeldByMe(tag, mode)
#endif

/*
 * Files are watched by inotify.  Where there is none, pipelines cannot watch, and src/scheduler/inotify.c is empty.
 */
#ifdef __linux__
#define ETL_CAN_WATCH true
#else
#define ETL_CAN_WATCH false
#endif

/*
 * Memory up to so many bytes that is given back stays with the process: the C library of GNU would return it to the system,
 * which clears each page that it hands out again.
 */
#ifdef __GLIBC__
#include <malloc.h>
#define EtlKeepFreedMemory(bytes) \
	((void) (mallopt(M_MMAP_THRESHOLD, bytes), mallopt(M_TRIM_THRESHOLD, bytes)))
#else
#define EtlKeepFreedMemory(bytes) ((void) 0)
#endif

#ifndef FRONTEND
#include "storage/latch.h"
#include "utils/wait_event.h"

/*
 * From 17 on a wait event set belongs to a resource owner rather than to a memory context.  Ours belong to
 * the backend.
 */
#if PG_VERSION_NUM >= 170000
#define EtlCreateWaitEventSet(nevents) CreateWaitEventSet(NULL, nevents)
#else
#define EtlCreateWaitEventSet(nevents) CreateWaitEventSet(TopMemoryContext, nevents)
#endif

/* Extensions name their wait events from 17 on. */
#if PG_VERSION_NUM >= 170000
#define EtlWaitEventNew(name) WaitEventExtensionNew(name)
#else
#define EtlWaitEventNew(name) PG_WAIT_EXTENSION
#endif

#endif /* !FRONTEND */

/* PostgreSQL 18 has no argument that says that a query is run once. */
#if PG_VERSION_NUM >= 180000
#define EtlExecutorRun(query) ExecutorRun(query, ForwardScanDirection, 0)
#else
#define EtlExecutorRun(query) ExecutorRun(query, ForwardScanDirection, 0, true)
#endif

#endif /* ETL_COMPAT_H */
