"""What mutated files came to, counted and told at the end of the run."""

import faulthandler
import os
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager

import pytest

os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp(prefix="image_to_scene_fuzz_")
SECONDS_OF_A_CASE = 30.0
_outcomes = Counter()
_status = 0


class Report:
    """Counts outcomes of one kind of file and keeps the cases that nothing explains."""

    def __init__(self, kind):
        self.kind = kind
        self.unexplained = []

    @contextmanager
    def case(self, number):
        """Run one case: an exception that is no sentence is noted, a hang ends the run with its trace."""
        faulthandler.dump_traceback_later(SECONDS_OF_A_CASE, exit=True)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any of them is what is looked for
            self.unexplained.append(f"case {number}: {type(error).__name__}: {error}"[:300])
            _outcomes[self.kind, "traceback"] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()

    def refused(self, number, error, *words):
        """Note the artist's sentence, which is one line and names the file."""
        text = str(error)
        _outcomes[self.kind, "refused"] += 1
        if not (0 < len(text) < 1000 and "\n" not in text and any(word in text for word in words)):
            self.unexplained.append(f"case {number}: not a sentence that names {words}: {text[:300]!r}")

    def same(self):
        """Note a result that is that of the whole file."""
        _outcomes[self.kind, "identical"] += 1

    def different(self, number, reasons, unexplained):
        """Note a result that differs: `reasons` say why, what is `unexplained` fails the test."""
        reason = ", ".join(sorted(set(reasons))) or "unexplained"
        _outcomes[self.kind, f"different: {reason}"] += 1
        if unexplained:
            self.unexplained.append(f"case {number}: differs in {sorted(map(str, unexplained))}")

    def close(self):
        assert not self.unexplained, "\n".join(self.unexplained[:20])


@pytest.fixture
def report(request):
    found = Report(request.node.get_closest_marker("kind").args[0])
    yield found
    found.close()


def pytest_configure(config):
    config.addinivalue_line("markers", "kind(name): what is mutated")


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section(f"outcomes of {sum(_outcomes.values())} mutated files")
    for (kind, outcome), count in sorted(_outcomes.items()):
        terminalreporter.line(f"{count:5}  {kind:20} {outcome}")


def pytest_sessionfinish(exitstatus):
    global _status  # noqa: PLW0603
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    """Leave at once: Blender as a module may hang when the interpreter ends."""
    shutil.rmtree(os.environ["BLENDER_USER_RESOURCES"], ignore_errors=True)
    sys.stdout.flush()
    sys.stderr.flush()
    if "bpy" in sys.modules:
        os._exit(_status)
