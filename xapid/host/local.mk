pkglibexec_PROGRAMS += xapid-host
noinst_LIBRARIES += libhost.a
libhost_a_SOURCES = \
	xapid/host/accounts.c xapid/host/accounts.h \
	xapid/host/addresses.c xapid/host/addresses.h xapid/host/address-calls.c \
	xapid/host/sim-addresses.c \
	xapid/host/answer.c xapid/host/answer.h \
	xapid/host/bond.c xapid/host/bridge.c xapid/host/bridge.h xapid/host/sim-bridge.c xapid/host/uplink.c \
	xapid/host/child.c xapid/host/child.h \
	xapid/host/command.c xapid/host/command.h \
	xapid/host/driver.c xapid/host/driver.h \
	xapid/host/facts.c xapid/host/facts.h \
	xapid/host/initiator.c xapid/host/initiator.h \
	xapid/host/interfaces.c xapid/host/interfaces.h \
	xapid/host/network.c xapid/host/network.h \
	xapid/host/ovs.c xapid/host/ovs.h xapid/host/ovs-plan.c xapid/host/ovs-plan.h \
	xapid/host/ovs-state.c xapid/host/ovs-state.h xapid/host/ovs-state-internal.h \
	xapid/host/ovs-bond.c \
	xapid/host/password.c xapid/host/password.h \
	xapid/host/power.c xapid/host/power.h \
	xapid/host/resolv.c xapid/host/resolv.h \
	xapid/host/restart.c xapid/host/restart.h \
	xapid/host/roll.c xapid/host/roll.h \
	xapid/host/service.c xapid/host/service.h \
	xapid/host/syslog.c xapid/host/syslog.h \
	xapid/host/transfer.c xapid/host/transfer.h \
	xapid/host/transfer-internal.h \
	xapid/host/vm-transfer.c \
	xapid/host/coalesce.c \
	xapid/host/storage-args.c xapid/host/storage.c xapid/host/storage.h \
	xapid/host/storage-transfer.c \
	xapid/host/storage-internal.h \
	xapid/host/volume.c xapid/host/volume.h
$(libhost_a_OBJECTS): $(peer_headers)
xapid_host_SOURCES = xapid/host/main.c
xapid_host_LDADD = libhost.a libport.a liblink.a libpeer.a libwire.a libdatamodel.a libbase.a \
	$(YAJL_LIBS) $(XML_LIBS) $(GLIB_LIBS) $(PAM_LIBS) $(MNL_LIBS) -lm

pamdir = $(sysconfdir)/pam.d
dist_pam_DATA = docs/pam.d/xapid
