"""The node groups of the tuning: what is left out, how big and how many points are, how coarse meshes are.

They lie in the file, once for all its reconstructions, and need nothing else; so they also work where the add-on is not
installed.
"""

from collections.abc import Callable
from typing import Any

from .coarse_mesh import (
    coarse_mesh,
    find_vertex_group,
    flat_grid_group,
    search_step_group,
    take_over_group,
    whole_cells_group,
)
from .fine_mesh import BOUNDS, fine_mesh, grid_faces_group
from .nodes import Graph, Input, Socket, output, shared_group

VERSION, MESH_VERSION = 2, 3
"""Of the groups: a file that holds older ones keeps them for its older reconstructions."""
GEOMETRY = Input("Geometry", "Geometry")
LEFT_OUT = (
    Input("Min Confidence", "Float", 0.0, 0.0, "Leave out what the network is less sure of than this; 0: nothing"),
    Input("Remove Unsure", "Float", 0.0, 0.0, "Leave out this percentage of all pixels, the least sure ones"),
    Input("Depth Jump", "Float", 0.0, 0.0, "Cut where neighbouring depths differ by more than this; 0: nowhere"),
    Input("Max Distance", "Float", 0.0, 0.0, "Leave out what is farther from its camera than this; 0: nothing"),
    Input("Remove Sky", "Bool", False, None, "Leave out what the network takes for sky"),
    Input("Remove Masked", "Bool", False, None, "Leave out what the pictures' masks leave out"),
)
MESH = (
    Input("Mesh Step", "Int", 1, 1, "Build the mesh from every nth row and column of vertices"),
    Input("Rows", "Int", 2, 2, "Of vertices in the whole grid"),
    Input("Columns", "Int", 2, 2, "Of vertices in the whole grid"),
    *BOUNDS,
)
POINTS = (
    Input("Point Size", "Float", 1.0, 0.0, "Factor on the size of points"),
    Input("Point Density", "Float", 1.0, 0.0, "Share of the points that are shown"),
    Input("Material", "Material", None, None, "Of the points"),
)


def groups(*, points: bool, meshes: bool) -> list[Callable[[], Any]]:
    """List what makes the groups one by one, each after those that it uses: all at once would take a tenth of a second.

    Args:
        points: Whether there are point clouds.
        meshes: Likewise.
    """
    for_points = [left_out_group, points_group] if points else []
    search = [search_step_group, find_vertex_group]
    inner = [*search, take_over_group, grid_faces_group, flat_grid_group, whole_cells_group]
    for_meshes = [left_out_group, *inner, mesh_group] if meshes else []
    return list(dict.fromkeys((*for_points, *for_meshes)))


def mesh_group() -> Any:
    """Return the group for meshes.

    A face goes when all its corners are unwanted, or when one is masked.
    """
    return shared_group("Mesh Tuning", MESH_VERSION, _mesh_group)


def points_group() -> Any:
    """Return the group for point clouds; it gives them their material, which deleting points drops."""
    return shared_group("Point Tuning", VERSION, _points_group)


def left_out_group() -> Any:
    """Return the group that says what is left out."""
    return shared_group("Left Out", VERSION, _left_out_group)


def _mesh_group(name: str) -> Any:
    graph = Graph(name, (GEOMETRY, *LEFT_OUT, *MESH), {"Geometry": "Geometry"})
    graph.group.is_modifier = True
    step, rows, columns = (graph.input(name) for name in ("Mesh Step", "Rows", "Columns"))
    bounds = [graph.input(item.name) for item in BOUNDS]
    fine = fine_mesh(graph, graph.input("Geometry"), rows, columns, bounds)
    unwanted, masked = _left_out(graph)
    visible = graph.on("POINT", graph.boolean("NOT", masked))
    gone = graph.boolean("OR", graph.on("POINT", unwanted), graph.boolean("NOT", visible))
    coarse = coarse_mesh(graph, fine, gone, step, rows, columns)
    cut = graph.delete(fine, gone, "FACE")
    return graph.end(graph.switch("GEOMETRY", graph.compare("GREATER_THAN", step, 1.0), cut, coarse))


def _points_group(name: str) -> Any:
    graph = Graph(name, (GEOMETRY, *LEFT_OUT, *POINTS), {"Geometry": "Geometry"})
    graph.group.is_modifier = True
    chance = graph.add("FunctionNodeRandomValue", 0.0, 1.0, graph.add("GeometryNodeInputIndex"), 0, data_type="FLOAT")
    thinned = graph.compare("GREATER_THAN", chance, graph.input("Point Density"))
    gone = graph.boolean("OR", graph.boolean("OR", *_left_out(graph)), thinned)
    radius = graph.math("MULTIPLY", graph.add("GeometryNodeInputRadius"), graph.input("Point Size"))
    points = graph.add("GeometryNodeSetPointRadius", graph.delete(graph.input("Geometry"), gone, "POINT"), None, radius)
    return graph.end(graph.add("GeometryNodeSetMaterial", points, None, graph.input("Material")))


def _left_out(graph: Graph) -> tuple[Socket, Socket]:
    """Say of every point whether it is unwanted, and whether it is masked."""
    group = left_out_group()
    unwanted = graph.call(group, *(graph.input(item.name) for item in LEFT_OUT))
    return unwanted, output(unwanted, "Masked")


def _left_out_group(name: str) -> Any:
    """Make the group with the tests, each of which needs its attribute to be there."""
    graph = Graph(name, LEFT_OUT, {"Unwanted": "Bool", "Masked": "Bool"})
    confidence, rank = graph.named("confidence"), graph.named("confidence_rank")
    unsure = graph.compare("LESS_THAN", confidence, graph.input("Min Confidence"))
    least_sure = graph.compare("LESS_EQUAL", graph.math("MULTIPLY", rank, 100.0), graph.input("Remove Unsure"))
    tests = (
        graph.boolean("AND", unsure, output(confidence, "Exists")),
        graph.boolean("AND", least_sure, output(rank, "Exists")),
        _beyond(graph, "depth_jump", "Depth Jump"),
        _beyond(graph, "depth", "Max Distance"),
        _marked(graph, "sky", "Remove Sky"),
    )
    unwanted = tests[0]
    for test in tests[1:]:
        unwanted = graph.boolean("OR", unwanted, test)
    return graph.end(unwanted, _marked(graph, "mask", "Remove Masked"))


def _beyond(graph: Graph, attribute: str, limit: str) -> Socket:
    """Say whether an attribute exceeds a limit, of which 0 means none."""
    exceeds = graph.compare("GREATER_THAN", graph.named(attribute), graph.input(limit))
    return graph.boolean("AND", exceeds, graph.compare("GREATER_THAN", graph.input(limit), 0.0))


def _marked(graph: Graph, attribute: str, switch: str) -> Socket:
    return graph.boolean("AND", graph.compare("GREATER_THAN", graph.named(attribute), 0.5), graph.input(switch))
