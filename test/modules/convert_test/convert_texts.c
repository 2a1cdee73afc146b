/*
 * convert_texts.c
 *		Random texts for the fast converters.
 *
 * A maker writes one text of a type.  A canonical one is inside every limit that the converter
 * states, so that the test can demand that all of them are taken; a boundary one has the same shape
 * but digits, values and lengths around and beyond the limits.  Mutation then puts small edits on
 * either, from an alphabet of all characters that mean something to some input function.
 */
#include "convert_texts.h"

#include <float.h>

#include "catalog/pg_type_d.h"
#include "mb/pg_wchar.h"
#include "pgtime.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

/* Writes a text of a type: a canonical one, or one of boundary. */
typedef void (*Shape)(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng);

/* A number from low to high, both included. */
static int64
pick(pg_prng_state *rng, int64 low, int64 high)
{
	return low + (int64) pg_prng_uint64_range(rng, 0, (uint64) high - (uint64) low);
}

/* True once in n times. */
static bool
one_in(pg_prng_state *rng, int n)
{
	return pick(rng, 1, n) == 1;
}

#define PICK_ONE(rng, array) ((array)[pick(rng, 0, lengthof(array) - 1)])

/* Decimal digits in one of several tastes: random, zeros, nines, mostly zeros. */
static void
put_digits(StringInfo buf, int n, pg_prng_state *rng)
{
	int taste = pick(rng, 0, 5);

	for (int i = 0; i < n; i++)
	{
		char digit = '0' + pick(rng, 0, 9);

		if (taste == 0 || (taste == 1 && !one_in(rng, 8)))
			digit = '0';
		else if (taste == 2)
			digit = '9';
		appendStringInfoChar(buf, digit);
	}
}

/* A number with leading zeros up to a width. */
static void
put_padded(StringInfo buf, int value, int width)
{
	char digits[12];
	int n = 0;

	do
		digits[n++] = '0' + value % 10;
	while ((value /= 10) > 0);
	for (; width > n; width--)
		appendStringInfoChar(buf, '0');
	while (n > 0)
		appendStringInfoChar(buf, digits[--n]);
}

/* One to three edits, each of which puts something in the place of a few bytes. */
static void
mutate(StringInfo buf, pg_prng_state *rng)
{
	static const char *const pieces[] = {
		"0",	"1",	"2",   "3",	  "4",	 "5",		 "6",		 "7",		 "8",
		"9",	"00",	"+",   "-",	  ".",	 ":",		 " ",		 "e",		 "E",
		"T",	"t",	"Z",   "z",	  "/",	 "_",		 ",",		 "x",		 "X",
		"0x",	"f",	"n",   "o",	  "y",	 "\t",		 "\n",		 "\v",		 "'",
		"{",	"}",	"$",   "%",	  "inf", "NaN",		 " BC",		 " AM",		 " pm",
		"+00",	"-05",	":00", "T00", "e-1", "\xC3\xA9", "\xC2\xA0", "\xD9\xA3", "\xEF\xBC\x91",
		"\x7F", "\x01", "(",   "@",	  "`",	 "a",		 "g",		 "G"};

	for (int edits = pick(rng, 1, 3); edits > 0; edits--)
	{
		const char *piece = PICK_ONE(rng, pieces);
		int from = pick(rng, 0, buf->len);
		int skip = from < buf->len ? 1 : 0;
		char *behind;
		char doubled[2] = {0};

		switch (pick(rng, 0, 5))
		{
			case 0: /* insert */
				skip = 0;
				break;
			case 1: /* delete */
				piece = "";
				break;
			case 2: /* truncate */
				piece = "";
				skip = buf->len - from;
				break;
			case 3: /* double a byte */
				doubled[0] = buf->data[from];
				piece = doubled;
				skip = 0;
				break;
			default: /* replace */
				break;
		}

		behind = pstrdup(buf->data + from + skip);
		buf->data[from] = '\0';
		buf->len = from;
		appendStringInfoString(buf, piece);
		appendStringInfoString(buf, behind);
	}
}

