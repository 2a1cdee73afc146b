/*
 * schedule_text.c
 *		Schedules as people write them.
 *
 *		30 2 * * mon-fri		minute, hour, day of the month, month, day of the week
 *		@daily					names of such schedules
 *		5 minutes				what PostgreSQL takes for an interval, if its length is fixed
 *
 * A field is a list, by commas, of *, a number or name, or a range of these; * and ranges may have a step
 * (/2).  Whatever is wrong is said with its place in the text, and with what may have been meant.  A schedule has at
 * most MAX_LENGTH bytes, so what is done for each of them needs no check for interrupts.
 */
#include "etl.h"

#include <ctype.h>

#include "common/int.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pipeline/schedule.h"
#include "source/closest.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define FIELDS 5
#define MAX_LENGTH 1024 /* bytes of a schedule */

typedef struct Field
{
	const char *title;
	int first;
	int last;
	const char *const *names; /* of the numbers from "first" on; NULL: none */
} Field;

static const char *const month_names[] = {"january",  "february", "march",	"april",	 "may",
										  "june",	  "july",	  "august", "september", "october",
										  "november", "december", NULL};

static const char *const weekday_names[] = {"sunday",	"monday", "tuesday",  "wednesday",
											"thursday", "friday", "saturday", NULL};

static const Field fields[FIELDS] = {{"minute", 0, 59, NULL},
									 {"hour", 0, 23, NULL},
									 {"day of the month", 1, 31, NULL},
									 {"month", 1, 12, month_names},
									 {"day of the week", 0, 7, weekday_names}};

