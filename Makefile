# SPDX-License-Identifier: GPL-2.0
#
# loop.ko for a kernel tree of yours, and the lab that needs none. See `make help`.
# What kbuild builds is said in Kbuild.

KDIR ?= /lib/modules/$(shell uname -r)/build
INSTALL_MOD_DIR ?= updates
# The lab's stock Debian kernel: SERIES[-sid|-experimental][-generic|-rt][-arm64]. Without these it is the cloud
# flavour of trixie-backports for amd64. A kernel whose archive's compiler is another one gets a toolbox of its own.
KERNEL ?= 7.2
# Which kernels the table of kernels is made anew for (patterns). Not empty: only build, without the table.
KERNELS ?= *
BUILD ?=
# Which of the tests: shell patterns, one or more.
TESTS ?= *
# On which drivers, `ours` or `c` (empty: both; only then the drivers are compared).
DRIVERS ?=
# Without pinned mode if n (see Kbuild), for all that builds or tests the driver.
LOOP_PINNED ?= y
export LOOP_PINNED
# Of which seeds the random sequences are made.
SEEDS ?= 1-300
# How many calls the storms make, and the seed of the first one.
CALLS ?= 100000
SEED ?= 1
# How many power cuts, the first seed, and which setups (patterns; a wrong one lists them). What has to fail:
# BREAK=flush, with a driver that does not flush, BREAK=cache, with disks that don't, and BREAK=promise, with a driver
# that takes back a write cache which stacked devices count on.
CUTS ?= 10
SETUPS ?= *
BREAK ?=
# Which suites that others wrote (patterns), and which part of their tests: 1/8 is the first eighth.
SUITES ?= *
SLICE ?= 1/1
# Not empty: without the results of earlier runs.
FRESH ?=
# A checkout of xfstests; without it that suite is left out.
XFSTESTS ?=

# On the debug kernel if not empty: storms and power cuts.
DEBUG ?=

# Which of the measurements, how often (0: once by instructions, five times by the clock), and where to write them to
# (OUTPUT.json, .md and .svg).
CASE ?= *
ROUNDS ?= 0
OUTPUT ?=

# Which ways to break the driver (patterns of names in tests/mutants.toml), and in how many guests at once.
MUTANTS ?= *
GUESTS ?= 2

# How long a session of these is, or of the release's tests, and which commands of the latter it runs (a shell pattern,
# empty: all that were not run).
MINUTES ?= 100
PIECES ?=
# If not empty only what is missing is listed.
STATUS ?=

lab := scripts/toolbox python3 -m lab
metadata := $(KDIR)/rust/libkernel.rmeta

modules: $(metadata)
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

# The key that signs modules is not among a distribution's headers.
sig_key = $(shell sed -n 's/^CONFIG_MODULE_SIG_KEY=//p' $(KDIR)/include/config/auto.conf | tr -d '"')
have_key = $(filter pkcs11:%,$(sig_key))$(wildcard $(sig_key) $(KDIR)/$(sig_key))
unsigned = $(if $(have_key),,CONFIG_MODULE_SIG_ALL=)

