"""A movie gives the frame that is shown at a time, upright, square and in sRGB; what is no movie is named."""

import struct
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="movies are opened with PyAV, which only the worker has")
pytest.importorskip("PIL", reason="pictures are read by the worker; this environment is Blender's")
import av
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from image_to_scene.core.imaging.flaws import UnreadableError
from image_to_scene.core.imaging.movies import take_frames

sys.path.insert(0, str(Path(__file__).parents[2]))

from write_movie import (
    RATE,
    damage,
    flagged_interlaced,
    number_of,
    numbered_frame,
    turn,
    woven,
    write,
    write_sound,
)

FFV1 = {"codec": "ffv1", "pixels": "bgr0"}
VARIABLE = [0, 1, 3, 7, 8, 20, 21, 22, 50, 60]  # thirtieths of a second


def pixels_of(frame):
    return np.asarray(Image.open(frame.picture))


def take(movie, times, folder):
    """The numbers shown at some times, and the frames' own times in thirtieths of a second."""
    frames = take_frames(movie, times, folder)
    numbers = [number_of(pixels_of(frames[time])) for time in times]
    return numbers, [round(frames[time].time * RATE, 1) for time in times]


def shown(times, time):
    """The law: which of the frames with these times, in thirtieths, is shown at a time in seconds."""
    return max((index for index, own in enumerate(times) if own <= time * RATE + 1e-3), default=0)


# --- which frame ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def variable(tmp_path_factory):
    """One movie of variable rate with B-frames per container; MPEG-TS starts its clock late."""
    folder = tmp_path_factory.mktemp("variable")
    frames = [numbered_frame(index) for index in range(len(VARIABLE))]
    return {
        suffix: write(folder / f"v.{suffix}", frames, VARIABLE, options={"bf": "2"})
        for suffix in ("mp4", "mov", "mkv", "ts", "flv")
    }


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(["mp4", "mov", "mkv", "ts", "flv"]),
    times=st.lists(st.floats(-1.0, 4.0).filter(lambda time: abs(time * RATE % 1) > 0.05), min_size=1, max_size=6),
)
def test_variable_rates_hold(variable, tmp_path, suffix, times):
    expected = [shown(VARIABLE, time) for time in times]
    numbers, own = take(variable[suffix], times, tmp_path)
    assert numbers == expected
    np.testing.assert_allclose(own, [VARIABLE[index] for index in expected], atol=0.1)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "ts", "flv"])
def test_a_frames_own_time_gives_that_frame(variable, tmp_path, suffix):
    """Also in containers that round a third of a tenth of a second to milliseconds."""
    times = [time / RATE for time in VARIABLE]
    assert take(variable[suffix], times, tmp_path)[0] == list(range(len(VARIABLE)))


