# xtool, the command line; libxtool.a is all of it but main (), for the tests.
bin_PROGRAMS += xtool/xtool
xtool_xtool_SOURCES = xtool/main.c
xtool_libs = libxtool.a libcoverage.a libwire.a libdatamodel.a libbase.a $(SOUP_LIBS) \
	$(XML_LIBS) $(YAJL_LIBS) $(GLIB_LIBS) -lm
xtool_xtool_LDADD = $(xtool_libs)

noinst_LIBRARIES += libxtool.a
libxtool_a_CFLAGS = $(AM_CFLAGS) $(SOUP_CFLAGS)
libxtool_a_SOURCES = \
	xtool/args.c xtool/args.h \
	xtool/calls.c \
	xtool/change.c \
	xtool/complete.c xtool/complete.h \
	xtool/console.c xtool/console.h \
	xtool/credentials.c xtool/credentials.h \
	xtool/actions.c \
	xtool/database.c \
	xtool/output.c xtool/output.h \
	xtool/server-internal.h \
	xtool/streams.c \
	xtool/diagnose.c \
	xtool/drives.c \
	xtool/exit.h \
	xtool/explain.c xtool/explain.h \
	xtool/fields.c xtool/fields.h \
	xtool/generic.c \
	xtool/help.c \
	xtool/install.c \
	xtool/made.c \
	xtool/manual.c xtool/manual.h \
	xtool/objects.c xtool/objects.h \
	xtool/print.c xtool/print.h \
	xtool/progress.c xtool/progress.h \
	xtool/select.c xtool/select.h \
	xtool/server.c xtool/server.h \
	xtool/tables.h \
	xtool/trust.c xtool/trust.h \
	xtool/unplug.c \
	xtool/value.c xtool/value.h \
	xtool/verbs.c \
	xtool/xl.c xtool/xl.h \
	xtool/xl-console.c \
	xtool/xl-create.c \
	xtool/xl-drives.c \
	xtool/xl-read.c xtool/xl-record.h \
	xtool/xl-shutdown.c \
	xtool/xl-top.c \
	xtool/xl-verbs.c xtool/xl-verbs.h \
	xtool/xl-words.c \
	xtool/xtool.c xtool/xtool.h
nodist_libxtool_a_SOURCES = xtool/xtool-tables.c

# What reads xl's configuration, with Xen's libraries.
xtool_xl_sources = \
	xtool/xl-disks.c xtool/xl-disks.h \
	xtool/xl-file.c xtool/xl-file.h \
	xtool/xl-keys.c xtool/xl-keys.h \
	xtool/xl-record.c \
	xtool/xl-words.c
if WITH_XEN
noinst_LIBRARIES += libxtoolxl.a
libxtoolxl_a_CFLAGS = $(AM_CFLAGS) $(XEN_CFLAGS)
libxtoolxl_a_SOURCES = $(xtool_xl_sources)
xtool_xl_libs = libxtoolxl.a libbase.a -lxlutil $(XEN_LIBS) $(GLIB_LIBS)
pkglibexec_PROGRAMS += xtool-xl
xtool_xl_SOURCES = xtool/xl-main.c
xtool_xl_LDADD = $(xtool_xl_libs)
else
EXTRA_DIST += $(xtool_xl_sources) xtool/xl-main.c
endif

xtool_schema = $(top_srcdir)/xtool/schema
EXTRA_DIST += xtool/generate.py xtool/schema
CLEANFILES += xtool/xtool-tables.c

xtool/xtool-tables.c: $(top_srcdir)/xtool/generate.py $(xtool_schema)/classes.json \
		$(xtool_schema)/commands.json $(xtool_schema)/aliases.json \
		$(xtool_schema)/enums.json
	$(AM_V_GEN)$(MKDIR_P) xtool && $(PYTHON) $(top_srcdir)/xtool/generate.py $(xtool_schema) $@

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

# bash looks for it by the command's name.
completionsdir = $(datadir)/bash-completion/completions
dist_completions_DATA = xtool/bash-completion/xtool

nodist_man_MANS += xtool/xtool.1
CLEANFILES += xtool/xtool.1
xtool/xtool.1: xtool/xtool$(EXEEXT)
	$(AM_V_GEN)xtool/xtool$(EXEEXT) help --man > $@.tmp && mv $@.tmp $@
