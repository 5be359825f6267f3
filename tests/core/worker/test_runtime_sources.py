"""Wheel folders and package indexes that are broken, hostile, or not reached securely; and disks that are full."""

import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from small_disk import small_disk
from stand_in_index import Index, Proxy
from write_stand_in_wheels import write_wheel

from image_to_scene.core.errors import InstallError
from image_to_scene.core.worker.runtime import uv
from image_to_scene.core.worker.runtime.builds import BUILDS, Build
from image_to_scene.core.worker.runtime.consent import consent_lines
from image_to_scene.core.worker.runtime.indexes import check_origins
from image_to_scene.core.worker.runtime.lockfile import Pin
from image_to_scene.core.worker.runtime.processes import Runner
from image_to_scene.core.worker.runtime.store import Store
from image_to_scene.core.worker.runtime.uv import uv_environment

TORCH = "torch-2.13.0+cpu-py3-none-any.whl"
RESOLVED = Build("resolved", "Resolved", "As a build of PyTorch's index, but from the index of the environment", "")
SECRET = "hunter2"


@pytest.fixture(autouse=True)
def uv_is_there():
    if not any(place.is_file() for place in uv._places()):
        pytest.skip("uv is not installed beside this Python (requirements/development.txt)")


@pytest.fixture
def wheels(packages, tmp_path):
    return Path(shutil.copytree(packages / "wheels", tmp_path / "wheels"))


def change(wheel, edit):
    """Write a wheel anew with other files."""
    with zipfile.ZipFile(wheel) as content:
        files = {name: content.read(name) for name in content.namelist()}
    edit(files)
    with zipfile.ZipFile(wheel, "w") as content:
        for name, data in files.items():
            content.writestr(name, data)


def change_metadata(wheel, before, after):
    def edit(files):
        name = next(name for name in files if name.endswith("METADATA"))
        assert before in files[name]
        files[name] = files[name].replace(before, after)

    change(wheel, edit)


def link_to_itself(path):
    path.symlink_to(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes and devices among its files")
@pytest.mark.parametrize(
    "make",
    [getattr(os, "mkfifo", None), Path.mkdir, link_to_itself, lambda path: path.symlink_to("/dev/zero")],
    ids=["pipe", "folder", "loop", "device"],
)
@pytest.mark.parametrize("name", [TORCH, "numpy-1.0-py3-none-any.whl", "other-1.0-py3-none-any.whl"])
def test_what_is_no_file_is_named_and_not_opened(store, install, wheels, make, name):
    (wheels / name).unlink(missing_ok=True)
    make(wheels / name)
    assert str(install(wheels=wheels).error).startswith(f"{wheels / name} is not a regular file")
    assert store.current() is None


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_link_to_a_wheel_is_that_wheel(install, wheels, tmp_path):
    (wheels / TORCH).rename(tmp_path / "kept")
    (wheels / TORCH).symlink_to(tmp_path / "kept")
    assert install(wheels=wheels).error is None


@pytest.mark.parametrize(
    "path", ["../../../../x", "torch/../../../../../x", "/tmp/x", "..\\..\\x", "C:\\x", "\\\\server\\share\\x", "C:x"]
)
def test_a_path_that_leads_outside_is_named(store, install, wheels, path):
    change(wheels / TORCH, lambda files: files.update({path: b"evil"}))
    job = install(wheels=wheels)
    assert repr(path) in str(job.error) and "outside the environment" in str(job.error)
    assert store.current() is None
    assert not list(store.root.parent.parent.rglob("x"))


def test_a_link_in_a_wheel_is_named(install, wheels, tmp_path):
    entry = zipfile.ZipInfo("torch/away")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(wheels / TORCH, "a") as content:
        content.writestr(entry, str(tmp_path))
        content.writestr("torch/away/x", b"evil")
    assert "'torch/away', which is outside" in str(install(wheels=wheels).error)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (b"Name: torch", b"Name: other", "The name of a package's file is not that of what is in it"),
        (b"Version: 2.13.0+cpu", b"Version: 2.13.0+cu1", "The name of a package's file is not that of what is in it"),
        (b"-Dist: numpy", b"-Dist: numpy @ http://me:hunter2@127.0.0.1:9/numpy-1.0-py3-none-any.whl", "of its own"),
        (b"-Dist: numpy", b"-Dist: triton @ file:///srv/triton-1.0-py3-none-any.whl", "an address of its own"),
    ],
)
def test_metadata_that_says_something_else_is_one_sentence(store, install, wheels, before, after, words):
    change_metadata(wheels / TORCH, before, after)
    job = install(wheels=wheels)
    assert words in str(job.error)
    assert SECRET not in str(job.error) + "\n".join(job.log)
    assert store.current() is None


