"""Pictures, movies, masks, and what they are called."""

import os
import sys

import bpy
import numpy as np
import pytest

from . import Case


def beside(name):
    """List a file of the material beside a good one."""
    return lambda desk: desk.list(desk.bring("other.png"), desk.bring(name))


def called(name, source="good.png"):
    """List a picture of another name beside a good one."""
    return lambda desk: desk.list(desk.bring("other.png"), desk.bring(source, name))


def refused(name, says, cause=""):
    return Case(name, beside(name), "ImageError", says, cause=cause)


def works(name, says=""):
    return Case(name, beside(name), says=says)


def a_folder_called_as_a_picture(desk):
    (desk.folder / "folder.png").mkdir()
    desk.list(desk.folder / "folder.png")


def a_pipe(desk):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(desk.folder / "pipe.png")
    desk.list(desk.folder / "pipe.png")


def a_link_to_itself(desk):
    if sys.platform == "win32":
        pytest.skip("links need rights on Windows")
    (desk.folder / "link.png").symlink_to(desk.folder / "link.png")
    desk.list(desk.folder / "link.png")


def no_permission(desk):
    path = desk.bring("good.png", "secret.png")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("who runs the tests may read every file: no permission keeps them from it")
    desk.list(path)


def gone_at_run_time(desk):
    desk.add(desk.bring("other.png"), path := desk.bring("good.png", "gone.png"))
    path.unlink()


def its_folder_gone(desk):
    (desk.folder / "stick").mkdir()
    desk.list(path := desk.bring("good.png", "stick/on a stick.png"))
    path.unlink()
    path.parent.rmdir()


def two_bad_ones(desk):
    desk.list(desk.bring("empty.png"), desk.bring("good.png"), desk.bring("text.jpg"))


def below_a_file(desk):
    desk.list(desk.bring("good.png") / "inside.png")


def one_twice(desk):
    desk.list(desk.bring("good.png"), desk.folder / "good.png")


def adding(name):
    """Add a file of the material by the file browser."""
    return lambda desk: desk.add(desk.folder / name)


def added(name, says, cause=""):
    return Case(
        f"adding {name}",
        lambda desk: desk.bring("text.jpg" if name == "text.txt" else name, name),
        "RefusedError",
        says,
        act=adding(name),
        cause=cause,
    )


def add_folder(desk):
    """Add the artist's folder."""
    desk.press(bpy.ops.image_to_scene.add_folder, directory=str(desk.folder))


def not_utf8(desk):
    """A name as an old camera or disk may have it: only Linux lets it be."""
    if sys.platform != "linux":
        pytest.skip("names are always Unicode on this system")
    desk.bring("good.png", b"caf\xe9 1.png")
    add_folder(desk)
    desk.list(desk.bring("other.png"))


def movie(name, **values):
    """List a movie as it was when it was added."""
    return {"kind": "MOVIE", "name": name, "clip_last": 25, "clip_rate": 25.0, "frame_end": 25, "count": 2} | values


def bad_movie(name, says, cause=""):
    def spoil(desk):
        desk.entry(path=str(desk.bring(name)), **movie(name))

    return Case(name, spoil, "ImageError", says, cause=cause)


def a_movie_gone(desk):
    path = desk.bring("walk.mp4", "lost.mp4")
    desk.add(path)
    path.unlink()


def a_movie_without_frames(desk):
    desk.entry(path=str(desk.bring("walk.mp4")), **movie("walk.mp4", frame_start=30, frame_end=40))


def moments_of_one_frame(desk):
    desk.entry(path=str(desk.bring("walk.mp4")), **movie("walk.mp4", clip_last=500, frame_end=500, count=4))


def sequence(desk, **values):
    for number in (1, 2, 4):
        desk.bring("good.png", f"shot.{number:04d}.png")
    values = {"frame_start": 1, "frame_end": 4, "clip_first": 1, "clip_last": 4, "count": 4} | values
    desk.entry(kind="SEQUENCE", name="shot.0001-0004.png", path=str(desk.folder / "shot.0001.png"), **values)


