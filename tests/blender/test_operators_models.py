"""The list of models: what is on this machine, what each gives and costs, and under which licence."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from drawing import Layout

from image_to_scene.core.errors import WeightsError
from image_to_scene.core.model.hub_cache import cache_folder
from image_to_scene.core.model.presets import PRESETS
from image_to_scene.operators import models
from image_to_scene.operators.scene import BuildOptions, build
from image_to_scene.operators.settings import model_from
from image_to_scene.panels.sidebar import IMAGETOSCENE_PT_result

COMMIT = "0" * 40


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty Hugging Face cache; what is put there is looked at when the catalogue is refreshed."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    models.catalogue.refresh()
    yield tmp_path / "hub"
    monkeypatch.undo()
    models.catalogue.refresh()


def put(cache, name):
    folder = cache / f"models--{PRESETS[name].repositories[-1].replace('/', '--')}"
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    (folder / "snapshots" / COMMIT / "model.safetensors").touch()
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    bpy.ops.image_to_scene.refresh_models()


def test_every_preset_has_a_number_of_its_own():
    assert models.NUMBERS.keys() == PRESETS.keys()
    assert len(set(models.NUMBERS.values()) | {0, 100}) == len(PRESETS) + 2


def test_the_preview_is_the_default_until_base_is_there(cache):
    assert models.catalogue.present == ("nano",)
    assert models.chosen(None, accepts_non_commercial=False) == "nano"
    put(cache, "small")
    assert models.catalogue.default == "nano"
    put(cache, "base")
    assert models.catalogue.present == ("nano", "small", "base")
    assert models.chosen(None, accepts_non_commercial=False) == "base"


def test_models_that_are_not_here_are_listed_with_their_size(cache):
    put(cache, "base")
    entries = {entry[0]: entry for entry in models.catalogue.entries}
    assert list(entries) == ["AUTOMATIC", *models.NUMBERS, "FOLDER"]
    assert entries["base"][1] == "Base"
    assert entries["small"][1] == "Small · 137 MB"
    assert entries["small"][2].startswith("Not downloaded yet")
    assert entries["nano"][1] == "Nano (preview)"


def test_a_file_that_no_revision_names_is_not_there(cache):
    put(cache, "base")
    main = next(cache.glob("*/refs/main"))
    main.write_text("1")
    bpy.ops.image_to_scene.refresh_models()
    assert models.catalogue.present == ("nano",)
    main.write_bytes(b"\xff")
    bpy.ops.image_to_scene.refresh_models()
    assert models.catalogue.present == ("nano",)


def test_a_model_that_is_not_here_is_no_run(cache):
    settings = bpy.context.scene.image_to_scene
    settings.model = "small"
    with pytest.raises(WeightsError, match="Small is not on this machine: download it"):
        model_from(settings)
    put(cache, "small")
    assert model_from(settings) == "small"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("base", "Depth, cameras, rays"),
        ("metric", "Depth, metres, sky"),
        ("nested", "Depth, cameras, rays, metres, sky, Gaussians (not used yet)"),
    ],
)
def test_what_a_model_gives_is_told(name, words):
    assert models.gives(name) == words


def test_a_stored_choice_keeps_its_meaning_when_models_come(cache):
    put(cache, "mono")
    settings = bpy.context.scene.image_to_scene
    settings.model = "mono"
    put(cache, "base")
    assert settings.model == "mono"
    assert next(entry for entry in models.catalogue.entries if entry[0] == "mono")[4] == models.NUMBERS["mono"]


def test_weights_for_non_commercial_use_need_a_click():
    for name, preset in PRESETS.items():
        is_limited = "-NC-" in preset.licence
        assert models.is_non_commercial(name) == is_limited
        assert all(models.is_non_commercial(repository) == is_limited for repository in preset.repositories)
        assert models.chosen(name, accepts_non_commercial=True) == name
        if is_limited:
            with pytest.raises(WeightsError, match="non-commercial"):
                models.chosen(name, accepts_non_commercial=False)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"HF_HUB_CACHE": "/a"}, "/a"),
        ({"HF_HOME": "/b"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, "/a"),
    ],
)
def test_the_cache_is_where_hugging_face_has_it(variables, folder):
    assert cache_folder(variables).as_posix() == folder


def test_a_folder_s_own_range_counts(tmp_path):
    network = {
        "backbone": {"embed_dim": 64, "depth": 4, "num_heads": 2, "out_layers": [0, 1, 2, 3]},
        "head": {"type": "dpt", "dim_in": 64, "features": 16, "out_channels": [12, 16, 24, 32]},
        "resolution": 126,
        "resolution_range": [84, 168],
    }
    (tmp_path / "config.json").write_text(json.dumps({"model_name": "mine", "config": network}))
    assert models.config_of(str(tmp_path)).resolution_range == (84, 168)


@pytest.mark.parametrize("content", [None, "not json", "[]", '{"config": {"backbone": 3}}'])
def test_a_folder_that_tells_nothing_is_left_to_the_run(tmp_path, content):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    assert models.config_of(str(tmp_path)) is None
    assert models.licence(str(tmp_path)) == "unknown"


@pytest.mark.parametrize(
    ("licence", "words"),
    [("CC-BY-NC-4.0", "Not for commercial use: CC-BY-NC-4.0"), ("Apache-2.0", "Licence of the weights: Apache-2.0")],
)
def test_a_result_says_what_its_licence_allows(make_reconstruction, licence, words):
    warning = "A sentence that is too long for one line of a panel, so that it goes over several of them."
    reconstruction = make_reconstruction(facts={"licence": licence, "warnings": [warning]})
    build(reconstruction, BuildOptions(), bpy.context.scene)
    layout = Layout()
    IMAGETOSCENE_PT_result.draw(SimpleNamespace(layout=layout), bpy.context)
    assert words in layout.text
    lines = [call[1] for call in layout.drawn if call[0] == "label"]
    assert max(map(len, lines)) < 45
    assert all(word in layout.text for word in warning.split())