static void
make_integer(StringInfo buf, uint64 max, bool canonical, pg_prng_state *rng)
{
	bool negative = one_in(rng, 3);
	uint64 magnitude;
	char digits[32];
	int ndigits;

	if (!canonical && one_in(rng, 2))
	{
		static const char *const signs[] = {"", "", "", "-", "-", "+", "--", " "};

		appendStringInfoString(buf, PICK_ONE(rng, signs));
		put_digits(buf, pick(rng, 1, 24), rng);
		return;
	}

	if (negative)
		appendStringInfoChar(buf, '-');
	if (one_in(rng, 2))
		magnitude = (pg_prng_uint64(rng) >> pick(rng, 0, 63)) % (max + 1);
	else
		magnitude = max + negative - pick(rng, 0, 3) + (canonical ? 0 : pick(rng, 0, 6));

	ndigits = snprintf(digits, sizeof(digits), UINT64_FORMAT, magnitude);
	if (one_in(rng, 8))
		for (int width = canonical ? 19 : 24; width > ndigits; width--)
			appendStringInfoChar(buf, '0');
	appendStringInfoString(buf, digits);
}

static void
make_int2(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng)
{
	make_integer(buf, PG_INT16_MAX, canonical, rng);
}

static void
make_int4(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng)
{
	make_integer(buf, PG_INT32_MAX, canonical, rng);
}

static void
make_int8(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng)
{
	make_integer(buf, PG_INT64_MAX, canonical, rng);
}

static void
put_exponent(StringInfo buf, int exponent, pg_prng_state *rng)
{
	appendStringInfoChar(buf, one_in(rng, 2) ? 'e' : 'E');
	if (exponent < 0)
		appendStringInfoChar(buf, '-');
	else if (one_in(rng, 2))
		appendStringInfoChar(buf, '+');
	put_padded(buf, abs(exponent), pick(rng, 1, 2));
}

/* Digits with a point somewhere among them; returns how many are behind it. */
static int
put_decimal(StringInfo buf, int total, bool canonical, pg_prng_state *rng)
{
	int behind = one_in(rng, 3) ? 0 : pick(rng, 0, canonical ? total - 1 : total);

	if (one_in(rng, 3))
		appendStringInfoChar(buf, '-');
	put_digits(buf, total - behind, rng);
	if (behind > 0 || (!canonical && one_in(rng, 8)))
		appendStringInfoChar(buf, '.');
	put_digits(buf, behind, rng);
	return behind;
}

/*
 * A decimal in the middle between two neighbours of a binary format, or one unit of its last place
 * beside it: an odd integer of one bit more than fits, over 2^k, is that integer times 5^k over
 * 10^k.
 */
static void
make_middle(StringInfo buf, int bits, pg_prng_state *rng)
{
	uint64 value = (pg_prng_uint64(rng) >> (64 - bits)) | (UINT64CONST(1) << (bits - 1)) | 1;
	int places = 0;
	int most = pick(rng, 0, 16);

	if (one_in(rng, 3))
		value <<= pick(rng, 0, 63 - bits);
	else
		while (places < most && value < UINT64CONST(1) << 60)
		{
			value *= 5;
			places++;
		}
	value += pick(rng, -1, 1);

	appendStringInfo(buf, UINT64_FORMAT, value);
	if (places > 0 && places < buf->len)
	{
		appendStringInfoChar(buf, '\0');
		memmove(buf->data + buf->len - places, buf->data + buf->len - places - 1, places);
		buf->data[buf->len - places - 1] = '.';
	}
}

/*
 * Canonical is what the head of scan/convert/float.c says, but for float4 only numbers of up to 7
 * digits over a power of ten up to 10^10, none of which is in the middle between two floats.
 */
