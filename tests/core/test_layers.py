"""Who may import what: Blender stays out of core, torch out of Blender, and pictures in their room."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "core"
MODULES = sorted(CORE.rglob("*.py"))
BLENDER = {"bpy", "bmesh", "mathutils", "gpu", "bpy_extras", "bl_ext"}
LIGHT = ["types", "errors", "storage", "imaging.kinds", "imaging.headers"]
LIGHT += [f"geometry.{name}" for name in ("cameras", "surfaces", "rays", "alignment")]
ENTRANCES = [*LIGHT, "worker.client", "pipeline"]


def imports(file):
    """Yield (module as written, dots before it, imported at the top of the file) for every import."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    at_top = {id(node) for statement in tree.body if not _is_type_checking(statement) for node in _outside(statement)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0, id(node) in at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level, id(node) in at_top


def _is_type_checking(statement):
    return isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test)


def _outside(node):
    """Yield a statement's nodes that run on import: all but the bodies of functions."""
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _outside(child)


def names(file):
    return {module.split(".")[0] for module, level, _ in imports(file) if level == 0}


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.relative_to(CORE).as_posix())
def test_core_knows_neither_blender_nor_what_lies_outside_it(file):
    assert not names(file) & BLENDER
    depth = len(file.relative_to(CORE).parts)
    for module, level, _ in imports(file):
        assert level <= depth, f"{'.' * level}{module} leaves core"
        assert module.split(".")[0] not in ("image_to_scene", "core"), "imports inside the package are relative"


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.relative_to(CORE).as_posix())
def test_torch_stays_in_the_model_and_pillow_in_imaging(file):
    room = file.relative_to(CORE).parts[0]
    if room not in ("model", "worker"):
        assert "torch" not in names(file)
    if room == "worker":  # asks for versions and memory, and only when it runs
        assert not any(module.split(".")[0] == "torch" and top for module, _, top in imports(file))
    if room != "imaging":
        assert not names(file) & {"PIL", "av"}
    assert not any(module.split(".")[0] == "av" and top for module, _, top in imports(file)), "movies are rare"
    assert not names(file) & {"pickle", "shelve", "marshal"}


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_a_fresh_interpreter_pays_for_nothing_that_it_does_not_use(entrance):
    heavy = {"torch", "bpy", "safetensors", "huggingface_hub", "av"} | ({"PIL"} if entrance != "pipeline" else set())
    program = (
        f"import runpy, sys; runpy.run_path({str(ROOT / 'tests' / 'conftest.py')!r});"
        f"import image_to_scene.core.{entrance};"
        f"print(*sorted(set(sys.modules) & {heavy!r}))"
    )
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_importing_the_package_imports_next_to_nothing():
    program = (
        f"import runpy, sys; runpy.run_path({str(ROOT / 'tests' / 'conftest.py')!r});"
        "import image_to_scene.core; print(*sorted(set(sys.modules) & {'numpy', 'torch', 'PIL', 'bpy'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []
