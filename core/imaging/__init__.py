"""Files to pixels: images upright and in sRGB, at the size the network wants, with the way back.

From a file to pixels: `kinds` recognises what a file is and `headers` how large, `opening` turns its bytes into an
image (`raw` develops camera raw; `exr`, `exr_header`, `radiance`, `float_tiff` and `logluv` are formats of scene-linear
light on the base `linear_files`), `metadata` reads what it states beside its pixels (`xmp`), and `reading` brings these
to sRGB by way of `linear`, `encodings`, `profiles` and `colours`. `movies` takes frames, `deinterlacing` makes whole
ones.

From pixels to views: `inputs` decides which frames and files take part, `preparation` makes of every view what the
network sees, with `distortion` (lenses), `resizing` (the filters of the official pre-processing), `bars` (burnt into
images) and `copies` (textures); `uniform` tells images that show nothing. `flaws` and `notes` word what is wrong.

Pillow, numpy, PyAV and the decoders' packages only, and the names are imported from the modules: Blender's process has
none of them but numpy and must be able to import this package, `kinds`, `headers` and `flaws`.
"""
