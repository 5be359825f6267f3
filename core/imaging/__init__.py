"""Files to pixels: pictures upright and in sRGB, at the size the network wants, with the way back.

`reading` opens pictures and says what is wrong with those that cannot be, `resizing` holds the two filters of the
official pre-processing, `preparation` makes of every view what the network sees. Pillow and numpy only, and the names
are imported from the modules: Blender's process has no Pillow and must be able to import this package.
"""
