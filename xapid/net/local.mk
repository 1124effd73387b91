noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = \
	xapid/net/addresses.c \
	xapid/net/bond.c xapid/net/bond-rows.c \
	xapid/net/desired.c \
	xapid/net/net.h \
	xapid/net/network.c \
	xapid/net/pifs.c \
	xapid/net/undo.c \
	xapid/net/vlan.c
