# The programs of test/unit and test/fuzz: clients of PostgreSQL's libraries, linked with the files of src/ that need no
# server.
#
#	make -f test/harness/programs.mk OUT=folder PROGRAMS="unit/csv_test fuzz/json_path" [CC= COPT= LDOPT= PG_CONFIG=]
#
# format/, and every other file of which one of them includes the header ("source/http/url.h" brings source/http/url.c), is
# compiled once into OUT/libetl.a.  Each set of flags has a folder OUT of its own.

PG_CONFIG ?= pg_config
CC = gcc

tests = $(wildcard test/unit/*.[ch] test/fuzz/*.[ch])
headers := $(shell sed -n 's,^.include "\([a-z0-9_]*/[a-z0-9/_]*\)\.h"$$,\1,p' $(tests))
sources = $(sort $(wildcard src/format/*.c $(patsubst %,src/%.c,$(headers))))
objects = $(sources:%.c=$(OUT)/%.o)

CFLAGS = -g -std=gnu99 -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
	-fno-strict-aliasing -fwrapv -D_GNU_SOURCE -DFRONTEND -DUSE_ASSERT_CHECKING $(COPT) -MMD -MP \
	-Isrc -isystem $(shell $(PG_CONFIG) --includedir-server)
LIBS = -L$(shell $(PG_CONFIG) --pkglibdir) -L$(shell $(PG_CONFIG) --libdir) -Wl,--as-needed -lpgcommon -lpgport -lpq -lcrypto -lyajl -lexpat -lpcre2-8 -lm

all: $(PROGRAMS:%=$(OUT)/%)

$(OUT)/%: $(OUT)/test/%.o $(OUT)/libetl.a
	@mkdir -p $(@D)
	$(CC) $(COPT) $(LDOPT) -o $@ $^ $(LIBS)

$(OUT)/libetl.a: $(objects)
	rm -f $@ && ar rcs $@ $^

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

.SECONDARY:
-include $(objects:.o=.d) $(PROGRAMS:%=$(OUT)/test/%.d)
