# The fuzz target of what images of disks begin with; needs --enable-fuzzing and clang.
if FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz-image-header
tests_fuzz_fuzz_image_header_SOURCES = tests/fuzz/fuzz-image-header.c storage-repos/file/header.c
tests_fuzz_fuzz_image_header_LDADD = $(driver_libs)
tests_fuzz_fuzz_image_header_LDFLAGS = -fsanitize=fuzzer
endif
EXTRA_DIST += tests/fuzz/seeds/image-header
