# The fuzz target of what clients send as the contents of disks; needs --enable-fuzzing and clang.
if FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz-disk-stream
tests_fuzz_fuzz_disk_stream_SOURCES = tests/fuzz/fuzz-disk-stream.c xapid/stream/vhd.c \
	xapid/stream/vhd-import.c xapid/stream/qcow2.c xapid/stream/qcow2-write.c \
	xapid/stream/vm-import.c xapid/stream/unpack.c
tests_fuzz_fuzz_disk_stream_LDADD = libbase.a $(GLIB_LIBS) $(ZSTD_LIBS) $(XXHASH_LIBS)
tests_fuzz_fuzz_disk_stream_LDFLAGS = -fsanitize=fuzzer
endif
EXTRA_DIST += tests/fuzz/seeds/disk-stream
