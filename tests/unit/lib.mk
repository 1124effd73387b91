lib_tests = \
	tests/unit/test-datamodel \
	tests/unit/test-error \
	tests/unit/test-faults \
	tests/unit/test-jsonrpc \
	tests/unit/test-ip-address \
	tests/unit/test-text \
	tests/unit/test-value \
	tests/unit/test-xmlrpc
check_PROGRAMS += $(lib_tests)
TESTS += $(lib_tests)

remove_tree = tests/unit/remove-tree.c tests/unit/remove-tree.h
random_value = tests/unit/random-value.c tests/unit/random-value.h
wire_libs = libwire.a libdatamodel.a libbase.a $(XML_LIBS) $(YAJL_LIBS) $(GLIB_LIBS) -lm

tests_unit_test_datamodel_SOURCES = tests/unit/test-datamodel.c $(random_value)
tests_unit_test_datamodel_LDADD = libdatamodel.a libbase.a $(GLIB_LIBS)
tests_unit_test_error_SOURCES = tests/unit/test-error.c
tests_unit_test_error_LDADD = libbase.a $(GLIB_LIBS)
tests_unit_test_faults_SOURCES = tests/unit/test-faults.c
tests_unit_test_faults_LDADD = libbase.a $(GLIB_LIBS)
tests_unit_test_jsonrpc_SOURCES = tests/unit/test-jsonrpc.c
tests_unit_test_jsonrpc_LDADD = $(wire_libs)
tests_unit_test_ip_address_SOURCES = tests/unit/test-ip-address.c
tests_unit_test_ip_address_LDADD = libbase.a $(GLIB_LIBS)
tests_unit_test_text_SOURCES = tests/unit/test-text.c
tests_unit_test_text_LDADD = libbase.a $(GLIB_LIBS)
tests_unit_test_value_SOURCES = tests/unit/test-value.c $(random_value)
tests_unit_test_value_LDADD = $(wire_libs)
tests_unit_test_xmlrpc_SOURCES = tests/unit/test-xmlrpc.c
tests_unit_test_xmlrpc_LDADD = $(wire_libs)

TESTS += tests/unit/test-generate.py tests/unit/test-effects.py
EXTRA_DIST += tests/unit/test-generate.py tests/unit/test-effects.py
