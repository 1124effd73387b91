# What `xtool api-coverage` prints.
noinst_LIBRARIES += libcoverage.a
libcoverage_a_SOURCES = xtool/coverage.c xtool/coverage.h
nodist_libcoverage_a_SOURCES = xtool/coverage-table.c
coverage_clients = xtool/clients/xencenter.txt xtool/clients/xo.txt
EXTRA_DIST += tests/coverage.py $(coverage_clients)
CLEANFILES += xtool/coverage-table.c
xtool/coverage-table.c: $(top_srcdir)/tests/coverage.py $(coverage_clients) \
		$(top_srcdir)/xapid/calls/*.c $(top_srcdir)/tests/*/*.py $(top_srcdir)/tests/*/*.mk
	$(AM_V_GEN)$(MKDIR_P) xtool && $(PYTHON) $(top_srcdir)/tests/coverage.py table $@
