"""Mutated files of every kind that is read from outside: a sentence, the same result, or one the mutation explains.

1,330 cases with a fixed seed. Where a result differs, it differs only where the file was changed: another pixel,
another name; and what Blender is to build of it, it builds. Run by `make fuzz`.
"""

import json
import random
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

bpy = pytest.importorskip("bpy", reason="Blender as a Python module (bpy) is not installed")
pytest.importorskip("torch", reason="checkpoints are read with torch, which this Python lacks")

import image_to_scene  # noqa: E402
from image_to_scene.core.errors import CameraError, ImageError, ImageToSceneError, StorageError, WeightsError  # noqa: E402
from image_to_scene.core.imaging.reading import read_picture  # noqa: E402
from image_to_scene.core.json_reading import JSONError, parse_json  # noqa: E402
from image_to_scene.core.model.weights import Checkpoint  # noqa: E402
from image_to_scene.core.outside import Chosen  # noqa: E402
from image_to_scene.core.storage import ARRAYS, DESCRIPTION, load, save  # noqa: E402
from image_to_scene.core.types import ReconstructedView, Reconstruction, View  # noqa: E402
from image_to_scene.operators.given_cameras import views_with_cameras  # noqa: E402
from image_to_scene.operators.scene import BuildOptions, build  # noqa: E402

SEED = 14
SIZE = (6, 4)
FORMATS = {"PNG": {}, "JPEG": {"quality": 90}, "TIFF": {"compression": "tiff_lzw"}, "WEBP": {"lossless": True}}
PER_PIXEL = {spec.field for spec in ARRAYS.values() if spec.per_pixel}
HOSTILE = (
    *(None, True, False, 0, -1, 1, 7, 0.5, -0.0, 1e300, -1e300, 1e-300, 2**31, 2**63, 10**30, -(10**30), 10**400),
    *(float("nan"), float("inf"), float("-inf"), "", "\0", "\n", "\ud800", "nano", "../../../etc/passwd", "a" * 5000),
    *(
        "//server/share/a.png",
        "\\\\server\\share\\a.png",
        "/dev/zero",
        [],
        {},
        [[]],
        [1, 2],
        {"relative": "/etc/passwd"},
    ),
)


def chance(kind, number):
    return random.Random(f"{SEED} {kind} {number}")


# --- mutations ---


def mutated_bytes(content, dice):
    """Flip, cut, put in, repeat or blank bytes."""
    changed = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 5))):
        start = dice.randrange(len(changed) + 1)
        end = min(len(changed), start + dice.choice((1, 1, 4, 40, 400)))
        way = dice.randrange(5)
        if way == 0 and start < len(changed):
            changed[start] ^= 1 << dice.randrange(8)
        elif way == 1:
            del changed[start:end]
        elif way == 2:
            changed[start:start] = dice.randbytes(dice.choice((1, 4, 40)))
        elif way == 3:
            changed[start:start] = changed[start:end]
        else:
            changed[start:end] = dice.choice((b"\0", b"\xff")) * (end - start)
        if dice.random() < 0.05:
            del changed[dice.randrange(len(changed) + 1) :]
    return bytes(changed)


def places(data, way=()):
    """Every place in JSON data, as a way of keys."""
    yield way
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*way, key))


def at(data, way):
    for key in way:
        data = data[key]
    return data


def mutated_json(text, dice):
    """Exchange, drop, repeat or move values, or damage the text itself."""
    if dice.random() < 0.2:
        return mutated_bytes(text, dice)
    data = json.loads(text)
    for _ in range(dice.choice((1, 1, 1, 2))):
        ways = [way for way in places(data) if way]
        if not ways:
            break
        way = dice.choice(ways)
        parent, key, kind = at(data, way[:-1]), way[-1], dice.randrange(8)
        if kind == 0:
            del parent[key]
        elif kind == 1:
            parent[key] = json.loads(json.dumps(at(data, dice.choice(ways))))
        elif kind == 2 and isinstance(parent[key], int | float):
            parent[key] *= dice.choice((-1, 0, 0.5, 2, 10, 1e-30, 1e30))
        elif kind == 3 and isinstance(parent[key], str):
            parent[key] = mutated_bytes(parent[key].encode(), dice).decode("utf-8", "surrogateescape")
        elif kind == 4 and isinstance(parent, list):
            parent.insert(dice.randrange(len(parent) + 1), parent[key])
        else:
            parent[key] = dice.choice(HOSTILE)
    content = json.dumps(data).encode()
    return content if dice.random() < 0.97 else content.decode().encode(dice.choice(("utf-16", "utf-32", "utf-8-sig")))


