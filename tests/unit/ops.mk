# Tests of xapid/ops and xapid/vm, and of what they promise when programs die.
TESTS += tests/sim/test-kills.py tests/sim/test-faults.py
EXTRA_DIST += tests/sim/test-kills.py tests/sim/test-faults.py tests/sim/owner.py \
	tests/sim/settled.py tests/sim/world.py
