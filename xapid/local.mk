pkglibexec_PROGRAMS += xapid/xapid
xapid_xapid_SOURCES = xapid/main.c xapid/limits.c xapid/limits.h
xapid_xapid_CFLAGS = $(AM_CFLAGS) $(SOUP_CFLAGS)
# In the order of the floors, the highest first.
xapid_xapid_LDADD = \
	librpc.a libhttp.a libcalls.a libpool.a libvm.a libnet.a libstorage.a libops.a libdump.a libstore.a libmodel.a \
	libpeer.a libwire.a libdatamodel.a libbase.a \
	$(SOUP_LIBS) $(GNUTLS_LIBS) $(WSLAY_LIBS) $(SQLITE_LIBS) $(YAJL_LIBS) $(XML_LIBS) $(GLIB_LIBS) -lm
