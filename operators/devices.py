"""What is known of the devices that a network can run on: told by workers, read by panels."""

from typing import Final

from ..core.worker.protocol import DeviceMessage

devices: Final[dict[str, DeviceMessage]] = {}
"""By what the settings call them, so that `auto` has an entry, too."""
