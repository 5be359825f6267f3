"""What an artist sees: the sidebar's tab and the add-on's preferences. Nothing here computes, reads or writes files."""


def register() -> None:
    """Make the panels known to Blender."""
    import bpy

    from . import models, pictures, placement, preferences, sidebar, tuning

    for module in (preferences, models, pictures, sidebar, tuning, placement):
        for kind in module.CLASSES:
            bpy.utils.register_class(kind)
    pictures.register()


def unregister() -> None:
    """Take them back, in reverse."""
    import bpy

    from . import models, pictures, placement, preferences, sidebar, tuning

    pictures.unregister()
    for module in (placement, tuning, sidebar, pictures, models, preferences):
        for kind in reversed(module.CLASSES):
            bpy.utils.unregister_class(kind)
