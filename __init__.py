"""Image to Scene: photographs in, Blender cameras and geometry out, by Depth Anything 3.

Nothing is imported here but inside `register` and `unregister`: test runners import this file without Blender.
"""


def register() -> None:
    """Make operators and panels known to Blender."""
    from . import operators, panels

    operators.register()
    panels.register()


def unregister() -> None:
    """Take back everything `register` made known, in reverse."""
    from . import operators, panels

    panels.unregister()
    operators.unregister()
