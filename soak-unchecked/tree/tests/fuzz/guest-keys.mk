# The fuzz target of what guests write into xenstore; needs --enable-fuzzing and clang.
if FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz-guest-keys
tests_fuzz_fuzz_guest_keys_SOURCES = tests/fuzz/fuzz-guest-keys.c
tests_fuzz_fuzz_guest_keys_LDADD = libguestparse.a libbase.a $(GLIB_LIBS)
tests_fuzz_fuzz_guest_keys_LDFLAGS = -fsanitize=fuzzer
endif
EXTRA_DIST += tests/fuzz/seeds/guest-keys
