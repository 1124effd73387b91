#!/usr/bin/python3
"""tests/effects.py in small trees of the test's own, and in this one without one point after the other."""
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path += [str(TESTS / "unit"), str(TESTS)]
import effects
import tap

BEFORE, AFTER = 'FAULT_POINT("a.before", error)', 'FAULT_POINT("a.after", error)'
# Points of which the lint must see that they are gone, one of each kind of effect.
PILLARS = ("store.commit.done", "unpause", "save", "image.rename", "mark.clear.after", "peer.start.before",
           "peer.start.after", "hostd.ask.before", "host.driver.before", "host.driver.after", "host.handle.write",
           "host.bridge.before", "child.start.before", "launch.start.before", "file.vdi.create.before",
           "file.vdi.destroy.before", "certificate.before", "host.power.before", "store.restore.before")


def wrong(text, excused="", **others):
    """What the lint says of a tree with this text as lib/a.c."""
    with tempfile.TemporaryDirectory(prefix="effects-") as top:
        for room in effects.ROOMS:
            (Path(top) / room).mkdir()
        (Path(top) / "tests").mkdir()
        (Path(top) / effects.WITHOUT).write_text(excused)
        for name, source in {"a": text, **others}.items():
            (Path(top) / "lib" / f"{name}.c").write_text(source)
        return effects.check(top)


def function(name, body, kind="static bool", params="GError **error"):
    return f"{kind}\n{name}({params})\n{{\n    {body}\n}}\n\n"


def test_an_effect_stands_between_two_points():
    for effect in ('rename("a", "b")', "fsync(fd)", 'unlinkat(fd, "a", 0)', "libxl_domain_unpause(ctx, 1, NULL)", "fork()",
                   "g_dbus_proxy_call(proxy)", "run(database, STATEMENT_COMMIT, error)", "ioctl(fd, LOOP_CONFIGURE, &config)"):
        assert not wrong(function("f", f"return {BEFORE} && {effect} && {AFTER};"))
        assert not wrong(function("f", f'return FAULT_AROUND("a", error, {effect});'))
        found = wrong(function("f", f"return {effect} && {AFTER};"))
        assert len(found) == 1 and found[0].startswith("lib/a.c:4: f: no fault point before "), (effect, found)
        found = wrong(function("f", f"return {BEFORE} && {effect};"))
        assert len(found) == 1 and found[0].startswith("lib/a.c:4: f: no fault point after "), (effect, found)
        assert len(wrong(function("f", f'return {effect} && FAULT_AROUND("a", error, true) && {effect};'))) == 2


def test_what_is_no_effect():
    assert not wrong(function("f", 'log_info("rename(a, b)"); /* fork() */ return libxl_list_domain(ctx, &n);  // unlink(a)'))


def test_each_way_to_an_effect_has_points():
    low = function("low", "return fsync(fd) == 0;")
    good = function("good", f"return {BEFORE} && low(error) && {AFTER};", kind="bool")
    bad = function("bad", "return low(error);", kind="bool")
    assert not wrong(low + good)
    found = wrong(low + good + bad)
    assert found == [f"lib/a.c:4: low: no fault point {side} fsync by bad" for side in ("before", "after")], found
    assert not wrong(low + good + bad + function("better", f"return {BEFORE} && bad(error) && {AFTER};", kind="bool"))
    # One that only reaches itself has none; a static one of another file is another.
    assert len(wrong(function("low", "return fsync(fd) == 0 || low(error);"))) == 2
    assert not wrong(low + good, b=function("low", "return true;") + function("other", "return low(error);", kind="bool"))


def test_ways_over_tables_and_callbacks():
    low = function("low", "return fsync(fd) == 0;")
    table = "const struct backend backend_a = {\n    .save = low,\n};\n"
    assert not wrong(low + table + function("f", f"return {BEFORE} && v->backend->save(v) && {AFTER};", kind="bool"))
    assert len(wrong(low + table + function("f", "return v->backend->save(v);", kind="bool"))) == 2
    assert len(wrong(low + table + function("f", f"return {BEFORE} && v->other->save(v) && {AFTER};", kind="bool"))) == 2
    assert len(wrong(low + "static const struct verb verbs[] = {\n    {\"low\", low},\n};\n" +
                     function("f", f"return {BEFORE} && low(error) && {AFTER};", kind="bool"))) == 2
    done = function("done", f"return {AFTER};")
    assert not wrong(done + function("f", f"return {BEFORE} && fsync(fd) == 0 && wait(done, data);", kind="bool"))


def test_exemptions_are_needed_and_give_a_reason():
    low = function("low", "return fsync(fd) == 0;") + function("f", "return low(error);", kind="bool")
    assert not wrong(low, "# why\nlib/a.c f: it may\n") and not wrong(low, "lib/a.c low: it may\n")
    assert wrong(low, "lib/a.c low: it may\nlib/a.c other: so\n") == [f"{effects.WITHOUT}: nothing needs lib/a.c other"]
    try:
        wrong(low, "lib/a.c low:\n")
    except SystemExit as refused:
        assert "not FILE FUNCTION: REASON" in str(refused)
    else:
        raise AssertionError("an exemption without a reason")


def without(tree, name):
    """Whether something is wrong when the points of that name are gone."""
    changed = []
    for one in tree.functions:
        for kind in ("points", "spans"):
            places = getattr(one, kind)
            left = [at for at in places if f'"{name}"' not in one.body[at if kind == "points" else at[0]:][:200].split(",")[0]]
            if left != places:
                changed.append((one, kind, places))
                setattr(one, kind, left)
    assert changed, f"no point {name}"
    found = any(tree.bare(one, place, before) for one, _, place in tree.effects() for before in (True, False))
    for one, kind, places in changed:
        setattr(one, kind, places)
    return found


def test_points_of_this_tree_are_missed():
    tree = effects.Tree(effects.TOP, effects.exemptions(effects.TOP))
    unmissed = [name for name in PILLARS if not without(tree, name)]
    assert not unmissed and not effects.check(), unmissed


tap.run(*[test for name, test in list(globals().items()) if name.startswith("test_")])
