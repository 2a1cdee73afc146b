/*
 * look.c
 *		The process of a scheduler: one look at its database.
 *
 * It lives for some milliseconds, so it keeps nobody from dropping or copying the database.  Without a
 * report the launcher knows that it failed; the reason is in the server's log.
 */
#include "etl.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "scheduler/due.h"
#include "scheduler/scheduler.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

bool EtlIsScheduler = false;

void
EtlSchedulerInit(void)
{
	EtlSharedInit();
	EtlLauncherInit();
	EtlObstacleInit();
}

void
EtlSchedulerMain(Datum arg)
{
	char database[NAMEDATALEN];
	EtlReport report;

	strlcpy(database, MyBgworkerEntry->bgw_extra, NAMEDATALEN);
	EtlIsScheduler = true;
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(database, NULL, 0);
	pgstat_report_activity(STATE_RUNNING, "looking for pipelines that are due");
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_OVERRIDE);
	/* The database may have settings of its own; what is read here must be of the moment, and is written. */
	SetConfigOption("default_transaction_isolation", "read committed", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", "1s", PGC_USERSET, PGC_S_OVERRIDE);
	EtlRunDue(database, &report);
	EtlGiveReport(database, &report);
	proc_exit(0);
}
