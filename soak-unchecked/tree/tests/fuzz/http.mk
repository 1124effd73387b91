# The fuzz target of request heads; needs --enable-fuzzing and clang.
if FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz-http
tests_fuzz_fuzz_http_SOURCES = tests/fuzz/fuzz-http.c
tests_fuzz_fuzz_http_CFLAGS = $(HTTP_TEST_CFLAGS)
tests_fuzz_fuzz_http_LDADD = $(HTTP_TEST_LDADD)
tests_fuzz_fuzz_http_LDFLAGS = -fsanitize=fuzzer
endif
EXTRA_DIST += tests/fuzz/seeds/http
