# Unit tests of xapid/model and xapid/store.
model_test_libs = libmodel.a libdatamodel.a libbase.a $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-model
TESTS += tests/unit/test-model
tests_unit_test_model_SOURCES = tests/unit/test-model.c tests/unit/fake-store.c tests/unit/fake-store.h
tests_unit_test_model_LDADD = $(model_test_libs)

check_PROGRAMS += tests/unit/test-model-events
TESTS += tests/unit/test-model-events
tests_unit_test_model_events_SOURCES = \
	tests/unit/test-model-events.c tests/unit/fake-store.c tests/unit/fake-store.h
tests_unit_test_model_events_LDADD = $(model_test_libs)

check_PROGRAMS += tests/unit/test-filter
TESTS += tests/unit/test-filter
tests_unit_test_filter_SOURCES = \
	tests/unit/test-filter.c tests/unit/fake-store.c tests/unit/fake-store.h
tests_unit_test_filter_LDADD = $(model_test_libs)

store_test_libs = libstore.a $(model_test_libs) $(SQLITE_LIBS)

check_PROGRAMS += tests/unit/test-store
TESTS += tests/unit/test-store
tests_unit_test_store_SOURCES = \
	tests/unit/test-store.c tests/unit/fake-store.c tests/unit/fake-store.h
tests_unit_test_store_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/test-model-random
TESTS += tests/unit/test-model-random
tests_unit_test_model_random_SOURCES = \
	tests/unit/test-model-random.c tests/unit/picture.c tests/unit/picture.h \
	tests/unit/fake-store.c tests/unit/fake-store.h
tests_unit_test_model_random_LDADD = $(model_test_libs)

check_PROGRAMS += tests/unit/test-store-kill
TESTS += tests/unit/test-store-kill
tests_unit_test_store_kill_SOURCES = \
	tests/unit/test-store-kill.c tests/unit/fake-store.c tests/unit/fake-store.h
tests_unit_test_store_kill_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/test-store-figures
TESTS += tests/unit/test-store-figures
tests_unit_test_store_figures_SOURCES = \
	tests/unit/test-store-figures.c tests/unit/fake-store.c tests/unit/fake-store.h
tests_unit_test_store_figures_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/test-database-check
TESTS += tests/unit/test-database-check
tests_unit_test_database_check_SOURCES = \
	tests/unit/test-database-check.c tests/unit/fake-store.c tests/unit/fake-store.h \
	tests/unit/random-rows.c tests/unit/random-rows.h \
	tests/unit/random-value.c tests/unit/random-value.h \
	tests/unit/remove-tree.c tests/unit/remove-tree.h
tests_unit_test_database_check_LDADD = $(store_test_libs) -lm

disk_test_sources = \
	tests/unit/disk.c tests/unit/disk.h tests/unit/disk-internal.h tests/unit/disk-vfs.c \
	tests/unit/power-cut.c tests/unit/power-cut.h \
	tests/unit/ledger.c tests/unit/ledger.h \
	tests/unit/fake-store.c tests/unit/fake-store.h

check_PROGRAMS += tests/unit/test-power-loss
TESTS += tests/unit/test-power-loss
tests_unit_test_power_loss_SOURCES = tests/unit/test-power-loss.c $(disk_test_sources)
tests_unit_test_power_loss_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/test-disk-errors
TESTS += tests/unit/test-disk-errors
tests_unit_test_disk_errors_SOURCES = tests/unit/test-disk-errors.c $(disk_test_sources)
tests_unit_test_disk_errors_LDADD = $(store_test_libs)

# ... and of xapid/dump.
dump_test_libs = libdump.a libmodel.a libwire.a libdatamodel.a libbase.a $(YAJL_LIBS) $(XML_LIBS) $(GLIB_LIBS) -lm
check_PROGRAMS += tests/unit/test-dump
TESTS += tests/unit/test-dump
tests_unit_test_dump_SOURCES = \
	tests/unit/test-dump.c tests/unit/fake-store.c tests/unit/fake-store.h \
	tests/unit/random-rows.c tests/unit/random-rows.h \
	tests/unit/random-value.c tests/unit/random-value.h
tests_unit_test_dump_LDADD = $(dump_test_libs)
