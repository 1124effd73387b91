# xapid-domains, and its parts once more as a library for the tests.
noinst_LIBRARIES += libdomains.a
libdomains_a_SOURCES = \
	xapid/domains/argument.c xapid/domains/argument.h \
	xapid/domains/backend.c xapid/domains/backend.h \
	xapid/domains/changes.c xapid/domains/changes.h \
	xapid/domains/consoles.c xapid/domains/consoles.h \
	xapid/domains/domains.h \
	xapid/domains/guest-config.c xapid/domains/guest-config.h \
	xapid/domains/guest-disks.c xapid/domains/guest-disks.h \
	xapid/domains/guest-nics.c xapid/domains/guest-nics.h \
	xapid/domains/guest-keys.c xapid/domains/guest-keys.h \
	xapid/domains/guest-watch.c xapid/domains/guest-watch.h \
	xapid/domains/guests.c xapid/domains/guests.h \
	xapid/domains/image.c xapid/domains/image.h \
	xapid/domains/kernel-file.c xapid/domains/kernel-file.h \
	xapid/domains/mark.c xapid/domains/mark.h \
	xapid/domains/message.c xapid/domains/message.h \
	xapid/domains/operation.c xapid/domains/operation.h \
	xapid/domains/outcome.c xapid/domains/outcome.h \
	xapid/domains/pictures.c xapid/domains/pictures.h \
	xapid/domains/pool.c xapid/domains/pool.h \
	xapid/domains/question.c xapid/domains/question.h \
	xapid/domains/reserve.c xapid/domains/reserve.h \
	xapid/domains/retry.c xapid/domains/retry.h \
	xapid/domains/sim.c xapid/domains/sim-command.c \
	xapid/domains/sim-console.c xapid/domains/sim-console.h \
	xapid/domains/sim-host.c xapid/domains/sim-host.h \
	xapid/domains/sim-disks.c xapid/domains/sim-disks.h \
	xapid/domains/sim-guest.c xapid/domains/sim-guest.h \
	xapid/domains/sim-nics.c xapid/domains/sim-nics.h \
	xapid/domains/sim-world.c xapid/domains/sim-world.h \
	xapid/domains/silence.c xapid/domains/silence.h \
	xapid/domains/service.c xapid/domains/service.h \
	xapid/domains/terminals.c xapid/domains/terminals.h \
	xapid/domains/verb-args.c xapid/domains/verb-args.h \
	xapid/domains/verbs.c xapid/domains/verbs.h xapid/domains/verbs-internal.h \
	xapid/domains/ready.c xapid/domains/ready.h xapid/domains/verbs-consoles.c xapid/domains/verbs-create.c \
	xapid/domains/verbs-drives.c xapid/domains/verbs-image.c xapid/domains/verbs-live.c \
	xapid/domains/verbs-memory.c xapid/domains/verbs-nics.c \
	xapid/domains/worker.c xapid/domains/worker.h xapid/domains/events.c

pkglibexec_PROGRAMS += xapid-domains
xapid_domains_SOURCES = xapid/domains/main.c
xapid_domains_LDADD = libdomains.a libpeer.a libbase.a $(GLIB_LIBS)
if WITH_XEN
noinst_LIBRARIES += libdomainslibxl.a
libdomainslibxl_a_CFLAGS = $(AM_CFLAGS) $(XEN_CFLAGS) $(YAJL_CFLAGS)
libdomainslibxl_a_SOURCES = \
	xapid/domains/libxl.c xapid/domains/libxl-internal.h \
	xapid/domains/libxl-cards.c \
	xapid/domains/libxl-config.c xapid/domains/libxl-config.h \
	xapid/domains/libxl-platform.c xapid/domains/libxl-platform.h \
	xapid/domains/libxl-console.c xapid/domains/libxl-features.c \
	xapid/domains/libxl-disks.c xapid/domains/libxl-disks.h \
	xapid/domains/libxl-drives.c xapid/domains/libxl-follow.c \
	xapid/domains/qmp.c xapid/domains/qmp.h \
	xapid/domains/libxl-guest.c xapid/domains/libxl-image.c \
	xapid/domains/libxl-list.c xapid/domains/libxl-live.c \
	xapid/domains/libxl-model.c \
	xapid/domains/libxl-model-watch.c xapid/domains/libxl-model-watch.h \
	xapid/domains/libxl-nics.c xapid/domains/libxl-nics.h \
	xapid/domains/libxl-log.c xapid/domains/libxl-log.h \
	xapid/domains/libxl-record.c xapid/domains/libxl-record.h \
	xapid/domains/libxl-watch.c
pkglibexec_PROGRAMS += disk-hotplug nic-hotplug
hotplug_sources = xapid/domains/hotplug.c xapid/domains/hotplug.h
disk_hotplug_CFLAGS = $(HOUSE_CFLAGS) $(XEN_CFLAGS)
disk_hotplug_SOURCES = xapid/domains/disk-hotplug.c $(hotplug_sources)
disk_hotplug_LDADD = -lxenstore
nic_hotplug_CFLAGS = $(HOUSE_CFLAGS) $(XEN_CFLAGS) $(MNL_CFLAGS) $(YAJL_CFLAGS)
nic_hotplug_SOURCES = xapid/domains/nic-hotplug.c $(hotplug_sources) lib/bridge-name.c lib/link.c \
	lib/link-bond.c lib/link-ipv6.c lib/link-lock.c lib/nic-lock.c lib/ovsdb.c lib/port.c
nic_hotplug_LDADD = $(YAJL_LIBS) $(MNL_LIBS) -lxenstore
xapid_domains_LDADD += libdomainslibxl.a libdomains.a libport.a liblink.a libbase.a $(XEN_LIBS) $(YAJL_LIBS) \
	$(MNL_LIBS) $(GLIB_LIBS)
endif
