LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
AM_LOG_FLAGS =
# One that hangs has failed.
LOG_COMPILER = timeout --foreground -k 10 900

# Those with the longest tests first, so that all end together.
include tests/unit/host.mk
include tests/unit/calls.mk
include tests/unit/ops.mk
include tests/unit/launch.mk
include tests/unit/lib.mk
include tests/unit/model.mk
include tests/unit/http.mk
include tests/unit/domains.mk
include tests/unit/guests.mk
include tests/unit/try.mk
include tests/unit/xtool.mk
include tests/unit/coverage.mk

# What `make check` runs, a line each.
.PHONY: list-tests
list-tests:
	@printf '%s\n' $(TESTS)

# What can be seen without running the tests.
EXTRA_DIST += tests/lint tests/cppcheck.suppressions tests/effects.py tests/effects-without.txt
.PHONY: lint
lint: xapid/xapid
	BUILDDIR=$(abs_top_builddir) $(top_srcdir)/tests/lint
