"""Images that every reader of glTF knows: PNG and JPEG stay as they are, all others become JPEG.

Source: Khronos glTF 2.0 specification, section 3.8.3 (images).
"""

from pathlib import Path
from typing import Any, Final

import bpy

from ...core.imaging.headers import JPEG

PNG: Final = b"\x89PNG\r\n\x1a\n"
QUALITY: Final = 95
"""Of JPEG: photographs lose nothing that can be seen."""


def use_common_images(mesh: bpy.types.Mesh, folder: Path, names: dict[str, str]) -> None:
    """Let a mesh's materials show images that every reader knows; materials that need it are replaced by copies.

    Args:
        mesh: A copy of the artist's own.
        folder: Where converted images may be written.
        names: Of copied materials, and of what they are copies of; is extended.
    """
    for slot, material in enumerate(mesh.materials):
        if material is None or material.node_tree is None or all(map(_is_common, _images(material))):
            continue
        copy: Any = material.copy()
        names[copy.name] = material.name
        mesh.materials[slot] = copy
        for node in copy.node_tree.nodes:
            if node.type == "TEX_IMAGE" and node.image is not None and not _is_common(node.image):
                node.image = _converted(node.image, folder)


def _images(material: Any) -> list[Any]:
    nodes = material.node_tree.nodes
    return [node.image for node in nodes if node.type == "TEX_IMAGE" and node.image is not None]


def _is_common(image: Any) -> bool:
    """Tell by its content whether an image is a PNG or a JPEG; made ones are stored as PNG by the exporter."""
    if image.source != "FILE":
        return True
    if image.packed_file is not None:
        start = bytes(image.packed_file.data[: len(PNG)])
    else:
        path = Path(bpy.path.abspath(image.filepath))
        if not path.is_file():
            return True
        with path.open("rb") as file:
            start = file.read(len(PNG))
    return start.startswith((JPEG, PNG))


def _converted(image: Any, folder: Path) -> Any:
    """Write an image as JPEG and load that, packed."""
    copy = image.copy()
    path = folder / f"{Path(bpy.path.basename(image.name)).stem}.jpg"
    if copy.size[0] == 0:  # asked for, the image is read, which sets its format
        return image
    copy.file_format = "JPEG"
    copy.save(filepath=str(path), quality=QUALITY)
    loaded = bpy.data.images.load(str(path))
    loaded.pack()
    return loaded
