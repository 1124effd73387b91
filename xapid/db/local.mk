# xapid-db: for a database that nobody uses.
pkglibexec_PROGRAMS += xapid-db
xapid_db_SOURCES = \
	xapid/db/copy.c xapid/db/db.h \
	xapid/db/fsck.c \
	xapid/db/lock.c \
	xapid/db/main.c
xapid_db_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
xapid_db_LDADD = libstore.a libmodel.a libdatamodel.a libbase.a $(SQLITE_LIBS) $(GLIB_LIBS) -lm
