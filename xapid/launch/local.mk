sbin_PROGRAMS += xapid-launch
xapid_launch_SOURCES = \
	xapid/launch/listen.c xapid/launch/listen.h \
	xapid/launch/main.c \
	xapid/launch/program.c xapid/launch/program.h
xapid_launch_LDADD = libbase.a $(GLIB_LIBS)

# Units, the user and the configuration.
systemdsystemunitdir = $(prefix)/lib/systemd/system
nodist_systemdsystemunit_DATA = docs/systemd/xapid.service docs/systemd/xapid-guests.service
EXTRA_DIST += docs/systemd/xapid.service.in docs/systemd/xapid-guests.service.in docs/systemd/sysusers.conf \
	docs/xapid.conf.sample
CLEANFILES += $(nodist_systemdsystemunit_DATA)
$(nodist_systemdsystemunit_DATA): $(top_srcdir)/docs/systemd/xapid.service.in \
		$(top_srcdir)/docs/systemd/xapid-guests.service.in
	$(AM_V_GEN)$(MKDIR_P) docs/systemd && sed 's|@sbindir[@]|$(sbindir)|; s|@bindir[@]|$(bindir)|g' \
		$(top_srcdir)/$@.in > $@.tmp && mv $@.tmp $@

# An administrator's configuration is kept.
install-data-local: install-launch-data
install-launch-data:
	$(MKDIR_P) '$(DESTDIR)$(sysconfdir)/xapid' '$(DESTDIR)$(prefix)/lib/sysusers.d'
	$(INSTALL_DATA) $(top_srcdir)/docs/systemd/sysusers.conf \
		'$(DESTDIR)$(prefix)/lib/sysusers.d/xapid.conf'
	test -e '$(DESTDIR)$(sysconfdir)/xapid/xapid.conf' || \
		$(INSTALL_DATA) $(top_srcdir)/docs/xapid.conf.sample \
			'$(DESTDIR)$(sysconfdir)/xapid/xapid.conf'
uninstall-local: uninstall-launch-data
uninstall-launch-data:
	rm -f '$(DESTDIR)$(prefix)/lib/sysusers.d/xapid.conf'
.PHONY: install-launch-data uninstall-launch-data

# Their pages of man; that of the settings is made from the sample.
dist_man_MANS += docs/xapid.8 docs/xapid-launch.8
nodist_man_MANS += docs/xapid.conf.5
EXTRA_DIST += docs/conf-page.py
CLEANFILES += docs/xapid.conf.5
docs/xapid.conf.5: $(top_srcdir)/docs/conf-page.py $(top_srcdir)/docs/xapid.conf.sample
	$(AM_V_GEN)$(MKDIR_P) docs && $(PYTHON) $(top_srcdir)/docs/conf-page.py \
		$(top_srcdir)/docs/xapid.conf.sample $(PACKAGE_VERSION) $@