def changed_ways(before, after, way=()):
    """List where two JSON values differ, as ways of keys."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = before.keys() | after.keys()
        return [w for key in keys for w in changed_ways(before.get(key), after.get(key), (*way, key))]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [w for key, (one, other) in pairs for w in changed_ways(one, other, (*way, key))]
    return [] if type(before) is type(after) and before == after else [way]


# --- reconstructions ---


@pytest.fixture(scope="session")
def registered():
    image_to_scene.register()
    yield
    image_to_scene.unregister()


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A saved reconstruction with all that one can have."""
    folder = tmp_path_factory.mktemp("whole")
    width, height = SIZE
    dice = np.random.default_rng(SEED)
    views = []
    for index in range(2):
        photo = folder / "saved" / f"photo {index}.png"
        photo.parent.mkdir(exist_ok=True)
        Image.fromarray(dice.integers(0, 256, (40, 60, 3), np.uint8)).save(photo)
        depth = dice.uniform(1, 3, (height, width)).astype(np.float32)
        camera = np.eye(4)
        camera[0, 3] = index
        views.append(
            ReconstructedView(
                source=photo,
                texture=photo,
                source_size=(60, 40),
                source_from_model=np.diag([10.0, 10.0, 1.0]),
                image=dice.integers(0, 256, (height, width, 3), np.uint8),
                depth=depth,
                image_from_camera=np.array([[5.0, 0, 3], [0, 5.0, 2], [0, 0, 1]]),
                world_from_camera=camera,
                confidence=depth + 1,
                sky=0 * depth,
                points=dice.normal(size=(height, width, 3)).astype(np.float32),
                mask=depth > 2.5,
                time=index / 24,
            )
        )
    residual = {"view": 0, "name": "photo 0", "distance": 0.1, "degrees": 0.2, "pixels": 3.0, "agrees": True}
    facts = {"seconds": 1.5, "device": "cpu", "precision": "fp32", "licence": "CC0-1.0", "warnings": ["One."]}
    facts |= {"dropped_views": [], "pivot": [0.0, 0.0, 0.0], "cameras": [residual]}
    shutil.rmtree(folder / "saved")
    save(Reconstruction(tuple(views), "given", "metres", "nano", {"resolution": 504}, facts), folder / "saved")
    for view in views:
        Image.fromarray(np.full((40, 60, 3), 99, np.uint8)).save(view.source)
    return folder / "saved"


def equal(one, other):
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return type(one) is type(other) and one == other


def differing(before, after):
    """List the fields of two reconstructions that differ: of all, and of views with their index."""
    names = [field.name for field in fields(before) if field.name != "views"]
    found = {(name,) for name in names if not equal(getattr(before, name), getattr(after, name))}
    for index, (one, other) in enumerate(zip(before.views, after.views, strict=True)):
        found |= {
            (index, field.name)
            for field in fields(one)
            if not equal(getattr(one, field.name), getattr(other, field.name))
        }
    return found


def explained_by(way):
    """Say which fields a changed place of the description may change: (index or None, names)."""
    if way[0] == "arrays":
        return None, {spec.field for spec in ARRAYS.values() if not spec.required}
    if way[0] == "views" and len(way) > 2:
        source = {"source": {"source", "texture", "may_open_source"}, "texture": {"texture"}, "size": PER_PIXEL}
        return way[1], source.get(way[2], {way[2]})
    return None, {way[0]}


def judge(report, number, before, after, ways):
    """Compare a result with that of the whole folder, and let Blender build what differs."""
    found = differing(before, after)
    if not found:
        report.same()
        return
    allowed = [explained_by(way) for way in ways if way]
    unexplained = {
        item for item in found if not any(item[-1] in names and i in (None, item[0]) for i, names in allowed)
    }
    report.different(number, [f"changed {item[-1]}" for item in found], unexplained)
    try:
        build(after, BuildOptions(), bpy.context.scene)
    except ImageToSceneError as error:
        report.unexplained.append(f"case {number}: it was read, and not built: {error}")
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


def load_damaged(report, number, whole, name, content, ways):
    """Put other bytes in place of a file of the folder."""
    original = (whole / name).read_bytes()
    before = load(whole, Chosen(outside=True))
    (whole / name).unlink()  # what is mapped stays as it was
    (whole / name).write_bytes(content)
    try:
        judge(report, number, before, load(whole, Chosen(outside=True)), ways)
    except StorageError as error:
        report.refused(number, error, str(whole))
    finally:
        (whole / name).unlink()
        (whole / name).write_bytes(original)


@pytest.mark.kind("reconstruction JSON")
def test_reconstruction_json(report, whole, registered):
    text = (whole / DESCRIPTION).read_bytes()
    for number in range(400):
        content = mutated_json(text, chance("reconstruction", number))
        try:
            ways = changed_ways(json.loads(text), parse_json(content))
        except JSONError:
            ways = []
        with report.case(number):
            load_damaged(report, number, whole, DESCRIPTION, content, ways)


