noinst_LIBRARIES += libdump.a
libdump_a_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS)
libdump_a_SOURCES = \
	xapid/dump/dump.h \
	xapid/dump/read.c \
	xapid/dump/text.c xapid/dump/text.h \
	xapid/dump/value.c xapid/dump/value.h \
	xapid/dump/write.c
