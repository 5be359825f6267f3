"""The errors an artist can meet, each one sentence that says what failed and what to do.

Everything derived from `ImageToSceneError` may be shown as it is. Any other exception is a defect; the two process
boundaries (the worker's loop and the operator's timer) log it and report one plain sentence instead.
"""

from .names import readable


class ImageToSceneError(Exception):
    """Base of every error whose text is written for the artist."""

    def __str__(self) -> str:
        """Return the text so that Blender can show it, whatever files it names."""
        return readable(super().__str__())


class ImageError(ImageToSceneError):
    """A picture is missing, broken or of a kind that cannot be read."""


class CameraError(ImageToSceneError):
    """Given cameras are incomplete or contradict the pictures."""


class WeightsError(ImageToSceneError):
    """A checkpoint is missing, incomplete or not what its configuration says."""


class DeviceError(ImageToSceneError):
    """The chosen device or precision does not exist on this machine."""


class OutOfMemoryError(ImageToSceneError):
    """The device has not enough memory for this resolution and number of views."""


class StorageError(ImageToSceneError):
    """A saved reconstruction is unreadable, incomplete or of a newer version."""


class WorkerError(ImageToSceneError):
    """The worker process could not be started or ended without an answer."""


class InstallError(ImageToSceneError):
    """The worker's own environment could not be made, checked or removed."""


class CancelledError(ImageToSceneError):
    """The artist cancelled the run."""
