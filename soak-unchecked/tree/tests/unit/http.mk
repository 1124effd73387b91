HTTP_TEST_CFLAGS = $(AM_CFLAGS) $(SOUP_CFLAGS) $(GNUTLS_CFLAGS)
HTTP_TEST_LDADD = libhttp.a libbase.a $(SOUP_LIBS) $(GNUTLS_LIBS) $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-http tests/unit/test-certificate
TESTS += tests/unit/test-http tests/unit/test-certificate
tests_unit_test_http_SOURCES = tests/unit/test-http.c tests/unit/http-fixture.c \
	tests/unit/http-fixture.h
tests_unit_test_http_CFLAGS = $(HTTP_TEST_CFLAGS)
tests_unit_test_http_LDADD = $(HTTP_TEST_LDADD)
tests_unit_test_certificate_SOURCES = tests/unit/test-certificate.c $(remove_tree) tests/unit/http-fixture.c \
	tests/unit/http-fixture.h
tests_unit_test_certificate_CFLAGS = $(HTTP_TEST_CFLAGS)
tests_unit_test_certificate_LDADD = $(HTTP_TEST_LDADD)

# The abuse suite, which takes any server, against a program that is only the door.
check_PROGRAMS += tests/sim/http-echo
tests_sim_http_echo_SOURCES = tests/sim/http-echo.c
tests_sim_http_echo_CFLAGS = $(HTTP_TEST_CFLAGS)
tests_sim_http_echo_LDADD = $(HTTP_TEST_LDADD)
TESTS += tests/unit/test-http-abuse.py
EXTRA_DIST += tests/unit/test-http-abuse.py tests/sim/http-abuse

include tests/fuzz/http.mk
