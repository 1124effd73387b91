# Programs that print figures; no tests: "make bench".
EXTRA_PROGRAMS += tests/bench/bench-replies
tests_bench_bench_replies_SOURCES = tests/bench/bench-replies.c
tests_bench_bench_replies_LDADD = librpc.a libhttp.a $(calls_test_libs) $(SOUP_LIBS) $(GNUTLS_LIBS)

EXTRA_DIST += tests/bench/RESULTS.md

.PHONY: bench
bench: tests/bench/bench-replies
	tests/bench/bench-replies

EXTRA_DIST += tests/bench/README.md tests/bench/ratio.py tests/bench/start.py tests/bench/start.sh tests/unit/test-ratio.py
TESTS += tests/unit/test-ratio.py

.PHONY: bench-lab
bench-lab: all
	BUILDDIR=$(abs_builddir) $(srcdir)/tests/bench/start.sh $(abs_builddir)/start.json
