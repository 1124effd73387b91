# The fuzz target of xtool's argument parser; needs --enable-fuzzing and clang.
if FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz-xtool-args
tests_fuzz_fuzz_xtool_args_SOURCES = tests/fuzz/fuzz-xtool-args.c
tests_fuzz_fuzz_xtool_args_LDADD = $(xtool_libs)
tests_fuzz_fuzz_xtool_args_LDFLAGS = -fsanitize=fuzzer
endif
EXTRA_DIST += tests/fuzz/seeds/xtool-args
