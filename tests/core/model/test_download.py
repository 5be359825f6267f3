"""A checkpoint arrives whole and checked, or not at all, from a hub that does everything wrong."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants, try_to_load_from_cache
from loopback_hub import COMMIT, LoopbackHub, checksum
from small_disk import small_disk

from image_to_scene.core.errors import CancelledError, WeightsError
from image_to_scene.core.model import download, hub_connection
from image_to_scene.core.model.download import ATTEMPTS, Hub
from image_to_scene.core.model.hub_cache import cached_checkpoint, is_commit
from image_to_scene.core.model.presets import PINNED, PRESETS, Pinned

REPOSITORY = PRESETS["small"].repositories[0]
CONTENT = os.urandom(300_000)
FILES = {"config.json": json.dumps({"model_name": "da3-small"}).encode(), "model.safetensors": CONTENT}


@pytest.fixture
def server():
    return LoopbackHub(FILES)


@pytest.fixture
def hub(server, tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with server.serve() as address:
        yield Hub(address, tmp_path / "hub", pause=0.001)


def ignore(_progress):
    pass


def tensors(hub):
    """The file in the cache as other programs find it."""
    found = try_to_load_from_cache(REPOSITORY, "model.safetensors", cache_dir=hub.cache)
    path = Path(found) if isinstance(found, str) else None
    assert cached_checkpoint(REPOSITORY, hub.cache) == (path and path.parent), "we find what they find"
    return path


def parts(hub):
    return list(hub.cache.glob("*/blobs/*.incomplete"))


def test_a_download_is_what_other_programs_find(hub, server):
    steps = []
    folder = hub.download("small", steps.append)
    assert folder == tensors(hub).parent
    assert folder.name == COMMIT
    assert tensors(hub).read_bytes() == CONTENT
    assert tensors(hub).resolve().name == checksum("model.safetensors", CONTENT)
    assert json.loads((folder / "config.json").read_text()) == {"model_name": "da3-small"}
    assert parts(hub) == []
    total = sum(map(len, FILES.values()))
    assert {step.total for step in steps} == {total}
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == total
    server.requests.clear()
    assert hub.download("da3-small", ignore) == folder
    assert {method for method, *_ in server.requests} == {"HEAD"}


def test_what_another_program_has_brought_is_not_fetched(hub, server):
    from huggingface_hub import hf_hub_download

    for name in FILES:
        hf_hub_download(REPOSITORY, name, cache_dir=hub.cache, endpoint=hub.endpoint)
    server.requests.clear()
    hub.download("small", ignore)
    assert {method for method, *_ in server.requests} == {"HEAD"}
    hub.remove("small")
    hub.download("small", ignore)
    server.requests.clear()
    other = hf_hub_download(REPOSITORY, "model.safetensors", cache_dir=hub.cache, endpoint=hub.endpoint)
    assert other == str(tensors(hub))
    assert {method for method, *_ in server.requests} == {"HEAD"}


def test_a_file_that_breaks_off_is_taken_up_where_it_did(hub, server):
    server.cuts = [100_000, 50_000, 0, 1]
    hub.download("small", ignore)
    assert tensors(hub).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-", "bytes=150000-", "bytes=150001-"]


def test_a_part_outlives_its_process(hub, server):
    server.cuts = [1000] * ATTEMPTS
    with pytest.raises(WeightsError, match=r"failed .* what has arrived is kept"):
        hub.download("small", ignore)
    assert tensors(hub) is None
    assert [part.stat().st_size for part in parts(hub)] == [1000 * ATTEMPTS]
    server.requests.clear()
    hub.download("small", ignore)
    assert server.ranges == [f"bytes={1000 * ATTEMPTS}-"]
    assert tensors(hub).read_bytes() == CONTENT


def test_a_hub_without_ranges_starts_again(hub, server):
    server.takes_ranges, server.cuts = False, [100_000]
    hub.download("small", ignore)
    assert tensors(hub).read_bytes() == CONTENT


def test_a_part_of_something_else_is_found_out_and_deleted(hub, server):
    server.cuts = [1000] * ATTEMPTS
    with pytest.raises(WeightsError):
        hub.download("small", ignore)
    parts(hub)[0].write_bytes(bytes(5000))
    with pytest.raises(WeightsError, match=r"model\.safetensors is not what its checksum promises"):
        hub.download("small", ignore)
    assert parts(hub) == [] and tensors(hub) is None
    hub.download("small", ignore)
    assert tensors(hub).read_bytes() == CONTENT


@pytest.mark.parametrize("lie", [{"X-Linked-Etag": '"' + "0" * 64 + '"'}, {"X-Linked-Size": "299999"}])
def test_a_hub_that_lies_of_checksum_or_size_is_not_believed(hub, server, lie):
    server.lies = lie
    with pytest.raises(WeightsError, match="not what its checksum promises"):
        hub.download("small", ignore)
    assert parts(hub) == [] and tensors(hub) is None


def test_more_bytes_than_announced_are_not_taken(hub, server):
    server.excess = 10
    with pytest.raises(WeightsError, match="not what its checksum promises"):
        hub.download("small", ignore)
    assert tensors(hub) is None


def test_fewer_bytes_than_announced_are_not_taken(hub, server):
    server.lies = {"X-Linked-Size": "300001"}
    with pytest.raises(WeightsError, match="failed"):
        hub.download("small", ignore)
    assert tensors(hub) is None


@pytest.mark.parametrize("header", ["X-Repo-Commit", "X-Linked-Etag"])
def test_a_mirror_that_tells_too_little_is_refused(hub, server, header):
    server.lies = {header: None}
    with pytest.raises(WeightsError, match="could not be checked: let HF_ENDPOINT name another mirror"):
        hub.download("small", ignore)
    assert [method for method, *_ in server.requests] == ["HEAD", "HEAD"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, r"refuses depth-anything/DA3-SMALL \(401\), which is public: let HF_ENDPOINT name another mirror"),
        (403, r"refuses depth-anything/DA3-SMALL \(403\)"),
        (404, r"has no depth-anything/DA3-SMALL \(404\)"),
        (418, r"answered 418"),
        (503, r"too busy or out of order \(503\): try again later"),
    ],
)
def test_each_refusal_is_one_sentence(hub, server, status, words):
    server.refusal = status
    with pytest.raises(WeightsError, match=words) as caught:
        hub.download("small", ignore)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == (ATTEMPTS if status == 503 else 1)
    assert tensors(hub) is None


def test_a_busy_hub_is_asked_again_when_it_says(hub, server):
    hub.pause = 1000.0
    server.failures = [(503, "0"), (429, "0"), (500, "0")]
    hub.download("small", ignore)
    assert tensors(hub).read_bytes() == CONTENT


def pin(monkeypatch, commit=COMMIT, **contents):
    """Pretend that the stand-in's files are known beforehand, in another version where contents are given."""
    known = FILES | {
        "model.safetensors": contents.get("tensors", CONTENT),
        "config.json": contents.get("config", FILES["config.json"]),
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in known.items()}
    monkeypatch.setattr(download, "PINNED", {REPOSITORY: Pinned(commit, hashes)})


