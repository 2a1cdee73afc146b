/*
 * json_names.c
 *		Names that are looked for in JSON items, one after another.
 *
 *		level	the names that are looked for in the members of one object
 *		name	one of them; if it is a step of a path, the level below it has the next
 *		key		a name that a member of such an object had, and which of the level's names it matches
 *
 * Keys are found by place first (the n-th member with a token had this name in the last item), then in a small hash
 * table.  Objects used as maps have new keys in every item: a table that has grown too large is forgotten.
 */
#include "etl.h"

#include "common/hashfn.h"
#include "format/header.h"
#include "scan/json_names.h"
#include "utils/memutils.h"

#define BUCKETS 256
#define MAX_KEYS 4096

typedef struct Key
{
	struct Key *next; /* of the same bucket */
	uint32 hash;
	uint32 len;
	int nmatches;
	int *matches; /* numbers of the level's names; exact ones are ~number */
	char text[FLEXIBLE_ARRAY_MEMBER];
} Key;

typedef struct Level Level;

typedef struct Wanted
{
	const char *text;
	size_t len;
	EtlJsonFound found;
	Level *inside; /* what is looked for in it; NULL: nothing */
} Wanted;

struct Level
{
	MemoryContext key_context;
	EtlUndeclared *undeclared; /* gets the keys that match nothing; NULL: nobody asks */
	int nnames;
	Wanted *names;
	int nkeys;
	Key *buckets[BUCKETS];
	int nplaces;
	Key **places; /* [nplaces] key that the member at this place had last */
};

struct EtlJsonNames
{
	MemoryContext context;
	Level *root;
	int n;
	struct
	{
		Level *level;
		int name;
	} * where; /* [n] of each name that was added */
};

static Level *
create_level(void)
{
	Level *level = palloc0(sizeof(Level));

	level->key_context =
		AllocSetContextCreate(CurrentMemoryContext, "etl json keys", ALLOCSET_SMALL_SIZES);
	level->nplaces = 32;
	level->places = palloc0(sizeof(Key *) * level->nplaces);
	return level;
}

EtlJsonNames *
EtlJsonNamesCreate(void)
{
	EtlJsonNames *names = palloc0(sizeof(EtlJsonNames));

	names->context = CurrentMemoryContext;
	names->root = create_level();
	return names;
}

/* ----------------------------------------------------------------
 *	What is looked for
 * ---------------------------------------------------------------- */

static int
add_to_level(Level *level, const char *text, size_t len)
{
	for (int i = 0; i < level->nnames; i++)
		if (level->names[i].len == len && memcmp(level->names[i].text, text, len) == 0)
			return i;
	if (level->names == NULL)
		level->names = palloc(sizeof(Wanted));
	else
		level->names = repalloc(level->names, sizeof(Wanted) * (level->nnames + 1));
	memset(&level->names[level->nnames], 0, sizeof(Wanted));
	level->names[level->nnames].text = pnstrdup(text, len);
	level->names[level->nnames].len = len;
	return level->nnames++;
}

static int
add_number(EtlJsonNames *names, Level *level, int name)
{
	Size size = sizeof(*names->where) * (names->n + 1);

	names->where = names->where == NULL ? palloc(size) : repalloc(names->where, size);
	names->where[names->n].level = level;
	names->where[names->n].name = name;
	return names->n++;
}

int
EtlJsonNamesAdd(EtlJsonNames *names, const char *name, size_t len)
{
	return add_number(names, names->root, add_to_level(names->root, name, len));
}

int
EtlJsonNamesAddPath(EtlJsonNames *names, const EtlJsonPath *path)
{
	Level *level = names->root;
	int name = -1;

	for (int i = 0; i < path->nsteps; i++)
	{
		const EtlJsonName *step = &path->steps[i].name;

		if (name >= 0)
		{
			if (level->names[name].inside == NULL)
				level->names[name].inside = create_level();
			level = level->names[name].inside;
		}
		name = add_to_level(level, step->text, step->len);
	}
	return add_number(names, level, name);
}

void
EtlJsonNamesNote(EtlJsonNames *names, EtlUndeclared *undeclared)
{
	names->root->undeclared = undeclared;
}

const EtlJsonFound *
EtlJsonNamesFound(const EtlJsonNames *names, int number)
{
	return &names->where[number].level->names[names->where[number].name].found;
}

/* ----------------------------------------------------------------
 *	What an item has
 * ---------------------------------------------------------------- */

/* Works out which names a key matches. */
static void
match_key(const Level *level, Key *key)
{
	EtlName name = {key->text, key->len};

	for (int i = 0; i < level->nnames; i++)
	{
		const Wanted *wanted = &level->names[i];

		if (EtlMatchName(wanted->text, &name, 1).index < 0)
			continue;
		if (key->matches == NULL)
			key->matches = palloc(sizeof(int) * level->nnames);
		key->matches[key->nmatches++] =
			wanted->len == key->len && memcmp(wanted->text, key->text, key->len) == 0 ? ~i : i;
	}
}

