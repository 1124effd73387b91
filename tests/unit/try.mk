# Tests of ./try and ./check.
TESTS += tests/unit/test-setup.py
# Logins by PAM, whose modules the sanitizers forbid.
if !SANITIZERS
TESTS += tests/sim/test-try.py
endif
EXTRA_DIST += tests/unit/test-setup.py tests/unit/bare.py tests/sim/test-try.py