@pytest.mark.kind("arrays")
def test_arrays(report, whole, registered):
    names = sorted(ARRAYS)
    for number in range(300):
        dice = chance("arrays", number)
        name = dice.choice(names)
        content = mutated_bytes((whole / f"{name}.npy").read_bytes(), dice)
        ways = [("views", index, ARRAYS[name].field) for index in range(2)] + [("facts",)]  # it warns
        with report.case(number):
            load_damaged(report, number, whole, f"{name}.npy", content, ways)


# --- cameras, images, weights ---


@pytest.mark.kind("cameras JSON")
def test_cameras_json(report, tmp_path):
    pictures = [tmp_path / f"{name}.png" for name in "abc"]
    camera, lens = np.eye(4).tolist(), [[50.0, 0, 30], [0, 50.0, 20], [0, 0, 1]]
    entries = [{"image": path.name, "world_from_camera": camera, "image_from_camera": lens} for path in pictures]
    file = tmp_path / "cameras.json"
    for number in range(200):
        dice = chance("cameras", number)
        told = [{k: v for k, v in e.items() if k != "image"} for e in entries] if number % 2 else entries
        text = json.dumps({"views": told}).encode()
        file.write_bytes(text)
        before = views_with_cameras(pictures, file)
        file.write_bytes(mutated_json(text, dice))
        with report.case(number):
            try:
                after = views_with_cameras(pictures, file)
            except CameraError as error:
                report.refused(number, error, "cameras.json", *(path.name for path in pictures))
                continue
            judge_cameras(report, number, before, after, changed_ways(json.loads(text), parse_json(file.read_bytes())))


def judge_cameras(report, number, before, after, ways):
    found = {
        (index, field.name)
        for index, (one, other) in enumerate(zip(before, after, strict=True))
        for field in fields(View)
        if not equal(getattr(one, field.name), getattr(other, field.name))
    }
    named = {way[1:3] for way in ways if len(way) > 2} | {(way[1], name) for way in ways for name in whole_entry(way)}
    if found:
        reorders = any(way == ("views",) for way in ways)  # entries with names may be left out
        report.different(number, [f"changed {name}" for _, name in found], set() if reorders else found - named)
    else:
        report.same()


def whole_entry(way):
    return ("world_from_camera", "image_from_camera") if len(way) == 2 else ()


@pytest.mark.kind("images")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", FORMATS)
def test_images(report, tmp_path, kind):
    original = tmp_path / f"whole.{kind.lower()}"
    y, x = np.mgrid[:48, :64]
    Image.fromarray(np.stack([4 * x, 5 * y, x * y % 256], -1).astype(np.uint8)).save(original, kind, **FORMATS[kind])
    before, content = read_picture(original), original.read_bytes()
    path = tmp_path / f"damaged.{kind.lower()}"
    for number in range(58 if kind in {"PNG", "JPEG"} else 57):
        path.write_bytes(mutated_bytes(content, chance(kind, number)))
        with report.case(number):
            try:
                after = read_picture(path)
            except ImageError as error:
                report.refused(number, error, str(path))
                continue
            found = [
                field.name
                for field in fields(before)
                if not equal(getattr(before, field.name), getattr(after, field.name))
            ]
            if not found:
                report.same()
                continue
            # Any byte may be another colour; that pixels of a PNG have checksums, its decoder does not heed.
            report.different(number, [f"changed {name} of a {kind}" for name in found], ())


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    script = Path(__file__).resolve().parents[1] / "write_tiny_checkpoint.py"
    subprocess.run([sys.executable, script, folder, "any_view"], check=True)
    return folder


def network_of(folder):
    """Everything that a checkpoint says: its configuration and all weights."""
    found = Checkpoint(str(folder))
    weights = {
        prefix + name: tensor.numpy()
        for prefix in found.networks
        for name, tensor in found.fill(prefix).state_dict().items()
    }
    return found.config, weights


@pytest.mark.kind("weights")
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_weights(report, checkpoint, tmp_path, name):
    config, weights = network_of(checkpoint)
    folder = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, folder)
    content = (checkpoint / name).read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    for number in range(100):
        dice = chance(name, number)
        if name == "config.json":
            damaged = mutated_json(content, dice)
        elif number % 2:
            damaged = mutated_bytes(content[:header], dice) + content[header:]
        else:
            damaged = mutated_bytes(content, dice)
        (folder / name).unlink()
        (folder / name).write_bytes(damaged)
        with report.case(number):
            try:
                after, found = network_of(folder)
            except WeightsError as error:
                report.refused(number, error, str(folder), "config.json", "weights")
                continue
            is_other = after != config
            moved = [key for key in weights if not equal(weights[key], found.get(key))]
            reasons = ["changed configuration"] * is_other + ["changed weights"] * bool(moved)
            if not reasons:
                report.same()
                continue
            explained = name == "config.json" if is_other else damaged != content
            report.different(number, reasons, [] if explained else moved or [after])
