"""The process that owns torch, and the way to talk to it.

`client` runs inside Blender and never blocks, `child` is the process that it holds, `server` that process's loop,
`protocol` the lines between them, and `__main__` starts it from any interpreter; `runtime` makes one for it. Importing
the client imports neither torch nor bpy.
"""
