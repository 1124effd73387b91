noinst_LIBRARIES += libvm.a
libvm_a_SOURCES = \
	xapid/vm/agile.c \
	xapid/vm/allowed.c \
	xapid/vm/appliance.c xapid/vm/appliance.h \
	xapid/vm/appliance-run.c \
	xapid/vm/autostart.c \
	xapid/vm/config.c \
	xapid/vm/cards.c \
	xapid/vm/copies.h xapid/vm/copy.c \
	xapid/vm/devices.c \
	xapid/vm/disks.c \
	xapid/vm/domains.c xapid/vm/domains.h \
	xapid/vm/drives.c \
	xapid/vm/export.c xapid/vm/export.h \
	xapid/vm/export-records.c \
	xapid/vm/foreign.c \
	xapid/vm/guest-metrics.c \
	xapid/vm/import.c xapid/vm/import.h \
	xapid/vm/import-records.c \
	xapid/vm/known-keys.c \
	xapid/vm/limits.c \
	xapid/vm/new.c \
	xapid/vm/nic-limits.c \
	xapid/vm/nics.c \
	xapid/vm/observed.c \
	xapid/vm/plans.c \
	xapid/vm/provision.c \
	xapid/vm/ready.c \
	xapid/vm/reconcile.c \
	xapid/vm/record.c \
	xapid/vm/restart.c \
	xapid/vm/revert.c \
	xapid/vm/snapshot.c \
	xapid/vm/steps.c \
	xapid/vm/usage.c \
	xapid/vm/vm.h
