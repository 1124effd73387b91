# Debian packages, built beside the source tree from what make dist takes of it; they land in deb/.
EXTRA_DIST += debian tests/deb/test-deb.sh

.PHONY: deb clean-deb
deb: clean-deb
	mkdir deb
	$(MAKE) $(AM_MAKEFLAGS) distdir distdir=deb/xapid
	cd deb/xapid && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL dpkg-buildpackage -us -uc -b
	rm -rf deb/xapid

clean-local: clean-deb
clean-deb:
	rm -rf deb
