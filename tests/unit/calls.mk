# Black-box tests of the whole daemon on a simulated host.
sim_tests = \
	tests/sim/test-guest-metrics.py \
	tests/sim/test-session.py \
	tests/sim/test-guest-limits.py \
	tests/sim/test-limits.py \
	tests/sim/test-page.py tests/sim/test-pictures.py \
	tests/sim/test-repositories.py \
	tests/sim/test-storage.py \
	tests/sim/test-chains.py tests/sim/test-clones.py tests/sim/test-copies.py tests/sim/test-streams.py tests/sim/test-vm-streams.py tests/sim/test-vm-imports.py \
	tests/sim/test-consoles.py \
	tests/sim/test-roles.py \
	tests/sim/test-parked.py \
	tests/sim/test-abuse.py \
	tests/sim/test-disk-full.py \
	tests/sim/test-disk-errors.py \
	tests/sim/test-addresses.py \
	tests/sim/test-database.py \
	tests/sim/test-appliances.py \
	tests/sim/test-card-limits.py \
	tests/sim/test-cards.py \
	tests/sim/test-drives.py \
	tests/sim/test-events.py \
	tests/sim/test-ready.py \
	tests/sim/test-foreign.py \
	tests/sim/test-generic.py \
	tests/sim/test-host-pool.py \
	tests/sim/test-hanging.py tests/sim/test-known-keys.py \
	tests/sim/test-large.py \
	tests/sim/test-leaks.py \
	tests/sim/test-lifecycle.py \
	tests/sim/test-live.py \
	tests/sim/test-network.py \
	tests/sim/test-bonds.py \
	tests/sim/test-pifs.py \
	tests/sim/test-plugins.py \
	tests/sim/test-reboot.py tests/sim/test-reconfigure.py \
	tests/sim/test-reference.py \
	tests/sim/test-role-matrix.py \
	tests/sim/test-live-snapshots.py tests/sim/test-snapshots.py \
	tests/sim/test-tasks.py \
	tests/sim/test-templates.py \
	tests/sim/test-vm-fields.py \
	tests/sim/test-wire.py
TESTS += $(sim_tests)
EXTRA_DIST += $(sim_tests) tests/sim/host.py tests/sim/guests.py tests/sim/accounts.py tests/sim/consoles.py tests/sim/qemu.py tests/sim/rfb.py \
	tests/sim/marks.py tests/sim/archives.py tests/sim/streams.py tests/sim/vmstreams.py tests/sim/waiting.py tests/sim/websocket.py tests/sim/payloads.py \
	tests/sim/facts.py tests/sim/facts.txt tests/sim/dull tests/sim/test-growth.py tests/sim/test-hostile.py tests/clients/test-xencenter.py \
	tests/clients/test-browser.py tests/sim/browser.py \
	tests/sim/crowd.py tests/sim/rounds.py tests/sim/storm.py tests/sim/test-crowd.py tests/sim/test-brute-force.py tests/sim/unwritable.py tests/sim/disk-errors.c
# Of test-disk-errors.py.
check_DATA = tests/sim/disk-errors.so
CLEANFILES += tests/sim/disk-errors.so
tests/sim/disk-errors.so: $(top_srcdir)/tests/sim/disk-errors.c
	$(HOST_TEST_MODULE) $(top_srcdir)/tests/sim/disk-errors.c

# Unit tests of xapid/calls.
calls_test_libs = libcalls.a libpool.a libvm.a libnet.a libstorage.a libops.a libmodel.a libpeer.a libwire.a \
	libdatamodel.a libbase.a $(YAJL_LIBS) $(XML_LIBS) $(GLIB_LIBS) -lm

check_PROGRAMS += tests/unit/test-generic
TESTS += tests/unit/test-generic
tests_unit_test_generic_SOURCES = tests/unit/test-generic.c $(random_value) \
	tests/unit/fake-store.c tests/unit/fake-store.h
tests_unit_test_generic_LDADD = $(calls_test_libs)

check_PROGRAMS += tests/unit/test-texts
TESTS += tests/unit/test-texts
tests_unit_test_texts_SOURCES = tests/unit/test-texts.c
tests_unit_test_texts_LDADD = $(calls_test_libs)

check_PROGRAMS += tests/unit/test-login-turns
TESTS += tests/unit/test-login-turns
tests_unit_test_login_turns_SOURCES = tests/unit/test-login-turns.c
tests_unit_test_login_turns_LDADD = libcalls.a $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-rows
TESTS += tests/unit/test-rows
tests_unit_test_rows_SOURCES = tests/unit/test-rows.c $(random_value) \
	tests/unit/fake-store.c tests/unit/fake-store.h
tests_unit_test_rows_LDADD = $(calls_test_libs)

check_PROGRAMS += tests/unit/test-rpc
TESTS += tests/unit/test-rpc
tests_unit_test_rpc_SOURCES = tests/unit/test-rpc.c tests/unit/http-fixture.c \
	tests/unit/http-fixture.h tests/unit/fake-store.c tests/unit/fake-store.h
tests_unit_test_rpc_CFLAGS = $(HTTP_TEST_CFLAGS)
tests_unit_test_rpc_LDADD = librpc.a libhttp.a $(calls_test_libs) $(SOUP_LIBS) $(GNUTLS_LIBS) $(WSLAY_LIBS)
