noinst_LIBRARIES += libops.a
libops_a_SOURCES = \
	xapid/ops/advance.c \
	xapid/ops/current.c \
	xapid/ops/internal.h \
	xapid/ops/journal.c \
	xapid/ops/op.c \
	xapid/ops/ops.c xapid/ops/ops.h \
	xapid/ops/plan.c xapid/ops/plan.h \
	xapid/ops/task.c xapid/ops/task.h