def test_pinned_files_are_asked_for_at_their_commit(hub, server, monkeypatch):
    pin(monkeypatch)
    assert hub.download("small", ignore).name == COMMIT
    assert tensors(hub).read_bytes() == CONTENT
    assert all(f"/resolve/{COMMIT}/" in path for _, path, _ in server.requests)


@pytest.mark.parametrize(("file", "name"), [("tensors", r"model\.safetensors"), ("config", r"config\.json")])
def test_a_file_with_another_hash_than_the_pinned_one_is_refused_whatever_its_server_says(
    hub, server, monkeypatch, file, name
):
    pin(monkeypatch, **{file: b"the true one"})
    words = f"{name} is not the file that this add-on knows, and was deleted: let HF_ENDPOINT name another mirror"
    with pytest.raises(WeightsError, match=words):
        hub.download("small", ignore)
    assert tensors(hub) is None and parts(hub) == []


@pytest.mark.parametrize(("file", "name"), [("tensors", "model.safetensors"), ("config", "config.json")])
def test_what_came_before_is_compared_with_the_pinned_hash_too(hub, server, monkeypatch, file, name):
    folder = hub.download("small", ignore)
    pin(monkeypatch, **{file: b"the true one"})
    for _ in range(2):
        with pytest.raises(WeightsError, match="not the file that this add-on knows"):
            hub.download("small", ignore)
        assert not (folder / name).exists()
        assert not (folder.parents[1] / "blobs" / checksum(name, FILES[name])).exists()