static const struct
{
	const char *name;
	const char *schedule;
} nicknames[] = {{"@hourly", "0 * * * *"},	{"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
				 {"@weekly", "0 0 * * 0"},	{"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
				 {"@annually", "0 0 1 1 *"}};

/* The plural first: it is what is meant by a word as near to both. */
static const char *const units[] = {"seconds", "minutes", "hours", "days", "weeks", "second",
									"minute",  "hour",	  "day",   "week", NULL};

/* The text of a field, and how far it is read. */
typedef struct Reader
{
	const char *text; /* all of the schedule */
	const char *at;
	const Field *field;
} Reader;

pg_noreturn static void fail(const char *text, const char *at, char *hint, const char *format, ...)
	pg_attribute_printf(4, 5);

static void
fail(const char *text, const char *at, char *hint, const char *format, ...)
{
	int position = pg_mbstrlen_with_len(text, at - text) + 1;
	char detail[256];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	ereport(
		ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid schedule \"%s\"", text),
		errdetail("At character %d: %s", position, detail), hint != NULL ? errhint("%s", hint) : 0);
}

/* -- words ------------------------------------------------------------------------------------ */

static size_t
word_length(const char *at)
{
	return strcspn(at, " \t\r\n");
}

/* What a number, a name or any other run of characters without meaning for a field is. */
static size_t
token_length(const char *at)
{
	return strcspn(at, " \t\r\n,-/");
}

static const char *
skip_spaces(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

/* Short enough for a message, and not cut in the middle of a character. */
static char *
excerpt(const char *at, size_t length)
{
	return pnstrdup(at, pg_mbcliplen(at, length, 40));
}

/* What may have been meant; NULL: nothing is near. */
static const char *
closest_name(const char *word, size_t length, const char *const *names)
{
	char *lower = pnstrdup(word, length);
	EtlClosest closest = {lower};

	for (char *c = lower; *c != '\0'; c++)
		*c = pg_tolower((unsigned char) *c);
	for (; *names != NULL; names++)
		EtlClosestSee(&closest, *names);
	return closest.name;
}

static char *
hint_closest(const char *word, size_t length, const char *const *names)
{
	const char *name = closest_name(word, length, names);

	return name == NULL ? NULL : psprintf("Perhaps you meant \"%s\".", name);
}

/* -- fields ----------------------------------------------------------------------------------- */

/* Months and weekdays go by their first three letters, or in full. */
static bool
read_name(Reader *reader, size_t length, int *number)
{
	const char *const *names = reader->field->names;

	for (int i = 0; names != NULL && names[i] != NULL; i++)
	{
		if ((length == 3 || length == strlen(names[i])) &&
			pg_strncasecmp(reader->at, names[i], length) == 0)
		{
			*number = reader->field->first + i;
			reader->at += length;
			return true;
		}
	}
	return false;
}

pg_noreturn static void
refuse_token(const Reader *reader, size_t length)
{
	const Field *field = reader->field;
	char *word = excerpt(reader->at, length);

	if (length == 0)
		fail(reader->text, reader->at, NULL, "A number is missing for the %s.", field->title);
	if (strspn(reader->at, "0123456789") == length)
		fail(reader->text, reader->at, NULL, "%s is no %s: those are %d to %d.", word, field->title,
			 field->first, field->last);
	if (field->names != NULL)
		fail(reader->text, reader->at, hint_closest(reader->at, length, field->names),
			 "\"%s\" is no %s.", word, field->title);
	fail(reader->text, reader->at,
		 strpbrk(word, "LW#?") != NULL ? "L, W, # and ? are not part of five-field cron." : NULL,
		 "\"%s\" is no number for the %s.", word, field->title);
}

static int
read_number(Reader *reader)
{
	size_t length = token_length(reader->at);
	int number = 0;

	if (read_name(reader, length, &number))
		return number;
	if (length == 0 || length > 4 || strspn(reader->at, "0123456789") < length)
		refuse_token(reader, length);
	number = atoi(reader->at);
	if (number < reader->field->first || number > reader->field->last)
		refuse_token(reader, length);
	reader->at += length;
	return number;
}

static int
read_step(Reader *reader, int first, int last)
{
	const char *start = ++reader->at; /* behind the slash */
	size_t length = token_length(start);
	int step = length <= 4 ? atoi(start) : 10000;

	if (length == 0 || strspn(start, "0123456789") < length || step == 0)
		fail(reader->text, start, NULL, "A step is a number above 0.");
	if (step > last - first)
		fail(
			reader->text, start,
			"A step starts again in each hour, day or month.  For a fixed distance give an interval, such as '90 minutes'.",
			"A step of %s goes beyond %d to %d.", excerpt(start, length), first, last);
	reader->at += length;
	return step;
}

/* The end of a range.  The week may end with the name of Sunday, as it may with its number 7. */
static int
read_range_end(Reader *reader, int first)
{
	const char *start = ++reader->at; /* behind the dash */
	int last = read_number(reader);

	if (last == 0 && first > 0 && reader->field->names == weekday_names && *start != '0')
		last = 7;
	if (last < first)
		fail(reader->text, start,
			 psprintf("Write it as two, %d-%d and %d-%d, with a comma between.", first,
					  reader->field->names == weekday_names ? 6 : reader->field->last,
					  reader->field->first, last),
			 "The range ends before it begins.");
	return last;
}

/* One entry of a list, as a set. */
static uint64
read_entry(Reader *reader)
{
	const char *start = reader->at;
	int first = reader->field->first;
	int last = reader->field->last;
	int step = 1;
	bool single = false;
	uint64 set = 0;

	if (*reader->at == '*')
	{
		reader->at++;
		if (reader->field->names == weekday_names)
			last = 6; /* 7 is 0 again, which would upset the steps */
	}
	else
	{
		first = last = read_number(reader);
		single = *reader->at != '-';
		if (!single)
			last = read_range_end(reader, first);
	}
	if (*reader->at == '/')
	{
		if (single)
			fail(reader->text, start,
				 psprintf("Write %d-%d%s.", first, reader->field->last,
						  excerpt(reader->at, token_length(reader->at + 1) + 1)),
				 "Only * and ranges have steps.");
		step = read_step(reader, first, last);
	}
	for (int i = first; i <= last; i += step)
		set |= UINT64CONST(1) << i;
	return set;
}

static uint64
read_field(Reader *reader)
{
	uint64 set = read_entry(reader);

	while (*reader->at == ',')
	{
		reader->at++;
		set |= read_entry(reader);
	}
	if (word_length(reader->at) > 0)
		fail(reader->text, reader->at, NULL, "\"%s\" does not belong here.",
			 excerpt(reader->at, word_length(reader->at)));
	return set;
}

/* A day that none of the months has would be waited for in vain. */
static bool
has_some_day(const EtlSchedule *schedule)
{
	if (schedule->either_day)
		return true;
	for (int month = 1; month <= 12; month++)
	{
		int last = month == 2 ? 29 : day_tab[0][month - 1];

		if ((schedule->months >> month & 1) != 0 &&
			(schedule->days & ((UINT64CONST(2) << last) - 1)) != 0)
			return true;
	}
	return false;
}

static void
parse_cron(const char *text, EtlSchedule *schedule)
{
	uint64 sets[FIELDS];
	const char *starts[FIELDS];
	Reader reader = {text, text, NULL};

	for (int i = 0; i < FIELDS; i++)
	{
		reader.field = &fields[i];
		reader.at = starts[i] = skip_spaces(reader.at);
		sets[i] = read_field(&reader);
	}
	schedule->minutes = sets[0];
	schedule->hours = sets[1];
	schedule->days = sets[2];
	schedule->months = sets[3];
	schedule->weekdays = (sets[4] | sets[4] >> 7) & 0x7F;
	schedule->either_day = *starts[2] != '*' && *starts[4] != '*';
	if (!has_some_day(schedule))
		fail(text, starts[2], NULL, "No such month has such a day: it would never run.");
}

static void
parse_nickname(const char *text, const char *at, size_t length, EtlSchedule *schedule)
{
	const char *names[lengthof(nicknames) + 1] = {NULL};

	for (int i = 0; i < lengthof(nicknames); i++)
	{
		names[i] = nicknames[i].name;
		if (strlen(names[i]) == length && pg_strncasecmp(at, names[i], length) == 0)
		{
			parse_cron(nicknames[i].schedule, schedule);
			return;
		}
	}
	fail(text, at, hint_closest(at, length, names), "\"%s\" is no name of a schedule.",
		 excerpt(at, length));
}

/* -- intervals -------------------------------------------------------------------------------- */

/* Where the first word stands that is no unit of an interval, and what it may have been meant to be. */
static const char *
find_unknown_unit(const char *at, const char **meant)
{
	while (*at != '\0')
	{
		size_t length;

		at += strspn(at, " \t\r\n0123456789.:+-");
		length = token_length(at);
		*meant = closest_name(at, length, units);
		if (*meant != NULL && (strlen(*meant) != length || pg_strncasecmp(at, *meant, length) != 0))
			return at;
		at += length;
	}
	return NULL;
}

static bool
decode_interval(const char *text, struct pg_itm_in *itm)
{
	char buffer[256];
	char *field[MAXDATEFIELDS];
	int ftype[MAXDATEFIELDS];
	int nfields;
	int dtype;
	int error;

	memset(itm, 0, sizeof(*itm));
	error = ParseDateTime(text, buffer, sizeof(buffer), field, ftype, MAXDATEFIELDS, &nfields);
	if (error == 0)
		error = DecodeInterval(field, ftype, nfields, INTERVAL_FULL_RANGE, &dtype, itm);
	if (error == DTERR_BAD_FORMAT)
		error = DecodeISO8601Interval(unconstify(char *, text), &dtype, itm);
	return error == 0 && dtype == DTK_DELTA;
}

static void
parse_interval(const char *text, const char *at, EtlSchedule *schedule)
{
	struct pg_itm_in itm;
	int64 days;

	if (!decode_interval(at, &itm) || pg_mul_s64_overflow(itm.tm_mday, USECS_PER_DAY, &days) ||
		pg_add_s64_overflow(itm.tm_usec, days, &schedule->interval))
	{
		const char *meant = NULL;
		const char *unknown = find_unknown_unit(at, &meant);

		fail(text, unknown != NULL ? unknown : at,
			 unknown != NULL ? psprintf("Perhaps you meant \"%s\".", meant) : NULL,
			 "This is no interval.");
	}
	if (itm.tm_year != 0 || itm.tm_mon != 0)
		fail(text, at,
			 "Give a cron schedule instead, such as '0 0 1 * *' for the first day of each month.",
			 "Months and years have no fixed length.");
	if (schedule->interval < USECS_PER_SEC)
		fail(text, at, NULL, "An interval is at least a second.");
}

/* -- which of them ---------------------------------------------------------------------------- */

/* A number with a unit, or with colons; an ISO 8601 interval.  No field of cron looks like that. */
static bool
looks_like_interval(const char *at)
{
	size_t length = word_length(at);
	const char *next = skip_spaces(at + length);
	size_t number = strspn(at, "+-.0123456789");

	if (*at == 'P' && length > 2)
		return true;
	return number > 0 && *at != ',' &&
		   (at[number] == ':' || isalpha((unsigned char) at[number]) ||
			(number == length && isalpha((unsigned char) *next)));
}

void
EtlParseSchedule(const char *text, EtlSchedule *schedule)
{
	const char *start = skip_spaces(text);
	const char *at = start;
	int words = 0;

	memset(schedule, 0, sizeof(*schedule));
	if (strlen(text) > MAX_LENGTH)
		ereport(
			ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the schedule is too long"),
			errdetail("It has %zu bytes; a schedule has at most %d.", strlen(text), MAX_LENGTH));
	if (looks_like_interval(at))
	{
		parse_interval(text, at, schedule);
		return;
	}
	for (; *at != '\0'; at = skip_spaces(at + word_length(at)))
	{
		if (++words > FIELDS)
			fail(text, at, NULL, "There are more than the five fields of a schedule.");
	}
	if (words == FIELDS)
		parse_cron(text, schedule);
	else if (*start == '@' && words == 1)
		parse_nickname(text, start, word_length(start), schedule);
	else
		fail(
			text, at,
			"Write minute, hour, day of the month, month and day of the week ('30 2 * * *'), an interval ('5 minutes'), or a name ('@hourly').",
			"Five fields are needed, and there are %d.", words);
}

/* -- what is right, and yet not meant --------------------------------------------------------- */

/* A step of a whole cycle, such as that of the minutes, which it does not divide; 0: there is none. */
static int
uneven_step(const char *at, int cycle)
{
	size_t digits = at[0] == '*' && at[1] == '/' ? strspn(at + 2, "0123456789") : 0;
	int step = digits > 0 && digits + 2 == word_length(at) ? atoi(at + 2) : 0;

	return step > 0 && cycle % step != 0 ? step : 0;
}

static void
tell_step(const char *text, int step, const char *unit, const char *cycle)
{
	ereport(NOTICE,
			(errmsg("schedule \"%s\" does not run every %d %ss", text, step, unit),
			 errdetail("A step begins again with each %s.", cycle),
			 errhint("For a fixed distance give an interval, such as '%d %ss'.", step, unit)));
}

void
EtlTellSchedule(const char *text, const EtlSchedule *schedule)
{
	const char *minute = skip_spaces(text);
	const char *hour = skip_spaces(minute + word_length(minute));
	const char *day = skip_spaces(hour + word_length(hour));

	if (schedule->interval != 0 || *minute == '@')
		return;
	if (uneven_step(minute, 60) > 0)
		tell_step(text, uneven_step(minute, 60), "minute", "hour");
	if (uneven_step(hour, 24) > 0)
		tell_step(text, uneven_step(hour, 24), "hour", "day");
	if (uneven_step(day, 31) > 0)
		tell_step(text, uneven_step(day, 31), "day", "month");
	if (word_length(minute) == 1 && *minute == '*' && *hour != '*')
		ereport(NOTICE, (errmsg("schedule \"%s\" runs in each minute of the hour", text),
						 errhint("To run once in the hour, give the minute: \"0 %s\".", hour)));
}
