"""One entry of the picture list: as Blender stores it, and as plain data for the command line."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from ...core.names import readable

Kind = Literal["FILE", "MOVIE", "SEQUENCE", "IMAGE", "CAMERA"]

KINDS: Final = (
    ("FILE", "Picture", "A picture's file"),
    ("MOVIE", "Movie", "Frames of a movie"),
    ("SEQUENCE", "Sequence", "Frames of a numbered image sequence"),
    ("IMAGE", "Image", "An image of this file, as it is when the run starts"),
    ("CAMERA", "Camera", "A camera of the scene with its picture; it stays as it is, and the geometry fits it"),
)
PICTURE_SOURCES: Final = (
    ("AUTO", "Automatic", "Its background image or clip, else the scene's active clip, else a render"),
    ("BACKGROUND", "Background Image", "The camera's background image"),
    ("CLIP", "Movie Clip", "The scene's active movie clip, its lens distortion taken out"),
    ("RENDER", "Render", "What the camera sees of the scene, rendered for this run"),
)
PICKS: Final = (
    ("COUNT", "Number of Frames", "So many frames, evenly spread over the range"),
    ("STEP", "Step", "One frame every so many frames or seconds"),
)
MASK_KINDS: Final = (
    ("NONE", "No Mask", "The whole picture takes part"),
    ("ALPHA", "Alpha", "What the picture's alpha channel makes transparent is left out"),
    ("FILE", "File", "What is black in another picture is left out"),
    ("MASK", "Mask", "What lies outside the splines of a mask of this file is left out"),
)
LENS_KINDS: Final = (
    ("AUTO", "Automatic", "As the photo's metadata states, unless Lens from EXIF is off, else as the network guesses"),
    ("CAMERA", "Camera", "The lens of a camera of this file; its place does not matter"),
    ("FSPY", "fSpy File", "The lens that fSpy found, from its project file"),
    ("FOCAL", "Focal Length", "A focal length in millimetres, with the sensor's width"),
)


class PictureItem(bpy.types.PropertyGroup):
    """One entry of the list; its `name` is what the list shows. The fields are those of `Item`."""

    kind: EnumProperty(name="Kind", description="What the entry is", items=KINDS)  # type: ignore[valid-type]
    path: StringProperty(  # type: ignore[valid-type]
        name="File",
        description="The picture's or movie's file; of a sequence, its first",
        subtype="FILE_PATH",
    )
    image: PointerProperty(  # type: ignore[valid-type]
        name="Image", description="An image of this file", type=bpy.types.Image
    )
    camera: PointerProperty(  # type: ignore[valid-type]
        name="Camera",
        description="The camera whose place and lens are given",
        type=bpy.types.Object,
        poll=lambda _item, candidate: _is_camera(candidate),
    )
    picture_source: EnumProperty(  # type: ignore[valid-type]
        name="Picture", description="Where the camera's picture comes from", items=PICTURE_SOURCES
    )
    clip_first: IntProperty(options={"HIDDEN"}, default=1)  # type: ignore[valid-type]
    clip_last: IntProperty(options={"HIDDEN"}, default=1)  # type: ignore[valid-type]
    clip_rate: FloatProperty(options={"HIDDEN"})  # type: ignore[valid-type]
    frame_start: IntProperty(  # type: ignore[valid-type]
        name="Start", description="First frame: of a sequence by its number, of a movie counted from 1", default=1
    )
    frame_end: IntProperty(name="End", description="Last frame", default=1)  # type: ignore[valid-type]
    frame_step: IntProperty(  # type: ignore[valid-type]
        name="Step", description="Frames from one chosen frame to the next", default=1, min=1
    )
    pick: EnumProperty(name="Choose By", description="How frames are chosen", items=PICKS)  # type: ignore[valid-type]
    seconds: FloatProperty(  # type: ignore[valid-type]
        name="Every",
        description="Seconds of the movie from one chosen frame to the next",
        default=1.0,
        min=0.001,
        soft_max=60.0,
        subtype="TIME_ABSOLUTE",
    )
    count: IntProperty(  # type: ignore[valid-type]
        name="Frames", description="How many frames to choose", default=8, min=1, soft_max=100
    )
    is_animated: BoolProperty(  # type: ignore[valid-type]
        name="Animated", description="The camera moves: every chosen frame of its picture gives a view"
    )
    mask_kind: EnumProperty(  # type: ignore[valid-type]
        name="Mask", description="What of the picture takes part", items=MASK_KINDS
    )
    mask_path: StringProperty(  # type: ignore[valid-type]
        name="Mask File",
        description="A picture, white where the photo takes part; of a clip, a folder with one of the same name or "
        "number for every frame",
        subtype="FILE_PATH",
    )
    mask: PointerProperty(name="Mask", description="A mask of this file", type=bpy.types.Mask)  # type: ignore[valid-type]
    mask_inverted: BoolProperty(  # type: ignore[valid-type]
        name="Invert", description="Leave out what the mask would keep, and keep the rest"
    )
    lens_kind: EnumProperty(name="Lens", description="What is known of the lens", items=LENS_KINDS)  # type: ignore[valid-type]
    lens_camera: PointerProperty(  # type: ignore[valid-type]
        name="Lens Of",
        description="The camera that the lens is taken from",
        type=bpy.types.Object,
        poll=lambda _item, candidate: _is_camera(candidate),
    )
    lens_path: StringProperty(  # type: ignore[valid-type]
        name="fSpy File", description="A project file of fSpy (.fspy)", subtype="FILE_PATH"
    )
    lens_focal: FloatProperty(  # type: ignore[valid-type]
        name="Focal Length", description="For the sensor below", default=35.0, min=0.1, soft_max=500.0, unit="CAMERA"
    )
    lens_sensor: FloatProperty(  # type: ignore[valid-type]
        name="Sensor", description="Length of its longer side", default=36.0, min=0.1, soft_max=100.0, unit="CAMERA"
    )


@dataclass
class Item:
    """What `PictureItem` holds, outside any file: the command line's entries."""

    name: str = ""
    kind: Kind = "FILE"
    path: str = ""
    image: bpy.types.Image | None = None
    camera: bpy.types.Object | None = None
    picture_source: str = "AUTO"
    clip_first: int = 1
    """Number of the clip's first frame: of a sequence by its file's name, of a movie 1."""
    clip_last: int = 1
    clip_rate: float = 0.0
    """A movie's frames per second; 0 for a sequence, which has the scene's."""
    frame_start: int = 1
    frame_end: int = 1
    frame_step: int = 1
    pick: str = "COUNT"
    seconds: float = 1.0
    count: int = 8
    is_animated: bool = False
    mask_kind: str = "NONE"
    mask_path: str = ""
    mask: bpy.types.Mask | None = None
    mask_inverted: bool = False
    lens_kind: str = "AUTO"
    lens_camera: bpy.types.Object | None = None
    lens_path: str = ""
    lens_focal: float = 35.0
    """Millimetres."""
    lens_sensor: float = 36.0
    """Millimetres, of the longer side."""

    def __post_init__(self) -> None:
        """Take a name as Blender can store it."""
        self.name = readable(self.name)


def _is_camera(candidate: Any) -> bool:
    return candidate.type == "CAMERA"  # type: ignore[no-any-return]
