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

# The reference of the API, a page for each class; which classes there are is known by the schema alone.
EXTRA_DIST += lib/datamodel/reference.py
docs/api/index.html: $(top_srcdir)/lib/datamodel/reference.py $(datamodel_generate) $(datamodel_schema)/*.json \
		$(datamodel_schema)/classes/*.json xapid/xapid$(EXEEXT)
	$(AM_V_GEN)$(PYTHON) -B $(top_srcdir)/lib/datamodel/reference.py $(datamodel_schema) \
		xapid/xapid$(EXEEXT) docs/api
all-local: docs/api/index.html
install-data-local: install-reference
install-reference: docs/api/index.html
	$(MKDIR_P) '$(DESTDIR)$(docdir)/api'
	$(INSTALL_DATA) docs/api/*.html '$(DESTDIR)$(docdir)/api'
uninstall-local: uninstall-reference
uninstall-reference:
	rm -rf '$(DESTDIR)$(docdir)/api'
clean-local: clean-reference
clean-reference:
	rm -rf docs/api
.PHONY: install-reference uninstall-reference clean-reference
