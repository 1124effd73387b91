noinst_LIBRARIES += libstorage.a
libstorage_a_SOURCES = \
	xapid/storage/allowed.c \
	xapid/storage/chains.c \
	xapid/storage/plans.c \
	xapid/storage/probe.c \
	xapid/storage/record.c \
	xapid/storage/scan.c \
	xapid/storage/secrets.c \
	xapid/storage/shared.c \
	xapid/storage/sm.c \
	xapid/storage/sr.c \
	xapid/storage/steps.c xapid/storage/steps.h \
	xapid/storage/storage.h \
	xapid/storage/transfer.c \
	xapid/storage/vm-import.c \
	xapid/storage/vm-transfer.c
