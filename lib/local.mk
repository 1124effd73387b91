noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	lib/bios-strings.c lib/bios-strings.h \
	lib/bond.c lib/bond.h \
	lib/bridge-name.c lib/bridge-name.h \
	lib/confine.c lib/confine.h \
	lib/disk-handle.c lib/disk-handle.h \
	lib/error.c lib/error.h \
	lib/faults.c lib/faults.h \
	lib/guest-record.c lib/guest-record.h \
	lib/helper.c lib/helper.h \
	lib/ip-address.c lib/ip-address.h \
	lib/iscsi-name.c lib/iscsi-name.h \
	lib/log-destination.c lib/log-destination.h \
	lib/log.c lib/log.h \
	lib/member.c lib/member.h \
	lib/nic-lock.c lib/nic-lock.h \
	lib/passed-fd.c lib/passed-fd.h \
	lib/platform.c lib/platform.h \
	lib/settings.c lib/settings.h \
	lib/tar.c lib/tar.h \
	lib/text.c lib/text.h

# For those programs that change network interfaces, and for no other.
noinst_LIBRARIES += liblink.a
liblink_a_CFLAGS = $(AM_CFLAGS) $(MNL_CFLAGS)
liblink_a_SOURCES = lib/link.c lib/link.h lib/link-internal.h lib/link-address.c lib/link-bond.c \
	lib/link-carry.c lib/link-ipv6.c lib/link-lock.c

# For those that put something into a bridge, of Linux or of Open vSwitch.
noinst_LIBRARIES += libport.a
libport_a_CFLAGS = $(AM_CFLAGS) $(MNL_CFLAGS) $(YAJL_CFLAGS)
libport_a_SOURCES = lib/ovsdb.c lib/ovsdb.h lib/port.c lib/port.h