static void
make_float(StringInfo buf, int bits, bool canonical, pg_prng_state *rng)
{
	bool narrow = bits == FLT_MANT_DIG;
	int behind;

	if (canonical && narrow)
	{
		behind = put_decimal(buf, pick(rng, 1, 7), true, rng);
		if (one_in(rng, 3))
			put_exponent(buf, pick(rng, -10 + behind, behind), rng);
	}
	else if (one_in(rng, 4))
		make_middle(buf, bits + 1, rng);
	else
	{
		behind = put_decimal(buf, pick(rng, 1, canonical ? 19 : 25), canonical, rng);
		if (one_in(rng, 2))
			put_exponent(buf,
						 canonical ? pick(rng, -27 + behind, 27 + behind)
								   : pick(rng, -400, 400) / pick(rng, 1, 20),
						 rng);
	}
}

static void
make_float4(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng)
{
	make_float(buf, FLT_MANT_DIG, canonical, rng);
}

static void
make_float8(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng)
{
	make_float(buf, DBL_MANT_DIG, canonical, rng);
}

static void
make_numeric(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng)
{
	int max_whole = 30;
	int max_behind = 31;
	int whole;
	int behind;

	if (typmod >= (int32) VARHDRSZ)
	{
		max_behind = (typmod - VARHDRSZ) & 0x7ff;
		max_whole = ((typmod - VARHDRSZ) >> 16) - max_behind;
	}

	whole = pick(rng, 0, max_whole + (canonical ? 0 : 3));
	behind = one_in(rng, 4) ? max_behind : pick(rng, 0, max_behind);
	if (!canonical && one_in(rng, 2))
		behind += one_in(rng, 8) ? pick(rng, 1, 60) : pick(rng, 0, 2);

	if (one_in(rng, 3))
		appendStringInfoChar(buf, '-');
	else if (!canonical && one_in(rng, 8))
		appendStringInfoChar(buf, '+');
	if (whole == 0 ? canonical || !one_in(rng, 3) : one_in(rng, 8))
		appendStringInfoChar(buf, '0');
	put_digits(buf, whole, rng);
	if (behind > 0 || (!canonical && one_in(rng, 8)))
		appendStringInfoChar(buf, '.');
	put_digits(buf, behind, rng);
	if (!canonical && one_in(rng, 8))
		put_exponent(buf, pick(rng, -400, 400) / pick(rng, 1, 50), rng);
}

static void
make_bool(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng)
{
	static const char *const words[] = {"t",   "f",	 "true", "false", "y", "n",
										"yes", "no", "on",	 "off",	  "1", "0"};
	static const char *const others[] = {"",   "T",	 "F",  "tr",   "tru",  "truee", "TRUE", "True",
										 "o",  "of", "ON", "yess", "Y",	   "noo",	"2",	"01",
										 "00", " t", "t ", "fals", "null", "offf",	"yno",	"10"};

	appendStringInfoString(buf, canonical ? PICK_ONE(rng, words) : PICK_ONE(rng, others));
}

static void
make_uuid(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng)
{
	int grouping = canonical ? 0 : pick(rng, 0, 3);

	if (grouping == 1)
		appendStringInfoChar(buf, '{');
	for (int i = 0; i < 32; i++)
	{
		if (grouping < 2 ? (i == 8 || i == 12 || i == 16 || i == 20)
						 : grouping == 2 && i > 0 && i % 4 == 0)
			appendStringInfoChar(buf, '-');
		appendStringInfoChar(buf, "0123456789abcdefABCDEF"[pick(rng, 0, 21)]);
	}
	if (grouping == 1)
		appendStringInfoChar(buf, '}');
}

static void
put_date(StringInfo buf, bool canonical, pg_prng_state *rng)
{
	static const int years[] = {1,	  4,	100,  400,	1000, 1582, 1583, 1600, 1700, 1800, 1900,
								1901, 1970, 1999, 2000, 2001, 2024, 2038, 2100, 2400, 9999};
	int year = one_in(rng, 4)	? PICK_ONE(rng, years)
			   : one_in(rng, 2) ? pick(rng, 1, 9999)
								: pick(rng, 1880, 2040);
	int month = pick(rng, 1, MONTHS_PER_YEAR);
	int days = day_tab[isleap(year)][month - 1];
	int day = one_in(rng, 4) ? days : pick(rng, 1, days);
	int width = 4;
	char separator = '-';

	if (!canonical)
	{
		day = one_in(rng, 2) ? pick(rng, 28, 32) : pick(rng, 0, 32);
		if (one_in(rng, 2))
			month = one_in(rng, 2) ? 2 : pick(rng, 0, 13);
		if (one_in(rng, 8))
			year = one_in(rng, 2) ? 0 : pick(rng, 0, 99999);
		if (one_in(rng, 8))
			width = pick(rng, 1, 6);
		if (one_in(rng, 8))
			separator = "/. "[pick(rng, 0, 2)];
	}
	put_padded(buf, year, width);
	appendStringInfoChar(buf, separator);
	put_padded(buf, month, 2);
	appendStringInfoChar(buf, separator);
	put_padded(buf, day, 2);
}

