# The big counts in full; resumable.
EXTRA_DIST += tests/soak/run tests/soak/builds tests/soak/RESULTS.md

.PHONY: soak
soak: xapid/xapid xapid-launch xapid-domains xapid-host xs-guestd tests/unit/test-store-kill \
		tests/unit/pam-recorder.so
	/usr/bin/python3 $(abs_top_srcdir)/tests/soak/run
