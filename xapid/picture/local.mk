# xapid-picture.
pkglibexec_PROGRAMS += xapid-picture
xapid_picture_CFLAGS = $(AM_CFLAGS) $(VNCCLIENT_CFLAGS) $(JPEG_CFLAGS)
xapid_picture_SOURCES = xapid/picture/main.c xapid/picture/picture.h
xapid_picture_LDADD = libbase.a $(VNCCLIENT_LIBS) $(JPEG_LIBS) $(GLIB_LIBS)
