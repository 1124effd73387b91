# The fuzz target of database dumps; needs --enable-fuzzing and clang.
if FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz-dump
tests_fuzz_fuzz_dump_SOURCES = tests/fuzz/fuzz-dump.c
tests_fuzz_fuzz_dump_LDADD = libdump.a libmodel.a $(fuzz_wire_libs)
tests_fuzz_fuzz_dump_LDFLAGS = -fsanitize=fuzzer
endif
EXTRA_DIST += tests/fuzz/seeds/dump
