"""Fifty pairs of SIGTERM and twenty SIGKILLs at random moments of batch runs. The seed is fixed; `make fuzz` runs it.

FUZZ_SECONDS is the time limit: what does not fit in it is said and left out.
"""

import os
import random
import signal
import sys
import time
from collections import Counter

import pytest
from endings import Place

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals and /proc are Linux's here")

SEED = 14
PAIRS, KILLS = 50, 20
SECONDS = float(os.environ.get("FUZZ_SECONDS", "900"))


def measured(place):
    """Return how long a whole run takes."""
    started = time.monotonic()
    ended = place.finish(place.start())
    assert ended.code == 0, ended.log
    assert place.left()[1] == []
    place.clear()
    return time.monotonic() - started


def test_pairs_of_sigterm(tmp_path):
    place, chance, outcomes, slowest = Place(tmp_path, sys.executable), random.Random(SEED), Counter(), 0.0
    whole, deadline = measured(place), time.monotonic() + SECONDS / 2
    for done in range(PAIRS):
        if time.monotonic() > deadline:
            print(f"the time limit ended it after {done} of {PAIRS} pairs")
            break
        process = place.start()
        time.sleep(chance.uniform(0.1, whole))
        process.send_signal(signal.SIGTERM)
        time.sleep(chance.choice((0.0, 0.01, 0.2)))
        process.send_signal(signal.SIGTERM)
        ended = place.finish(process, time.monotonic())
        outcomes[ended.code] += 1
        assert place.wait_for_workers() == []
        if ended.code == -signal.SIGTERM:  # before Python ran a line of ours
            assert ended.out == ""
        else:
            slowest = max(slowest, ended.seconds)
            assert ended.code == (0 if ended.summary["ok"] else 130), ended.log
            assert "Traceback" not in ended.log, ended.log
        assert place.is_whole() == (ended.code == 0)
        place.clear()
        assert place.left() == ([], []), ended.log
    print(f"{dict(outcomes)} by exit code, slowest end {slowest:.2f} s, whole run {whole:.1f} s")


@pytest.mark.parametrize("output", ["place.glb", "place.blend"])
def test_sigkills(tmp_path, output):
    place, chance, outcomes = Place(tmp_path, sys.executable, output), random.Random(SEED), Counter()
    whole, deadline = measured(place), time.monotonic() + SECONDS / 4
    for done in range(KILLS // 2):
        if time.monotonic() > deadline:
            print(f"the time limit ended it after {done} of {KILLS // 2} kills")
            break
        process = place.start()
        if done % 2:  # while it is saving
            while process.poll() is None and not list(place.out.glob(".image_to_scene_*")):
                time.sleep(0.002)
            time.sleep(chance.uniform(0.0, 0.05))
        else:
            time.sleep(chance.uniform(0.1, whole))
        process.kill()
        outcomes[place.finish(process).code] += 1
        outcomes["staged"] += bool(list(place.out.glob(".image_to_scene_*")))
        assert place.wait_for_workers() == []
        place.is_whole()
        place.clear()
    time.sleep(2.5)  # what is younger is left alone
    assert place.finish(place.start()).code == 0
    assert place.is_whole()
    outputs, scratch = place.left()
    assert outputs == sorted([output, "saved"])
    assert scratch == []
    print(f"{dict(outcomes)}, whole run {whole:.1f} s")
