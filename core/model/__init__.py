"""The Depth Anything 3 network (arXiv 2511.10647) and nothing else: pixels in, what the network says of them out.

`config` says how large a network is, `presets` lists those that have a name, `memory` what they need (`main_memory`
what there is); `download` brings their weights here, over
`hub_connection`, or says why not (`hub_errors`); `vision_transformer` (with
`attention`, `rotary` and `reference_view`), `dense_head` and `camera_head` are the paper's parts and `network` joins
them; `weights` reads checkpoints, `device` chooses where to run, `prediction` runs, also where memory runs out
(`out_of_memory`). Blender's process may import `config`, `presets` and `memory`, which import no torch, and nothing
else.
"""
