"""Comparing tensors without `torch.testing`, whose first call imports sympy and torch.distributed: seconds."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def assert_close(received: Tensor, expected: Tensor, atol: float = 1e-5, rtol: float = 1e-5) -> None:
    assert received.shape == expected.shape
    assert received.dtype == expected.dtype
    np.testing.assert_allclose(received.detach().numpy(), expected.detach().numpy(), atol=atol, rtol=rtol)
