"""Files to pixels: pictures upright and in sRGB, at the size the network wants, with the way back.

`inputs` takes the frames of movies and names what cannot be read; `preparation` makes of every view what the network
sees, with the help of `reading` (pictures, masks), `movies` and `colours`, `distortion` (lenses), `resizing` (the
filters of the official pre-processing) and `copies` (textures); `kinds` and `flaws` say what a file is and is not,
`headers` how large a picture is.

Pillow, numpy and, for movies, PyAV only, and the names are imported from the modules: Blender's process has neither
Pillow nor PyAV and must be able to import this package, `kinds` and `headers`.
"""
