# Programs that print figures; no tests: "make bench".
EXTRA_PROGRAMS += tests/bench/bench-replies
tests_bench_bench_replies_SOURCES = tests/bench/bench-replies.c
tests_bench_bench_replies_LDADD = librpc.a libhttp.a $(calls_test_libs) $(SOUP_LIBS) $(GNUTLS_LIBS)

EXTRA_DIST += tests/bench/RESULTS.md

.PHONY: bench
bench: tests/bench/bench-replies
	tests/bench/bench-replies
