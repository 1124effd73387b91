# The fuzz target of storage drivers' answers; needs --enable-fuzzing and clang.
if FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz-driver-answer
tests_fuzz_fuzz_driver_answer_SOURCES = tests/fuzz/fuzz-driver-answer.c
tests_fuzz_fuzz_driver_answer_LDADD = libhost.a $(fuzz_wire_libs)
tests_fuzz_fuzz_driver_answer_LDFLAGS = -fsanitize=fuzzer
endif
EXTRA_DIST += tests/fuzz/seeds/driver-answer
