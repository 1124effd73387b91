# Unit test of the list of proven messages, and what its rule is made of.
check_PROGRAMS += tests/unit/test-coverage
TESTS += tests/unit/test-coverage tests/unit/test-covers.py
tests_unit_test_coverage_SOURCES = tests/unit/test-coverage.c
tests_unit_test_coverage_LDADD = libcoverage.a libdatamodel.a libbase.a $(GLIB_LIBS)
EXTRA_DIST += tests/unit/covers.py tests/unit/test-covers.py

# Tests that prove messages.  What needs libpam-wrapper runs without the sanitizers.
TESTS += tests/sim/test-vm-fields.py tests/sim/test-tasks.py tests/sim/test-host-pool.py \
	tests/sim/test-events.py tests/sim/test-generic.py tests/sim/test-wire.py
if !SANITIZERS
TESTS += tests/sim/test-session.py
endif
EXTRA_DIST += tests/clients/test-xencenter.py tests/sim/test-vm-fields.py \
	tests/sim/test-tasks.py tests/sim/test-host-pool.py tests/sim/test-events.py \
	tests/sim/test-session.py tests/sim/test-generic.py tests/sim/test-wire.py \
	tests/sim/facts.py tests/sim/facts.txt tests/sim/dull