LONG = {
    "x264.mp4": {"options": {"g": "40", "bf": "3"}},
    "open.mp4": {"options": {"g": "40", "bf": "3", "x264-params": "open-gop=1"}},
    "fragments.mp4": {"options": {"g": "40"}, "container": {"movflags": "frag_keyframe+empty_moov"}},
    "refresh.mp4": {"options": {"g": "40", "x264-params": "intra-refresh=1"}},
    "x265.mp4": {"codec": "libx265", "options": {"x265-params": "keyint=40:open-gop=1:log-level=0"}},
    "sound.mov": {"options": {"g": "40"}, "with_sound": True},
    "prores.mov": {"codec": "prores_ks", "pixels": "yuv422p10le"},
    "x264.mkv": {"options": {"g": "40", "bf": "3"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "40", "deadline": "realtime", "cpu-used": "8"}},
    "x264.ts": {"options": {"g": "40", "bf": "3"}},
    "x265.m2ts": {"codec": "libx265", "options": {"x265-params": "keyint=40:open-gop=1:log-level=0"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "mpeg2.mxf": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "x264.avi": {"options": {"g": "40", "bf": "3"}},
    "ffv1.avi": {"codec": "ffv1", "pixels": "bgr0"},
    "x264.flv": {"options": {"g": "40"}},
    "wmv2.wmv": {"codec": "wmv2"},
    "mpeg4.3gp": {"codec": "mpeg4"},
}


@pytest.mark.parametrize("name", LONG)
def test_seeking_finds_what_decoding_finds(tmp_path, name):
    """Six seconds, so that gaps are worth seeking over: back to a key frame, and past the end."""
    movie = write(tmp_path / name, [numbered_frame(index) for index in range(180)], **LONG[name])
    for numbers in ([0, 1, 79, 80, 81, 150, 179], [170], [3, 121, 119], [400]):
        expected = [min(number, 179) for number in numbers]
        taken, own = take(movie, [number / RATE for number in numbers], tmp_path)
        assert taken == expected
        np.testing.assert_allclose(own, expected, atol=0.1)


def test_time_counts_from_the_first_frame_wherever_the_clock_starts(tmp_path):
    for suffix in ("mp4", "mkv"):
        late = write(tmp_path / f"late.{suffix}", [numbered_frame(i) for i in range(6)], range(300, 306))
        assert take(late, [0.0, 2 / RATE], tmp_path) == ([0, 2], [0.0, 2.0])


def test_what_an_edit_list_cuts_off_is_not_there(tmp_path):
    """Frames before time 0 are in the file, and its edit list says to begin after them."""
    movie = write(tmp_path / "cut.mp4", [numbered_frame(i) for i in range(20)], range(-5, 15), options={"bf": "2"})
    assert take(movie, [-1.0, 0.0, 2 / RATE], tmp_path) == ([5, 5, 7], [0.0, 0.0, 2.0])


def test_times_that_meet_one_frame_share_its_picture(tmp_path):
    movie = write(tmp_path / "m.mp4", [numbered_frame(i) for i in range(5)])
    frames = take_frames(movie, [0.1, 0.11, -3.0, 0.0], tmp_path)
    assert frames[0.1] == frames[0.11]
    assert frames[-3.0] == frames[0.0]
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_movies_of_one_name_keep_pictures_of_their_own(tmp_path):
    pictures = set()
    for index, folder in enumerate(("a", "b")):
        (tmp_path / folder).mkdir()
        movie = write(tmp_path / folder / "m.mp4", [numbered_frame(index)])
        pictures.add(take_frames(movie, [0.0], tmp_path)[0.0].picture)
    assert len(pictures) == 2


def test_whoever_counts_frames_may_stop(tmp_path):
    movie, counted = write(tmp_path / "m.mp4", [numbered_frame(i) for i in range(5)]), []

    def stop():
        counted.append(1)
        if len(counted) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_frames(movie, [0.0, 0.1, 0.15], tmp_path, stop)


@pytest.mark.parametrize("name", ["od%03d d#?&;'.mp4", "写真 ü:1.mkv", "a:b.MOV"])
def test_any_name_works(tmp_path, name):
    if sys.platform == "win32" and any(sign in name for sign in ":?"):
        pytest.skip("Windows has no such names")
    write(tmp_path / f"plain{Path(name).suffix}", [numbered_frame(3)]).rename(tmp_path / name)
    assert take(tmp_path / name, [0.0], tmp_path)[0] == [3]


# --- its pixels -------------------------------------------------------------------------------------------------------


def test_lossless_pixels_arrive_exactly(tmp_path):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(3)]
    movie = write(tmp_path / "m.mkv", frames, **FFV1)
    taken = take_frames(movie, [0.0, 0.04, 0.07], tmp_path)
    for time, frame in zip((0.0, 0.04, 0.07), frames, strict=True):
        np.testing.assert_array_equal(pixels_of(taken[time]), frame)


def test_alpha_is_kept(tmp_path):
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 4), np.uint8)
    taken = take_frames(write(tmp_path / "m.mov", [frame], codec="qtrle", pixels="argb"), [0.0], tmp_path)
    np.testing.assert_array_equal(pixels_of(taken[0.0]), frame)


PATCHES = [
    *([255, 255, 255], [0, 0, 0], [128, 128, 128], [255, 0, 0]),
    *([0, 255, 0], [0, 0, 255], [200, 120, 40], [30, 180, 220]),
]
PATCHED = np.array(PATCHES, np.uint8)[None].repeat(48, axis=0).repeat(8, axis=1)
BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)