/* A number up to a last one, which comes often; beyond it if that is asked for. */
static void
put_part(StringInfo buf, int last, bool canonical, pg_prng_state *rng)
{
	int value = one_in(rng, 4) ? last : pick(rng, 0, last);

	if (!canonical && one_in(rng, 8))
		value = last + pick(rng, 1, 2);
	put_padded(buf, value, 2);
}

static void
put_fraction(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng)
{
	int max = typmod < 0 ? MAX_TIMESTAMP_PRECISION : typmod;

	if (canonical && max == 0)
		return;
	appendStringInfoChar(buf, '.');
	put_digits(buf, canonical ? pick(rng, 1, max) : pick(rng, 0, 10), rng);
}

/* A local time within three hours of a change of the session's clocks; false if there is none. */
static bool
put_time_of_change(StringInfo buf, pg_prng_state *rng)
{
	pg_time_t from = pick(rng, INT64CONST(-3000000000), INT64CONST(3000000000));
	pg_time_t boundary;
	long int before;
	long int after;
	int dst;
	int year;
	int month;
	int day;
	int64 local;
	int seconds;

	if (pg_next_dst_boundary(&from, &before, &dst, &boundary, &after, &dst, session_timezone) != 1)
		return false;

	/* as the epoch is moved by a whole number of days, both parts are those of the local time */
	local = boundary + (one_in(rng, 2) ? before : after) +
			(one_in(rng, 2) ? pick(rng, -2, 2) : pick(rng, -10800, 10800)) +
			100000 * INT64CONST(86400);
	j2date(local / SECS_PER_DAY - 100000 + UNIX_EPOCH_JDATE, &year, &month, &day);
	seconds = local % SECS_PER_DAY;
	appendStringInfo(buf, "%04d-%02d-%02d%c%02d:%02d:%02d", year, month, day,
					 one_in(rng, 2) ? ' ' : 'T', seconds / SECS_PER_HOUR,
					 seconds / SECS_PER_MINUTE % MINS_PER_HOUR, seconds % SECS_PER_MINUTE);
	return true;
}

static void
put_offset(StringInfo buf, bool canonical, pg_prng_state *rng)
{
	int form = pick(rng, 0, canonical ? 3 : 5);

	if (form == 3)
	{
		appendStringInfoChar(buf, 'Z');
		return;
	}
	if (!canonical && one_in(rng, 8))
		appendStringInfoChar(buf, ' ');
	appendStringInfoChar(buf, one_in(rng, 2) ? '+' : '-');
	put_part(buf, MAX_TZDISP_HOUR, canonical, rng);
	if (form == 0)
		return;
	if (form != 1)
		appendStringInfoChar(buf, ':');
	put_part(buf, MINS_PER_HOUR - 1, canonical, rng);
	if (form == 5)
	{
		appendStringInfoChar(buf, ':');
		put_part(buf, SECS_PER_MINUTE - 1, canonical, rng);
	}
}

static void
make_date(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng)
{
	static const char *const others[] = {"infinity", "-infinity", "now",	  "today",
										 "epoch",	 "J2451187",  "20240229", "2024.060",
										 "240229",	 "Jan 8",	  ""};

	if (!canonical && one_in(rng, 32))
		appendStringInfoString(buf, PICK_ONE(rng, others));
	else
		put_date(buf, canonical, rng);
	if (!canonical && one_in(rng, 16))
		appendStringInfoString(buf, " BC");
}

