pkglibexec_PROGRAMS += xapid-host
noinst_LIBRARIES += libhost.a
libhost_a_SOURCES = \
	xapid/host/accounts.c xapid/host/accounts.h \
	xapid/host/child.c xapid/host/child.h \
	xapid/host/facts.c xapid/host/facts.h \
	xapid/host/password.c xapid/host/password.h \
	xapid/host/service.c xapid/host/service.h
$(libhost_a_OBJECTS): $(peer_headers)
xapid_host_SOURCES = xapid/host/main.c
xapid_host_LDADD = libhost.a libpeer.a libbase.a $(GLIB_LIBS) $(PAM_LIBS)

pamdir = $(sysconfdir)/pam.d
dist_pam_DATA = docs/pam.d/xapid
