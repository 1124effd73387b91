# What xapid, xapid-domains and xapid-host share to talk to each other; the stubs are made from the
# interface files and are compiled apart, since generated code does not follow our warnings.
noinst_LIBRARIES += libpeer.a libpeerstubs.a
libpeer_a_SOURCES = lib/peer/bulk.c lib/peer/bulk.h lib/peer/client.c lib/peer/client.h \
	lib/peer/peer.c lib/peer/peer.h
libpeer_a_LIBADD = $(libpeerstubs_a_OBJECTS)
libpeer_a_DEPENDENCIES = $(libpeerstubs_a_OBJECTS)
nodist_libpeerstubs_a_SOURCES = \
	lib/peer/domains1.c lib/peer/domains1.h \
	lib/peer/host1.c lib/peer/host1.h \
	lib/peer/storage1.c lib/peer/storage1.h
libpeerstubs_a_SOURCES =
libpeerstubs_a_CFLAGS = $(AM_CFLAGS) -Wno-unused-parameter -Wno-shadow -Wno-error

peer_headers = lib/peer/domains1.h lib/peer/host1.h lib/peer/storage1.h
BUILT_SOURCES += $(peer_headers)
CLEANFILES += $(peer_headers) lib/peer/domains1.c lib/peer/host1.c lib/peer/storage1.c
EXTRA_DIST += lib/peer/org.xapid.Domains1.xml lib/peer/org.xapid.Host1.xml lib/peer/org.xapid.Storage1.xml

PEER_CODEGEN = $(AM_V_GEN)$(MKDIR_P) lib/peer && $(GDBUS_CODEGEN) --interface-prefix org.xapid. \
	--c-namespace Peer --c-generate-autocleanup all

lib/peer/domains1.h: $(top_srcdir)/lib/peer/org.xapid.Domains1.xml
	$(PEER_CODEGEN) --header --output $@ $(top_srcdir)/lib/peer/org.xapid.Domains1.xml
lib/peer/domains1.c: $(top_srcdir)/lib/peer/org.xapid.Domains1.xml lib/peer/domains1.h
	$(PEER_CODEGEN) --body --output $@ $(top_srcdir)/lib/peer/org.xapid.Domains1.xml
lib/peer/host1.h: $(top_srcdir)/lib/peer/org.xapid.Host1.xml
	$(PEER_CODEGEN) --header --output $@ $(top_srcdir)/lib/peer/org.xapid.Host1.xml
lib/peer/host1.c: $(top_srcdir)/lib/peer/org.xapid.Host1.xml lib/peer/host1.h
	$(PEER_CODEGEN) --body --output $@ $(top_srcdir)/lib/peer/org.xapid.Host1.xml
lib/peer/storage1.h: $(top_srcdir)/lib/peer/org.xapid.Storage1.xml
	$(PEER_CODEGEN) --header --output $@ $(top_srcdir)/lib/peer/org.xapid.Storage1.xml
lib/peer/storage1.c: $(top_srcdir)/lib/peer/org.xapid.Storage1.xml lib/peer/storage1.h
	$(PEER_CODEGEN) --body --output $@ $(top_srcdir)/lib/peer/org.xapid.Storage1.xml