def masked(to=None, source=None, **values):
    """List a picture with a mask's file."""

    def spoil(desk):
        if source:
            desk.bring(source, to)
        path = str(desk.folder / (to or source)) if to or source else ""
        mask = {"mask_kind": "FILE", "mask_path": path} | values
        desk.entry(name="good.png", path=str(desk.bring("good.png")), **mask)

    return spoil


def no_mask_of_this_name(desk):
    (desk.folder / "masks").mkdir()
    desk.bring("mask.png", "masks/else.png")
    masked("masks")(desk)


def a_mask_of_the_file_gone(desk):
    mask = bpy.data.masks.new("Matte")
    desk.entry(name="good.png", path=str(desk.bring("good.png")), mask_kind="MASK", mask=mask)
    bpy.data.masks.remove(mask)


def an_image_gone(desk):
    image = bpy.data.images.new("Sketch", 8, 6)
    desk.entry(kind="IMAGE", name="Sketch", image=image)
    bpy.data.images.remove(image)


def an_image_without_its_file(desk):
    image = bpy.data.images.load(str(path := desk.bring("good.png", "plate.png")))
    desk.entry(kind="IMAGE", name="plate", image=image)
    path.unlink()
    image.reload()


def an_image_of_tiles(desk):
    image = bpy.data.images.new("Tiles", 8, 6, tiled=True)
    image.pixels.foreach_set(np.linspace(0, 1, 8 * 6 * 4, dtype=np.float32))
    desk.entry(kind="IMAGE", name="Tiles", image=image)


def a_painted_image(desk):
    desk.entry(kind="IMAGE", name="Painting", image=bpy.data.images["Painting"])


def with_lens(name):
    """Know the lens of a file of the material."""

    def spoil(desk):
        desk.entry(name=name, path=str(desk.bring(name)), lens_kind="FOCAL")

    return spoil


def same(name, spoil, says=""):
    return Case(name, spoil, says=says)


DAMAGED = r'".*{}" is cut off or damaged; replace it'
UNKNOWN = r'".*{}" is not a picture of a known kind; replace it'
NO_MOVIE = r'".*{}" is cut off, damaged or not a movie of a known kind; replace it'
LEFT_OUT = r"^{} is not a picture or movie that can be read, and left out"
LONG = "very long " * 24

