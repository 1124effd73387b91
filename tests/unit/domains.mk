# Tests of xapid-domains.
noinst_LIBRARIES += libdomainsclient.a
libdomainsclient_a_SOURCES = tests/sim/domains-client.c tests/sim/domains-client.h

noinst_PROGRAMS += tests/sim/domainsctl
tests_sim_domainsctl_SOURCES = tests/sim/domainsctl.c
tests_sim_domainsctl_LDADD = libdomainsclient.a libdomains.a libpeer.a libbase.a $(GLIB_LIBS)

service_bed = tests/unit/service-bed.c tests/unit/service-bed.h $(remove_tree)

check_PROGRAMS += tests/unit/test-domains-service
TESTS += tests/unit/test-domains-service
tests_unit_test_domains_service_SOURCES = tests/unit/test-domains-service.c $(service_bed)
tests_unit_test_domains_service_LDADD = libdomainsclient.a libdomains.a libpeer.a libbase.a \
	$(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-domains-deaths
TESTS += tests/unit/test-domains-deaths
tests_unit_test_domains_deaths_SOURCES = tests/unit/test-domains-deaths.c $(service_bed)
tests_unit_test_domains_deaths_LDADD = libdomainsclient.a libdomains.a libpeer.a libbase.a \
	$(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-bulk
TESTS += tests/unit/test-bulk
tests_unit_test_bulk_SOURCES = tests/unit/test-bulk.c
tests_unit_test_bulk_LDADD = libdomainsclient.a libdomains.a libpeer.a libbase.a $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-domains-guest-config
TESTS += tests/unit/test-domains-guest-config
tests_unit_test_domains_guest_config_SOURCES = tests/unit/test-domains-guest-config.c
tests_unit_test_domains_guest_config_LDADD = libdomains.a libbase.a $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-domains-verbs
TESTS += tests/unit/test-domains-verbs
verbs_fixture = tests/unit/verbs-fixture.c tests/unit/verbs-fixture.h
tests_unit_test_domains_verbs_SOURCES = tests/unit/test-domains-verbs.c $(verbs_fixture)
tests_unit_test_domains_verbs_LDADD = libdomains.a libbase.a $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-domains-reserve
TESTS += tests/unit/test-domains-reserve
tests_unit_test_domains_reserve_SOURCES = tests/unit/test-domains-reserve.c
tests_unit_test_domains_reserve_LDADD = libdomains.a libbase.a $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-domains-retry
TESTS += tests/unit/test-domains-retry
tests_unit_test_domains_retry_SOURCES = tests/unit/test-domains-retry.c $(verbs_fixture)
tests_unit_test_domains_retry_LDADD = libdomains.a libbase.a $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-domains-live
TESTS += tests/unit/test-domains-live
tests_unit_test_domains_live_SOURCES = tests/unit/test-domains-live.c $(verbs_fixture)
tests_unit_test_domains_live_LDADD = libdomains.a libbase.a $(GLIB_LIBS)

EXTRA_DIST += tests/sim/domains-on-xen.sh
if WITH_XEN
noinst_PROGRAMS += tests/sim/domains-delay
tests_sim_domains_delay_SOURCES = tests/sim/domains-delay.c
tests_sim_domains_delay_LDADD = libdomainsclient.a libpeer.a libbase.a $(GLIB_LIBS) -lxenctrl

test_libxl_libs = libdomainslibxl.a libdomains.a libport.a liblink.a libbase.a $(XEN_LIBS) $(YAJL_LIBS) $(MNL_LIBS) $(GLIB_LIBS)
check_PROGRAMS += tests/unit/test-domains-libxl tests/unit/test-domains-libxl-config
TESTS += tests/unit/test-domains-libxl tests/unit/test-domains-libxl-config
tests_unit_test_domains_libxl_SOURCES = tests/unit/test-domains-libxl.c tests/unit/no-hypervisor.c
tests_unit_test_domains_libxl_CFLAGS = $(AM_CFLAGS) $(XEN_CFLAGS)
tests_unit_test_domains_libxl_LDADD = $(test_libxl_libs)
tests_unit_test_domains_libxl_config_SOURCES = tests/unit/test-domains-libxl-config.c tests/unit/no-hypervisor.c $(remove_tree)
tests_unit_test_domains_libxl_config_CFLAGS = $(AM_CFLAGS) $(XEN_CFLAGS)
tests_unit_test_domains_libxl_config_LDADD = $(test_libxl_libs)
endif
