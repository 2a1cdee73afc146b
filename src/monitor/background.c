/*
 * background.c
 *		Starts the processes of this library, in one way for all of them.
 */
#include "etl.h"

#include "miscadmin.h"
#include "monitor/background.h"

bool
EtlStartBackground(const EtlBackground *what, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker = {0};

	Assert(what->extra_len <= BGW_EXTRALEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	if (!what->apart)
		worker.bgw_flags |= BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = what->restart_after > 0 ? what->restart_after : BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "etl", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, what->function, sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_type, what->type, sizeof(worker.bgw_type));
	snprintf(worker.bgw_name, BGW_MAXLEN, "%s%s%s", what->type, what->subject != NULL ? " " : "",
			 what->subject != NULL ? what->subject : "");
	worker.bgw_main_arg = what->arg;
	if (what->extra != NULL)
		memcpy(worker.bgw_extra, what->extra, what->extra_len);
	worker.bgw_notify_pid = what->notify ? MyProcPid : 0;
	if (!process_shared_preload_libraries_in_progress)
		return RegisterDynamicBackgroundWorker(&worker, handle);
	RegisterBackgroundWorker(&worker);
	return true;
}
