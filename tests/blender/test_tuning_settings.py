"""The settings of the tuning: only those that something heeds, with limits, in the panel and on the command line."""

import io
from dataclasses import asdict, replace

import bpy
import numpy as np
import pytest

from image_to_scene.core.types import Reconstruction
from image_to_scene.operators import arguments
from image_to_scene.operators.scene import BuildOptions, Tuning, build, get_tuning, set_tuning
from image_to_scene.operators.scene.collection import place_of
from image_to_scene.operators.scene.tuning import (
    CONTROLS,
    add_controls,
    controls_of,
    first_tuning,
    settings_of,
    what_is_given,
)
from image_to_scene.operators.tuning_arguments import tuning_from
from image_to_scene.operators.usage import UsageError
from image_to_scene.panels.tuning import SECTIONS

ALL = Tuning(confidence_percentile=0.0, depth_jump=0.0, remove_sky=False, remove_masked=False)


def built_from(*views, **options):
    return build(Reconstruction(views, world="given"), BuildOptions(**options), bpy.context.scene)


def test_there_are_only_controls_that_something_heeds(make_view):
    confidence = {"confidence", "confidence_percentile"}
    both = {"depth_jump", "max_distance"}
    points, meshes = {"point_size", "point_density"}, {"mesh_step"}
    bare = make_view(confidence=None)
    rich = make_view(sky=np.zeros((16, 24), np.float32), mask=np.zeros((16, 24), bool))
    assert controls_of(built_from(bare).root).keys() == both | points | meshes
    assert controls_of(built_from(bare, meshes=False).root).keys() == both | points
    assert controls_of(built_from(make_view(), point_cloud=False).root).keys() == both | confidence | meshes
    assert controls_of(built_from(rich, point_cloud=False, meshes=False).root).keys() == set()
    assert controls_of(built_from(rich).root).keys() == asdict(Tuning()).keys()
    plain = built_from(make_view())
    set_tuning(plain.root, replace(ALL, remove_sky=True))
    assert "remove_sky" not in plain.collection
    assert controls_of(plain.meshes[0]) == {}


def test_properties_have_limits_and_come_back_to_what_they_were(make_view):
    wanted = Tuning(confidence=1.5, mesh_step=2, point_density=0.5)
    root = built_from(make_view(), tuning=wanted).root
    for name in controls_of(root):
        shown = settings_of(root).id_properties_ui(name).as_dict()
        assert shown["description"] and shown["default"] == pytest.approx(getattr(wanted, name))
    limits = {name: settings_of(root).id_properties_ui(name).as_dict() for name in controls_of(root)}
    assert limits["mesh_step"]["min"] == 1
    assert limits["point_density"]["max"] == 1.0
    assert 4.0 < limits["confidence"]["soft_max"] <= 5.0
    set_tuning(root, ALL)
    assert asdict(first_tuning(root)) == pytest.approx(asdict(wanted))


def test_a_rebuild_below_the_same_root_keeps_what_the_artist_chose(make_view):
    built = built_from(make_view(sky=np.zeros((16, 24), np.float32)), tuning=Tuning())
    set_tuning(built.root, replace(Tuning(), mesh_step=4, confidence=1.2))
    given = what_is_given([make_view()], points=False, meshes=True)
    add_controls(place_of(built.root, bpy.context.scene), Tuning(mesh_step=2), given, {})
    assert get_tuning(built.root).mesh_step == 4
    assert first_tuning(built.root).mesh_step == 2
    assert controls_of(built.root).keys() == {
        "confidence_percentile",
        "confidence",
        "depth_jump",
        "max_distance",
        "mesh_step",
    }


def test_the_window_comes_back_to_what_was_built(make_view):
    built = built_from(make_view(), tuning=replace(ALL, mesh_step=3))
    set_tuning(built.root, replace(ALL, mesh_step=1, confidence=2.0))
    assert bpy.ops.image_to_scene.reset_tuning() == {"FINISHED"}
    assert asdict(get_tuning(built.root)) == pytest.approx(
        asdict(replace(ALL, mesh_step=3, remove_sky=True, remove_masked=True))
    )


def test_the_window_offers_nothing_where_there_is_nothing():
    assert not bpy.ops.image_to_scene.reset_tuning.poll()


def test_every_control_has_its_place_in_the_panel():
    assert [name for _, _, names in SECTIONS for name in names] == list(CONTROLS)


def parsed(*words):
    return tuning_from(arguments.parse(["--images", "a.png", "--output", "b.glb", *words], io.StringIO(), "test"))


def test_the_command_line_sets_every_field():
    assert parsed() == Tuning()
    words = "--confidence-percentile 0 --confidence 1.5 --depth-jump 0 --max-distance 20 --keep-sky --keep-masked"
    more = "--point-size 2 --point-density 0.5 --mesh-step 3"
    assert parsed(*words.split(), *more.split()) == Tuning(0.0, 1.5, 0.0, 20.0, False, False, 2.0, 0.5, 3)


@pytest.mark.parametrize(
    "words",
    ["--confidence-percentile=101", "--point-density=1.1", "--mesh-step=0", "--depth-jump=-1", "--confidence=nan"],
)
def test_the_command_line_refuses_what_makes_no_sense(words):
    with pytest.raises(UsageError, match=words.split("=", maxsplit=1)[0]):
        parsed(words)
