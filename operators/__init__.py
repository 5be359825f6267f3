"""What an artist can do: one file a verb.

`settings` what is asked for, `models` what there is to choose from (`consent` to its licence), `download` brings it,
`needs` says what it takes of `devices`; `inputs` from the picture list to views; `session` the worker and what it made,
`own_folders` what the artist saved, `accounting` which inputs were used; `runtime` what the worker runs on, `work` the
steps from a task to a scene, `memory` what a root remembers; `scene` the builders. `reconstruct`, `pictures`,
`reconstructions`, `placement` (with `picking`), `tuning` and `export` are the operators; `command` is the same from the
command line, with `arguments`, `input_arguments` and `tuning_arguments`, how they are read (`usage`), `given_cameras`
from files, `targets` where results may go and how they get there together, `ending` of a run by signals, and standard
`output`. `context` and `log` serve all. Only `register` makes anything known to Blender.
"""


def register() -> None:
    """Make settings and operators known to Blender."""
    import bpy

    from . import (
        command,
        download,
        export,
        log,
        models,
        pictures,
        placement,
        reconstruct,
        reconstructions,
        runtime,
        session,
        settings,
        tuning,
    )

    models.catalogue.refresh()
    for module in (
        settings,
        pictures,
        reconstruct,
        reconstructions,
        placement,
        tuning,
        export,
        models,
        download,
        runtime,
        log,
    ):
        for kind in module.CLASSES:
            bpy.utils.register_class(kind)
    settings.register()
    session.register()
    runtime.register()
    command.register()


def unregister() -> None:
    """Take back everything `register` made known, in reverse; a run that is not over ends."""
    import bpy

    from . import (
        command,
        download,
        export,
        log,
        models,
        pictures,
        placement,
        reconstruct,
        reconstructions,
        runtime,
        session,
        settings,
        tuning,
    )

    command.unregister()
    download.unregister()
    runtime.unregister()
    session.unregister()
    settings.unregister()
    for module in (
        log,
        runtime,
        download,
        models,
        export,
        tuning,
        placement,
        reconstructions,
        reconstruct,
        pictures,
        settings,
    ):
        for kind in reversed(module.CLASSES):
            bpy.utils.unregister_class(kind)
