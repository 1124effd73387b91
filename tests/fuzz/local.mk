# Fuzz targets, all of them run by tests/fuzz/run; they need --enable-fuzzing and CC=clang.
include tests/fuzz/disk-stream.mk
include tests/fuzz/driver-answer.mk
include tests/fuzz/dump.mk
include tests/fuzz/filter.mk
include tests/fuzz/guest-keys.mk
include tests/fuzz/image-header.mk
include tests/fuzz/ovsdb.mk
include tests/fuzz/terminal.mk
include tests/fuzz/websocket.mk
include tests/fuzz/xtool.mk

if FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz-jsonrpc tests/fuzz/fuzz-xmlrpc
endif
fuzz_wire_libs = libwire.a libdatamodel.a libbase.a $(XML_LIBS) $(YAJL_LIBS) $(GLIB_LIBS) -lm
tests_fuzz_fuzz_jsonrpc_SOURCES = tests/fuzz/fuzz-jsonrpc.c tests/fuzz/params.h
tests_fuzz_fuzz_jsonrpc_LDADD = $(fuzz_wire_libs)
tests_fuzz_fuzz_jsonrpc_LDFLAGS = -fsanitize=fuzzer
tests_fuzz_fuzz_xmlrpc_SOURCES = tests/fuzz/fuzz-xmlrpc.c tests/fuzz/params.h
tests_fuzz_fuzz_xmlrpc_LDADD = $(fuzz_wire_libs)
tests_fuzz_fuzz_xmlrpc_LDFLAGS = -fsanitize=fuzzer
EXTRA_DIST += tests/fuzz/run tests/fuzz/seeds/jsonrpc tests/fuzz/seeds/xmlrpc

# For hours; FUZZ_SECONDS says how many seconds.
FUZZ_SECONDS = 14400
.PHONY: fuzz
fuzz:
	$(srcdir)/tests/fuzz/run $(FUZZ_SECONDS) $(abs_builddir)/fuzz
