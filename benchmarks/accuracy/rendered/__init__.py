"""Scenes of our own, made and rendered by Blender's Cycles, with exact depth and cameras.

`materials` and `shapes` are the stock, `rooms`, `tabletops` and `facades` what is made of it, `cameras` where it is
seen from, `rendering` makes pictures and truth of it, and `reading` reads them again. `python -m
benchmarks.accuracy.rendered` renders. The bundled model is trained on scenes of these kinds, too, made by the same code
from other seeds (`training/compose.py`); never on these.
"""
