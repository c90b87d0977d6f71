# flowledger: one page, no recursion, no configure step.
#
#	make                  the programs into build/
#	make check            unit tests, fuzz corpora, purity, manuals
#	make check SAN=address,undefined      (or SAN=thread) in a build folder of its own
#	make fuzz-flowset SECONDS=60          libFuzzer with clang
#	make bench            ratios against Debian's peers, in one run
#	make install DESTDIR= PREFIX=/usr/local

CC       ?= gcc
PREFIX   ?= /usr/local
SECONDS  ?= 60
SAN      ?=
V        ?=
B        ?= build$(if $(SAN),/$(subst $(comma),-,$(SAN)))
comma    := ,
Q        := $(if $(V),,@)

PROGRAMS := nfacctd replicator pcapgen pmacct
# PostgreSQL is optional: without libpq a plugin of type pgsql says so.
PGSQL    := $(shell pkg-config --exists libpq && echo libpq)
WITHOUT  := $(if $(PGSQL),%_pgsql_none.c,nfacctd/pgsql_%.c %_pgsql.c)
PKGS     := libpcap mysqlclient sqlite3 yaml-0.1 libsystemd libcap-ng libmicrohttpd $(PGSQL)
CPPFLAGS += -D_GNU_SOURCE -Ilib -I.
OPT      ?= -O2
CFLAGS   += -std=c11 -g $(OPT) -pthread -fno-strict-aliasing -Wall -Wextra -Wconversion -Wshadow \
            -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Werror \
            $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
PKGCFLAGS := $(shell pkg-config --cflags $(PKGS))
PKGLIBS   := $(shell pkg-config --libs $(PKGS))
VERSION  := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
CPPFLAGS += -DVERSION='"0.1 ($(VERSION))"' $(patsubst -I%,-isystem%,$(PKGCFLAGS))
LDLIBS   += $(PKGLIBS) -lm

# A program and its folder have one name, so the objects have a folder of their own.
objects   = $(patsubst %.c,$(B)/obj/%.o,$(filter-out $(WITHOUT),$(wildcard $(1)/*.c)))
LIB      := $(foreach d,wire base net,$(call objects,lib/$d))

all: $(PROGRAMS:%=$(B)/%)

# -MT: what a folder knows of its headers stays true when the folder is copied.
define compile
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $<")
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -MT '$$(B)$(@:$(B)%=%)' -c -o $@ $<
endef
$(B)/obj/%.o: %.c $(B)/san
	$(compile)
$(B)/%.o: %.c $(B)/san
	$(compile)

# With B= given, a folder that another SAN was built in is built anew: the file is then new.
SAN_WAS := $(shell cat $(B)/san 2>/dev/null)
$(B)/san: $(if $(filter x$(SAN),x$(SAN_WAS)),,FORCE)
	@mkdir -p $(@D) && if [ -f $@ ]; then echo '$(SAN)' >$@; else echo '$(SAN)' >$@; touch -d @0 $@; fi

# One binary a program, its modules without main for the tests.
define program
$(B)/$(1): $$(call objects,$(1)) $$(LIB)
	$$(if $$(Q),@echo "  LINK    $$@")
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS)
$(B)/check-$(1): $$(filter-out %/main.o,$$(call objects,$(1)))
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$p)))

# Tests: a room a binary, tests/<room>/check_*.c with its rows in tests/<room>/suites.def.
ROOMS := $(notdir $(patsubst %/suites.def,%,$(wildcard tests/*/suites.def)))
define room
$(B)/check-$(1): $$(call objects,tests/$(1)) $(B)/tests/$(1)/main.o $$(LIB)
	$$(if $$(Q),@echo "  LINK    $$@")
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS) $$(shell pkg-config --libs check)
$(B)/tests/$(1)/main.o: tests/check_main.c tests/$(1)/suites.def $(B)/san
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CPPFLAGS) -DSUITES='"tests/$(1)/suites.def"' $$(CFLAGS) -c -o $$@ $$<
run-check-$(1): $(B)/check-$(1)
	$$(Q)$(if $(SAN),CK_FORK=no )$(B)/check-$(1)
endef
$(foreach r,$(ROOMS),$(eval $(call room,$r)))

# Fuzz targets: tests/fuzz/fuzz_<name>.c; without libFuzzer they run their corpus.
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
define fuzz
$(B)/fuzz-$(1): $(B)/tests/fuzz/fuzz_$(1).o $(B)/tests/fuzz/replay.o $$(LIB)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS)
run-fuzz-$(1): $(B)/fuzz-$(1)
	$$(Q)$(B)/fuzz-$(1) $$(wildcard tests/fuzz/corpus/$(1))
