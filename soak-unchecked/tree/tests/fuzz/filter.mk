# The fuzz target of the filter language; needs --enable-fuzzing and clang.
if FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz-filter
tests_fuzz_fuzz_filter_SOURCES = tests/fuzz/fuzz-filter.c
tests_fuzz_fuzz_filter_LDADD = libmodel.a libdatamodel.a libbase.a $(GLIB_LIBS)
tests_fuzz_fuzz_filter_LDFLAGS = -fsanitize=fuzzer
endif
EXTRA_DIST += tests/fuzz/seeds/filter