def yuv_frame(rgb, weights, full, bits):
    """Encode by the formulas of ITU-R BT.601 and BT.709: luma from its weights of red and blue, then the range."""
    red, blue = weights
    unit = rgb / 255.0
    luma = red * unit[..., 0] + (1 - red - blue) * unit[..., 1] + blue * unit[..., 2]
    chroma = [(unit[..., 2] - luma) / (2 - 2 * blue), (unit[..., 0] - luma) / (2 - 2 * red)]
    step = 2 ** (bits - 8)
    scale, offset = ((2**bits - 1, 2**bits - 1), 0) if full else ((219 * step, 224 * step), 16 * step)
    planes = [luma * scale[0] + offset, *(part * scale[1] + 128 * step for part in chroma)]
    frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], "yuv444p" if bits == 8 else "yuv444p10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        samples = np.clip(np.rint(values), 0, 2**bits - 1).astype("u1" if bits == 8 else "<u2")
        rows = np.zeros((rgb.shape[0], plane.line_size), np.uint8)
        rows[:, : samples.nbytes // rgb.shape[0]] = samples.view(np.uint8).reshape(rgb.shape[0], -1)
        plane.update(rows.tobytes())
    return frame


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("weights", "matrix"), [(BT601, 5), (BT709, 1), (BT2020, 9)])
def test_yuv_becomes_the_rgb_it_was_made_from(tmp_path, weights, matrix, full, bits):
    frame = yuv_frame(PATCHED, weights, full, bits)
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    options = {"codec": "ffv1", "pixels": frame.format.name, "colorspace": matrix, "color_range": frame.color_range}
    taken = take_frames(write(tmp_path / "m.mkv", [frame], **options), [0.0], tmp_path)
    assert np.abs(pixels_of(taken[0.0]).astype(int) - PATCHED).max() <= 2


@pytest.mark.parametrize(("repeats", "weights"), [(1, BT601), (27, BT709)])
def test_a_matrix_that_is_not_named_is_guessed_by_size(tmp_path, repeats, weights):
    rgb = np.tile(PATCHED[:8], (1, repeats, 1))
    movie = write(tmp_path / "m.mkv", [yuv_frame(rgb, weights, False, 8)], codec="ffv1", pixels="yuv444p")
    assert np.abs(pixels_of(take_frames(movie, [0.0], tmp_path)[0.0]).astype(int) - rgb).max() <= 2


@pytest.mark.parametrize(("primaries", "transfer"), [(9, 14), (9, 16), (9, 18), (12, 1)])
def test_wide_and_hdr_colours_are_mapped(tmp_path, primaries, transfer):
    """Greys stay grey: half of PQ is 92 cd/m², half of HLG 51, white 203; wide colours are stronger."""
    frame = yuv_frame(PATCHED, BT2020, False, 10)
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": primaries, "color_trc": transfer}
    for name, value in tags.items():
        setattr(frame, name, value)
    movie = write(tmp_path / "m.mkv", [frame], codec="ffv1", pixels="yuv444p10le", **tags)
    row = pixels_of(take_frames(movie, [0.0], tmp_path)[0.0])[24, 4::8].astype(int)
    white, black, grey, *_, orange, _ = row
    assert white.min() >= 250
    assert black.max() <= 5
    assert np.ptp(grey) <= 1
    assert np.ptp(orange) > 160
    assert grey.mean() == pytest.approx({16: 180, 18: 137}.get(transfer, 128), abs=1)


# What a camera stores for each matrix, so that showing it gives UPRIGHT.
UPRIGHT = PATCHED[:, :40] // 2 + np.arange(48, dtype=np.uint8)[:, None, None] * 2
TURNS = {
    "as it is": ((1, 0, 0, 1), UPRIGHT),
    "quarter right": ((0, 1, -1, 0), np.rot90(UPRIGHT, 1)),
    "half": ((-1, 0, 0, -1), UPRIGHT[::-1, ::-1]),
    "quarter left": ((0, -1, 1, 0), np.rot90(UPRIGHT, -1)),
    "mirrored": ((-1, 0, 0, 1), UPRIGHT[:, ::-1]),
    "upside down": ((1, 0, 0, -1), UPRIGHT[::-1]),
    "transposed": ((0, 1, 1, 0), UPRIGHT.swapaxes(0, 1)),
    "transverse": ((0, -1, -1, 0), UPRIGHT[::-1, ::-1].swapaxes(0, 1)),
}


@pytest.mark.parametrize("name", TURNS)
def test_every_display_matrix_arrives_upright(tmp_path, name):
    matrix, stored = TURNS[name]
    movie = write(tmp_path / "m.mov", [np.ascontiguousarray(stored)], codec="qtrle", pixels="rgb24")
    turn(movie, *matrix)
    np.testing.assert_array_equal(pixels_of(take_frames(movie, [0.0], tmp_path)[0.0]), UPRIGHT)


