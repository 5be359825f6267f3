"""From the network's prediction to cameras and geometry; numpy in, numpy out.

`cameras` the algebra of frames and lenses, `rays` cameras and points from ray maps, `alignment` scale and sky,
`registration` a place among known cameras, `ground` up and floor, `surfaces` one grid mesh or point cloud a view,
`extent` how far it reaches, `ranks` how sure it is. Blender's process imports this: numpy only.
"""
