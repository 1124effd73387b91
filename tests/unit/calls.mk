# Black-box tests of the whole daemon on a simulated host.
TESTS += tests/sim/test-lifecycle.py tests/sim/test-roles.py
EXTRA_DIST += tests/sim/test-lifecycle.py tests/sim/test-roles.py tests/sim/host.py \
	tests/sim/accounts.py
