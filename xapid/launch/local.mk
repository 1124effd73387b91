sbin_PROGRAMS += xapid-launch
xapid_launch_SOURCES = \
	xapid/launch/listen.c xapid/launch/listen.h \
	xapid/launch/main.c \
	xapid/launch/program.c xapid/launch/program.h
xapid_launch_LDADD = libbase.a $(GLIB_LIBS)
