# etl: a PostgreSQL extension, built with PGXS.
#
#	make; sudo make install; make installcheck		as in any extension
#	make demo, make check, ...						everything else is a script of test/harness
#
# PG_CONFIG names the PostgreSQL to use, for all of them.

PG_CONFIG ?= pg_config

# The scripts work before there is a pg_config: they install what is missing.  They never build in
# this folder but in a throw-away copy of it.
SCRIPTS_OF_HARNESS = demo check test check-style unit fuzz torture valgrind matrix bench

ifneq ($(filter $(SCRIPTS_OF_HARNESS),$(MAKECMDGOALS)),)

# PGXS brings a rule "check" that only fails, so these goals do without PGXS, and goals beside them
# on the command line get a make of their own.
.PHONY: $(MAKECMDGOALS)
.NOTPARALLEL:

$(SCRIPTS_OF_HARNESS):
	@bash test/harness/$@.sh

$(filter-out $(SCRIPTS_OF_HARNESS),$(MAKECMDGOALS)):
	@$(MAKE) $@

else

EXTENSION = etl
MODULE_big = etl
PGFILEDESC = "etl - files and APIs as streaming tables, loaded exactly once"

# As PGXS will set it: another folder in a VPATH build.
srcdir := $(or $(VPATH),.)
files = $(sort $(patsubst $(srcdir)/%,%,$(wildcard $(addprefix $(srcdir)/,$(1)))))
names = $(basename $(notdir $(call files,$(1))))

# The program of the gateway, beside the library, where libmicrohttpd is: it is no part of the library.
PROGRAM_SOURCES = $(call files,src/gateway/program/*.c)
PROGRAM_OBJS = $(patsubst %.c,%.fe.o,$(PROGRAM_SOURCES) src/gateway/frames.c)
GATEWAY := $(shell echo '\#include <microhttpd.h>' | $(or $(CC),cc) -E -x c - >/dev/null 2>&1 && echo etl_gateway)

OBJS = $(patsubst %.c,%.o,$(filter-out $(PROGRAM_SOURCES) src/kafka/%,$(call files,src/*.c src/*/*.c src/*/*/*.c)))
DATA = $(call files,sql/etl--*.sql)
HEADERS = src/etl_source.h

# "setup" gives the other tests their files and functions, "cleanup" takes them away again.
REGRESS = setup $(filter-out setup cleanup,$(call names,test/sql/*.sql)) cleanup
REGRESS_OPTS = --inputdir=$(srcdir)/test
ISOLATION = $(call names,test/isolation/specs/*.spec)
ISOLATION_OPTS = --inputdir=$(srcdir)/test/isolation --load-extension=etl
PROVE_TESTS = $(call files,test/t/*.pl)
TAP_TESTS = $(if $(PROVE_TESTS),1)

# The test databases are the same on every server.
ENCODING = UTF8
NO_LOCALE = 1

# Warnings are shown to everybody, and stop only the builds of test/harness (COPT=-Werror): a
# compiler that is younger than this release must not keep anyone from installing it.  The three
# warnings switched off are those that PostgreSQL's own headers and callbacks raise.
PG_CPPFLAGS = -I$(srcdir)/src
PG_CFLAGS = -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -MMD -MP
SHLIB_LINK = -lcurl -lcrypto -lyajl -lexpat -lpcre2-8 -lz -lzstd

DEPS = $(OBJS:.o=.d) $(PROGRAM_OBJS:.o=.d)
EXTRA_CLEAN = $(DEPS) $(PROGRAM_OBJS) etl_gateway

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

ifeq ($(wildcard $(PGXS)),)

all install uninstall installcheck clean:
	@echo "make: $(PG_CONFIG) gives no PGXS: install the server's development files" \
		"(Debian: postgresql-server-dev-NN) or set PG_CONFIG" >&2; exit 1

else

include $(PGXS)

# A changed header rebuilds what includes it, bitcode with its object.
-include $(DEPS)
$(OBJS:.o=.bc): %.bc: %.o

all: $(GATEWAY)

etl_gateway: $(PROGRAM_OBJS)
	$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lmicrohttpd -lz -lzstd

$(PROGRAM_OBJS): %.fe.o: %.c
	$(CC) $(CFLAGS) $(CPPFLAGS) -DFRONTEND -c -o $@ $<

install: $(if $(GATEWAY),install-gateway)
uninstall: uninstall-gateway

.PHONY: install-gateway uninstall-gateway
install-gateway: $(GATEWAY) installdirs
	$(INSTALL_PROGRAM) etl_gateway '$(DESTDIR)$(pkglibdir)/etl_gateway'
uninstall-gateway:
	rm -f '$(DESTDIR)$(pkglibdir)/etl_gateway'

# etl_kafka is an extension of its own, made where librdkafka is installed.
ifeq ($(shell pkg-config --exists rdkafka 2>/dev/null && echo yes),yes)
KAFKA = $(MAKE) -C src/kafka $(if $(filter-out .,$(srcdir)),-f $(abspath $(srcdir))/src/kafka/Makefile)
.PHONY: kafka install-kafka uninstall-kafka clean-kafka
all: kafka
install: install-kafka
uninstall: uninstall-kafka
clean: clean-kafka
kafka:
	@mkdir -p src/kafka
	+$(KAFKA) all
install-kafka: kafka
	+$(KAFKA) install
uninstall-kafka clean-kafka:
	+$(KAFKA) $(@:-kafka=)
endif

# In a VPATH build the layers' folders are not there yet.
ifneq ($(srcdir),.)
$(shell mkdir -p $(sort $(dir $(OBJS))))
endif

endif
endif
