# Tests of xapid-domains.
noinst_LIBRARIES += libdomainsclient.a
libdomainsclient_a_SOURCES = tests/sim/domains-client.c tests/sim/domains-client.h

noinst_PROGRAMS += tests/sim/domainsctl
tests_sim_domainsctl_SOURCES = tests/sim/domainsctl.c
tests_sim_domainsctl_LDADD = libdomainsclient.a libdomains.a libpeer.a libbase.a $(GLIB_LIBS)
