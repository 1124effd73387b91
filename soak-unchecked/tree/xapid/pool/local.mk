noinst_LIBRARIES += libpool.a
libpool_a_SOURCES = \
	xapid/pool/boot.c xapid/pool/boot.h \
	xapid/pool/licence.c xapid/pool/licence.h \
	xapid/pool/self.c xapid/pool/self.h \
	xapid/pool/templates.c xapid/pool/templates.h
