import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_to_scene.core.errors import InstallError, WorkerError
from image_to_scene.core.worker.client import find_python
from image_to_scene.core.worker.runtime import lockfile
from image_to_scene.core.worker.runtime.builds import BUILDS, backend_of, size_of
from image_to_scene.core.worker.runtime.check import PACKAGES, Check, examine
from image_to_scene.core.worker.runtime.masking import masked
from image_to_scene.core.worker.runtime.processes import clean_environment
from image_to_scene.core.worker.runtime.uv import uv_environment

ROOT = Path(__file__).resolve().parents[3]
TYPICAL = (
    r"C:\Users\firstname.lastname\AppData\Roaming\Blender Foundation\Blender\5.2\extensions\.user\user_default"
    r"\image_to_scene\r\12\Lib\site-packages"
)
WINDOWS_LIMIT = 260

words = st.text(st.characters(codec="ascii", categories=["Lu", "Ll", "Nd"]), min_size=3, max_size=12)


def required():
    return lockfile.read_pins((ROOT / "requirements" / "runtime.txt").read_text())


def locked():
    return lockfile.read_pins(lockfile.LOCK.read_text())


def test_the_lock_has_all_that_the_runtime_requires_with_hashes_and_reads_back():
    pins = {(pin.name, pin.version) for pin in locked()}
    assert {(pin.name, pin.version) for pin in required()} <= pins
    assert all(pin.has_hash for pin in locked())
    assert lockfile.write_pins(locked()).split() == lockfile.LOCK.read_text().split()


def test_every_line_of_the_lock_is_an_exact_version_with_sha256_hashes_from_the_index_itself():
    for pin in locked():
        first, *hashes = (line.removesuffix("\\").strip() for line in pin.text.splitlines())
        assert first.startswith(f"{pin.name}=={pin.version}") and "@" not in first, first
        assert all(re.fullmatch("--hash=sha256:[0-9a-f]{64}", line) for line in hashes), pin.name
    text = lockfile.LOCK.read_text()
    assert not re.search(r"^\s*(-e|--(?!hash=)|git\+|https?:)", text, re.MULTILINE)


def test_only_what_belongs_to_torch_differs_from_build_to_build():
    others = {pin.name for pin in locked() if not pin.is_accelerated}
    assert {pin.name for pin in required()} - others == {"torch"}
    assert not [name for name in others if re.search("nvidia|cuda|rocm|triton", name)]


def test_what_is_examined_is_what_is_required():
    assert set(PACKAGES.values()) == {pin.name for pin in required()}


def test_a_lock_is_named_by_its_content_and_not_by_its_line_ends():
    text = lockfile.LOCK.read_text()
    assert lockfile.fingerprint(text) == lockfile.fingerprint(text.replace("\n", "\r\n"))
    assert lockfile.fingerprint(text) != lockfile.fingerprint(text.replace("torch==", "torch>="))


@pytest.mark.parametrize("system", ["linux", "win32", "darwin"])
@pytest.mark.parametrize("has_nvidia", [True, False])
def test_every_build_names_its_size(system, has_nvidia):
    for build in BUILDS.values():
        size = size_of(build, system, has_nvidia=has_nvidia)
        assert 100 < size.download < size.disk
        assert re.fullmatch(r"about [\d.]+ [GM]B to download, [\d.]+ [GM]B on disk", str(size))


def test_a_mac_takes_torch_from_the_package_index_whose_hashes_are_locked():
    assert {backend_of(build, "darwin") for build in BUILDS.values()} == {None}
    assert backend_of(BUILDS["auto"], "linux") == "auto"
    assert backend_of(BUILDS["index"], "win32") is None


def test_paths_stay_short_enough_for_windows():
    try:
        torch = files("torch") or []
    except PackageNotFoundError:
        pytest.skip("torch is not installed beside this Python, so the lengths of its paths are not known")
    kinds = {".py", ".so", ".json", ".txt"}
    loaded = [str(path) for path in torch if path.suffix in kinds and not {"include", "licenses"} & {*path.parts}]
    longest = max(loaded, key=len)
    assert len(f"{TYPICAL}\\{longest}") < WINDOWS_LIMIT, longest


