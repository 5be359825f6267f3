"""What an artist sets before a run, kept in the file, and the one function that turns it into a `Request`."""

from typing import Any, Final, cast

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ..core.errors import WeightsError
from ..core.types import Device, MixedSizes, PointSource, PoseSource, Precision, ReferenceView, Request
from . import models
from .consent import consent
from .inputs import Inputs, PictureItem
from .scene import BuildOptions
from .scene.placement import Placement

MIXED_SIZES: Final = (
    ("auto", "Automatic", "Keep every picture whole"),
    ("keep", "Keep Whole", "Run every picture at its own shape"),
    ("crop", "Crop", "Cut all pictures to the smallest, as the official code does"),
)
REFERENCE_VIEWS: Final = (
    ("saddle_balanced", "Balanced", "The picture that is typical of the set in three respects"),
    ("saddle_sim_range", "Widest Range", "The picture whose likeness to the others varies most"),
    ("first", "First", "The first picture of the list"),
    ("middle", "Middle", "The picture in the middle of the list"),
)
POSE_SOURCES: Final = (
    ("camera_head", "Camera Head", "The network's own guess of each camera: fast and robust"),
    ("ray_map", "Ray Map", "Cameras fitted to a ray per pixel: slower, and finds off-centre pictures"),
)
POINT_SOURCES: Final = (
    ("cameras", "Cameras", "Depth seen through each camera: geometry and photo agree exactly"),
    ("rays", "Rays", "Depth along the network's own ray per pixel"),
)
DEVICES: Final = (
    ("auto", "Automatic", "The fastest device that is there"),
    ("cpu", "CPU", "The processor: always there, and slow"),
    ("cuda", "CUDA", "An NVIDIA graphics card, or an AMD one through ROCm"),
    ("mps", "Metal", "An Apple graphics processor"),
)
PRECISIONS: Final = (
    ("auto", "Automatic", "What suits the device"),
    ("fp32", "Full", "32 bits: exact, and twice the memory"),
    ("bf16", "bfloat16", "16 bits with the range of 32: NVIDIA cards from 2020 on"),
    ("fp16", "Half", "16 bits: older graphics cards"),
    # Last, since .blend files keep the number of an item:
    ("mixed", "Mixed", "bfloat16, but for the last stages: between bfloat16 and Full in time and error"),
)
SCALES: Final = (
    ("AS_PREDICTED", "As Predicted", "The scale that the reconstruction was built with"),
    ("METRIC", "Metric", "Metres of the scene, for models that know metres"),
)
UPS: Final = (
    ("AS_PREDICTED", "As Predicted", "The first picture's camera stays level and looks along Y"),
    ("GROUND", "Ground", "The floor that most points lie on becomes level"),
    ("CAMERAS", "Cameras", "What is up for all cameras together becomes up; of drones, what they measured"),
)


