#!/usr/bin/python3
"""lib/datamodel/generate.py refuses a schema that would show a field to weaker roles than its getter
does, and names it."""
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
import tap

DATAMODEL = Path(__file__).resolve().parent.parent.parent / "lib" / "datamodel"


def generate(cls, change):
    """(exit status, what was said) for a schema with one class changed."""
    with tempfile.TemporaryDirectory() as folder:
        schema = Path(folder) / "schema"
        shutil.copytree(DATAMODEL / "schema", schema)
        for path in (schema, schema / "classes", schema / "classes" / f"{cls}.json"):
            path.chmod(0o755)
        path = schema / "classes" / f"{cls}.json"
        record = json.loads(path.read_text())
        change(record)
        path.write_text(json.dumps(record))
        done = subprocess.run([sys.executable, DATAMODEL / "generate.py", schema, Path(folder) / "out.c"],
                              capture_output=True, text=True)
        return done.returncode, done.stderr


def field(record, name):
    return next(f for f in record["fields"] if f["name"] == name)


def test_as_it_is():
    assert generate("VM", lambda record: None) == (0, "")


def test_a_guarded_field_in_an_open_record():
    status, said = generate("VM", lambda record: field(record, "PV_args").update(get_role="vm-operator"))
    assert status and "VM.PV_args" in said, said


def test_a_guarded_class_with_events():
    status, said = generate("VM", lambda record: record.update(read_role="vm-operator"))
    assert status and "VM: event.from" in said, said


def test_a_field_that_is_more_open_than_its_class():
    assert generate("secret", lambda record: field(record, "uuid").update(get_role="read-only"))[0] == 0


tap.run(test_as_it_is, test_a_guarded_field_in_an_open_record, test_a_guarded_class_with_events,
        test_a_field_that_is_more_open_than_its_class)
