# Tests of ./try, ./check and make soak.
TESTS += tests/unit/test-setup.py tests/unit/test-soak.py
# Its logins go to the system's own PAM modules, which cannot be loaded into a program with sanitizers.
if !SANITIZERS
TESTS += tests/sim/test-try.py tests/sim/test-readme.py tests/sim/test-guides.py
endif
EXTRA_DIST += tests/unit/test-setup.py tests/unit/test-soak.py tests/unit/bare.py tests/sim/test-try.py tests/sim/test-readme.py \
	tests/sim/test-guides.py tests/sim/document.py tests/sim/installed.py
