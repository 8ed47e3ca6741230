# firn: build, run, test. `make help` lists the targets.
# Sources are found by folder: a new .c file in a room is built without touching this file.
#
# VARIANT  release (default) | failpoint | asan | ubsan | tsan | fuzz   → build/VARIANT
# CC       gcc (default) or clang
# DEV=1    warnings are errors (on for every target that tests)
# V=1      show the commands
# PREPARE= never install missing packages

VARIANT ?= release
ROOMS   := base iceberg metastore storage catalog server
OUT     := build/$(VARIANT)
PREFIX  ?= /usr/local
STRIP   ?= strip

PACKAGES  := libmicrohttpd sqlite3 jansson libcurl openssl zlib expat
WARNINGS  := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
             -Wvla -Wformat=2 -Wpointer-arith -Wundef
# Asked for at the first use, which may be after `prepare` has installed them; asked once.
PACKAGE_CFLAGS = $(eval PACKAGE_CFLAGS := $(shell pkg-config --cflags $(PACKAGES)))$(PACKAGE_CFLAGS)
PACKAGE_LIBS = $(eval PACKAGE_LIBS := $(shell pkg-config --libs $(PACKAGES)))$(PACKAGE_LIBS)
CPPFLAGS_ALL = -I. -D_GNU_SOURCE $(PACKAGE_CFLAGS)
CFLAGS_ALL := -std=gnu11 -g $(WARNINGS) -fno-common -pthread
LDFLAGS_ALL := -pthread

ifeq ($(DEV),1)
CFLAGS_ALL += -Werror
endif
ifeq ($(VARIANT),release)
CFLAGS_ALL += -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LDFLAGS_ALL += -pie -Wl,-z,relro,-z,now
else ifeq ($(VARIANT),failpoint)
CFLAGS_ALL += -O2 -DFIRN_FAILPOINTS
else ifeq ($(VARIANT),asan)
CFLAGS_ALL += -O1 -DFIRN_FAILPOINTS -fsanitize=address -fno-omit-frame-pointer
LDFLAGS_ALL += -fsanitize=address
else ifeq ($(VARIANT),ubsan)
CFLAGS_ALL += -O1 -DFIRN_FAILPOINTS -fsanitize=undefined -fno-sanitize-recover=all
LDFLAGS_ALL += -fsanitize=undefined
else ifeq ($(VARIANT),tsan)
CFLAGS_ALL += -O1 -DFIRN_FAILPOINTS -fsanitize=thread
LDFLAGS_ALL += -fsanitize=thread
else ifeq ($(VARIANT),fuzz)
CC := clang
CFLAGS_ALL += -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
              -fno-omit-frame-pointer
LDFLAGS_ALL += -fsanitize=fuzzer,address,undefined
else
$(error VARIANT is one of release, failpoint, asan, ubsan, tsan, fuzz)
endif