install: modules
	@! grep -qs '^CONFIG_BLK_DEV_LOOP=y' $(KDIR)/include/config/auto.conf || \
		{ echo "The C driver is a part of that kernel (CONFIG_BLK_DEV_LOOP=y), so no module can take its place; set it to m, or to n, and build the kernel anew" >&2; false; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_DIR=$(INSTALL_MOD_DIR) $(unsigned) modules_install
	depmod $(INSTALL_MOD_PATH:%=-b %) $$(cat $(KDIR)/include/config/kernel.release)

clean:
	rm -rf build
	[ ! -e $(metadata) ] || $(MAKE) -C $(KDIR) M=$(CURDIR) clean

distclean: clean
	scripts/toolbox --remove

$(metadata):
	@echo "KDIR=$(KDIR) has no Rust metadata (rust/libkernel.rmeta), so no Rust module can be built for it; 'make module' builds for a stock Debian kernel, 'make kdir' prints a tree for it: scripts/toolbox make KDIR=\$$(make -s kdir)" >&2; false

kdir:
	@$(lab) kdir --kernel $(KERNEL)

module:
	@$(lab) module --kernel $(KERNEL)

run:
	@$(lab) run --kernel $(KERNEL)

# The kselftests; without TESTS also random sequences, the drop-in test, and the packages in short.
test:
	@$(lab) test --kernel $(KERNEL) --tests $(patsubst %,'%',$(TESTS)) --seeds $(SEEDS) $(DRIVERS:%=--drivers %)

# The kselftests again, on ours and a kernel that is built to find defects.
test-debug:
	@$(lab) test --debug --kernel $(KERNEL) --tests $(patsubst %,'%',$(TESTS))

tests/INDEX.md: $(wildcard tests/test_*_*.sh)
	PYTHONPATH=scripts python3 -m lab.test_index

test-differential:
	@$(lab) differential --kernel $(KERNEL) --seeds $(SEEDS)

test-storm:
	@$(lab) storm --kernel $(KERNEL) --calls $(CALLS) --seed $(SEED) $(if $(DEBUG),--debug)

test-dropin:
	@$(lab) dropin --kernel $(KERNEL) --tests $(patsubst %,'%',$(TESTS))

test-peers:
	@$(lab) peers --kernel $(KERNEL) --suites $(patsubst %,'%',$(SUITES)) --tests $(patsubst %,'%',$(TESTS)) \
		--slice $(SLICE) $(DRIVERS:%=--drivers %) $(FRESH:%=--fresh) $(XFSTESTS:%=--xfstests %)

test-powercut:
	@$(lab) powercut --kernel $(KERNEL) --cuts $(CUTS) --seed $(SEED) --setups $(patsubst %,'%',$(SETUPS)) $(BREAK:%=--break %) \
		$(if $(DEBUG),--debug)

# Of all kernels that the suite has, or of those that KERNEL= names.
only_kernel = $(if $(filter file,$(origin KERNEL)),,--kernel $(KERNEL))
deb:
	@$(lab) deb $(only_kernel)

deb-twice:
	@$(lab) deb --twice $(only_kernel)

test-packages:
	@$(lab) packages --kernel $(KERNEL)

# The table in doc/results/kernels.md; with TESTS other tests than its own few.
kernels:
	@$(lab) kernels --kernels $(patsubst %,'%',$(KERNELS)) --tests $(patsubst %,'%',$(TESTS)) $(BUILD:%=--build-only)

doc:
	@$(lab) doc --kernel $(KERNEL)

bench:
	@$(lab) bench --kernel $(KERNEL) --cases '$(CASE)' --rounds $(ROUNDS) $(OUTPUT:%=--output %)

# The picture of the README, from doc/results/.
chart:
	@scripts/toolbox env PYTHONPATH=scripts python3 -m bench.headlines

profile:
	@$(lab) bench --profile --kernel $(KERNEL) --cases '$(CASE)'

# The driver as patches for the kernel's own tree, and what builds them, at their end or after each.
ARCH ?= x86_64
series:
	@$(lab) series

series-build:
	@$(lab) series --build --arch $(ARCH)

series-test:
	@$(lab) series --test --tests $(patsubst %,'%',$(TESTS))

series-bisect:
	@$(lab) series --each --arch $(ARCH)

shell:
	@scripts/in-guest --kernel $(KERNEL)

check:
	@$(lab) check --kernel $(KERNEL)

test-mutants:
	@$(lab) mutants --kernel $(KERNEL) --mutants $(patsubst %,'%',$(MUTANTS)) --minutes $(MINUTES) --guests $(GUESTS)

release-check:
	@$(lab) release --minutes $(MINUTES) $(if $(PIECES),--pieces '$(PIECES)') $(if $(STATUS),--status)

help:
	@echo 'make run      boot the stock kernel with our loop.ko in QEMU, do the main job on a real image'
	@echo 'make test     in QEMU, on the C driver and on ours: the kselftests (TESTS=glob: only these), and'
	@echo '    make test-differential    the same random sequences on both, compared (SEEDS=1-300)'
	@echo '    make test-dropin          systemd, udev, udisks, … on ours as installed (TESTS=glob)'
	@echo '    DRIVERS=c or DRIVERS=ours runs the kselftests alone, on one of them'
	@echo 'make test-peers  suites that others wrote, on both drivers (SUITES=glob TESTS=glob SLICE=1/8 DRIVERS=c FRESH=y XFSTESTS=directory)'
	@echo 'make test-powercut  kill guests that write, lose what was not flushed, check the rest (CUTS=10 SEED=1 SETUPS=glob DEBUG=1)'
	@echo 'make test-debug  kselftests, power cuts on ours and a debug kernel (KASAN, lockdep, …), built first (TESTS=glob)'
	@echo 'make test-storm  random calls by many processes at once on ours (CALLS=100000, SEED=1, DEBUG=1)'
	@echo 'make bench    measure it beside the C driver and others; takes long (CASE=glob: some; CASE=list)'
	@echo 'make chart    doc/headlines.svg, from the tables in doc/results/'
	@echo 'make profile  in which functions the instructions of an I/O go, for CASE=name'
	@echo 'make shell    a guest to play in, our loop.ko loaded'
	@echo 'make check    formatting, lints, warnings, the audit of unsafe, litmus tests, tests of what needs no kernel'
	@echo 'make test-mutants   do the tests notice that the driver is broken? (MUTANTS=glob GUESTS=2, MINUTES=100: goes on later)'
	@echo 'make release-check  a session of all the tests of a release, goes on where the last one ended (MINUTES=100)'
	@echo '    STATUS=1 lists what is missing or failed; PIECES=glob runs that again'
	@echo 'make doc      documentation of the sources by rustdoc, as build/doc'
	@echo 'make deb      Debian packages for all stock kernels, as build/deb/*.deb (KERNEL=7.3.4: only for these)'
	@echo '    make deb-twice     built twice, they have to be the same; make test-packages  installed in a guest'
	@echo "make series   patches for the kernel's own tree, checked by checkpatch, as build/series/, and on top of these"
	@echo '    make series-build    build rust/ and drivers/block/ of them, with clippy, and their rustdoc (ARCH=x86_64|arm64)'
	@echo '    make series-bisect   the same after each of them'
	@echo '    make series-test     boot a kernel of them, the driver built in, then as a module with the kselftests (TESTS=glob)'
	@echo 'make module   loop.ko for the stock kernel, as build/$(KERNEL)/loop.ko'
	@echo 'make kdir     prepare a tree of the stock kernel to build modules against, print its path'
	@echo '    KERNEL= says which stock kernel (default 7.2): 7.2|7.3|… [-sid|-experimental][-generic|-rt][-arm64]'
	@echo '    MIRROR=URL says where Debian is'
	@echo 'make kernels  build, boot and test on many kernels, table in doc/results/kernels.md (KERNELS=glob TESTS=glob)'
	@echo '    BUILD=1 only builds'
	@echo
	@echo 'make          loop.ko for KDIR (default: the running kernel)'
	@echo 'make install  install it into $(INSTALL_MOD_DIR)/ of the modules of KDIR (INSTALL_MOD_PATH=root)'
	@echo '    SAMPLES=y for these: rust_mirror.ko of samples/, too'
	@echo '    LOOP_PINNED=n for these, and for module, test and what else uses ours: without pinned mode (build/*/core/)'
	@echo 'make clean    remove what was built; make distclean the cache too (toolbox, kernels, guest)'

.PHONY: modules install clean distclean kdir module run test test-debug test-differential test-storm test-dropin \
	test-peers test-powercut test-packages test-mutants deb deb-twice doc kernels bench chart profile shell check release-check help
.PHONY: series series-build series-test series-bisect
