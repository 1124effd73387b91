# Black-box tests of the whole daemon on a simulated host.
TESTS += tests/sim/test-known-keys.py tests/sim/test-lifecycle.py tests/sim/test-limits.py tests/sim/test-live.py \
	tests/sim/test-parked.py tests/sim/test-roles.py
EXTRA_DIST += tests/sim/test-known-keys.py tests/sim/test-lifecycle.py \
	tests/sim/test-limits.py tests/sim/test-live.py tests/sim/test-parked.py tests/sim/test-roles.py \
	tests/sim/host.py tests/sim/accounts.py tests/sim/waiting.py
