"""Small networks with random weights, and the official package beside ours."""

import sys
from pathlib import Path

import pytest
import torch

# `official_network`, `networks` and `loopback_hub`, helpers of these tests
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]


@pytest.fixture(autouse=True)
def _one_thread():
    """Small tensors gain nothing from threads, and sums come out in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
