"""Small networks with random weights, and the official package beside ours."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # `official_network` and `networks`, helpers of these tests


@pytest.fixture(autouse=True)
def _one_thread():
    """Small tensors gain nothing from threads, and sums come out in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
