/*
 * etl.c
 *		The entry of the library: a table of contents.
 *
 * Each layer installs its own settings, hooks and methods.
 */
#include "etl.h"

#include "api/json_body.h"
#include "fmgr.h"
#include "gateway/gateway.h"
#include "monitor/counters.h"
#include "pipeline/pipeline.h"
#include "scan/csv_records.h"
#include "scan/csv_share.h"
#include "scan/scan.h"
#include "scheduler/scheduler.h"
#include "source/file.h"
#include "source/http/credentials.h"
#include "source/http/http.h"
#include "source/http/origins.h"
#include "source/http/target.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	EtlCountersInit();
	EtlFileInit();
	EtlHttpInit();
	EtlOriginsInit();
	EtlTargetInit();
	EtlCredentialsInit();
	EtlJsonBodyInit();
	EtlCsvRecordsInit();
	EtlCsvShareInit();
	EtlPlanInit();
	EtlNodeInit();
	EtlBulkInit();
	EtlPipelineInit();
	EtlSchedulerInit();
	EtlGatewayInit();
	EtlIngestInit();
	EtlIngestSourceInit();
	MarkGUCPrefixReserved("etl");
}
