noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = \
	xapid/store/backup.c xapid/store/backup.h \
	xapid/store/database.c xapid/store/database.h \
	xapid/store/internal.h \
	xapid/store/load.c \
	xapid/store/lock.c \
	xapid/store/replace.c xapid/store/replace.h \
	xapid/store/store.c xapid/store/store.h \
	xapid/store/sum.c \
	xapid/store/writer.c xapid/store/writer.h
libstore_a_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
