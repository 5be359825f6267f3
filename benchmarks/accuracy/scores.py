"""How scores are called."""

from __future__ import annotations

Scores = dict[str, float]
"""`auc3` … `auc30` and `relative_auc30` (percent), `rotation` and `direction` (median degrees), `ray` (see
`pose.ray_error`), `place` (see `pose.place_error`), and the fields of `DepthScore` and `SurfaceScore`; what a data set
cannot tell is not there."""
