# Unit tests of xtool, and its black-box test on a simulated host.
xtool_test_libs = $(xtool_libs)

check_PROGRAMS += tests/unit/test-xtool-args
TESTS += tests/unit/test-xtool-args
tests_unit_test_xtool_args_SOURCES = tests/unit/test-xtool-args.c
tests_unit_test_xtool_args_LDADD = $(xtool_test_libs)

check_PROGRAMS += tests/unit/test-xtool-schema
TESTS += tests/unit/test-xtool-schema
tests_unit_test_xtool_schema_SOURCES = tests/unit/test-xtool-schema.c
tests_unit_test_xtool_schema_LDADD = $(xtool_test_libs)

check_PROGRAMS += tests/unit/test-xtool-print
TESTS += tests/unit/test-xtool-print
tests_unit_test_xtool_print_SOURCES = tests/unit/test-xtool-print.c
tests_unit_test_xtool_print_CFLAGS = $(AM_CFLAGS) $(SOUP_CFLAGS)
tests_unit_test_xtool_print_LDADD = $(xtool_test_libs)

check_PROGRAMS += tests/unit/test-xtool-words
TESTS += tests/unit/test-xtool-words
tests_unit_test_xtool_words_SOURCES = tests/unit/test-xtool-words.c
tests_unit_test_xtool_words_LDADD = $(xtool_test_libs)

TESTS += tests/unit/test-pages.py
EXTRA_DIST += tests/unit/test-pages.py

xtool_sim_tests = \
	tests/sim/test-xtool.py \
	tests/sim/test-xtool-complete.py \
	tests/sim/test-xtool-create.py \
	tests/sim/test-xtool-disks.py \
	tests/sim/test-xtool-interrupts.py \
	tests/sim/test-xtool-login.py \
	tests/sim/test-xtool-progress.py \
	tests/sim/test-xtool-streams.py \
	tests/sim/test-xtool-xl.py
TESTS += $(xtool_sim_tests)
EXTRA_DIST += $(xtool_sim_tests) tests/sim/xtool.py
