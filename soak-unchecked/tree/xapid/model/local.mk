noinst_LIBRARIES += libmodel.a
libmodel_a_SOURCES = \
	xapid/model/check.c \
	xapid/model/commit.c \
	xapid/model/durable.c \
	xapid/model/events.c \
	xapid/model/filter.c xapid/model/filter.h \
	xapid/model/fsck.c \
	xapid/model/index.c \
	xapid/model/internal.h \
	xapid/model/journal.c xapid/model/journal.h \
	xapid/model/load.c \
	xapid/model/model.c xapid/model/model.h \
	xapid/model/roles.c xapid/model/roles.h \
	xapid/model/snapshot.c \
	xapid/model/txn.c \
	xapid/model/value.c \
	xapid/model/value-text.c xapid/model/value-text.h
