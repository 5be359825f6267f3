"""Image to Scene without Blender: pictures in, cameras and geometry out.

`types` the data that crosses rooms, `errors` what can go wrong, `pipeline` the map of a run, `assembly` its decisions
about cameras, world and unit (`measured`: what the files' metadata add), `storage` a reconstruction as a folder
(`outside`: which files beyond it may be opened; `replacing` puts it in place); `request_json` a request that files
remember, `json_dataclasses` and `json_reading` how JSON is made and read; `temporary` folders that the next start
sweeps, `disk` why a file could not be written, `private_files` files for their owner alone, `stored_values` the ranges
that stored values may have, `names` what files may be called; `imaging` files to pixels, `model` the network,
`geometry` cameras and surfaces, `worker` the process that runs it all. Importing this package imports neither torch nor
bpy, and nothing in it imports from outside it.
"""
