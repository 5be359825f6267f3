"""Write what the cases need and Blender cannot write: `python write_material.py CHECKPOINT FOLDER`.

A script of its own, started with the worker's Python, which has Pillow, PyAV and safetensors.
"""

import json
import pickle
import shutil
import struct
import sys
import zlib
from pathlib import Path

import av
import numpy as np
from PIL import Image
from safetensors.numpy import load_file, save_file

SIZE = (80, 60)
CHANCE = np.random.default_rng(0)


def photo(size=SIZE):
    """A picture with soft and hard edges, another one every time."""
    coarse = CHANCE.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def write_pictures(folder):
    for name in ("good.png", "other.png", "picture.jpg"):
        photo().save(folder / name)
    photo().save(folder / "webp.webp", lossless=True)
    photo((1, 1)).save(folder / "pixel.png")
    Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).save(folder / "four pixels.png")
    photo((300, 2)).save(folder / "sliver.png")
    photo((60, 60)).save(folder / "square.png")
    photo().convert("CMYK").save(folder / "cmyk.jpg")
    photo().convert("1").save(folder / "bits.png")
    photo().convert("P").save(folder / "palette.png", transparency=3)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    photo().save(folder / "rotated.jpg", exif=rotated)
    noise = CHANCE.integers(0, 256, (600, 800, 3), dtype=np.uint8)
    noise[:, :400] //= 4
    Image.fromarray(noise).save(folder / "large rotated.jpg", exif=rotated, quality=95)
    grey = (CHANCE.random((60, 80)) * 65535).astype(np.uint16)
    Image.fromarray(grey).save(folder / "sixteen.png")
    Image.fromarray(CHANCE.random((60, 80), dtype=np.float32)).save(folder / "float.tif")
    frames = [photo() for _ in range(3)]
    for name in ("animated.gif", "animated.webp", "animated.png"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:], duration=40)
    frames[0].save(folder / "pages.tif", save_all=True, append_images=frames[1:])
    Image.new("L", SIZE, 255).save(folder / "mask.png")
    Image.new("L", SIZE, 0).save(folder / "mask black.png")


def write_broken_pictures(folder):
    for name, part in (("good.png", 0.5), ("picture.jpg", 0.5), ("animated.gif", 0.1), ("webp.webp", 0.5)):
        whole = (folder / name).read_bytes()
        (folder / f"cut {name}").write_bytes(whole[: int(part * len(whole))])
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("Dear artist,\nthis is a letter.\n")
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    (folder / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
    shutil.copy(folder / "picture.jpg", folder / "jpeg in truth.png")


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def write_movies(folder):
    with av.open(str(folder / "walk.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for _ in range(25):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(photo()), format="rgb24")))
        file.mux(stream.encode())
    with av.open(str(folder / "sound.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=48000)
        for block in range(48):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.sample_rate, silence.pts = 48000, block * 1024
            file.mux(stream.encode(silence))
        file.mux(stream.encode())
    whole = (folder / "walk.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.mp4").touch()
    (folder / "noise.mkv").write_bytes(CHANCE.bytes(5000))
    shutil.copy(folder / "walk.mp4", folder / "movie in truth.png")
    shutil.copy(folder / "picture.jpg", folder / "picture in truth.mp4")


KEY = "model.backbone.pretrained.blocks.3.attn.qkv.weight"


def write_checkpoints(whole, folder):
    tensors = load_file(whole / "model.safetensors")
    shape = tensors[KEY].shape
    config = json.loads((whole / "config.json").read_text())

    def write(name, changes=None, config=config):
        (folder / name).mkdir(parents=True)
        kept = {key: tensor for key, tensor in (tensors | (changes or {})).items() if tensor is not None}
        save_file(kept, folder / name / "model.safetensors")
        if config is not None:
            text = config if isinstance(config, str) else json.dumps(config)
            (folder / name / "config.json").write_text(text)
        return folder / name / "model.safetensors"

    def sizes(part, **values):
        return config | {"config": config["config"] | {part: config["config"][part] | values}}

    write("missing key", {KEY: None})
    write("extra key", {"model.backbone.surplus": np.zeros(3, np.float32)})
    write("wrong shape", {KEY: np.zeros((shape[0], shape[1] + 1), np.float32)})
    write("whole numbers", {KEY: np.zeros(shape, np.int64)})
    write("nan", {KEY: np.full(shape, np.nan, np.float32)})
    write("infinity", {KEY: np.full(shape, np.inf, np.float32)})
    write("other size", config=sizes("backbone", embed_dim=128))
    write("heads that do not divide", config=sizes("backbone", num_heads=7))
    write("size of text", config=sizes("backbone", embed_dim="wide"))
    write("size below nothing", config=sizes("backbone", depth=-3))
    write("absurd depth", config=sizes("backbone", depth=10**9))
    write("absurd width", config=sizes("backbone", embed_dim=10**12))
    write("block beyond the last", config=sizes("backbone", out_layers=[3, 5, 6, 700]))
    write("unknown size", config=sizes("backbone", colour=3))
    write("unknown kind", config=sizes("head", type="gaussian"))
    write("resolution of text", config=config | {"config": config["config"] | {"resolution": "high"}})
    write("range of one", config=config | {"config": config["config"] | {"resolution_range": [3]}})
    write("not json", config="{'model_name': ")
    write("a list", config="[1, 2]")
    write("no config", config=None)
    write("another preset", config={"model_name": "da3-small"})
    path = write("truncated")
    path.write_bytes(path.read_bytes()[:-1000])
    path = write("cut in its header")
    path.write_bytes(path.read_bytes()[:300])
    write("no bytes").write_bytes(b"")
    write("absurd header").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    write("pickle").write_bytes(pickle.dumps({KEY: [1.0, 2.0]}))
    write("folder in its place").unlink()
    (folder / "folder in its place" / "model.safetensors").mkdir()
    (folder / "nothing in it").mkdir()


if __name__ == "__main__":
    target = Path(sys.argv[2])
    (target / "pictures").mkdir(parents=True)
    write_pictures(target / "pictures")
    write_broken_pictures(target / "pictures")
    write_movies(target / "pictures")
    write_checkpoints(Path(sys.argv[1]), target / "checkpoints")
