# The fuzz target of what clients of websockets send.
if FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz-websocket
tests_fuzz_fuzz_websocket_SOURCES = tests/fuzz/fuzz-websocket.c
tests_fuzz_fuzz_websocket_LDADD = libhttp.a $(WSLAY_LIBS) $(GLIB_LIBS)
tests_fuzz_fuzz_websocket_LDFLAGS = -fsanitize=fuzzer
endif
EXTRA_DIST += tests/fuzz/seeds/websocket
