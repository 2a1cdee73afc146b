/*
 * aws_keys.c
 *		The keys of AWS that a target signs with.
 *
 *		of the mapping		as they are
 *		of a file			read with each request: whoever renews them only has to write the file anew
 *		of the machine		fetched (aws_machine.c), and kept in the backend until shortly before they expire, or until they
 *							are refused
 *
 * Keys of the machine are kept under everything that they were got with, so a changed server finds none.
 */
#include "etl.h"

#include "utils/memutils.h"

#include "source/clock.h"
#include "source/http/aws_keys.h"
#include "source/http/aws_machine.h"
#include "source/http/secret_file.h"

#define MAX_KEPT 16

/* ms: none is used in its last five minutes, or in the second half of a short life. */
#define MARGIN (5 * 60 * 1000)

typedef struct Kept
{
	char *owner;		 /* what they were got with; NULL: the slot is free */
	char *access_key_id; /* NULL: forgotten */
	char *secret_access_key;
	char *session_token;
	int64 until; /* on the clock */
	int uses;	 /* requests that showed them, since they were fetched or refused */
} Kept;

static Kept kept[MAX_KEPT];

/* The slot of an owner: its own, or a free one, or the one whose keys expire first. */
static Kept *
find_slot(const char *owner)
{
	Kept *best = &kept[0];

	for (int i = 0; i < MAX_KEPT; i++)
	{
		if (kept[i].owner != NULL && strcmp(kept[i].owner, owner) == 0)
			return &kept[i];
		if (best->owner != NULL && (kept[i].owner == NULL || kept[i].until < best->until))
			best = &kept[i];
	}
	return best;
}

static void
set(char **field, const char *value)
{
	char *old = *field;

	*field = value != NULL ? MemoryContextStrdup(TopMemoryContext, value) : NULL;
	if (old != NULL)
		pfree(old);
}

static void
forget(Kept *slot)
{
	set(&slot->access_key_id, NULL);
	set(&slot->secret_access_key, NULL);
	set(&slot->session_token, NULL);
}

/* The slot of the target, whose keys are those of the machine; without keys if they are not to be used any more. */
static Kept *
slot_of(const EtlTarget *target)
{
	char *owner = EtlAwsMachineName(target);
	Kept *slot = find_slot(owner);
	bool is_its_own = slot->owner != NULL && strcmp(slot->owner, owner) == 0;

	if (!is_its_own || slot->until <= EtlClock())
		forget(slot);
	if (!is_its_own)
		set(&slot->owner, owner);
	return slot;
}

static void
fetch(const EtlTarget *target, Kept *slot, EtlHttpStats *stats)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "etl keys", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	EtlAwsKeys keys = {NULL};
	int64 lifetime = EtlAwsMachineFetch(target, stats, &keys);

	set(&slot->secret_access_key, keys.secret_access_key);
	set(&slot->session_token, keys.session_token);
	set(&slot->access_key_id, keys.access_key_id);
	slot->until = EtlClock() + Max(lifetime - MARGIN, lifetime / 2);
	slot->uses = 0;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static EtlAwsKeys
keys_of_slot(const Kept *slot)
{
	return (EtlAwsKeys){slot->access_key_id, slot->secret_access_key, slot->session_token};
}

static EtlAwsKeys
keys_of_file(const EtlTarget *target)
{
	EtlAwsKeys keys = {NULL};
	const char *profile = target->profile != NULL ? target->profile : "default";
	const char *fault = EtlProfileRead(EtlSecretFileRead(target->credentials_file), profile, &keys);

	if (fault != NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("could not find the keys of profile \"%s\" in file \"%s\"", profile,
							   target->credentials_file),
						errdetail("%s", fault)));
	return keys;
}

EtlAwsKeys
EtlAwsKeysLook(const EtlTarget *target)
{
	if (target->auth != ETL_AUTH_AWS)
		return (EtlAwsKeys){NULL};
	if (target->machine != ETL_MACHINE_NONE)
		return keys_of_slot(slot_of(target));
	if (target->credentials_file != NULL)
		return keys_of_file(target);
	return (EtlAwsKeys){target->access_key_id, target->secret_access_key, target->session_token};
}

EtlAwsKeys
EtlAwsKeysGet(const EtlTarget *target, EtlHttpStats *stats)
{
	Kept *slot;

	if (target->auth != ETL_AUTH_AWS || target->machine == ETL_MACHINE_NONE)
		return EtlAwsKeysLook(target);
	slot = slot_of(target);
	if (slot->access_key_id == NULL)
		fetch(target, slot, stats);
	slot->uses++;
	return keys_of_slot(slot);
}

bool
EtlAwsKeysForget(const EtlTarget *target)
{
	Kept *slot;
	bool were_good;

	if (target->auth != ETL_AUTH_AWS || target->machine == ETL_MACHINE_NONE)
		return false;
	slot = slot_of(target);
	were_good = slot->uses > 1;
	slot->uses = 0;
	if (were_good)
		forget(slot);
	return were_good;
}
