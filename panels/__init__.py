"""What an artist sees: the sidebar's tab and the add-on's preferences. Nothing here computes, reads or writes files."""


def register() -> None:
    """Make the panels known to Blender."""
    import bpy

    from . import preferences, sidebar

    for module in (preferences, sidebar):
        for kind in module.CLASSES:
            bpy.utils.register_class(kind)


def unregister() -> None:
    """Take them back, in reverse."""
    import bpy

    from . import preferences, sidebar

    for module in (sidebar, preferences):
        for kind in reversed(module.CLASSES):
            bpy.utils.unregister_class(kind)
