"""The process that owns torch, and the way to talk to it.

`client` runs inside Blender and never blocks, `server` is the child's loop, `protocol` the lines between them, and
`__main__` starts the child from any interpreter. Importing the client imports neither torch nor bpy.
"""
