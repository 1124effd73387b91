# Unit test of the list of proven messages, and what its rule is made of.
check_PROGRAMS += tests/unit/test-coverage
TESTS += tests/unit/test-coverage tests/unit/test-covers.py
tests_unit_test_coverage_SOURCES = tests/unit/test-coverage.c
tests_unit_test_coverage_LDADD = libcoverage.a libdatamodel.a libbase.a $(GLIB_LIBS)
EXTRA_DIST += tests/unit/covers.py tests/unit/test-covers.py