SOURCES   := $(foreach room,$(ROOMS),$(sort $(wildcard $(room)/*.c)))
OBJECTS   := $(SOURCES:%.c=$(OUT)/%.o)
LIBRARY   := $(OUT)/libfirn.a
TESTS     := $(sort $(wildcard tests/unit/test_*.c) $(wildcard tests/contract/test_*.c))
TEST_BINS := $(TESTS:%.c=$(OUT)/%)
FUZZERS   := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS := $(FUZZERS:%.c=$(OUT)/%)
PRELOADS  := slow_fsync
ENGINES   := rck,duckdb,spark,flink,kafka,cdc,storage_matrix
BENCHES   := $(filter-out $(PRELOADS:%=bench/%.c),$(sort $(wildcard bench/*.c)))
BENCH_BINS := $(BENCHES:%.c=$(OUT)/%) $(PRELOADS:%=$(OUT)/bench/%.so)
# Cases that the tests of several backends share.
CASES     := $(sort $(wildcard tests/contract/*_cases.c))
CASE_OBJECTS := $(CASES:%.c=$(OUT)/%.o)

# What must be installed before the first compilation; empty when all is there.
ifeq ($(shell pkg-config --exists $(PACKAGES) 2>/dev/null && command -v $(firstword $(CC))),)
PREPARE := prepare
endif
ifeq ($(shell pkg-config --exists cmocka 2>/dev/null && echo yes),)
PREPARE_TEST := $(if $(filter undefined file,$(origin PREPARE)),prepare-test)
endif

ifeq ($(shell command -v wrk >/dev/null && PATH=$$PATH:/usr/sbin command -v nginx),)
PREPARE_BENCH := $(if $(filter undefined file,$(origin PREPARE)),prepare-bench)
endif

Q := $(if $(V),,@)

.PHONY: all help run unit fuzz fuzz-programs programs openapi test test-stores test-engines soak-kill bench \
        bench-programs asan ubsan tsan lint docs format install prepare prepare-test prepare-bench clean
.SECONDARY:

all: $(OUT)/firn ## build build/firn
	$(Q)if [ "$(VARIANT)" = release ]; then ln -sf release/firn build/firn; fi

help: ## this list
	@sed -n 's/^\([a-z -]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 16

prepare: ## install what is missing to build (Debian)
	$(Q)tools/prepare build

prepare-bench: ## install what is missing to measure (Debian)
	$(Q)tools/prepare bench

prepare-test: ## install what is missing to test (Debian)
	$(Q)tools/prepare test

$(OUT)/%.o: %.c | $(PREPARE)
	@mkdir -p $(@D)
	@$(if $(V),,echo "  CC    $<")
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CPPFLAGS) $(CFLAGS_ALL) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/server/handle_openapi.o: openapi/firn.yaml openapi/firn.json

openapi: ## make openapi/firn.json from openapi/firn.yaml
	$(Q)tools/openapi_json.py

$(LIBRARY): $(filter-out $(OUT)/server/main.o,$(OBJECTS))
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(OUT)/firn: $(OUT)/server/main.o $(LIBRARY)
	@$(if $(V),,echo "  LINK  $@")
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(PACKAGE_LIBS)

$(OUT)/tests/%: $(OUT)/tests/%.o $(LIBRARY)
	@$(if $(V),,echo "  LINK  $@")
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBRARY) $(PACKAGE_LIBS) -lcmocka

$(filter $(OUT)/tests/contract/%,$(TEST_BINS)): $(CASE_OBJECTS)
$(TESTS:%.c=$(OUT)/%.o) $(CASE_OBJECTS): | $(PREPARE_TEST)

run: all ## build, start the catalog on 127.0.0.1:8181, show how to use it
	$(Q)tools/run

# The driver that replays corpora; libFuzzer brings one of its own.
ifneq ($(VARIANT),fuzz)
$(FUZZ_BINS): $(OUT)/tests/fuzz/standalone.o
else
$(patsubst %,$(OUT)/tests/fuzz/fuzz_%,commit table_metadata view_metadata): $(OUT)/tests/fuzz/mutate_json.o
endif
$(OUT)/tests/fuzz/%: $(OUT)/tests/fuzz/%.o $(LIBRARY)
	@$(if $(V),,echo "  LINK  $@")
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBRARY) $(PACKAGE_LIBS)

unit: $(TEST_BINS) $(FUZZ_BINS) ## build and run the C tests (T=name selects)
	$(Q)failed=0; for t in $(filter %$(T),$(TEST_BINS) $(FUZZ_BINS)); do \
	$$t $$(tools/fuzz --corpus $$t) >$$t.log 2>&1 || { failed=1; cat $$t.log; }; \
	grep -hE '^\[  (PASSED|FAILED)' $$t.log | head -1 | sed "s|^|$$(basename $$t) |"; done; exit $$failed

fuzz: ## mutate inputs with clang (T=path: that target, SECONDS=60 each)
	$(Q)$(MAKE) --no-print-directory VARIANT=fuzz DEV=1 $(if $(T),build/fuzz/tests/fuzz/fuzz_$(T),fuzz-programs)
	$(Q)tools/fuzz --seconds $(or $(SECONDS),60) $(T)

fuzz-programs: $(FUZZ_BINS)

programs: all $(TEST_BINS) $(FUZZ_BINS)

test: ## build and run all tests (T='--suite http --only tables' selects; see tests/run.py)
	$(Q)tools/prepare test
	$(Q)tests/run.py $(T)

test-engines: ## run real engines against it (T=duckdb selects)
	$(Q)tools/prepare stores
	$(Q)tools/prepare engines
	$(Q)tests/run.py --suite $(or $(T),$(ENGINES))

test-stores: ## run with S3 stores, Ceph's gateway and moto, and with HDFS
	$(Q)tools/prepare stores
	$(Q)tools/prepare engines
	$(Q)tests/run.py --suite s3,hdfs

soak-kill: ## kill -9 in the middle of work, N times (SEED=n repeats a run)
	$(Q)$(MAKE) --no-print-directory VARIANT=failpoint DEV=1 all
	$(Q)tests/soak/kill_loop.py --cycles $(or $(N),1000) $(if $(SEED),--seed $(SEED))

$(OUT)/bench/%: $(OUT)/bench/%.o $(LIBRARY)
	@$(if $(V),,echo "  LINK  $@")
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(PACKAGE_LIBS)

$(OUT)/bench/%.so: bench/%.c
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LINK  $@")
	$(Q)$(CC) -D_GNU_SOURCE $(CFLAGS_ALL) $(CFLAGS) -fPIC -shared -o $@ $< -ldl

bench-programs: all $(BENCH_BINS)

bench: $(PREPARE_BENCH) bench-programs ## measure against floors (QUICK=1: short, ONLY=name)
	$(Q)bench/run.py --build $(OUT) $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

asan ubsan tsan: ## build that variant's firn and C tests
	$(Q)$(MAKE) --no-print-directory VARIANT=$@ DEV=1 programs

lint: ## check the rules of the house
	$(Q)tools/lint.py --cc $(firstword $(CC)) -- $(CPPFLAGS_ALL) $(CFLAGS_ALL)

docs: all ## write the options into docs/operations.md
	$(Q)python3 -m tests.docs.generate

format: ## format the C files
	$(Q)clang-format -i $(wildcard $(foreach dir,$(ROOMS) tests/* bench,$(dir)/*.c $(dir)/*.h))

install: all ## install the program under DESTDIR and PREFIX
	install -D -m 755 -s --strip-program=$(STRIP) $(OUT)/firn $(DESTDIR)$(PREFIX)/bin/firn

clean: ## remove build/
	rm -rf build

-include $(OBJECTS:.o=.d) $(TEST_BINS:=.d) $(FUZZ_BINS:=.d) $(OUT)/tests/fuzz/standalone.d $(OUT)/tests/fuzz/mutate_json.d $(BENCHES:%.c=$(OUT)/%.d) $(CASE_OBJECTS:.o=.d)