class ReconstructionSettings(bpy.types.PropertyGroup):
    """`Scene.image_to_scene`: everything that the sidebar shows before a run."""

    pictures: CollectionProperty(type=PictureItem)  # type: ignore[valid-type]
    active_picture: IntProperty(name="Active Picture", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    model: EnumProperty(  # type: ignore[valid-type]
        name="Model",
        description="The network that looks at the pictures",
        items=lambda _settings, _context: models.catalogue.entries,
    )
    model_folder: StringProperty(  # type: ignore[valid-type]
        name="Folder",
        description="A checkpoint's folder, with its config.json and model.safetensors",
        subtype="DIR_PATH",
    )
    accepts_non_commercial: BoolProperty(  # type: ignore[valid-type]
        name="Non-Commercial Use Only",
        description="The weights of this model are licensed CC BY-NC 4.0: what comes of them must not be sold. The "
        "answer is kept in the preferences",
        get=lambda _settings: consent.is_given,
        set=lambda _settings, is_given: consent.give(is_given=is_given),
    )
    resolution: IntProperty(  # type: ignore[valid-type]
        name="Resolution",
        description="Longest side of the pictures as the network sees them, in pixels; 0: what the model is made for",
        min=0,
        soft_max=1008,
        step=14,
        subtype="PIXEL",
    )
    makes_cameras: BoolProperty(  # type: ignore[valid-type]
        name="Cameras", description="A camera for every picture, with the picture behind it", default=True
    )
    makes_point_cloud: BoolProperty(  # type: ignore[valid-type]
        name="Point Cloud", description="A coloured point for every pixel that the network saw", default=True
    )
    makes_meshes: BoolProperty(  # type: ignore[valid-type]
        name="Meshes", description="A textured mesh for every picture, cut at depth jumps by a modifier", default=True
    )
    square_pixels: BoolProperty(  # type: ignore[valid-type]
        name="Square Pixels",
        description="Give every camera one focal length, so that the scene needs no pixel aspect; off: as predicted",
        default=True,
    )
    mixed_sizes: EnumProperty(  # type: ignore[valid-type]
        name="Mixed Sizes", description="What to do with pictures of different shapes", items=MIXED_SIZES
    )
    reference_view: EnumProperty(  # type: ignore[valid-type]
        name="Reference View",
        description="The picture to which the network relates the others; used from three pictures on",
        items=REFERENCE_VIEWS,
    )
    pose_source: EnumProperty(  # type: ignore[valid-type]
        name="Cameras From", description="How cameras are found", items=POSE_SOURCES
    )
    point_source: EnumProperty(  # type: ignore[valid-type]
        name="Points From", description="How depth becomes points", items=POINT_SOURCES
    )
    field_of_view: FloatProperty(  # type: ignore[valid-type]
        name="Field of View",
        description="Across the longer side, for models without cameras whose pictures do not tell their focal length",
        subtype="ANGLE",
        default=Request.field_of_view,
        min=0.02,
        max=3.0,
    )
    exif_lens: BoolProperty(  # type: ignore[valid-type]
        name="Lens from EXIF",
        description="Take the focal length that a photo's EXIF or XMP metadata states as known, even where the network "
        "sees another; off: only where the model gives none",
        default=True,
    )
    exposure: FloatProperty(  # type: ignore[valid-type]
        name="Exposure",
        description="Stops by which scene-linear images (EXR, float TIFF) are brightened for display; other images "
        "stay as they are",
        default=Request.exposure,
        min=-32.0,
        max=32.0,
        soft_min=-10.0,
        soft_max=10.0,
    )
    scale_mode: EnumProperty(  # type: ignore[valid-type]
        name="Scale", description="How large new reconstructions are, unless known cameras tell it", items=SCALES
    )
    up_mode: EnumProperty(  # type: ignore[valid-type]
        name="Up",
        description="How new reconstructions are levelled; by their cameras where they have no floor, or where drones "
        "measured which way is up",
        items=UPS,
        default="GROUND",
    )
    floor_to_zero: BoolProperty(  # type: ignore[valid-type]
        name="Floor at Zero", description="Put the floor of new reconstructions at Z = 0", default=True
    )
    place_at_cursor: BoolProperty(  # type: ignore[valid-type]
        name="At 3D Cursor", description="Bring the middle of new reconstructions, on their floor, to the 3D cursor"
    )
    device: EnumProperty(name="Device", description="Where the network runs", items=DEVICES)  # type: ignore[valid-type]
    precision: EnumProperty(  # type: ignore[valid-type]
        name="Precision", description="Number format of the network", items=PRECISIONS
    )


CLASSES: Final = (PictureItem, ReconstructionSettings)


def request_from(settings: Any, inputs: Inputs) -> Request:
    """Say what the settings ask for.

    Args:
        settings: The scene's.
        inputs: What `inputs.views` made of its picture list.

    Raises:
        WeightsError: The model is a folder that is not named, or its licence is not accepted.
    """
    return Request(
        views=inputs.views,
        model=model_from(settings),
        resolution=settings.resolution or None,
        mixed_sizes=cast("MixedSizes", settings.mixed_sizes),
        reference_view=cast("ReferenceView", settings.reference_view),
        pose_source=cast("PoseSource", settings.pose_source),
        point_source=cast("PointSource", settings.point_source),
        square_pixels=settings.square_pixels,
        field_of_view=settings.field_of_view,
        exif_lens=settings.exif_lens,
        exposure=settings.exposure,
        device=cast("Device", settings.device),
        precision=cast("Precision", settings.precision),
    )


def model_name(settings: Any) -> str:
    """Return the preset or the folder that is chosen, whether it can be used or not; empty: no folder is named."""
    if settings.model == models.FOLDER:
        return bpy.path.abspath(settings.model_folder) if settings.model_folder else ""
    return models.catalogue.resolve(settings.model)


def model_from(settings: Any) -> str:
    """Return the model's name or folder.

    Raises:
        WeightsError: No folder is named, a licence needs a click, or the weights are not on this machine.
    """
    name = model_name(settings)
    if not name:
        raise WeightsError("No model folder is named: choose the folder of a checkpoint, or another model.")
    models.check_is_here(name)
    return models.chosen(name, accepts_non_commercial=settings.accepts_non_commercial)


def build_options_from(settings: Any) -> BuildOptions:
    """Say what is to be built."""
    return BuildOptions(
        cameras=settings.makes_cameras,
        point_cloud=settings.makes_point_cloud,
        meshes=settings.makes_meshes,
    )


def placement_from(settings: Any) -> Placement:
    """Say how a new reconstruction is placed, for `scene.placement.apply_placement`."""
    return Placement(settings.scale_mode, settings.up_mode, settings.floor_to_zero, settings.place_at_cursor)


def register() -> None:
    """Give every scene its settings."""
    bpy.types.Scene.image_to_scene = PointerProperty(  # type: ignore[attr-defined,func-returns-value]
        type=ReconstructionSettings
    )


def unregister() -> None:
    """Take them back; what a file stores of them stays in the file."""
    del bpy.types.Scene.image_to_scene  # type: ignore[attr-defined]
