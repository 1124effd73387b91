# The fuzz target of what guests write to their text consoles.
if FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz-terminal
tests_fuzz_fuzz_terminal_SOURCES = tests/fuzz/fuzz-terminal.c
tests_fuzz_fuzz_terminal_CFLAGS = $(AM_CFLAGS) $(VTERM_CFLAGS)
tests_fuzz_fuzz_terminal_LDADD = libterminal.a libbase.a $(VTERM_LIBS) $(GLIB_LIBS)
tests_fuzz_fuzz_terminal_LDFLAGS = -fsanitize=fuzzer
endif
EXTRA_DIST += tests/fuzz/seeds/terminal
