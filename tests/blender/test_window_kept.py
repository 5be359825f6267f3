"""Blender's exporter shows a scene of its own: the artist's window and what is not keyed are as they were."""

import bpy
import pytest

from image_to_scene.operators.scene.window import window_kept


def chair():
    found = bpy.data.objects.get("Chair") or bpy.data.objects.new("Chair", bpy.data.lights.new("Chair", "POINT"))
    if found.name not in bpy.context.scene.collection.objects:
        bpy.context.scene.collection.objects.link(found)
    return found


def vector():
    return chair(), "location", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)


def number():
    return chair().data, "energy", 10.0, 20.0


def switch():
    return chair(), "hide_render", False, True


def custom():
    chair()["a.slider"] = 0.0
    return chair(), '["a.slider"]', 0.25, 0.75


def custom_of_a_bone():
    armature = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    armature.data.edit_bones.new("Arm.L").tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.pose.bones["Arm.L"]["ik"] = 0.0
    return armature, 'pose.bones["Arm.L"]["ik"]', 0.25, 0.75


def socket():
    material = bpy.data.materials.new("Oak")
    material.use_nodes = True
    value = material.node_tree.nodes.new("ShaderNodeValue")
    mesh = bpy.data.meshes.new("Table")
    mesh.materials.append(material)
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Table", mesh))
    return material.node_tree, f'nodes["{value.name}"].outputs[0].default_value', 0.25, 0.75


def assign(item, path, value):
    if isinstance(value, tuple):
        item.path_resolve(path)[:] = value
    else:
        owner, _, name = path.rpartition("[" if path.endswith("]") else ".")
        place = item.path_resolve(owner) if owner else item
        if path.endswith("]"):
            place[name[1:-2]] = value
        else:
            setattr(place, name, value)


def read(item, path):
    value = item.path_resolve(path)
    return tuple(value) if hasattr(value, "__len__") else value


@pytest.mark.parametrize("on_a_track", [False, True])
@pytest.mark.parametrize("make", [vector, number, switch, custom, custom_of_a_bone, socket])
def test_what_is_not_keyed_stays(empty_file, make, on_a_track):
    item, path, keyed, moved = make()
    assign(item, path, keyed)
    item.keyframe_insert(path, frame=1)
    if on_a_track:
        animation = item.animation_data
        animation.nla_tracks.new().strips.new("Strip", 1, animation.action)
        animation.action = None
    assign(item, path, moved)
    other = bpy.data.scenes.new("Exported")
    with window_kept():
        bpy.context.window.scene = other
    assert read(item, path) == moved


def test_scene_and_view_layer_stay_when_it_fails(empty_file):
    bpy.data.scenes.new("Another")
    mine = bpy.data.scenes.new("Mine")
    layer = mine.view_layers.new("Second")
    window = bpy.context.window
    window.scene, window.view_layer = mine, layer
    with pytest.raises(OSError, match="full"), window_kept():
        window.scene = bpy.data.scenes.new("Exported")
        raise OSError("full")
    assert (window.scene, window.view_layer.name) == (mine, "Second")
