# Tests of ./try and ./check.
TESTS += tests/unit/test-setup.py tests/sim/test-try.py
EXTRA_DIST += tests/unit/test-setup.py tests/unit/bare.py tests/sim/test-try.py
