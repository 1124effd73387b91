# xapid-db: for a database that nobody uses.
pkglibexec_PROGRAMS += xapid-db
xapid_db_SOURCES = \
	xapid/db/copy.c xapid/db/db.h \
	xapid/db/dump.c \
	xapid/db/fsck.c \
	xapid/db/main.c \
	xapid/db/restore.c
xapid_db_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
xapid_db_LDADD = libdump.a libstore.a libmodel.a libwire.a libdatamodel.a libbase.a \
	$(SQLITE_LIBS) $(YAJL_LIBS) $(XML_LIBS) $(GLIB_LIBS) -lm
