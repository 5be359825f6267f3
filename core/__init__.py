"""Image to Scene without Blender: pictures in, cameras and geometry out.

`types` the data that crosses rooms, `errors` what can go wrong, `pipeline` the map of a run, `assembly` its decisions
about cameras, world and unit, `storage` a reconstruction as a folder; `imaging` files to pixels, `model` the network,
`geometry` cameras and surfaces, `worker` the process that runs it all. Importing this package imports neither torch nor
bpy, and nothing in it imports from outside it.
"""
