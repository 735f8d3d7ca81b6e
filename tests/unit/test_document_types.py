"""Documents are read in several threads at once: whatever msgspec has to know of them is known before."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SIDE_BY_SIDE = """
import sys, threading, msgspec
import twin

sys.setswitchinterval(1e-6)

def structs(kind):
    for each in kind.__subclasses__():
        if each.__module__.startswith("twin."):
            yield each
        yield from structs(each)

types = [each for each in structs(msgspec.Struct) if each.__struct_fields__]
begin = threading.Barrier(4)

def read():
    for each in types:
        name = each.__struct_encode_fields__[-1]  # what becomes known last
        begin.wait()
        try:
            msgspec.json.decode('{"%s": null}' % name, type=each)
        except msgspec.ValidationError:
            pass  # something is missing

threads = [threading.Thread(target=read) for _ in range(4)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(len(types))
"""


def test_threads_that_read_documents_for_the_first_time_do_not_end_the_process() -> None:
    """Seen by `make chaos`: a twin that took two shards over at once died of a segmentation fault in msgspec."""
    ran = subprocess.run(
        [sys.executable, "-c", SIDE_BY_SIDE], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert 0 == ran.returncode, ran.stderr
    assert int(ran.stdout) > 30