fuzz-$(1):
	$$(Q)$$(MAKE) --no-print-directory CC=clang B=$(B)/fuzz SAN=fuzzer-no-link,address,undefined $(B)/fuzz/libfuzz-$(1)
	$$(Q)mkdir -p $(B)/fuzz/found/$(1) $(B)/fuzz/artifacts
	$$(Q)$(B)/fuzz/libfuzz-$(1) -max_total_time=$$(SECONDS) -seed=$(or $(SEED),0) -artifact_prefix=$(B)/fuzz/artifacts/$(1)- \
		-print_final_stats=0 -verbosity=0 -close_fd_mask=1 $(B)/fuzz/found/$(1) $$(wildcard tests/fuzz/corpus/$(1))
$(B)/libfuzz-$(1): $(B)/tests/fuzz/fuzz_$(1).o $$(LIB)
	$$(Q)$$(CC) $$(CFLAGS) -fsanitize=fuzzer $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS)
endef
$(foreach f,$(FUZZ),$(eval $(call fuzz,$f)))
$(foreach f,custom filter imt,$(B)/fuzz-$f $(B)/libfuzz-$f): $(filter-out %/main.o,$(call objects,nfacctd))
$(B)/fuzz-scenario $(B)/libfuzz-scenario $(B)/fuzz-truth $(B)/libfuzz-truth: $(filter-out %/main.o,$(call objects,pcapgen))
$(foreach f,carry fanout gate memory rebuild recall replicator thin,$(B)/fuzz-$f $(B)/libfuzz-$f): $(filter-out %/main.o,$(call objects,replicator))

check: $(ROOMS:%=run-check-%) $(FUZZ:%=run-fuzz-%) $(if $(SAN),,pure)

# The ground floor calls nothing but mem*, strlen, snprintf (RFC: lib/wire/wire.h).
PURE_OK := memcpy|memcmp|memset|memmove|memchr|strlen|strcmp|strtoul|snprintf|qsort|abort|__stack_chk_fail|__.*_chk|_GLOBAL_OFFSET_TABLE_|__assert_fail
PURE    := $(if $(SAN),$(B)/plain,$(B))
pure:
	$(Q)$(MAKE) --no-print-directory SAN= B=$(PURE) $(patsubst $(B)/%,$(PURE)/%,$(call objects,lib/wire)) >/dev/null
	$(Q)cd $(PURE)/obj/lib/wire && defined=$$(nm --defined-only *.o | awk 'NF == 3 { print $$3 }'); \
	bad=$$(nm -u *.o | awk '$$1 == "U" { print $$2 }' | sort -u | grep -vxE '$(PURE_OK)' | grep -vxF "$$defined"); \
	if [ -n "$$bad" ]; then echo "lib/wire is not pure:" $$bad; exit 1; fi; echo "pure: lib/wire calls only mem*, str*, snprintf"

bench: all $(patsubst tests/bench/bench_%.c,$(B)/bench-%,$(wildcard tests/bench/bench_*.c))
	$(Q)tests/bench/run $(B)
$(B)/bench-%: $(B)/obj/tests/bench/bench_%.o $(LIB)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/bench-mysql $(B)/bench-keys: $(filter-out %/main.o,$(call objects,nfacctd))

MAN1 := pcapgen/pcapgen.1 pmacct/pmacct.1
MAN5 := nfacctd/nfacctd.conf.5 replicator/receivers.conf.5 pcapgen/pcapgen-scenario.5
MAN7 := nfacctd/nfacctd-compat.7
MAN8 := nfacctd/nfacctd.8 replicator/replicator.8
install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(foreach s,1 5 7 8,$(DESTDIR)$(PREFIX)/share/man/man$s) \
		$(DESTDIR)$(PREFIX)/share/flowledger/sql $(DESTDIR)$(PREFIX)/share/doc/flowledger/examples
	install -m 755 $(B)/nfacctd $(B)/replicator $(DESTDIR)$(PREFIX)/sbin
	ln -sf nfacctd $(DESTDIR)$(PREFIX)/sbin/sfacctd
	ln -sf replicator $(DESTDIR)$(PREFIX)/sbin/samplicate
	install -m 755 $(B)/pcapgen $(B)/pmacct $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(MAN1) $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(MAN5) $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 $(MAN7) $(DESTDIR)$(PREFIX)/share/man/man7
	install -m 644 $(MAN8) $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 644 $(wildcard sql/*) $(DESTDIR)$(PREFIX)/share/flowledger/sql
	install -m 644 $(wildcard conf/*) replicator/comparison.md $(DESTDIR)$(PREFIX)/share/doc/flowledger/examples

clean:
	rm -rf build

# Objects are kept even when only a pattern rule asked for them.
.SECONDARY:
FORCE:
.PHONY: FORCE all check pure bench install clean $(ROOMS:%=run-check-%) $(FUZZ:%=run-fuzz-%) $(FUZZ:%=fuzz-%)
-include $(shell find $(B)/obj $(B)/tests -name '*.d' 2>/dev/null)