@given(st.dictionaries(words, words), st.sampled_from(["3", "", " ", "0,1"]))
def test_a_child_inherits_all_but_what_would_change_its_python_or_hide_its_device(variables, devices):
    names = ("PYTHONPATH", "PythonHome", "CONDA_PREFIX", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "LD_PRELOAD")
    foreign = dict.fromkeys(names, "x")
    kept = {"HF_HOME": "h", "LD_LIBRARY_PATH": "l", "HTTPS_PROXY": "p", "PATH": "q"}
    own = {f"X_{name}": value for name, value in variables.items()}
    clean = clean_environment({**own, **foreign, **kept, "CUDA_VISIBLE_DEVICES": devices})
    assert not clean.keys() & foreign.keys()
    assert (clean.pop("CUDA_VISIBLE_DEVICES", None) == devices) == bool(devices.strip())
    assert clean.keys() == own.keys() | kept.keys()
    assert clean | own == clean


def test_uv_learns_how_to_reach_an_index_and_nothing_else():
    reach = {"UV_DEFAULT_INDEX": "a", "UV_INDEX_STUDIO_PASSWORD": "b", "UV_HTTP_TIMEOUT": "9", "HTTPS_PROXY": "p"}
    other = {"UV_TARGET": "/", "UV_PYTHON": "3.8", "UV_CONSTRAINT": "c", "UV_PROJECT": "p", "UV_TORCH_BACKEND": "cpu"}
    given_to_uv = uv_environment(Path("cache"), reach | other)
    assert given_to_uv.items() >= reach.items()
    assert not given_to_uv.keys() & other.keys()
    assert given_to_uv["UV_CACHE_DIR"] == "cache"


@given(words.filter(lambda user: user.lower() not in {"user", "users", "home"}), st.booleans())
def test_no_name_and_no_home_is_left_in_a_report(user, is_elsewhere):
    home = Path("/srv/data" if is_elsewhere else "/home") / user
    text = f"at {home}/1.py, C:\\Users\\{user}\\2, C:\\\\Users\\\\A B\\\\3, /Users/{user}, /home/x/4 by {user}: {user}1"
    assert masked(text, home, user) == (
        f"at ~/1.py, C:\\Users\\<user>\\2, C:\\\\Users\\\\<user>\\\\3, /Users/<user>, /home/<user>/4 by <user>: {user}1"
    )


def test_a_report_keeps_what_only_looks_like_a_name():
    assert masked("torch 2.13 at /opt/torch", Path("/root"), "to") == "torch 2.13 at /opt/torch"
    assert masked("/opt/rooted/root", Path("/root"), "") == "/opt/rooted/root"


def test_the_check_names_what_a_python_lacks(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = tmp_path / "bare" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    check = Check(python)
    check.start()
    check.join()
    assert not check.findings.is_fit
    for name in PACKAGES.values():
        assert f"{name} is missing" in check.text


def test_the_check_of_a_whole_python_is_one_line():
    findings = examine(Path(sys.executable))
    missing = {name for name in PACKAGES if name not in findings.packages}
    if missing:
        pytest.skip(f"this Python has no {', '.join(sorted(missing))}")
    assert findings.is_fit
    assert re.fullmatch(r"Python 3\.\d+\.\d+, torch \S+, .+", findings.summary)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for an old Python is a shell script")
def test_the_check_refuses_an_old_python_and_what_is_none(tmp_path):
    old, other = tmp_path / "old", tmp_path / "other"
    old.write_text(
        "#!/bin/sh\n"
        'echo \'FOUND {"version": [3, 8, 1], "base": "", "packages": {}, "problems": {}, "damaged": {}, '
        '"device": ""}\'\n'
    )
    other.write_text("#!/bin/sh\necho I am something else\n")
    for path in (old, other):
        path.chmod(0o755)
    assert "3.11 or newer is needed" in examine(old).summary
    with pytest.raises(InstallError, match="I am something else"):
        examine(other)
    with pytest.raises(InstallError, match="cannot be started"):
        examine(tmp_path / "nowhere")


def test_the_private_runtime_comes_after_what_was_named_and_before_the_running_python(tmp_path):
    named, variable, private = (tmp_path / name for name in ("named", "variable", "private"))
    for path in (named, variable, private):
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    variables = {"IMAGE_TO_SCENE_PYTHON": str(variable)}
    assert find_python(named, variables, private) == named
    assert find_python(None, variables, private) == variable
    assert find_python(None, {}, private) == private
    assert find_python(None, {}, None) == Path(sys.executable)
    with pytest.raises(WorkerError, match="not installed yet"):
        find_python(None, {}, None, None)