static void
make_local_time(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng)
{
	put_date(buf, canonical, rng);
	appendStringInfoChar(buf, one_in(rng, 2) ? ' ' : 'T');
	put_part(buf, HOURS_PER_DAY - 1, canonical, rng);
	appendStringInfoChar(buf, ':');
	put_part(buf, MINS_PER_HOUR - 1, canonical, rng);
	if (one_in(rng, 4))
		return;
	appendStringInfoChar(buf, ':');
	put_part(buf, SECS_PER_MINUTE - 1, canonical, rng);
	if (one_in(rng, 2))
		put_fraction(buf, typmod, canonical, rng);
}

static void
make_timestamp(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng)
{
	if (one_in(rng, 8))
		make_date(buf, typmod, canonical, rng);
	else if (!one_in(rng, 4) || !put_time_of_change(buf, rng))
	{
		make_local_time(buf, typmod, canonical, rng);
		if (!one_in(rng, 4))
			put_offset(buf, canonical, rng);
	}
}

/*
 * One of sixty-four characters beyond ASCII of this process's database: random bytes that happen to
 * be one.  Where there are none, as good as all of them are ASCII.
 */
static void
put_foreign(StringInfo buf, pg_prng_state *rng)
{
	static char pool[64][MAX_MULTIBYTE_CHAR_LEN];
	static int length[64];
	int encoding = GetDatabaseEncoding();
	int i = pick(rng, 0, lengthof(pool) - 1);

	for (int tries = 0; length[i] == 0 && tries < 1000; tries++)
	{
		int n = pick(rng, 1, pg_database_encoding_max_length());

		for (int j = 0; j < n; j++)
			pool[i][j] = (char) pick(rng, 0x80, 0xFF);
		if (pg_mblen(pool[i]) == n && pg_verify_mbstr(encoding, pool[i], n, true))
			length[i] = n;
	}
	if (length[i] == 0)
	{
		pool[i][0] = 'x';
		length[i] = 1;
	}
	appendBinaryStringInfo(buf, pool[i], length[i]);
}

static void
make_text(StringInfo buf, int32 typmod, bool canonical, pg_prng_state *rng)
{
	int max = typmod < (int32) VARHDRSZ ? (one_in(rng, 1000) ? 5000 : 50) : typmod - VARHDRSZ;
	int n = pick(rng, 0, max);
	int foreign = pick(rng, 0, 2);

	if (one_in(rng, 4))
		n = max;
	if (!canonical)
		n = Max(0, max + pick(rng, -3, 3));
	while (n-- > 0)
	{
		if (foreign == 0 || (foreign == 1 && !one_in(rng, 16)))
			appendStringInfoChar(buf, (char) pick(rng, 1, 0x7F));
		else
			put_foreign(buf, rng);
	}
	if (!canonical && one_in(rng, 2))
		appendStringInfoSpaces(buf, pick(rng, 0, 5));
}

static Shape
shape_for(Oid typid)
{
	switch (typid)
	{
		case INT2OID:
			return make_int2;
		case INT4OID:
			return make_int4;
		case INT8OID:
			return make_int8;
		case FLOAT4OID:
			return make_float4;
		case FLOAT8OID:
			return make_float8;
		case NUMERICOID:
			return make_numeric;
		case BOOLOID:
			return make_bool;
		case UUIDOID:
			return make_uuid;
		case DATEOID:
			return make_date;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return make_timestamp;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return make_text;
		default:
			elog(ERROR, "no texts for type %u", typid);
	}
}

void
MakeText(StringInfo buf, Oid typid, int32 typmod, TextKind kind, pg_prng_state *rng)
{
	Shape shape = shape_for(typid);
	bool canonical = kind == TEXT_CANONICAL || (kind == TEXT_MUTATED && one_in(rng, 2));

	resetStringInfo(buf);
	shape(buf, typmod, canonical, rng);

	/* every text is a text, and edits by bytes could spoil the encoding */
	if (kind == TEXT_MUTATED && shape != make_text)
		mutate(buf, rng);
}
