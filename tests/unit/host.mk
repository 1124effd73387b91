# Unit tests of xapid/host, under Debian's libpam-wrapper and libnss-wrapper.
check_PROGRAMS += tests/unit/test-host tests/unit/test-facts tests/unit/test-power tests/unit/test-syslog
TESTS += tests/unit/test-host tests/unit/test-facts tests/unit/test-power tests/unit/test-syslog
tests_unit_test_host_SOURCES = tests/unit/test-host.c tests/unit/host-harness.c \
	tests/unit/host-harness.h
tests_unit_test_host_CPPFLAGS = $(AM_CPPFLAGS) -DPAM_FILE='"$(abs_top_srcdir)/docs/pam.d/xapid"' \
	-DSHADOW_WRAPPER='"$(abs_top_builddir)/tests/unit/shadow-wrapper.so"' \
	-DPAM_RECORDER='"$(abs_top_builddir)/tests/unit/pam-recorder.so"' \
	-DHOST_PROGRAM='"$(abs_top_builddir)/xapid-host"'
tests_unit_test_host_LDADD = libpeer.a libbase.a $(GLIB_LIBS)
EXTRA_tests_unit_test_host_DEPENDENCIES = xapid-host $(host_test_modules)
$(tests_unit_test_host_OBJECTS): $(peer_headers)

tests_unit_test_facts_SOURCES = tests/unit/test-facts.c
tests_unit_test_facts_LDADD = libhost.a libbase.a $(GLIB_LIBS)

tests_unit_test_power_SOURCES = tests/unit/test-power.c $(remove_tree)
tests_unit_test_power_LDADD = libhost.a libbase.a $(GLIB_LIBS)

tests_unit_test_syslog_SOURCES = tests/unit/test-syslog.c $(remove_tree)
tests_unit_test_syslog_LDADD = libhost.a libpeer.a libbase.a $(GLIB_LIBS)
$(tests_unit_test_syslog_OBJECTS): $(peer_headers)

# Loaded by programs that know no sanitizer, and so without one.
host_test_modules = tests/unit/shadow-wrapper.so tests/unit/pam-recorder.so
HOST_TEST_MODULE = $(AM_V_CC)$(MKDIR_P) $(@D) && $(CC) -D_GNU_SOURCE -O1 -Wall -Wextra -shared -fPIC -o $@
EXTRA_DIST += tests/unit/shadow-wrapper.c tests/unit/pam-recorder.c
CLEANFILES += $(host_test_modules)
tests/unit/shadow-wrapper.so: $(top_srcdir)/tests/unit/shadow-wrapper.c
	$(HOST_TEST_MODULE) $(top_srcdir)/tests/unit/shadow-wrapper.c
tests/unit/pam-recorder.so: $(top_srcdir)/tests/unit/pam-recorder.c
	$(HOST_TEST_MODULE) $(top_srcdir)/tests/unit/pam-recorder.c

# Storage: xapid-host's side of drivers, and the drivers themselves.
check_PROGRAMS += tests/unit/test-drivers
TESTS += tests/unit/test-drivers tests/storage/test-drivers.py
EXTRA_DIST += tests/storage/test-drivers.py tests/storage/common.py tests/storage/devices.py tests/storage/driver.py tests/storage/exports.py \
	tests/storage/chains.py tests/storage/images.py tests/storage/kills.py tests/storage/places.py tests/storage/targets.py tests/storage/volumes.py \
	tests/storage/sample
tests_unit_test_drivers_SOURCES = tests/unit/test-drivers.c $(remove_tree) xapid/domains/guest-disks.c \
	xapid/domains/argument.c
tests_unit_test_drivers_LDADD = libhost.a libpeer.a libwire.a libdatamodel.a libbase.a $(YAJL_LIBS) \
	$(XML_LIBS) $(GLIB_LIBS) -lm

check_PROGRAMS += tests/unit/test-nic-lock
TESTS += tests/unit/test-nic-lock
tests_unit_test_nic_lock_SOURCES = tests/unit/test-nic-lock.c
tests_unit_test_nic_lock_LDADD = libbase.a $(GLIB_LIBS)

bridges = tests/unit/bridges.c tests/unit/bridges.h
check_PROGRAMS += tests/unit/test-bridge
TESTS += tests/unit/test-bridge
tests_unit_test_bridge_SOURCES = tests/unit/test-bridge.c $(bridges) $(remove_tree)
tests_unit_test_bridge_LDADD = libhost.a libport.a liblink.a libpeer.a libbase.a $(YAJL_LIBS) $(MNL_LIBS) $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-uplink
TESTS += tests/unit/test-uplink
tests_unit_test_uplink_SOURCES = tests/unit/test-uplink.c $(bridges)
tests_unit_test_uplink_LDADD = libhost.a libport.a liblink.a libpeer.a libbase.a $(YAJL_LIBS) $(MNL_LIBS) $(GLIB_LIBS)

# The same of both kinds of networks: Linux bridges, and those of Open vSwitch.
ovs_bed = tests/unit/dying.c tests/unit/dying.h tests/unit/ovs-bed.c tests/unit/ovs-bed.h tests/unit/frames.c tests/unit/frames.h $(remove_tree)
ovs_libs = libhost.a libport.a liblink.a libpeer.a libbase.a $(YAJL_LIBS) $(MNL_LIBS) $(GLIB_LIBS)
network_bed = tests/unit/network-bed.c tests/unit/network-bed.h $(ovs_bed)
check_PROGRAMS += tests/unit/test-networks-linux tests/unit/test-networks-ovs
TESTS += tests/unit/test-networks-linux tests/unit/test-networks-ovs
tests_unit_test_networks_linux_SOURCES = tests/unit/test-networks.c $(network_bed)
tests_unit_test_networks_linux_CPPFLAGS = $(AM_CPPFLAGS) -DON_SWITCH=false
tests_unit_test_networks_linux_LDADD = $(ovs_libs)
tests_unit_test_networks_ovs_SOURCES = tests/unit/test-networks.c $(network_bed)
tests_unit_test_networks_ovs_CPPFLAGS = $(AM_CPPFLAGS) -DON_SWITCH=true
tests_unit_test_networks_ovs_LDADD = $(ovs_libs)
# The kernels of many a virtual machine have no bonds: Linux's are tested in the lab's.
check_PROGRAMS += tests/unit/test-bonds-linux tests/unit/test-bonds-ovs
TESTS += tests/unit/test-bonds-ovs
tests_unit_test_bonds_linux_SOURCES = tests/unit/test-bonds.c $(network_bed)
tests_unit_test_bonds_linux_CPPFLAGS = $(AM_CPPFLAGS) -DON_SWITCH=false
tests_unit_test_bonds_linux_LDADD = $(ovs_libs)
tests_unit_test_bonds_ovs_SOURCES = tests/unit/test-bonds.c $(network_bed)
tests_unit_test_bonds_ovs_CPPFLAGS = $(AM_CPPFLAGS) -DON_SWITCH=true
tests_unit_test_bonds_ovs_LDADD = $(ovs_libs)

check_PROGRAMS += tests/unit/test-ovs
TESTS += tests/unit/test-ovs
tests_unit_test_ovs_SOURCES = tests/unit/test-ovs.c $(ovs_bed)
tests_unit_test_ovs_LDADD = $(ovs_libs)