CASES = [
    Case("nothing", lambda desk: None, "ImageError", r"No pictures are in the list: add some"),
    refused("cut good.png", DAMAGED.format("cut good.png"), "cut off"),
    refused("cut picture.jpg", DAMAGED.format("cut picture.jpg"), "cut off"),
    refused("cut webp.webp", DAMAGED.format("cut webp.webp"), "cut off"),
    refused("cut animated.gif", DAMAGED.format("cut animated.gif"), "cut off"),
    refused("empty.png", r'".*empty\.png" is empty; replace it'),
    refused("text.jpg", UNKNOWN.format("text.jpg"), "unknown kind"),
    works("movie in truth.png"),
    refused("bomb.png", r'".*bomb\.png" has more than \d+ million pixels, .*; replace it'),
    Case("bomb with a known lens", with_lens("bomb.png"), "ImageError", r"bomb\.png", cause="bomb.png"),
    Case("folder as picture", a_folder_called_as_a_picture, "ImageError", r'folder\.png" is a folder; replace it'),
    Case("named pipe", a_pipe, "ImageError", r'pipe\.png" is not a file but a pipe, a socket or a device; replace it'),
    Case("link to itself", a_link_to_itself, "ImageError", r'link\.png" cannot be opened \('),
    Case("no permission", no_permission, "ImageError", r'secret\.png" cannot be opened \('),
    Case("gone at run time", gone_at_run_time, "ImageError", r'gone\.png" does not exist; replace it', cause="gone"),
    Case("folder gone at run time", its_folder_gone, "ImageError", r'stick\.png" does not exist', cause="gone"),
    Case("below a file", below_a_file, "ImageError", r'inside\.png" cannot be opened \(Not a'),
    Case("two bad ones", two_bad_ones, "ImageError", r"2 pictures cannot be read: .*empty\.png.*; .*text\.jpg"),
    works("jpeg in truth.png"),
    works("pixel.png", r"pixel\.png shows a single colour, .* it is left out"),
    works("four pixels.png"),
    works("sliver.png"),
    works("square.png"),
    works("animated.gif"),
    works("animated.webp"),
    works("animated.png"),
    works("pages.tif"),
    works("sixteen.png"),
    works("float.tif"),
    works("bits.png"),
    works("palette.png"),
    works("cmyk.jpg"),
    works("rotated.jpg"),
    Case("rotated with a known lens", with_lens("rotated.jpg")),
    same("one picture twice", one_twice),
    same("quotes", called('it\'s "good" `now`.png')),
    same("newline", called("two\nlines.png")),
    same("emoji", called("👩‍🎨 картина ö.png")),
    same("signs", called("100% #1 $HOME {0} & ~ *?.png")),
    same("spaces", called("  lead and trail  .png")),
    same("backslash", called("back\\slash.png")),
    same("leading dash", called("-rf.png")),
    same("leading dot", called(".hidden.png")),
    same("very long", called(LONG + ".png")),
    same("very long and rotated", called(LONG + ".jpg", "rotated.jpg")),
    Case("not UTF-8", not_utf8),
    Case("not UTF-8 and rotated", called(b"caf\xe9.jpg", "rotated.jpg")),
    Case("not UTF-8 and damaged", called(b"caf\xe9.jpg", "cut picture.jpg"), "ImageError", "caf", cause="cut off"),
    added("text.txt", LEFT_OUT.format(r"text\.txt"), "left out"),
    added("cut.mp4", LEFT_OUT.format(r"cut\.mp4"), "left out"),
    added("sound.mp4", LEFT_OUT.format(r"sound\.mp4"), "left out"),
    added("empty.mp4", LEFT_OUT.format(r"empty\.mp4"), "left out"),
    Case(
        "adding an empty folder", lambda desk: None, "RefusedError", "has no pictures or movies in it", act=add_folder
    ),
    bad_movie("cut.mp4", NO_MOVIE.format(r"cut\.mp4"), "broken movie"),
    bad_movie("noise.mkv", NO_MOVIE.format(r"noise\.mkv"), "broken movie"),
    works("picture in truth.mp4"),
    bad_movie("empty.mp4", r'One movie .*empty\.mp4" is empty; replace it'),
    bad_movie("sound.mp4", r'sound\.mp4" holds no moving picture; replace it'),
    Case("movie gone", a_movie_gone, "ImageError", r'One movie .*lost\.mp4" does not exist'),
    Case("movie without frames", a_movie_without_frames, "ImageError", r"No frame of walk\.mp4 .* 1 to 25, .* 30 to"),
    same("moments beyond a movie's end", moments_of_one_frame, r"walk\.mp4 shows one frame at several"),
    Case("sequence with a hole", sequence, "ImageError", r"shot\.0001-0004\.png lacks frame 3: bring"),
    Case("sequence around its hole", lambda desk: sequence(desk, pick="STEP", frame_step=3)),
    Case("mask of another shape", masked(source="square.png"), "ImageError", r"square\.png\" has 60 × 60 .* 80 × 60"),
    Case("mask gone", masked("nowhere.png"), "ImageError", r'mask ".*nowhere\.png" of good\.png is missing: choose'),
    Case("mask not named", masked(), "ImageError", r"good\.png has no mask file: choose"),
    Case("mask damaged", masked(source="cut picture.jpg"), "ImageError", DAMAGED.format("re.jpg"), cause="cut off"),
    Case("mask in no folder", no_mask_of_this_name, "ImageError", r"masks at .*masks\" have not exactly one for good"),
    Case("mask of the file gone", a_mask_of_the_file_gone, "ImageError", r"mask of good\.png is gone from the file: c"),
    same("mask that leaves nothing", masked(source="mask black.png")),
    same("alpha of a picture without", masked(source="mask.png", mask_kind="ALPHA")),
    Case("image gone", an_image_gone, "ImageError", r"image of the picture list is gone from the file: take"),
    Case(
        "image without its file", an_image_without_its_file, "ImageError", r"image plate\.png has no pixels to read: s"
    ),
    same("image of tiles", an_image_of_tiles),
    same("painted image", a_painted_image),
]
