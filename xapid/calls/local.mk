noinst_LIBRARIES += libcalls.a librpc.a
libcalls_a_SOURCES = \
	xapid/calls/addresses.c \
	xapid/calls/appliance.c \
	xapid/calls/bond.c \
	xapid/calls/call.c xapid/calls/call.h \
	xapid/calls/dispatch.c \
	xapid/calls/evacuate.c \
	xapid/calls/event.c \
	xapid/calls/exchange.h \
	xapid/calls/external-auth.c \
	xapid/calls/generic.c \
	xapid/calls/host.c \
	xapid/calls/hostd.c xapid/calls/hostd.h \
	xapid/calls/licence.c \
	xapid/calls/login.c \
	xapid/calls/login-turns.c xapid/calls/login-turns.h \
	xapid/calls/message.c \
	xapid/calls/network.c \
	xapid/calls/pbd.c \
	xapid/calls/pif.c \
	xapid/calls/plugins.c \
	xapid/calls/pool.c \
	xapid/calls/rbac.c \
	xapid/calls/recovery.c \
	xapid/calls/role.c \
	xapid/calls/rows.c xapid/calls/rows.h \
	xapid/calls/safe-change.c xapid/calls/safe-change.h \
	xapid/calls/session.c \
	xapid/calls/sr.c \
	xapid/calls/subject.c \
	xapid/calls/subscription.c xapid/calls/subscription.h \
	xapid/calls/system.c \
	xapid/calls/task.c \
	xapid/calls/texts.c xapid/calls/texts.h \
	xapid/calls/uplinks.c \
	xapid/calls/vbd.c \
	xapid/calls/vdi.c \
	xapid/calls/vif.c xapid/calls/vif-lock.c \
	xapid/calls/vlan.c \
	xapid/calls/vm.c \
	xapid/calls/vm-lifecycle.c \
	xapid/calls/vm-memory.c \
	xapid/calls/vm-resources.c \
	xapid/calls/vm-settings.c
xapid/calls/hostd.$(OBJEXT): lib/peer/host1.h

# The seam between http/ and calls/.
librpc_a_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
librpc_a_SOURCES = \
	xapid/http/admit.c xapid/http/admit.h \
	xapid/http/aside.c xapid/http/aside.h \
	xapid/http/console.c xapid/http/console.h \
	xapid/http/console-find.c xapid/http/console-find.h \
	xapid/http/database.c xapid/http/database.h \
	xapid/http/moving.c xapid/http/moving.h \
	xapid/http/page.c xapid/http/page.h \
	xapid/http/picture.c xapid/http/picture.h \
	xapid/http/range.c xapid/http/range.h \
	xapid/http/relay.c xapid/http/relay.h \
	xapid/http/rpc.c xapid/http/rpc.h \
	xapid/http/services.c xapid/http/services.h \
	xapid/http/vdi-stream.c xapid/http/vdi-stream.h \
	xapid/http/vm-import.c xapid/http/vm-import.h \
	xapid/http/vm-stream.c xapid/http/vm-stream.h
