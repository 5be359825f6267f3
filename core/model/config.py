"""How large a network is and what it is made for, as it stands in a checkpoint's `config.json`; imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from ..errors import WeightsError
from ..names import brief

Licence = Literal["Apache-2.0", "CC-BY-NC-4.0", "CC0-1.0", "unknown"]


@dataclass(frozen=True)
class BackboneConfig:
    """Sizes of the vision transformer."""

    embed_dim: int
    depth: int
    num_heads: int
    out_layers: tuple[int, ...]
    """The blocks whose output the dense head reads."""
    ffn: Literal["mlp", "swiglu"] = "mlp"
    patch_size: int = 14
    img_size: int = 518
    """Side of the square picture that the stored position embedding covers, pixels."""
    alt_start: int = -1
    """First block from which odd blocks attend over all views and the class token is a camera token; −1: never."""
    qknorm_start: int = -1
    rope_start: int = -1
    cat_token: bool = False
    """Whether an output is [last local block's tokens ‖ this block's tokens]."""


@dataclass(frozen=True)
class HeadConfig:
    """Sizes of the dense head; `dual_dpt` gives depth, confidence and rays, `dpt` depth and sky."""

    type: Literal["dual_dpt", "dpt"]
    dim_in: int
    features: int
    out_channels: tuple[int, ...]


@dataclass(frozen=True)
class CameraEncoderConfig:
    """Sizes of the encoder that turns known cameras into camera tokens."""

    dim: int
    trunk_depth: int = 4
    num_heads: int = 16


@dataclass(frozen=True)
class CameraDecoderConfig:
    """Size of the decoder that reads a camera from its token."""

    dim_in: int


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of one network; parts that it has not are None."""

    backbone: BackboneConfig
    head: HeadConfig
    cam_enc: CameraEncoderConfig | None = None
    cam_dec: CameraDecoderConfig | None = None
    gaussians: bool = False
    """Whether the checkpoint also holds a Gaussian head; its weights are known and left alone."""
    resolution: int = 504
    """Longest side that the checkpoint is made for, pixels."""
    resolution_range: tuple[int, int] = (504, 896)
    """Smallest and largest longest side at which the checkpoint was trained or checked, pixels."""

    @property
    def joins_views(self) -> bool:
        """Whether views see one another; else each is predicted by itself."""
        return self.backbone.alt_start >= 0


@dataclass(frozen=True)
class ModelConfig:
    """A model as the artist knows it: one network, or two where a second one gives the metric scale."""

    name: str
    """Short name, as in `Request.model`."""
    title: str
    """What the window shows."""
    network: NetworkConfig
    metric_network: NetworkConfig | None = None
    """Second network of a nested model."""
    is_metric: bool = False
    """Whether depth can be given in metres (focal length times depth over 300 pixels, or by the second network)."""
    licence: Licence = "unknown"
    repositories: tuple[str, ...] = ()
    """Where the weights are on Hugging Face, the preferred one first."""
    download_size: int = 0
    """Bytes of the checkpoint on Hugging Face; 0: it is not there."""

    @property
    def has_poses(self) -> bool:
        """Whether the model says where its cameras stand."""
        return self.network.cam_dec is not None

    @property
    def takes_poses(self) -> bool:
        """Whether known cameras can be given to the network."""
        return self.network.cam_enc is not None

    @property
    def has_rays(self) -> bool:
        """Whether the model can give rays, and confidence beside depth."""
        return self.network.head.type == "dual_dpt"

    @property
    def has_sky(self) -> bool:
        """Whether the model tells sky from ground."""
        return self.network.head.type == "dpt" or self.metric_network is not None

    @property
    def patch_size(self) -> int:
        """Side of a patch; picture sides are multiples of it, pixels."""
        return self.network.backbone.patch_size

    @property
    def resolution(self) -> int:
        """Longest side that the model is made for, pixels."""
        return self.network.resolution

    @property
    def resolution_range(self) -> tuple[int, int]:
        """Smallest and largest longest side at which the model was trained or checked, pixels."""
        return self.network.resolution_range


