# What guests write into xenstore: which of it is copied, and what it means.
check_PROGRAMS += tests/unit/test-guest-keys tests/unit/test-guest-parse
TESTS += tests/unit/test-guest-keys tests/unit/test-guest-parse
tests_unit_test_guest_keys_SOURCES = tests/unit/test-guest-keys.c
tests_unit_test_guest_keys_LDADD = libdomains.a libbase.a $(GLIB_LIBS)
tests_unit_test_guest_parse_SOURCES = tests/unit/test-guest-parse.c
tests_unit_test_guest_parse_LDADD = libguestparse.a libbase.a $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-vm-guests
TESTS += tests/unit/test-vm-guests
tests_unit_test_vm_guests_SOURCES = tests/unit/test-vm-guests.c tests/unit/fake-store.c \
	tests/unit/fake-store.h
tests_unit_test_vm_guests_LDADD = $(ops_test_libs)
tests/unit/test-vm-guests.$(OBJEXT): lib/peer/domains1.h
