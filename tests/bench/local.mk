# Programs that print figures; no tests: "make bench".
EXTRA_PROGRAMS += tests/bench/bench-replies
tests_bench_bench_replies_SOURCES = tests/bench/bench-replies.c
tests_bench_bench_replies_LDADD = librpc.a libhttp.a $(calls_test_libs) $(SOUP_LIBS) $(GNUTLS_LIBS) $(WSLAY_LIBS)

# Clients of xapid and of its peers.  libvirt's header comes with the packages for "bench", which the
# configuration does not ask for.
bench_clients = tests/bench/load-xapid tests/bench/load-libvirt tests/bench/load-sqlite \
	tests/bench/told-xapid tests/bench/told-libvirt
EXTRA_PROGRAMS += $(bench_clients)
bench_load = tests/bench/load.c tests/bench/load.h
bench_post = tests/bench/post.c tests/bench/post.h
bench_told = tests/bench/told.c tests/bench/told.h
tests_bench_load_xapid_SOURCES = tests/bench/load-xapid.c $(bench_load) $(bench_post)
tests_bench_load_xapid_LDADD = $(GLIB_LIBS)
tests_bench_load_libvirt_SOURCES = tests/bench/load-libvirt.c $(bench_load)
tests_bench_load_libvirt_LDADD = $(GLIB_LIBS) -lvirt
tests_bench_load_sqlite_SOURCES = tests/bench/load-sqlite.c $(bench_load)
tests_bench_load_sqlite_LDADD = $(GLIB_LIBS) $(SQLITE_LIBS)
tests_bench_told_xapid_SOURCES = tests/bench/told-xapid.c $(bench_told) $(bench_load) $(bench_post)
tests_bench_told_xapid_LDADD = $(GLIB_LIBS)
tests_bench_told_libvirt_SOURCES = tests/bench/told-libvirt.c $(bench_told) $(bench_load)
tests_bench_told_libvirt_LDADD = $(GLIB_LIBS) -lvirt

EXTRA_DIST += tests/bench/README.md tests/bench/RESULTS.md tests/bench/ratio.py tests/unit/test-ratio.py \
	tests/bench/clients.py tests/bench/figures.py tests/bench/fill.py tests/bench/install tests/bench/libvirtd.py \
	tests/bench/clones.py tests/bench/peers.py tests/bench/start.py tests/bench/start.sh \
	tests/bench/streams.py
TESTS += tests/unit/test-ratio.py

.PHONY: bench bench-lab
bench: all tests/bench/bench-replies
	$(srcdir)/tests/bench/install
	$(MAKE) $(AM_MAKEFLAGS) $(bench_clients)
	tests/bench/bench-replies
	BUILDDIR=$(abs_builddir) $(PYTHON) $(srcdir)/tests/bench/peers.py $(abs_builddir)/bench.json

bench-lab: all
	BUILDDIR=$(abs_builddir) $(srcdir)/tests/bench/start.sh $(abs_builddir)/start.json
