# Unit tests of lib/peer, lib/settings and xapid/launch.
check_PROGRAMS += tests/unit/test-peer
TESTS += tests/unit/test-peer
tests_unit_test_peer_SOURCES = tests/unit/test-peer.c
tests_unit_test_peer_LDADD = libpeer.a libbase.a $(GLIB_LIBS)
$(tests_unit_test_peer_OBJECTS): $(peer_headers)

check_PROGRAMS += tests/unit/test-passed-fd
TESTS += tests/unit/test-passed-fd
tests_unit_test_passed_fd_SOURCES = tests/unit/test-passed-fd.c
tests_unit_test_passed_fd_LDADD = libbase.a $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-settings
TESTS += tests/unit/test-settings
tests_unit_test_settings_SOURCES = tests/unit/test-settings.c
tests_unit_test_settings_CPPFLAGS = $(AM_CPPFLAGS) -DTEST_DOCS='"$(abs_top_srcdir)/docs"'
tests_unit_test_settings_LDADD = libbase.a $(GLIB_LIBS)

check_PROGRAMS += tests/unit/fake-child
tests_unit_fake_child_SOURCES = tests/unit/fake-child.c
tests_unit_fake_child_LDADD = $(GLIB_LIBS)
TESTS += tests/unit/test-launch.py
EXTRA_DIST += tests/unit/test-launch.py tests/unit/tap.py
TESTS += tests/unit/test-service-unit.py
EXTRA_DIST += tests/unit/test-service-unit.py
