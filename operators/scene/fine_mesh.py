"""Geometry nodes that make a view's textured grid mesh from its bare vertices.

A .blend file stores the edges, faces and texture coordinates of every mesh anew, 84 bytes per vertex, although all
three follow from the place of the vertices in the grid. So they are not stored: the modifier makes them.
"""

from typing import Any

from ...core.geometry.surfaces import GRID_INDEX
from .coarse_mesh import find_vertex, remember_vertex, take_over
from .mesh import UV
from .nodes import Graph, Input, Socket, shared_group

VERSION = 1
"""Of the groups."""
GRID = (Input("Rows", "Int", 2, 2), Input("Columns", "Int", 2, 2))
BOUNDS = (
    Input("Left", "Float", 0.0),
    Input("Bottom", "Float", 0.0),
    Input("Right", "Float", 1.0),
    Input("Top", "Float", 1.0),
)
"""Texture coordinates of the image's borders."""


def fine_mesh(graph: Graph, source: Socket, rows: Socket, columns: Socket, bounds: list[Socket]) -> Socket:
    """Add the nodes to a graph and return the mesh of step 1, uncut.

    Args:
        graph: Where to.
        source: The stored mesh; where it has faces, as in older files, it is returned as it is.
        rows: Of vertices in the whole grid.
        columns: Likewise.
        bounds: Texture coordinates of the image's borders: left, bottom, right, top.
    """
    made = graph.call(grid_faces_group(), source, rows, columns, *bounds)
    faces = graph.add("GeometryNodeAttributeDomainSize", source, component="MESH").node.outputs["Face Count"]
    return graph.switch("GEOMETRY", graph.compare("EQUAL", faces, 0.0), source, made)


def grid_faces_group() -> Any:
    """Return the group that joins vertices to faces."""
    return shared_group("Grid Faces", VERSION, _grid_faces)


def _grid_faces(name: str) -> Any:
    """Make the group that joins vertices to faces; a face with a missing corner is missing as well.

    The node's grid has the order of its columns first, so with rows along X its vertices are in the order of the
    image's pixels, and its faces look at the camera.
    """
    graph = Graph(name, (Input("Vertices", "Geometry"), *GRID, *BOUNDS), {"Mesh": "Geometry"})
    vertices, rows, columns, *bounds = graph.inputs()
    grid, place = graph.add("GeometryNodeMeshGrid", 1.0, 1.0, rows, columns), graph.add("GeometryNodeInputIndex")
    mesh = remember_vertex(graph, grid, find_vertex(graph, vertices, place, rows, columns))
    known = graph.named(GRID_INDEX, "INT")
    found = graph.compare("EQUAL", graph.sample(vertices, known, known, "INT"), place)
    mesh = take_over(graph, graph.delete(mesh, graph.boolean("NOT", found), "POINT"), vertices)
    mesh = graph.store(
        mesh, UV, graph.on("POINT", _image_place(graph, rows, columns, bounds), "FLOAT_VECTOR"), "FLOAT2", "CORNER"
    )
    return graph.end(graph.add("GeometryNodeSetShadeSmooth", mesh, None, True))


def _image_place(graph: Graph, rows: Socket, columns: Socket, bounds: list[Socket]) -> Socket:
    """Compute texture coordinates from the place in the grid, whose outermost vertices lie on the image's border."""
    left, bottom, right, top = bounds
    place = graph.named(GRID_INDEX, "INT")
    row = graph.math("FLOOR", graph.math("DIVIDE", graph.math("ADD", place, 0.5), columns))
    column = graph.math("SUBTRACT", place, graph.math("MULTIPLY", row, columns))

    def along(line: Socket, lines: Socket, first: Socket, last: Socket) -> Socket:
        pixels = graph.math("SUBTRACT", lines, 2.0)
        pixel = graph.math("MAXIMUM", graph.math("SUBTRACT", line, 0.5), 0.0)
        share = graph.math("DIVIDE", graph.math("MINIMUM", pixel, pixels), pixels)  # exactly 0 and 1 at the borders
        return graph.math("MULTIPLY_ADD", share, graph.math("SUBTRACT", last, first), first)

    return graph.add("ShaderNodeCombineXYZ", along(column, columns, left, right), along(row, rows, top, bottom))
