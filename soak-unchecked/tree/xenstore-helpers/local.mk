# What reads or writes xenstore for guests beside xapid-domains.
noinst_LIBRARIES += libguestparse.a
libguestparse_a_SOURCES = xenstore-helpers/guest-parse.c xenstore-helpers/guest-parse.h

pkglibexec_PROGRAMS += xs-guestd
xs_guestd_SOURCES = xenstore-helpers/xs-guestd.c
xs_guestd_LDADD = libguestparse.a libdomains.a libbase.a $(GLIB_LIBS)
EXTRA_DIST += xenstore-helpers/README.md
