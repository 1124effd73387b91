noinst_LIBRARIES += libwire.a
libwire_a_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS) $(YAJL_CFLAGS)
libwire_a_SOURCES = \
	lib/wire/datetime.c \
	lib/wire/jsonrpc-parse.c lib/wire/jsonrpc-reply.c lib/wire/jsonrpc.c lib/wire/jsonrpc.h \
	lib/wire/field-text.c lib/wire/field-text.h \
	lib/wire/value.c lib/wire/value.h \
	lib/wire/xmlrpc-parse.c lib/wire/xmlrpc-reader.c lib/wire/xmlrpc-reader.h \
	lib/wire/xmlrpc.c lib/wire/xmlrpc.h
