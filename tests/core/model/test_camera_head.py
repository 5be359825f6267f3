"""Cameras as nine numbers and back."""

import math

import networks
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from image_to_scene.core.model import camera_head
from image_to_scene.core.model.camera_head import CameraEncoding, encode_cameras

vectors = st.tuples(*[st.floats(-math.pi, math.pi)] * 3).filter(lambda v: 1e-3 < math.dist(v, (0, 0, 0)) < math.pi)
numbers = st.floats(-1e3, 1e3)
focals = st.floats(20, 2000)
sides = st.integers(1, 80).map(lambda patches: 14 * patches)


@given(vector=vectors, centre=st.tuples(numbers, numbers, numbers), fx=focals, fy=focals, width=sides, height=sides)
def test_encoding_and_decoding_a_camera(vector, centre, fx, fy, width, height):
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = networks.rotation_matrix(np.array(vector)), centre
    image = np.array([[fx, 0, width / 2], [0, fy, height / 2], [0, 0, 1]])
    size = torch.tensor([height, width], dtype=torch.float64)
    encoding = encode_cameras(torch.from_numpy(world), torch.from_numpy(image), size)
    assert encoding.quaternion[3] >= 0
    assert torch.allclose(encoding.quaternion.norm(), torch.tensor(1.0, dtype=torch.float64))
    assert np.allclose(camera_head.world_from_encoding(encoding).numpy(), world, atol=1e-12)
    assert np.allclose(camera_head.image_from_encoding(encoding, size).numpy(), image, rtol=1e-9)


@given(quaternion=st.tuples(*[st.floats(-10, 10)] * 4).filter(lambda q: math.hypot(*q) > 1e-3))
def test_a_quaternion_turns_whatever_its_length(quaternion):
    q = torch.tensor(quaternion, dtype=torch.float64)
    rotation = camera_head.rotation_from_quaternion(q)
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(torch.linalg.det(rotation), torch.tensor(1.0, dtype=torch.float64))
    assert torch.allclose(rotation, camera_head.rotation_from_quaternion(-3 * q), atol=1e-12)
    back = camera_head.quaternion_from_rotation(rotation)
    assert torch.allclose(camera_head.rotation_from_quaternion(back), rotation, atol=1e-12)


@pytest.mark.parametrize("axis", range(3))
def test_half_turns(axis):
    """Where the real part is zero, the quaternion is found from another row."""
    rotation = -torch.eye(3, dtype=torch.float64)
    rotation[axis, axis] = 1
    quaternion = camera_head.quaternion_from_rotation(rotation)
    assert torch.allclose(quaternion.abs(), torch.eye(4, dtype=torch.float64)[axis])


def test_a_batch_is_its_cameras():
    poses, intrinsics = (torch.from_numpy(a) for a in networks.orbit(6))
    size = torch.tensor([70.0, 98.0], dtype=torch.float64)
    together = encode_cameras(poses.reshape(2, 3, 4, 4), intrinsics.reshape(2, 3, 3, 3), size)
    for i in range(6):
        alone = encode_cameras(poses[i], intrinsics[i], size)
        for a, b in zip(together, alone, strict=True):
            assert torch.equal(a[i // 3, i % 3], b)
        decoded = camera_head.world_from_encoding(CameraEncoding(*(part[i // 3, i % 3] for part in together)))
        assert torch.allclose(decoded, poses[i], atol=1e-12)


def test_no_field_of_view_is_a_very_long_lens_and_no_infinity():
    encoding = CameraEncoding(torch.zeros(3), torch.tensor([0, 0, 0, 1.0]), torch.zeros(2))
    assert camera_head.image_from_encoding(encoding, torch.tensor([70.0, 98.0])).isfinite().all()