@pytest.mark.parametrize(
    ("aspect", "turned", "size", "stretch"),
    [
        (Fraction(2), False, (128, 48), (2.0, 1.0)),
        (Fraction(16, 15), False, (68, 48), (68 / 64, 1.0)),
        (Fraction(8, 9), False, (64, 54), (1.0, 54 / 48)),
        (Fraction(2), True, (48, 128), (1.0, 2.0)),
    ],
)
def test_pixels_become_square_and_none_is_lost(tmp_path, aspect, turned, size, stretch):
    movie = write(tmp_path / "m.mp4", [numbered_frame(0)], sample_aspect_ratio=aspect)
    if turned:
        turn(movie, 0, 1, -1, 0)
    frame = take_frames(movie, [0.0], tmp_path)[0.0]
    assert Image.open(frame.picture).size == size
    assert frame.stretch == stretch


# --- interlaced -------------------------------------------------------------------------------------------------------

INTERLACED = {  # container and encoder; whether the top field is first, and whether the movie says so
    "flagged.mpg": (False, False, {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme", "b": "8M"}}),
    "wrongly flagged.mpg": (True, False, {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme", "b": "8M"}}),
    "avchd.mts": (True, True, {"options": {"flags": "+ildct+ilme", "crf": "10", "bf": "2", "g": "30"}}),
    "wrongly flagged.mp4": (False, True, {"options": {"flags": "+ildct+ilme", "crf": "10", "g": "30"}}),
    "prores.mov": (True, True, {"codec": "prores_ks", "pixels": "yuv422p10le", "options": {"flags": "+ildct"}}),
}


@pytest.fixture(scope="module")
def moving():
    """A smooth pattern, 3 pixels farther to the right at every field."""
    small = np.random.default_rng(0).integers(0, 255, (7, 12, 3), np.uint8)
    base = np.asarray(Image.fromarray(small).resize((160, 96), Image.Resampling.BICUBIC))
    return lambda field: np.roll(base, 3 * field, axis=1)


def combing(pixels):
    """How far lines are from the mean of their neighbours, levels."""
    grey = pixels.astype(float).mean(axis=-1)
    return np.abs(grey[1:-1] - 0.5 * (grey[:-2] + grey[2:])).mean()


def apart(pixels, others):
    return np.abs(pixels.astype(int) - others).mean()


@pytest.mark.parametrize("name", INTERLACED)
def test_interlaced_frames_show_one_moment(tmp_path, moving, name):
    """Combing goes, and what stays is what was there when the first field was taken; also after seeking."""
    top_first, says_top, encoding = INTERLACED[name]
    frames = [woven(moving(2 * i), moving(2 * i + 1), top_first=top_first) for i in range(90)]
    chroma = encoding.get("pixels", "yuv420p")
    movie = write(tmp_path / name, flagged_interlaced(frames, top_first=says_top, pixels=chroma), **encoding)
    numbers = [0, 10, 11, 85, 89]
    taken = take_frames(movie, [number / RATE for number in numbers], tmp_path)
    for number in numbers:
        frame = taken[number / RATE]
        assert frame.time * RATE == pytest.approx(number, abs=0.1)
        pixels = pixels_of(frame)
        assert combing(pixels) < 0.1 * combing(frames[number])
        assert apart(pixels, moving(2 * number)) < 0.5 * apart(pixels, moving(2 * number + 1))


def test_progressive_frames_in_an_interlaced_clip_stay_exactly(tmp_path, moving):
    """Cameras that take 25 whole frames a second write them as 50 fields."""
    lossless = {"codec": "ffv1", "pixels": "yuv444p", "options": {"flags": "+ildct"}}
    frames = [moving(2 * i) for i in range(6)]
    plain = write(tmp_path / "plain.mkv", frames, codec="ffv1", pixels="yuv444p")
    movie = write(tmp_path / "m.mkv", flagged_interlaced(frames, top_first=True), **lossless)
    with av.open(str(movie)) as file:
        assert next(file.decode(video=0)).interlaced_frame
    for time in (0.0, 3 / RATE, 5 / RATE):
        one, other = (pixels_of(take_frames(path, [time], tmp_path)[time]) for path in (movie, plain))
        np.testing.assert_array_equal(one, other)


def test_deinterlacing_changes_no_colours_and_turns_nothing(tmp_path):
    """Nothing moves, so the frame comes out as it went in; the display matrix holds as well."""
    still = np.ascontiguousarray(np.rot90(UPRIGHT, 1))
    encoding = {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme", "b": "20M", "qmin": "1"}}
    movie = write(tmp_path / "m.mov", flagged_interlaced([still] * 4, top_first=True, pixels="yuv420p"), **encoding)
    turn(movie, 0, 1, -1, 0)
    pixels = pixels_of(take_frames(movie, [1 / RATE], tmp_path)[1 / RATE])
    plain = write(tmp_path / "p.mov", [still] * 4, codec="mpeg2video", options={"b": "20M", "qmin": "1"})
    turn(plain, 0, 1, -1, 0)
    assert apart(pixels, pixels_of(take_frames(plain, [1 / RATE], tmp_path)[1 / RATE])) < 1.0


# --- joined and damaged recordings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [20, 90])
def test_time_goes_on_where_recordings_were_joined(tmp_path, count):
    """Each with a clock of its own, the second with smaller frames; seeking by time is then no way to go."""
    parts = []
    for part in (0, 1):
        frames = [numbered_frame(part * count + i) for i in range(count)]
        frames = frames if part == 0 else [np.ascontiguousarray(frame[::2, :]) for frame in frames]
        parts.append(write(tmp_path / f"{part}.ts", frames, options={"g": "15", "bf": "2"}).read_bytes())
    (tmp_path / "joined.ts").write_bytes(b"".join(parts))
    numbers = [0, count - 1, count, count + 7, 2 * count - 1]
    taken = take_frames(tmp_path / "joined.ts", [(number + 0.2) / RATE for number in numbers], tmp_path)
    for number in numbers:
        frame = taken[(number + 0.2) / RATE]
        pixels = pixels_of(frame)
        assert number_of(pixels.repeat(2 if number >= count else 1, axis=0)) == number
        assert frame.time * RATE == pytest.approx(number, abs=0.1)
        assert frame.stretch == ((1.0, 0.5) if number >= count else (1.0, 1.0))


DAMAGED = {
    "x264.mp4": ("noise", {"options": {"g": "20", "bf": "2"}}),
    "x264.mkv": ("noise", {"options": {"g": "20", "bf": "0"}}),
    "x264.ts": ("missing", {"options": {"g": "20", "bf": "2"}}),
    "mjpeg.mov": ("noise", {"codec": "mjpeg", "pixels": "yuvj420p"}),
    "mpeg4.avi": ("noise", {"codec": "mpeg4"}),
    "x265.mp4": ("noise", {"codec": "libx265", "options": {"x265-params": "keyint=20:log-level=0"}}),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_frame_is_not_there_and_no_neighbour_is_in_its_place(tmp_path, name):
    kind, encoding = DAMAGED[name]
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    movie = write(tmp_path / name, [np.roll(noise, 4 * i, axis=1) for i in range(60)], **encoding)
    lost = damage(movie, 33, kind)
    times = [(number + 0.2) / RATE for number in range(60)]
    taken = take_frames(movie, times, tmp_path)
    missing = [number for number, time in enumerate(times) if time not in taken]
    assert lost in missing
    assert len(missing) <= 7, "frames of HEVC that rest on the damaged one are lost, too"
    for number, time in enumerate(times):
        assert number in missing or taken[time].time * RATE == pytest.approx(number, abs=0.1)


# --- what is no movie -------------------------------------------------------------------------------------------------


UNKNOWN = "is cut off, damaged or not a movie of a known kind"


def flaw(movie, folder):
    with pytest.raises(UnreadableError) as caught:
        take_frames(movie, [0.0, 0.5], folder)
    return str(caught.value)


def test_what_is_no_movie_is_told(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is not a movie")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9.0,\nhttp://127.0.0.1:9/a.ts\n")
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    (tmp_path / "picture.png").rename(tmp_path / "picture.mp4")
    assert flaw(tmp_path / "missing.mp4", tmp_path) == "does not exist"
    assert flaw(tmp_path / "empty.mp4", tmp_path) == "is empty"
    assert flaw(tmp_path / "folder.mp4", tmp_path) == "is a folder"
    assert flaw(tmp_path / ("x" * 300 + ".mp4"), tmp_path).startswith("cannot be opened")
    assert flaw(write_sound(tmp_path / "sound.mp4"), tmp_path) == "holds no moving picture"
    for name in ("text", "list", "picture"):
        assert flaw(tmp_path / f"{name}.mp4", tmp_path) == UNKNOWN


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(30)]


@pytest.mark.parametrize("part", [0.05, 0.5, 0.98])
@pytest.mark.parametrize("contents", ["first", "last"])
def test_a_cut_mp4_is_refused(tmp_path, noise, contents, part):
    """With the table of contents first, the front of the movie could be read: half a shot would pass for a whole."""
    movie = write(tmp_path / "m.mp4", noise, container={"movflags": "faststart"} if contents == "first" else None)
    movie.write_bytes(movie.read_bytes()[: int(movie.stat().st_size * part)])
    assert "is cut off" in flaw(movie, tmp_path)


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_a_recording_that_broke_off_ends_where_it_ends(tmp_path, noise, suffix):
    movie = write(tmp_path / f"m.{suffix}", noise, options={"g": "5"})
    movie.write_bytes(movie.read_bytes()[: movie.stat().st_size // 2])
    assert 5 / RATE < take_frames(movie, [0.0, 9.0], tmp_path)[9.0].time < 25 / RATE


@pytest.mark.parametrize("suffix", ["mkv", "ts", "avi"])
def test_only_a_header_is_no_movie(tmp_path, noise, suffix):
    movie = write(tmp_path / f"m.{suffix}", noise, codec="mpeg4")
    movie.write_bytes(movie.read_bytes()[:400])
    assert flaw(movie, tmp_path) in (UNKNOWN, "has no frame that can be decoded")


def test_a_recording_may_begin_in_the_middle(tmp_path):
    """Its first key frame comes later: the clip starts with what can be decoded."""
    movie = write(tmp_path / "m.ts", [numbered_frame(i) for i in range(60)], options={"g": "20", "bf": "0"})
    data = movie.read_bytes()
    movie.write_bytes(data[len(data) // 3 // 188 * 188 :])
    numbers, own = take(movie, [0.0, 3 / RATE], tmp_path)
    assert numbers == [numbers[0], numbers[0] + 3]
    assert numbers[0] > 0
    assert own == [0.0, 3.0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, noise):
    folder = tmp_path_factory.mktemp("whole")
    return {suffix: write(folder / f"m.{suffix}", noise[:6]).read_bytes() for suffix in ("mp4", "mkv", "ts", "avi")}


@settings(max_examples=40, deadline=None)
@given(
    suffix=st.sampled_from(["mp4", "mkv", "ts", "avi"]),
    damage=st.lists(st.tuples(st.floats(0.0, 0.999), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_damage_is_an_error_or_a_frame(tmp_path_factory, whole, suffix, damage):
    content = bytearray(whole[suffix])
    for place, value in damage:
        content[int(place * len(content))] = value
    folder = tmp_path_factory.mktemp("damage")
    movie = folder / f"m.{suffix}"
    movie.write_bytes(content)
    try:
        frames = take_frames(movie, [0.0, 0.1, 5.0], folder)
    except UnreadableError:
        return
    assert all(Image.open(frame.picture).mode in ("RGB", "RGBA") for frame in frames.values())


def test_a_worker_without_the_package_says_so(tmp_path, monkeypatch):
    movie = write(tmp_path / "m.mp4", [numbered_frame(0)])
    monkeypatch.setitem(sys.modules, "av", None)
    assert "lacks the package av" in flaw(movie, tmp_path)


@pytest.mark.parametrize(
    "box",
    [
        struct.pack(">I4s16s", 60, b"uuid", bytes(16)) + b"<GSpherical:Spherical>true</GSpherical>"[:36],
        struct.pack(">I4s", 8, b"sv3d"),
    ],
)
def test_a_movie_of_all_around_is_refused(tmp_path, box):
    path = write(tmp_path / "around.mp4", [numbered_frame(i) for i in range(3)])
    take_frames(path, [0.0], tmp_path)
    content = path.read_bytes()
    start = content.index(b"moov") - 4
    (length,) = struct.unpack_from(">I", content, start)
    assert start + length == len(content), "the table of contents is last, so that nothing in it moves"
    path.write_bytes(content[:start] + struct.pack(">I", length + len(box)) + content[start + 4 :] + box)
    with pytest.raises(UnreadableError, match="360° movie"):
        take_frames(path, [0.0], tmp_path)
