# xapid-terminal, and its parts once more as a library for the tests.
noinst_LIBRARIES += libterminal.a
libterminal_a_CFLAGS = $(AM_CFLAGS) $(VTERM_CFLAGS) $(VNC_CFLAGS)
libterminal_a_SOURCES = \
	xapid/terminal/filter.c xapid/terminal/filter.h \
	xapid/terminal/font.c xapid/terminal/font.h \
	xapid/terminal/keys.c xapid/terminal/keys.h \
	xapid/terminal/screen.c xapid/terminal/screen.h \
	xapid/terminal/terminal.h \
	xapid/terminal/viewers.c xapid/terminal/viewers.h
pkglibexec_PROGRAMS += xapid-terminal
xapid_terminal_SOURCES = xapid/terminal/main.c
xapid_terminal_LDADD = libterminal.a libbase.a $(VNC_LIBS) $(VTERM_LIBS) $(GLIB_LIBS)