def test_another_commit_than_the_pinned_one_is_refused(hub, server, monkeypatch):
    pin(monkeypatch, commit="a" * 40)
    with pytest.raises(WeightsError, match="at commit 0123456, which cannot be"):
        hub.download("small", ignore)
    assert not hub.cache.exists()


def test_pins_have_their_form():
    for repository, pinned in PINNED.items():
        assert any(repository in preset.repositories for preset in PRESETS.values())
        assert is_commit(pinned.commit) and set(pinned.sha256) == {"config.json", "model.safetensors"}
        assert all(re.fullmatch("[0-9a-f]{64}", value) for value in pinned.sha256.values())


def test_no_token_is_sent_to_anybody(hub, server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    storage = LoopbackHub(FILES)
    with storage.serve() as address:
        server.redirects_to = address
        hub.download("small", ignore)
    assert tensors(hub).read_bytes() == CONTENT
    assert {method for method, *_ in storage.requests} == {"GET"}, "the storage does not know what the hub has said"
    for _, _, headers in server.requests + storage.requests:
        assert "hf_secret" not in str(headers)
        assert "authorization" not in {name.lower() for name in headers}


def written(hub):
    """All files beside locks, wherever a hub may have had them written."""
    return [path for path in hub.cache.parent.rglob("*") if path.is_file() and path.suffix != ".lock"]


UP = "../../../../outside"
PATHS = [
    UP,
    "..\\..\\outside",
    "/tmp/outside",
    "C:outside",
    "",
    COMMIT + "/",
    COMMIT[1:],
    f"{COMMIT}\t0",
    "g" * 40,
    "٠" * 40,
]


@pytest.mark.parametrize("name", PATHS)
def test_a_commit_is_no_path(hub, server, name):
    server.common_lies = {"X-Repo-Commit": name.encode().decode("latin-1")}
    with pytest.raises(WeightsError, match=r"does not tell commit, size and checksum of config\.json as a hub does"):
        hub.download("small", ignore)
    assert not hub.cache.exists() and written(hub) == []


def test_the_commit_of_a_second_file_is_no_path_and_is_the_first_ones(hub, server):
    for name, words in ((UP, "does not tell commit"), ("f" * 40, "at commit fffffff, which cannot be")):
        server.lies = {"X-Repo-Commit": name}
        with pytest.raises(WeightsError, match=words):
            hub.download("small", ignore)
        assert not hub.cache.exists() and written(hub) == []


@pytest.mark.parametrize("name", ["../" * 18 + "evil-64-ch", *PATHS, "0" * 63, "0" * 65, '"' + "0" * 40, 'W/"../x"'])
@pytest.mark.parametrize("header", ["X-Linked-Etag", "ETag"])
def test_a_checksum_is_no_path(hub, server, name, header):
    lies = {"X-Linked-Etag": None, header: name.encode().decode("latin-1")}
    server.common_lies = lies
    if name not in (COMMIT + "/",):
        with pytest.raises(WeightsError, match="does not tell commit, size and checksum"):
            hub.download("small", ignore)
        assert not hub.cache.exists() and written(hub) == []


def test_a_weak_and_unquoted_checksum_is_one(hub, server):
    server.lies = {"X-Linked-Etag": f'W/"{checksum("model.safetensors", CONTENT).upper()}"'}
    hub.download("small", ignore)
    assert tensors(hub).resolve().name == checksum("model.safetensors", CONTENT)


@pytest.mark.parametrize("size", ["-5", "1e3", "", "9" * 16, "٣", "0x10", "300000, 300000"])
def test_a_size_is_a_number_of_bytes(hub, server, size):
    server.lies = {"X-Linked-Size": size.encode().decode("latin-1"), "Content-Length": None}
    with pytest.raises(WeightsError, match="does not tell commit, size and checksum"):
        hub.download("small", ignore)
    assert not hub.cache.exists()


def test_a_size_that_no_checkpoint_has_is_not_believed(hub, server):
    server.lies = {"X-Linked-Size": str(10**14)}
    with pytest.raises(WeightsError, match=r"tells of 100000\.0 GB for model\.safetensors .* which cannot be"):
        hub.download("small", ignore)
    server.lies, server.common_lies = {}, {"Content-Length": "2000000"}
    with pytest.raises(WeightsError, match=r"tells of 2 MB for config\.json"):
        hub.download("small", ignore)
    assert not hub.cache.exists()


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "javascript:alert(1)", "gopher://x", "\\\\server\\x"],
)
def test_a_redirect_leads_to_no_other_protocol(hub, server, location):
    server.location = location
    with pytest.raises(WeightsError, match=r"not a secure address|answered 302|404"):
        hub.download("small", ignore)
    assert not hub.cache.exists()