static Key *
add_key(Level *level, uint32 hash, const char *text, size_t len)
{
	MemoryContext old;
	Key *key;

	if (level->nkeys == MAX_KEYS)
	{
		MemoryContextReset(level->key_context);
		memset(level->buckets, 0, sizeof(level->buckets));
		memset(level->places, 0, sizeof(Key *) * level->nplaces);
		level->nkeys = 0;
	}
	old = MemoryContextSwitchTo(level->key_context);
	key = palloc0(offsetof(Key, text) + len);
	key->hash = hash;
	key->len = len;
	memcpy(key->text, text, len);
	match_key(level, key);
	key->next = level->buckets[hash % BUCKETS];
	level->buckets[hash % BUCKETS] = key;
	level->nkeys++;
	if (level->undeclared != NULL && key->nmatches == 0)
		EtlUndeclaredNoteUtf8(level->undeclared, text, len);
	MemoryContextSwitchTo(old);
	return key;
}

static Key *
find_key(Level *level, const char *text, size_t len)
{
	uint32 hash = hash_bytes((const unsigned char *) text, len);
	Key *key = level->buckets[hash % BUCKETS];

	while (key != NULL &&
		   (key->hash != hash || key->len != len || memcmp(key->text, text, len) != 0))
		key = key->next;
	return key != NULL ? key : add_key(level, hash, text, len);
}

/* The key of the member at a place. */
static inline const Key *
key_at(Level *level, int place, const char *text, size_t len)
{
	Key *key;

	if (unlikely(place >= level->nplaces))
		return find_key(level, text, len);
	key = level->places[place];
	if (key == NULL || key->len != len || memcmp(key->text, text, len) != 0)
		key = level->places[place] = find_key(level, text, len);
	return key;
}

static bool
have_same_key(const EtlJsonItem *item, const EtlJsonToken *a, const EtlJsonToken *b)
{
	return a->key_len == b->key_len &&
		   memcmp(EtlJsonTokenKey(item, a), EtlJsonTokenKey(item, b), a->key_len) == 0;
}

/* A member matches a name.  Of members of one name the last counts, as in jsonb. */
static void
note_match(const EtlJsonItem *item, Wanted *name, const EtlJsonToken *token, bool exact)
{
	EtlJsonFound *found = &name->found;

	if (exact)
	{
		found->exact = true;
		found->other = NULL;
	}
	else if (found->exact)
		return;
	else if (found->token != NULL && !have_same_key(item, found->token, token))
		found->other = found->token;
	found->token = token;
}

static void
forget(Level *level)
{
	for (int i = 0; i < level->nnames; i++)
	{
		memset(&level->names[i].found, 0, sizeof(EtlJsonFound));
		if (level->names[i].inside != NULL)
			forget(level->names[i].inside);
	}
}

/* null instead of an object: whatever is looked for in it is null. */
static void
take_null(Level *level, const EtlJsonToken *null)
{
	for (int i = 0; i < level->nnames; i++)
	{
		level->names[i].found.token = null;
		if (level->names[i].inside != NULL)
			take_null(level->names[i].inside, null);
	}
}

/* False: no member of the object matches a name. */
static bool
locate(Level *level, const EtlJsonItem *item, const EtlJsonToken *object)
{
	int place = 0;
	int nmatches = 0;

	for (const EtlJsonToken *token = EtlJsonFirstIn(item, object); token != NULL;
		 token = EtlJsonNextIn(item, object, token))
	{
		const Key *key = key_at(level, place++, EtlJsonTokenKey(item, token), token->key_len);

		nmatches += key->nmatches;
		for (int i = 0; i < key->nmatches; i++)
		{
			int match = key->matches[i];

			note_match(item, &level->names[match < 0 ? ~match : match], token, match < 0);
		}
	}
	for (int i = 0; i < level->nnames; i++)
	{
		Wanted *name = &level->names[i];

		if (name->inside == NULL || name->found.token == NULL || name->found.other != NULL)
			continue;
		if (name->found.token->type == ETL_JSON_OBJECT)
			(void) locate(name->inside, item, name->found.token);
		else if (name->found.token->type == ETL_JSON_NULL)
			take_null(name->inside, name->found.token);
	}
	return nmatches > 0;
}

bool
EtlJsonNamesLocate(EtlJsonNames *names, const EtlJsonItem *item)
{
	forget(names->root);
	return locate(names->root, item, item->tokens);
}

const EtlJsonToken *
EtlJsonNamesUnread(EtlJsonNames *names, const EtlJsonItem *item)
{
	Level *level = names->root;
	int place = 0;

	for (const EtlJsonToken *token = EtlJsonFirstIn(item, item->tokens); token != NULL;
		 token = EtlJsonNextIn(item, item->tokens, token))
	{
		const Key *key = key_at(level, place++, EtlJsonTokenKey(item, token), token->key_len);
		bool read = false;

		for (int i = 0; i < key->nmatches && !read; i++)
		{
			int match = key->matches[i];

			read = have_same_key(item, level->names[match < 0 ? ~match : match].found.token, token);
		}
		if (!read)
			return token;
	}
	return NULL;
}