def parse_network(values: Mapping[str, Any]) -> NetworkConfig:
    """Read the sizes of a network from the `config` object of a checkpoint's `config.json`.

    Args:
        values: Parts `backbone` and `head`, and where the network has them `cam_enc` and `cam_dec`; `resolution` and
            `resolution_range` (pixels of the longest side) default to the side of the position embedding.

    Raises:
        WeightsError: A part or one of its sizes is missing, unknown or of the wrong type.
    """
    known = {field.name for field in fields(NetworkConfig)}
    if surplus := sorted(set(values) - known):
        raise WeightsError(
            f"The checkpoint's config.json has an unknown part {brief(surplus[0])}; known: {sorted(known)}."
        )
    backbone = _part(BackboneConfig, "backbone", values.get("backbone"))
    _check_backbone(backbone)
    cam_enc, cam_dec = values.get("cam_enc"), values.get("cam_dec")
    resolution = _side(values.get("resolution", backbone.img_size))
    reach = values.get("resolution_range", (resolution, resolution))
    shortest, longest = reach if isinstance(reach, list | tuple) and len(reach) == 2 else (reach, reach)
    return NetworkConfig(
        backbone=backbone,
        head=_part(HeadConfig, "head", values.get("head")),
        cam_enc=_part(CameraEncoderConfig, "cam_enc", cam_enc) if cam_enc else None,
        cam_dec=_part(CameraDecoderConfig, "cam_dec", cam_dec) if cam_dec else None,
        gaussians=bool(values.get("gaussians", False)),
        resolution=resolution,
        resolution_range=(_side(shortest), _side(longest)),
    )


Part = TypeVar("Part")
MOST: Final = 100_000  # far above every size of every network: more is damage, and would take memory and time for ever
DEEPEST: Final = 1000  # blocks
LEVELS: Final = 4  # of the dense head: so many blocks are read, and become so many sizes


def _part(kind: Callable[..., Part], name: str, values: object) -> Part:
    """Build one part; JSON lists become tuples."""
    if not isinstance(values, Mapping):
        raise WeightsError(
            f"The checkpoint's config.json has no part {name!r}; use the file that came with the weights."
        )
    sizes = fields(cast("Any", kind))
    if unknown := sorted(set(values) - {field.name for field in sizes}):
        raise WeightsError(
            f"The part {name!r} of the checkpoint's config.json has an unknown size {brief(unknown[0])}; use the file "
            "that came with the weights."
        )
    needed = {field.name for field in sizes if field.default is MISSING}
    if missing := sorted(needed - set(values)):
        raise WeightsError(
            f"The part {name!r} of the checkpoint's config.json lacks {missing[0]!r}; use the file that came with the "
            "weights."
        )
    part = kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
    for key, hint in get_type_hints(kind).items():
        if not _fits(key, getattr(part, key), hint):
            raise WeightsError(
                f"The checkpoint's config.json says {brief(getattr(part, key))} for {key} of {name}, which no network "
                "has; use the file that came with the weights."
            )
    return part


def _fits(key: str, value: Any, hint: Any) -> bool:
    """Whether a size is of its type and of a size that a network may have."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and len(value) == LEVELS and all(_fits(key, item, int) for item in value)
    if hint is bool:
        return type(value) is bool
    least = {"out_layers": 0}.get(key, -1 if key.endswith("_start") else 1)
    return type(value) is int and least <= value <= (DEEPEST if key.endswith("depth") else MOST)


def _side(value: object) -> int:
    """Read a picture's side.

    Raises:
        WeightsError: It is none.
    """
    if type(value) is not int or not 1 <= value <= MOST:
        raise WeightsError(
            f"The checkpoint's config.json says {brief(value)} for the resolution; use the file that came with the "
            "weights."
        )
    return value


def _check_backbone(backbone: BackboneConfig) -> None:
    """Make sure that sizes fit each other, which no tensor tells."""
    if backbone.embed_dim % backbone.num_heads or max(backbone.out_layers) >= backbone.depth:
        raise WeightsError(
            f"The checkpoint's config.json has {backbone.num_heads} heads for {backbone.embed_dim} channels and reads "
            f"block {max(backbone.out_layers)} of {backbone.depth}; use the file that came with the weights."
        )
