# Tests of xapid/ops and xapid/vm, and of what they promise when programs die.
TESTS += tests/sim/test-faults.py tests/sim/test-recovery.py tests/sim/test-kills.py
EXTRA_DIST += tests/sim/test-recovery.py tests/sim/test-kills.py tests/sim/test-faults.py \
	tests/sim/life.py tests/sim/life_archive.py tests/sim/life_console.py tests/sim/life_disk.py tests/sim/life_host.py \
	tests/sim/life_network.py tests/sim/life_stream.py tests/sim/life_vm.py tests/sim/test-effects-traced.py tests/sim/owner.py \
	tests/sim/settled.py tests/sim/world.py

check_PROGRAMS += tests/unit/test-net
TESTS += tests/unit/test-net
tests_unit_test_net_SOURCES = tests/unit/test-net.c tests/unit/fake-store.c tests/unit/fake-store.h
tests_unit_test_net_LDADD = $(ops_test_libs)
ops_test_libs = libvm.a libnet.a libstorage.a libops.a libmodel.a libpeer.a libwire.a libdatamodel.a libbase.a \
	$(XML_LIBS) $(YAJL_LIBS) $(GLIB_LIBS)

ops_bed = tests/unit/ops-bed.c tests/unit/ops-bed.h tests/unit/fake-store.c tests/unit/fake-store.h

check_PROGRAMS += tests/unit/test-ops
TESTS += tests/unit/test-ops
tests_unit_test_ops_SOURCES = tests/unit/test-ops.c $(ops_bed)
tests_unit_test_ops_LDADD = $(ops_test_libs)

check_PROGRAMS += tests/unit/test-ops-restart
TESTS += tests/unit/test-ops-restart
tests_unit_test_ops_restart_SOURCES = tests/unit/test-ops-restart.c $(ops_bed)
tests_unit_test_ops_restart_LDADD = $(ops_test_libs)

check_PROGRAMS += tests/unit/test-task
TESTS += tests/unit/test-task
tests_unit_test_task_SOURCES = \
	tests/unit/test-task.c tests/unit/fake-store.c tests/unit/fake-store.h
tests_unit_test_task_LDADD = $(ops_test_libs)

plan_bed = tests/unit/plan-bed.c tests/unit/plan-bed.h tests/unit/fake-store.c tests/unit/fake-store.h

check_PROGRAMS += tests/unit/test-plan
TESTS += tests/unit/test-plan
tests_unit_test_plan_SOURCES = tests/unit/test-plan.c $(plan_bed)
tests_unit_test_plan_LDADD = $(ops_test_libs)

check_PROGRAMS += tests/unit/test-vm-config
TESTS += tests/unit/test-vm-config
tests_unit_test_vm_config_SOURCES = tests/unit/test-vm-config.c $(plan_bed)
tests_unit_test_vm_config_LDADD = $(ops_test_libs)

check_PROGRAMS += tests/unit/test-usage
TESTS += tests/unit/test-usage
tests_unit_test_usage_SOURCES = \
	tests/unit/test-usage.c tests/unit/fake-store.c tests/unit/fake-store.h
tests_unit_test_usage_LDADD = $(ops_test_libs)

check_PROGRAMS += tests/unit/test-vm-domains
TESTS += tests/unit/test-vm-domains
tests_unit_test_vm_domains_SOURCES = tests/unit/test-vm-domains.c
tests_unit_test_vm_domains_LDADD = $(ops_test_libs)
tests/unit/test-vm-domains.$(OBJEXT): lib/peer/domains1.h
