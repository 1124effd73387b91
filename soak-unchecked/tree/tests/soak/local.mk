# The big counts in full; resumable.
EXTRA_DIST += tests/soak/run tests/soak/suites.json tests/soak/builds tests/soak/unchecked \
	tests/soak/unundone tests/soak/mutants.py tests/soak/RESULTS.md

.PHONY: soak
soak: all
	$(MAKE) $(AM_MAKEFLAGS) check TESTS=
	/usr/bin/python3 $(abs_top_srcdir)/tests/soak/run
