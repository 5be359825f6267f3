"""Write a folder of inputs of many kinds with the worker's libraries: `write_many_kinds.py FOLDER`.

Of `USED` every file gives a view; what else is there is left out for a reason, or is nobody's input.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent))
from write_dng import write_dng

USED = (
    "IMG_1.HEIC",
    "IMG_2.JPG",
    "IMG_3.JPG",
    "alone.dng",
    "animation.gif",
    "heic.jpg",
    "jpeg",
    "photo.mov",
    "picture.png",
    "stereo.mpo",
    "webp.jpg",
)
LEFT_OUT = {
    ".hidden.png": "hidden",
    "GX01.THM": "preview",
    "IMG_1.MOV": "Live Photo",
    "IMG_2.MOV": "Live Photo",
    "IMG_3.dng": "raw file",
    "broken.mp4": "movie",
    "deeper": "folder",
    "notes.txt": "neither",
    "paper.pdf": "neither",
    "song.m4a": "neither",
}
SILENT = ("._IMG_2.JPG", ".DS_Store", "IMG_1.AAE", "IMG_2.xmp", "Thumbs.db", "empty")


def main(folder):
    """Write all of them."""
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    chance = np.random.default_rng(0)

    def draw():
        small = Image.fromarray(chance.integers(0, 256, (6, 8, 3), np.uint8))
        return small.resize((80, 60), Image.Resampling.BICUBIC)

    forms = {"IMG_1.HEIC": "HEIF", "heic.jpg": "HEIF", "webp.jpg": "WEBP", "stereo.mpo": "MPO", "animation.gif": "GIF"}
    for name in (*USED, ".hidden.png", "GX01.THM"):
        form = forms.get(name, "PNG" if name.endswith("png") else "JPEG")
        more = {"save_all": True, "append_images": [draw()]} if form in {"MPO", "GIF"} else {}
        draw().save(folder / name, format=form, **more)
    for name in ("alone.dng", "IMG_3.dng"):
        write_dng(folder / name, np.asarray(draw(), np.float64) / 255)
    for name in ("IMG_1.MOV", "IMG_2.MOV"):
        write_movie(folder / name, 10)
    (folder / "deeper").mkdir()
    draw().save(folder / "deeper" / "more.png")
    (folder / "empty").mkdir()
    (folder / "song.m4a").write_bytes(b"\0\0\0\x18ftypM4A \0\0\0\0isom")
    for name in (*LEFT_OUT, *SILENT):
        if not (folder / name).exists():
            (folder / name).write_bytes(b"\0\5\x16\7 not an image")


def write_movie(path, frames, rate=15):
    """Write a short movie, whatever its name."""
    import av

    with av.open(str(path), "w", format="mov") as file:
        stream = file.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 80, 60, "yuv420p"
        for number in range(frames):
            pixels = np.full((60, 80, 3), 5 * number % 256, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