def test_a_script_that_leads_outside_is_not_written(store, install, wheels):
    script = {"torch-2.13.0+cpu.dist-info/entry_points.txt": b"[console_scripts]\n../../../../evil = torch:x\n"}
    change(wheels / TORCH, lambda files: files.update(script))
    assert "is not valid" in str(install(wheels=wheels).error)
    assert not list(store.root.parent.rglob("evil*"))


@pytest.mark.skipif(sys.platform == "win32", reason="a file with holes takes its whole size on Windows")
@pytest.mark.parametrize("name", [TORCH, "numpy-1.0-py3-none-any.whl"])
def test_a_huge_file_of_nothing_is_one_sentence(install, wheels, name):
    with (wheels / name).open("wb") as file:
        file.truncate(100 << 30)
    assert f"{wheels / name} is broken" in str(install(wheels=wheels).error)


def test_what_is_not_installed_may_be_broken(install, wheels):
    (wheels / "torch-99.0-py3-none-any.whl").write_bytes(b"half")
    (wheels / "opencv-1.0-py3-none-any.whl").write_bytes(b"half")
    (wheels / "notes.txt").write_text("ours")
    assert install(wheels=wheels).error is None


def test_a_torch_that_is_in_no_lock_is_not_taken_over_plain_http(store, install, packages, monkeypatch):
    with Index(packages / "wheels") as index:
        monkeypatch.setenv("UV_INDEX", f"studio={index.address.replace('//', f'//me:{SECRET}@')}?token={SECRET}")
        job = install(wheels=None, build=RESOLVED)
    assert str(job.error).startswith("UV_INDEX gives torch 2.13.0+cpu, whose hash is not in the add-on's list")
    assert SECRET not in str(job.error) + "\n".join(job.log)
    assert not [path for path in index.asked if "pillow" in path], "nothing was installed"
    assert store.current() is None


def test_a_torch_that_is_in_no_lock_is_not_taken_from_a_folder_that_was_not_chosen(install, index, wheels, monkeypatch):
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    assert str(install(wheels=None, build=RESOLVED).error).startswith("UV_FIND_LINKS gives torch 2.13.0+cpu")


@pytest.mark.parametrize("name", ["UV_FIND_LINKS", "UV_INDEX", "UV_DEFAULT_INDEX"])
def test_beside_a_folder_that_was_chosen_nothing_else_is_looked_at(install, packages, wheels, monkeypatch, name):
    (wheels / TORCH).unlink()
    with Index(packages / "wheels") as index:
        monkeypatch.setenv(name, str(packages / "wheels") if name == "UV_FIND_LINKS" else index.address)
        assert "is not in the folder" in str(install(wheels=wheels).error)
    assert not index.asked


def test_what_is_in_the_lock_may_come_over_plain_http(install, index):
    assert install(wheels=None, build=RESOLVED).runtime.facts["unverified"] == []


@pytest.fixture
def certificate(tmp_path):
    path = tmp_path / "index.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1"
    words += " -addext subjectAltName=IP:127.0.0.1,DNS:download.pytorch.org -addext basicConstraints=critical,CA:FALSE"
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the index's certificate, is not on this machine")
    shown = tmp_path / "shown.pem"
    subprocess.run(["openssl", *words.split(), "-keyout", path, "-out", shown], check=True, capture_output=True)
    path.write_text(path.read_text() + shown.read_text())
    return path