def test_redirects_end(hub, server):
    server.location = "/again/model.safetensors"
    with pytest.raises(WeightsError, match="redirects without an end"):
        hub.download("small", ignore)
    assert len(server.requests) < 20


def test_a_secure_hub_leads_to_no_open_place():
    here = SimpleNamespace(scheme="https", host="hub")
    with pytest.raises(WeightsError, match="hub redirects the download to http://other, which is not a secure address"):
        hub_connection._check_redirect(here, SimpleNamespace(scheme="http", host="other"))
    hub_connection._check_redirect(here, SimpleNamespace(scheme="https", host="other"))
    hub_connection._check_redirect(SimpleNamespace(scheme="http", host="hub"), here)


def test_a_web_page_is_named_and_costs_nothing_that_had_arrived(hub, server):
    server.cuts = [1000] * ATTEMPTS
    with pytest.raises(WeightsError, match="is kept"):
        hub.download("small", ignore)
    server.page = True
    with pytest.raises(WeightsError, match=r"sent a web page instead of model\.safetensors: log in to the network"):
        hub.download("small", ignore)
    assert [part.stat().st_size for part in parts(hub)] == [1000 * ATTEMPTS]


def test_another_part_than_the_one_asked_for_is_not_joined(hub, server):
    server.cuts, server.starts = [1000], 0
    with pytest.raises(WeightsError, match=r"another part of model\.safetensors than it was asked for"):
        hub.download("small", ignore)
    assert [part.stat().st_size for part in parts(hub)] == [1000]


@pytest.mark.parametrize(
    ("status", "words"), [(200, "not what its checksum promises"), (404, r"\(404\)"), (204, "204")]
)
def test_a_body_without_end_is_not_read(hub, server, status, words):
    server.endless = status
    with pytest.raises(WeightsError, match=words):
        hub.download("small", ignore)
    assert tensors(hub) is None


def test_a_part_that_is_too_long_is_begun_again(hub, server):
    server.cuts = [1000] * ATTEMPTS
    with pytest.raises(WeightsError):
        hub.download("small", ignore)
    parts(hub)[0].write_bytes(bytes(2 * len(CONTENT)))
    hub.download("small", ignore)
    assert tensors(hub).read_bytes() == CONTENT


def test_a_part_is_never_continued_with_other_bytes(hub, server):
    server.cuts = [1000] * ATTEMPTS
    with pytest.raises(WeightsError):
        hub.download("small", ignore)
    server.files["model.safetensors"] = CONTENT[::-1]
    server.common_lies = {"X-Repo-Commit": "a" * 40}
    server.requests.clear()
    hub.download("small", ignore)
    assert server.ranges == [None]
    assert tensors(hub).read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("text", ["../../../elsewhere", COMMIT + "\n", COMMIT[:-1], "..", ".", "", "x" * 10**6, "é"])
def test_what_a_reference_says_is_no_path(hub, text):
    commit = hub.download("small", ignore)
    elsewhere = hub.cache.parent / "elsewhere"
    shutil.copytree(commit, elsewhere)
    (commit.parents[1] / "refs" / "main").write_text(text, encoding="utf-8")
    assert cached_checkpoint(REPOSITORY, hub.cache) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_reference_that_is_a_pipe_keeps_nobody_waiting(hub):
    reference = hub.download("small", ignore).parents[1] / "refs" / "main"
    reference.unlink()
    os.mkfifo(reference)
    assert cached_checkpoint(REPOSITORY, hub.cache) is None


@pytest.mark.parametrize("moment", ["Downloading", "Checking", "Trying again"])
def test_a_cancelled_download_keeps_what_has_arrived(hub, server, moment, monkeypatch):
    def cancel(step):
        if step.stage.startswith(moment) and (step.done > 1000 or step.total == 1):
            raise CancelledError("enough")

    monkeypatch.setattr("image_to_scene.core.model.download.TICK", 0.0)
    server.cuts = [2000] if moment == "Trying again" else []
    hub.pause = 1.0
    with pytest.raises(CancelledError):
        hub.download("small", cancel)
    assert tensors(hub) is None
    assert len(parts(hub)) == 1
    hub.download("small", ignore)
    assert tensors(hub).read_bytes() == CONTENT


