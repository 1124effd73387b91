noinst_LIBRARIES += libhttp.a
libhttp_a_CFLAGS = $(AM_CFLAGS) $(SOUP_CFLAGS) $(GNUTLS_CFLAGS)
libhttp_a_SOURCES = \
	xapid/http/certificate.c \
	xapid/http/connection.c \
	xapid/http/door.c \
	xapid/http/duplex.c xapid/http/duplex.h \
	xapid/http/head.c xapid/http/head.h \
	xapid/http/http.h \
	xapid/http/intake.c \
	xapid/http/internal.h \
	xapid/http/reply.c \
	xapid/http/request.c \
	xapid/http/server.c \
	xapid/http/stream.c \
	xapid/http/tls.c xapid/http/tls.h \
	xapid/http/uri.c \
	xapid/http/websocket.c xapid/http/websocket.h