def test_a_mirror_over_https_gives_torch_where_its_certificate_is_trusted(install, packages, certificate, monkeypatch):
    with Index(packages / "wheels", certificate) as mirror:
        monkeypatch.setenv("UV_DEFAULT_INDEX", mirror.address)
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        monkeypatch.setenv("UV_INSECURE_HOST", "127.0.0.1")
        assert "package index cannot be reached" in str(install(wheels=None, build=RESOLVED).error)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert install(wheels=None, build=RESOLVED).runtime.facts["unverified"] == ["torch 2.13.0+cpu"]


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac takes torch from the package index")
def test_a_torch_of_pytorchs_own_index_is_taken_and_named(install, index, packages, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Index(packages / "wheels", certificate) as pytorch, Proxy(pytorch.server_port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        job = install(wheels=None, build="cpu")
    assert job.error is None, job.log
    assert job.runtime.facts["unverified"] == ["torch 2.13.0+cpu"]
    assert "/whl/cpu/torch/" in pytorch.asked
    assert not [path for path in index.asked if "torch-" in path]


def test_variables_that_weaken_an_index_do_not_reach_uv_and_those_of_pip_say_nothing_to_it(
    install, index, packages, monkeypatch
):
    weak = {"UV_INSECURE_HOST": "*", "UV_INDEX_STRATEGY": "unsafe-best-match", "UV_NO_VERIFY_HASHES": "1"}
    login = {"UV_INDEX_STUDIO_USERNAME": "a", "UV_INDEX_STUDIO_PASSWORD": "b", "UV_EXTRA_INDEX_URL": "c"}
    given = uv_environment(Path("cache"), weak | login)
    assert not given.keys() & weak.keys() and given.items() >= login.items()
    with Index(packages / "wheels") as other:
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
            monkeypatch.setenv(name, other.address)
        assert install(wheels=None, build="index").error is None
    assert index.asked and not other.asked


@pytest.mark.parametrize(
    ("origin", "variables", "named"),
    [
        ("http://host/simple", {"UV_INDEX_URL": "http://me:hunter2@host/simple/"}, "UV_INDEX_URL gives"),
        ("http://host/simple", {"UV_INDEX": "https://a/simple b=http://host/simple"}, "UV_INDEX gives"),
        ("file:///D:/our%20wheels", {"UV_FIND_LINKS": r"D:\our wheels"}, "UV_FIND_LINKS gives"),
        ("file://server/share", {"UV_FIND_LINKS": r"\\server\share"}, "UV_FIND_LINKS gives"),
        ("http://host/simple?token=hunter2", {"PIP_INDEX_URL": "http://host/simple"}, "The package index gives"),
        ("", {"UV_INDEX": "https://a/simple"}, "The package index gives"),
    ],
)
def test_the_variable_that_leads_to_an_insecure_place_is_named(origin, variables, named):
    with pytest.raises(InstallError, match=f"^{named} torch 9, ") as caught:
        check_origins([Pin("torch", "9", "", origin)], variables)
    assert SECRET not in str(caught.value)
    check_origins([Pin("torch", "9", "", "https://host/simple")], variables)


def test_the_log_of_a_program_holds_no_login(tmp_path):
    runner = Runner()
    text = f"get https://me:{SECRET}@mirror/simple/torch?sig={SECRET} HF_TOKEN={SECRET}"
    runner.run([sys.executable, "-c", f"print({text!r})"], os.environ, tmp_path)
    assert list(runner.log) == ["get https://<secret>@mirror/simple/torch?<secret> HF_TOKEN=<secret>"]


def test_the_consent_names_the_torch_that_is_in_no_lock(packages, wheels):
    lock = packages / "requirements.lock"
    assert consent_lines(BUILDS["cpu"], wheels, lock)[0] == f"Unverified: {TORCH}"
    assert consent_lines(BUILDS["cpu"], packages / "index", lock) == ()
    consent_lines.cache_clear()
    write_wheel(wheels, "torch", "torch", "2.13.0+cu130", "")
    write_wheel(wheels, "torch", "torch", "1.0", "")
    assert consent_lines(BUILDS["cpu"], wheels, lock)[0] == f"Unverified: {TORCH} and 1 more"
    assert consent_lines(BUILDS["cpu"], wheels / "nowhere", lock) == ("This folder has no wheel of torch 2.13.0.",)
    assert consent_lines(BUILDS["index"], None, lock) == ()
    if sys.platform != "darwin":  # where there is one torch only, which is in the lock
        for name, words in (("cu130", "CUDA 13.0"), ("rocm7.2", "ROCm 7.2"), ("auto", "this machine")):
            first, *rest = consent_lines(BUILDS[name], None, lock)
            assert first == f"Unverified: torch 2.13.0 for {words} from download.pytorch.org"
            assert " ".join(rest) == (
                "Its hash is not in the add-on's list. Install it only if you trust where it comes from."
            )


@pytest.mark.parametrize("room", [-100_000, 0, 200_000, 1_500_000])
def test_a_full_disk_is_called_that_at_every_step(install, wheels, store, tmp_path, room):
    padding = os.urandom(2_000_000)
    change(wheels / TORCH, lambda files: files.update({"torch/weights.bin": padding}))
    program = next(place for place in uv._places() if place.is_file()).stat().st_size
    with small_disk(tmp_path / "disk", program + room) as disk:
        store.root, store.cache = Store(disk / "a").root, Store(disk / "a").cache
        job = install(wheels=wheels)
        assert "disk is full" in str(job.error)
        assert store.current() is None
        assert not [path.name for path in store.root.iterdir() if path.name not in ("c", uv.PROGRAM)]
