# The fuzz target of xtool's argument parser; needs --enable-fuzzing and clang.
if FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz-xtool-args
tests_fuzz_fuzz_xtool_args_SOURCES = tests/fuzz/fuzz-xtool-args.c
tests_fuzz_fuzz_xtool_args_LDADD = $(xtool_libs)
tests_fuzz_fuzz_xtool_args_LDFLAGS = -fsanitize=fuzzer
endif
EXTRA_DIST += tests/fuzz/seeds/xtool-args

# And of what reads xl's configuration.
if FUZZING
if WITH_XEN
noinst_PROGRAMS += tests/fuzz/fuzz-xl-config
tests_fuzz_fuzz_xl_config_SOURCES = tests/fuzz/fuzz-xl-config.c
tests_fuzz_fuzz_xl_config_LDADD = $(xtool_xl_libs)
tests_fuzz_fuzz_xl_config_LDFLAGS = -fsanitize=fuzzer
endif
endif
EXTRA_DIST += tests/fuzz/fuzz-xl-config.c tests/fuzz/seeds/xl-config
