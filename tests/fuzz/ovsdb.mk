# The fuzz target of answers of Open vSwitch's database; needs --enable-fuzzing and clang.
if FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz-ovsdb
tests_fuzz_fuzz_ovsdb_SOURCES = tests/fuzz/fuzz-ovsdb.c
tests_fuzz_fuzz_ovsdb_LDADD = libhost.a libport.a liblink.a libbase.a $(YAJL_LIBS) $(MNL_LIBS) $(GLIB_LIBS)
tests_fuzz_fuzz_ovsdb_LDFLAGS = -fsanitize=fuzzer
endif
EXTRA_DIST += tests/fuzz/seeds/ovsdb
