"""Environments made from small wheels that stand in for torch and the rest, by the real uv."""

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from write_stand_in_wheels import write_wheel

from image_to_scene.core.errors import CancelledError, InstallError
from image_to_scene.core.worker.client import find_python
from image_to_scene.core.worker.runtime import uv
from image_to_scene.core.worker.runtime.builds import BUILDS
from image_to_scene.core.worker.runtime.installation import Installation, Removal, Source
from image_to_scene.core.worker.runtime.store import MARK, python_in

BASE = Path(sys.executable)
PATIENCE = 60  # seconds; for a machine that is busy with other things


@pytest.fixture(autouse=True)
def uv_is_there():
    if not any(place.is_file() for place in uv._places()):
        pytest.skip("uv is not installed beside this Python (requirements/development.txt)")


def imported(python, module):
    words = [python, "-I", "-c", f"import {module}; print({module}.__version__)"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def left_in(store):
    return sorted(path.name for path in store.root.iterdir()) if store.root.exists() else []


def test_an_environment_from_a_folder_of_wheels_is_whole_and_is_what_the_worker_gets(store, install, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/never")
    job = install()
    assert job.error is None
    runtime = store.current()
    assert runtime == job.runtime
    assert imported(runtime.python, "torch") == "2.13.0+cpu"
    assert runtime.facts["packages"]["torch"] == "2.13.0+cpu"
    assert runtime.facts["device"] == "CPU"
    assert left_in(store) == ["1", uv.PROGRAM]
    assert find_python(None, {}, runtime.python, None) == runtime.python


def test_an_environment_from_an_index_is_checked_against_the_lock(store, install, index):
    job = install(wheels=None, build="index")
    assert job.error is None
    assert imported(store.current().python, "torch") == "2.13.0"


def test_a_second_one_replaces_the_first_only_when_it_is_whole(store, install, tmp_path):
    first = install().runtime
    assert install(wheels=tmp_path).error is not None
    assert store.current() == first
    second = install().runtime
    assert store.current() == second
    assert left_in(store) == [second.folder.name, uv.PROGRAM]


def test_a_cancel_ends_all_programs_and_leaves_nothing_that_is_used(store, install, index, packages):
    index.hangs = "torch-2.13.0-py3-none-any.whl"
    source = Source(BUILDS["index"])
    job = Installation(store, source, BASE, lock=packages / "requirements.lock")
    job.start()
    assert index.reached.wait(PATIENCE)
    assert store.current() is None
    program = job._runner._process
    job.cancel()
    job.join(PATIENCE)
    assert isinstance(job.error, CancelledError)
    assert program.returncode is not None
    assert store.runtimes() == []
    assert not any(name.isdecimal() for name in left_in(store))
    index.hangs = ""
    assert install(wheels=None, build="index").error is None


def test_what_was_killed_half_way_is_never_used_and_goes_with_the_next_one(store, install):
    folder = store.begin()
    shutil.copytree(install().runtime.folder, folder, symlinks=True, dirs_exist_ok=True)
    mark = (folder / MARK).read_text()
    for text in ("", mark[: len(mark) // 2], "[]", "{}", '{"base": 3}'):
        (folder / MARK).write_text(text)
        assert [runtime.folder for runtime in store.runtimes()] == [folder.with_name("2")]
    (folder / MARK).unlink()
    (folder / f"{MARK}.part").write_text(mark)
    assert store.current().folder.name == "2"
    os.utime(folder / "unfinished", (0, 0))
    assert install().runtime.folder.name == "3"
    assert left_in(store) == ["3", uv.PROGRAM]


def test_what_another_blender_is_making_stays(store, install):
    theirs = store.begin()
    ours = install().runtime.folder
    assert theirs != ours
    assert theirs.is_dir()


def test_a_changed_wheel_is_refused_and_nothing_of_it_stays(store, install, packages, tmp_path):
    wheels = Path(shutil.copytree(packages / "wheels", tmp_path / "wheels"))
    write_wheel(wheels, "numpy", "numpy", "1.0", "__version__ = 'another'")
    job = install(wheels=wheels)
    assert isinstance(job.error, InstallError)
    assert "not the one that this add-on was made with" in str(job.error)
    assert store.current() is None
    assert not any(name.isdecimal() for name in left_in(store))


def test_a_changed_file_of_the_index_is_refused(store, install, index, packages, tmp_path):
    index.folder = Path(shutil.copytree(packages / "index", tmp_path / "index"))
    write_wheel(index.folder, "torch", "torch", "2.13.0", "__version__ = 'another'")
    job = install(wheels=None, build="index")
    assert "not the one that this add-on was made with" in str(job.error)
    assert store.current() is None


def test_a_torch_that_is_not_in_the_lock_is_named(store, install, packages):
    assert install().runtime.facts["unverified"] == ["torch 2.13.0+cpu"]
    assert install(wheels=packages / "index").runtime.facts["unverified"] == []
    assert install(is_repair=True).runtime.facts["unverified"] == []


def test_a_torch_of_the_locks_version_has_the_locks_hash(store, install, packages, tmp_path):
    wheels = Path(shutil.copytree(packages / "index", tmp_path / "wheels"))
    write_wheel(wheels, "torch", "torch", "2.13.0", "__version__ = 'another'")
    assert "not the one that this add-on was made with" in str(install(wheels=wheels).error)
    assert store.current() is None


def test_a_torch_brings_no_package_that_torch_has_nothing_to_do_with(store, install, packages, tmp_path, monkeypatch):
    wheels = Path(shutil.copytree(packages / "wheels", tmp_path / "wheels"))
    write_wheel(wheels, "evil", "evil", "1.0", "")
    torch = write_wheel(wheels, "torch", "torch", "2.13.0+cpu", "")
    with zipfile.ZipFile(torch) as content:
        files = {name: content.read(name) for name in content.namelist()}
    with zipfile.ZipFile(torch, "w") as content:
        for name, data in files.items():
            content.writestr(name, data.replace(b"Requires-Dist: numpy", b"Requires-Dist: evil"))
    assert "asks for evil" in str(install(wheels=wheels).error)
    assert store.current() is None


def test_nothing_is_built_from_source(install, tmp_path, packages):
    wheels = Path(shutil.copytree(packages / "wheels", tmp_path / "wheels"))
    next(wheels.glob("torch-*.whl")).unlink()
    source, marker = tmp_path / "torch-2.13.0", tmp_path / "ran"
    source.mkdir()
    (source / "setup.py").write_text(f"open({str(marker)!r}, 'w')")
    shutil.make_archive(str(wheels / source.name), "gztar", tmp_path, source.name)
    assert isinstance(install(wheels=wheels).error, InstallError)
    assert not marker.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_environments_are_their_owners_alone_whatever_the_umask(store):
    former = os.umask(0)
    try:
        store.begin()
    finally:
        os.umask(former)
    assert store.root.stat().st_mode & 0o777 == 0o700


def test_a_wheel_that_was_cut_off_is_one_sentence(store, install, packages, tmp_path):
    wheels = Path(shutil.copytree(packages / "wheels", tmp_path / "wheels"))
    wheel = wheels / "torch-2.13.0+cpu-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes()[:-100])
    assert "broken" in str(install(wheels=wheels).error)
    assert store.current() is None


@pytest.mark.parametrize(
    ("wheels", "words"), [(True, "is not in the folder"), (False, "package index cannot be reached")]
)
def test_nothing_to_install_from_is_one_sentence(install, monkeypatch, tmp_path, wheels, words):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    job = install(wheels=tmp_path if wheels else None, build="index")
    assert isinstance(job.error, InstallError)
    assert words in str(job.error)


def test_packages_that_cannot_be_imported_make_no_environment(store, install, packages, tmp_path):
    wheels = Path(shutil.copytree(packages / "wheels", tmp_path / "wheels"))
    write_wheel(wheels, "torch", "torch", "2.13.0+cpu", "raise OSError('libcudart.so.13: cannot open')")
    job = install(wheels=wheels)
    assert "libcudart.so.13: cannot open" in str(job.error)
    assert store.current() is None


def test_another_uv_is_refused(store, tmp_path):
    other = tmp_path / uv.PROGRAM
    other.write_bytes(b"#!/bin/sh\n")
    with pytest.raises(InstallError, match="not the uv that this add-on was made with"):
        uv.install_uv(store.root, [other])
    with pytest.raises(InstallError, match="without the program uv"):
        uv.install_uv(store.root, [])
    assert left_in(store) == []


def test_uv_without_its_execute_bit_is_found_copied_and_runs(store, tmp_path, monkeypatch):
    version = json.loads(uv.LOCK.read_text())["version"]
    unpacked = tmp_path / "site-packages" / f"uv-{version}.data" / "scripts" / uv.PROGRAM
    unpacked.parent.mkdir(parents=True)
    shutil.copyfile(next(place for place in uv._places() if place.is_file()), unpacked)
    assert not os.access(unpacked, os.X_OK)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site-packages")])
    assert next(iter(uv._places())) == unpacked
    program = uv.install_uv(store.root, [unpacked])
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.split()[1] == version


def test_a_base_that_moved_is_repaired_without_any_package(store, install, tmp_path):
    folder = install().runtime.folder
    mark = json.loads((folder / MARK).read_text())
    gone = tmp_path / "blender-5.2.2" / "python3"
    (folder / MARK).write_text(json.dumps(mark | {"base": str(gone)}))
    if sys.platform != "win32":
        python_in(folder).unlink()
        python_in(folder).symlink_to(gone)
    assert store.current() is None
    assert "update of Blender" in store.runtimes()[0].problem
    job = install(wheels=tmp_path, is_repair=True)
    assert job.error is None
    assert store.current().folder == folder
    assert imported(store.current().python, "torch") == "2.13.0+cpu"


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])])
def test_damage_is_repaired_by_a_new_one(store, install, harm):
    folder = install().runtime.folder
    (damaged,) = folder.glob("[Ll]ib/**/PIL/__init__.py")
    harm(damaged)
    job = install(is_repair=True)
    assert job.error is None
    assert store.current().folder != folder
    assert not folder.exists()
    assert imported(store.current().python, "PIL") == "1.0"


def test_remove_frees_all_of_it(store, install):
    install()
    removal = Removal(store)
    removal.start()
    removal.join(PATIENCE)
    assert removal.is_done
    assert removal.error is None
    assert not store.root.exists()
    assert store.current() is None


def test_the_log_and_the_numbers_of_an_installation_can_be_read_while_it_runs(store, packages, index):
    index.hangs = "torch-2.13.0-py3-none-any.whl"
    job = Installation(store, Source(BUILDS["index"]), BASE, lock=packages / "requirements.lock")
    job.start()
    assert index.reached.wait(PATIENCE)
    assert job.text.startswith("Installing: ")
    assert 0 <= job.progress < 1
    deadline = time.monotonic() + PATIENCE
    while not job.log and time.monotonic() < deadline:
        time.sleep(0.01)
    assert any("virtual environment" in line for line in job.log)
    job.cancel()
    job.join(PATIENCE)
