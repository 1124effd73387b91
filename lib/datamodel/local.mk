noinst_LIBRARIES += libdatamodel.a
libdatamodel_a_SOURCES = lib/datamodel/datamodel.c lib/datamodel/datamodel.h
nodist_libdatamodel_a_SOURCES = lib/datamodel/datamodel-tables.c

datamodel_schema = $(top_srcdir)/lib/datamodel/schema
datamodel_generate = $(top_srcdir)/lib/datamodel/generate.py
EXTRA_DIST += lib/datamodel/generate.py lib/datamodel/schema
CLEANFILES += lib/datamodel/datamodel-tables.c

lib/datamodel/datamodel-tables.c: $(datamodel_generate) $(datamodel_schema)/*.json \
		$(datamodel_schema)/classes/*.json
	$(AM_V_GEN)$(MKDIR_P) lib/datamodel && \
		$(PYTHON) $(datamodel_generate) $(datamodel_schema) $@
