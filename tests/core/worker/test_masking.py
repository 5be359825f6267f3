"""Nothing in a report names a person, opens a door, or tells what a studio works on."""

import json
import string
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_to_scene.core.worker.runtime.masking import masked

HOME, USER = Path("/home/ann"), "ann"
LETTERS = string.ascii_letters + string.digits

secrets = st.text(LETTERS, min_size=12, max_size=24).map(lambda text: f"Zq{text}")
"""Long enough to be found again for certain, and in no sentence by chance."""
MARK = "\0"
PLACES = [
    f"https://user:{MARK}@mirror.studio/simple",
    f"http://{MARK}:x@mirror.studio:8080/simple",
    f"https://{MARK}@pypi.org/simple",
    f"https://mirror.studio/{MARK}/simple/torch.whl",
    f"https://pypi.org/simple?token={MARK}&a=b",
    f"https://cdn.hf.co/x?X-Amz-Signature={MARK}&X-Amz-Credential=y",
    f"https://blob.example/x?sv=2024&sig={MARK}",
    f"https://pypi.org/simple#{MARK}",
    f"hf_{MARK}",
    f"ghp_{MARK}",
    f"Authorization: Bearer {MARK}",
    f"authorization: Basic {MARK}",
    f"HF_TOKEN={MARK}",
    f"UV_INDEX_STUDIO_PASSWORD={MARK}",
    f'"aws_secret_access_key": "{MARK}"',
    f"api-key: '{MARK}'",
    f"/simple/torch?sig={MARK}",
    rf"D:\{MARK}\wheels\torch.whl",
    rf"Z:\shows\{MARK}",
    rf"E:\Our Films\{MARK}.blend",
    rf"D:\our {MARK} film (part 2), final\a.png",
    f"D:/shows/{MARK}/a.exr",
    rf"C:\shows\{MARK}\a.exr",
    rf"\\server\share\{MARK}\a.exr",
    rf"\\{MARK}\share",
    f"//server/share/{MARK}",
    rf"\\?\UNC\server\{MARK}\x",
    f"/mnt/nas/{MARK}/a.exr",
    f"/media/ann/{MARK}/a b.exr",
    f"/Volumes/{MARK}/a.exr",
    f"/run/media/ann/{MARK}",
    f"/shows/{MARK}/a.exr",
    f"-I/mnt/{MARK}/include",
    f"PATH=/usr/bin:/mnt/{MARK}/bin",
    f"file:///mnt/{MARK}/a.exr",
    f"file://server/{MARK}",
]
FRAMES = [
    "{}",
    "2026-11-28 12:00:01 ERROR [worker] could not read {}: No such file",
    "  File {}, line 3, in <module>",
    "'{}' and '{}'",
    'reading "{}"',
    "({})",
    "error sending request for url ({})",
    "DEBUG uv_client {}, {}",
]


@pytest.mark.parametrize("place", PLACES)
@settings(max_examples=25)
@given(secret=secrets, frame=st.sampled_from(FRAMES), written=st.sampled_from([str, quote, "all", "json"]))
def test_a_secret_survives_nowhere(place, secret, frame, written):
    text = place.replace(MARK, secret)
    if written == "json":
        text = json.dumps({"message": frame.replace("{}", text)})
    else:
        encoded = quote(text, safe="") if written == "all" else written(text)
        text = frame.replace("{}", encoded)
    hidden = masked(text, HOME, USER)
    assert secret not in hidden


@given(secret=secrets, characters=st.text(LETTERS + "-._~!$*+/:,", max_size=6))
def test_a_password_may_have_any_character(secret, characters):
    assert secret not in masked(f"at https://me:{characters}{secret}@mirror/simple failed", HOME, USER)
    assert secret not in masked(f"at https://me:{secret}{characters}@mirror/simple failed", HOME, USER)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="/\\\0%\"'<>:\r\n "), min_size=6, max_size=12).map(
        "Zq7".__add__
    )
)
def test_a_name_goes_in_every_spelling(user):
    home = Path("/srv/people") / user
    for text in (f"{home}/a", json.dumps(f"{home}/a"), quote(f"{home}/a"), f"{home}".replace("/", "\\\\")):
        assert user not in masked(text, home, user)
        assert json.dumps(user)[1:-1] not in masked(text, home, user)


def test_what_helps_and_names_nobody_stays():
    text = (
        "Python 3.11.9 at /usr/bin/python3 and /opt/blender/5.2/python/bin/python3.13, ~/r/1/bin/python; and/or 1/2\n"
        r"C:\Program Files\Blender Foundation\Blender 5.2\blender.exe, C:\Windows\System32\nvcuda.dll"
        "\n"
        "https://pypi.org/simple/torch/ and https://download.pytorch.org/whl/cpu/torch-2.13.0%2Bcpu.whl failed (404)\n"
        "2026-11-28 12:00:01 torch 2.13.0+cpu, NVIDIA RTX 4090 (CUDA 13.0)"
    )
    assert masked(text, HOME, USER) == text


def test_what_is_hidden_says_of_what_kind_it_was():
    assert masked(r"D:\films\x.png is missing: choose", HOME, USER) == r"D:\<path>: choose"
    assert masked("/mnt/films/x.png: gone", HOME, USER) == "/mnt/<path>: gone"
    assert masked("https://me:pw@mirror:8080/simple", HOME, USER) == "https://<secret>@mirror:8080/<path>"