def test_two_downloads_of_one_file_do_not_mix(hub, server):
    server.slow = True
    first = threading.Thread(target=lambda: hub.download("small", ignore))
    first.start()
    while not parts(hub):
        assert first.is_alive()
    with pytest.raises(WeightsError, match="Another program is downloading"):
        hub.download("small", ignore)
    server.slow = False
    server.over.set()
    first.join()
    assert tensors(hub).read_bytes() == CONTENT


def test_a_full_disk_is_known_before(hub, server, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: SimpleNamespace(free=1000))
    with pytest.raises(WeightsError, match=r"takes 0 MB and the disk of .* free: free some"):
        hub.download("small", ignore)
    assert parts(hub) == []


LIMITED = """
import resource, runpy, signal, sys
from pathlib import Path
conftest, endpoint, cache = sys.argv[1:]
runpy.run_path(conftest)
from image_to_scene.core.model import download, hub_connection
from image_to_scene.core.model.download import Hub
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    Hub(endpoint, Path(cache)).download("small", lambda step: None)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits how much a process may write")
def test_a_disk_that_takes_no_more_is_one_sentence(hub):
    conftest = Path(__file__).parents[2] / "conftest.py"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, conftest, hub.endpoint, hub.cache], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("WeightsError The download could not be written to"), done
    assert tensors(hub) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_called_that(hub):
    part = (
        hub.cache
        / f"models--{REPOSITORY.replace('/', '--')}"
        / "blobs"
        / f"{checksum('model.safetensors', CONTENT)}.incomplete"
    )
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(WeightsError, match=r"^The disk of .* is full: free some"):
        hub.download("small", ignore)
    assert tensors(hub) is None


def test_a_disk_that_fills_during_a_download_is_called_full_and_the_rest_follows(hub, tmp_path):
    with small_disk(tmp_path / "disk", 1_000_000) as disk:
        hub.cache, ballast = disk / "hub", disk / "ballast"

        def fill(_progress):
            if not ballast.exists():
                ballast.write_bytes(bytes(shutil.disk_usage(disk).free - 100_000))

        with pytest.raises(WeightsError, match=r"^The disk of .* is full: free some"):
            hub.download("small", fill)
        ballast.unlink()
        hub.download("small", ignore)
        assert tensors(hub).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("http://hub.invalid", "hub.invalid was not found: check the internet connection, and HF_ENDPOINT"),
        ("https://127.0.0.1:{port}", "could not be reached securely"),
        ("http://127.0.0.1:1", "failed"),
        ("hub.invalid", "HF_ENDPOINT names 'hub.invalid', which is no address of a hub: begin it with https://"),
        ("file:///etc", "no address of a hub"),
        ("http://me:secret@127.0.0.1:1", r"connection to 127\.0\.0\.1:1 failed"),
    ],
)
def test_no_connection_is_one_sentence(hub, endpoint, words):
    hub.endpoint = endpoint.format(port=hub.endpoint.rpartition(":")[2])
    with pytest.raises(WeightsError, match=words) as caught:
        hub.download("small", ignore)
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


def test_offline_mode_is_respected(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        hub.download("small", ignore)


@pytest.mark.parametrize("model", ["nano", "tiny", "../base"])
def test_what_is_on_no_hub_is_refused(hub, model):
    for act in (hub.remove, lambda name: hub.download(name, ignore)):
        with pytest.raises(WeightsError, match="on no hub"):
            act(model)


def test_removing_frees_the_disk_and_leaves_the_rest(hub, server):
    hub.download("base", ignore)
    before = {path: path.stat().st_size for path in hub.cache.glob("**/*")}
    hub.download("small", ignore)
    assert hub.remove("small") == sum(map(len, FILES.values()))
    assert tensors(hub) is None
    left = {path: path.stat().st_size for path in hub.cache.glob("**/*") if ".locks" not in path.parts}
    assert left == {path: size for path, size in before.items() if ".locks" not in path.parts}
    assert hub.remove("small") == 0


def test_removing_takes_unfinished_files_along(hub, server):
    assert hub.remove("small") == 0
    server.cuts = [1000] * ATTEMPTS
    with pytest.raises(WeightsError):
        hub.download("small", ignore)
    assert hub.remove("small") == 1000 * ATTEMPTS + len(FILES["config.json"])
    assert not (hub.cache / "models--depth-anything--DA3-SMALL").exists()
