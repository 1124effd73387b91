noinst_LIBRARIES += libstream.a
libstream_a_CFLAGS = $(AM_CFLAGS) $(ZSTD_CFLAGS) $(XXHASH_CFLAGS)
libstream_a_SOURCES = \
	xapid/stream/big-endian.h \
	xapid/stream/client.c \
	xapid/stream/difference.c \
	xapid/stream/disk.c \
	xapid/stream/orders.c \
	xapid/stream/pack.c \
	xapid/stream/qcow2.c xapid/stream/qcow2.h \
	xapid/stream/qcow2-export.c \
	xapid/stream/qcow2-import.c \
	xapid/stream/qcow2-write.c \
	xapid/stream/raw.c \
	xapid/stream/stream.h \
	xapid/stream/unpack.c \
	xapid/stream/vhd.c xapid/stream/vhd.h \
	xapid/stream/vhd-export.c \
	xapid/stream/vhd-import.c \
	xapid/stream/vm.h \
	xapid/stream/vm-export.c \
	xapid/stream/vm-import.c
pkglibexec_PROGRAMS += xapid-stream
xapid_stream_SOURCES = xapid/stream/main.c
xapid_stream_LDADD = libstream.a libbase.a $(GLIB_LIBS) $(ZSTD_LIBS) $(XXHASH_LIBS)
