/*
 * aws_machine.h
 *		Keys that AWS gives to the machine on which the server runs, for some time.
 *
 *		web_identity	STS gives them for a token in a file (IAM roles for service accounts, or any OpenID Connect provider)
 *		container		the agent beside a container gives them (ECS, EKS Pod Identity)
 *		instance		the metadata service of an instance gives them (IMDSv2)
 *
 * Where these are is said by settings that superusers set; nothing is taken from the environment.
 */
#ifndef ETL_AWS_MACHINE_H
#define ETL_AWS_MACHINE_H

#include "source/http/exchange.h"
#include "source/http/profile.h"

/* The settings. */
extern void EtlAwsMachineInit(void);

/* Everything that decides which keys Fetch gives, and is not secret; palloc'd. */
extern char *EtlAwsMachineName(const EtlTarget *target);

/*
 * Fetches keys for a target (palloc'd), and returns for how many ms from now they are valid.  Raises 28000 if there are none,
 * 42704 if a setting is missing that says where they are, and what exchanges raise.
 */
extern int64 EtlAwsMachineFetch(const EtlTarget *target, EtlHttpStats *stats, EtlAwsKeys *keys);

#endif /* ETL_AWS_MACHINE_H */
