"""The nodes of a coarser grid: every nth row and column of a mesh's vertices, and its last ones.

A face is there when all that it covers would be there at step 1, so that it never bridges what is cut or missing.
Vertices know their place in the whole grid by an attribute, so that holes and an artist's own edits do no harm.
"""

from typing import Any

from ...core.geometry.surfaces import GRID_INDEX, MEASURES
from .mesh import UV
from .nodes import Graph, Input, Socket, output, shared_group

VERSION = 2
"""Of the groups."""
BITS = 22
"""Of the number of a grid's vertices at most: four millions."""
SIZES = (Input("Step", "Int", 1, 1), Input("Rows", "Int", 2, 2), Input("Columns", "Int", 2, 2))


def coarse_mesh(graph: Graph, fine: Socket, gone: Socket, step: Socket, rows: Socket, columns: Socket) -> Socket:
    """Add the nodes to a graph and return the mesh.

    Args:
        graph: Where to.
        fine: The mesh of step 1, uncut.
        gone: Says of its faces whether they go.
        step: Greater than 1.
        rows: Of vertices in the whole grid.
        columns: Likewise.
    """
    flat = graph.call(flat_grid_group(), step, rows, columns)
    place = output(flat, "Grid Index")
    index = find_vertex(graph, fine, place, rows, columns)
    cells = graph.call(whole_cells_group(), gone, step, rows, columns)
    found = graph.compare("EQUAL", graph.sample(fine, graph.named(GRID_INDEX, "INT"), index, "INT"), place)
    stays = graph.boolean("AND", found, graph.sample(fine, cells, index, "BOOLEAN"))
    mesh = remember_vertex(graph, graph.delete(flat, graph.boolean("NOT", stays), "FACE"), index)
    uv = graph.sample(fine, graph.named(UV, "FLOAT_VECTOR"), graph.named(GRID_INDEX, "INT"), "FLOAT_VECTOR")
    return take_over(graph, graph.store(mesh, UV, uv, "FLOAT2", "CORNER"), fine)


def find_vertex(graph: Graph, fine: Socket, place: Socket, rows: Socket, columns: Socket) -> Socket:
    """Return the index of the vertex of a mesh at a place in the whole grid; of another one where it is missing."""
    return graph.call(find_vertex_group(), fine, place, rows, columns)


def remember_vertex(graph: Graph, mesh: Socket, index: Socket) -> Socket:
    """Write down once which vertex of the source each vertex is, for a field is computed anew wherever it is used.

    It stands in the attribute of the place in the grid until `take_over` brings that.
    """
    return graph.store(mesh, GRID_INDEX, index, "INT")


def take_over(graph: Graph, mesh: Socket, source: Socket) -> Socket:
    """Give the vertices of a mesh the places, positions, measures and materials of the source's that they remember."""
    return graph.call(take_over_group(), mesh, source)


def flat_grid_group() -> Any:
    """Return the group that makes a flat grid."""
    return shared_group("Flat Grid", VERSION, _flat_grid)


def search_step_group() -> Any:
    """Return the group that is one step of finding a vertex."""
    return shared_group("Search Step", VERSION, _search_step)


def find_vertex_group() -> Any:
    """Return the group that finds a vertex by its place in the whole grid."""
    return shared_group("Find Vertex", VERSION, _find_vertex)


def whole_cells_group() -> Any:
    """Return the group that finds cells that stay whole."""
    return shared_group("Whole Cells", VERSION, _whole_cells)


def take_over_group() -> Any:
    """Return the group that gives a mesh what a source's vertices have."""
    return shared_group("Take Over", VERSION, _take_over)


def _flat_grid(name: str) -> Any:
    """Make the group that makes a flat grid, and says where in the whole grid its vertices lie.

    Of faces that is the place of their top left vertex: their middle is half a step further, which is rounded down.
    """
    graph = Graph(name, SIZES, {"Mesh": "Geometry", "Grid Index": "Int"})
    step, rows, columns = graph.inputs()
    last_row, last_column = graph.math("SUBTRACT", rows, 1.0), graph.math("SUBTRACT", columns, 1.0)
    high = graph.math("CEIL", graph.math("DIVIDE", last_row, step))
    wide = graph.math("CEIL", graph.math("DIVIDE", last_column, step))
    counts = graph.math("ADD", wide, 1.0), graph.math("ADD", high, 1.0)
    grid = graph.add("GeometryNodeMeshGrid", wide, high, *counts)  # vertices are one unit apart, faces look up
    x = graph.add("ShaderNodeSeparateXYZ", graph.add("GeometryNodeInputPosition"))
    across = graph.math("MULTIPLY_ADD", wide, 0.5, x)
    down = graph.math("SUBTRACT", graph.math("MULTIPLY", high, 0.5), output(x, "Y"))

    def fine(coarse: Socket, last: Socket) -> Socket:
        whole = graph.math("FLOOR", graph.math("ADD", coarse, 0.25))
        return graph.math("MINIMUM", graph.math("MULTIPLY", whole, step), last)

    place = graph.math("MULTIPLY_ADD", fine(down, last_row), columns, fine(across, last_column))
    return graph.end(graph.add("GeometryNodeSetShadeSmooth", grid, None, True), place)


def _find_vertex(name: str) -> Any:
    """Make the group that finds a vertex by its place in the whole grid: the same number, unless some are missing.

    Where they are, the last vertex that is not beyond the place is searched bit by bit: vertices are in the grid's
    order. Blender's search for the nearest takes ten times longer.
    """
    inputs = (Input("Fine", "Geometry"), Input("Grid Index", "Int"), *SIZES[1:])
    graph = Graph(name, inputs, {"Index": "Int"})
    fine, place, rows, columns = graph.inputs()
    known = graph.add("GeometryNodeAttributeDomainSize", fine, component="MESH")
    is_whole = graph.compare("EQUAL", known, graph.math("MULTIPLY", rows, columns))
    step, last = search_step_group(), 0
    for bit in reversed(range(BITS)):
        last = graph.call(step, fine, place, known, last, 1 << bit)
    return graph.end(graph.switch("INT", is_whole, last, place))


def _search_step(name: str) -> Any:
    """Make the group that goes on from a vertex by some number of them, unless that is beyond the place."""
    numbers = tuple(Input(number, "Int") for number in ("Grid Index", "Count", "Last", "Further"))
    graph = Graph(name, (Input("Fine", "Geometry"), *numbers), {"Last": "Int"})
    fine, place, count, last, further = graph.inputs()
    next_one = graph.math("ADD", last, further)
    known = graph.sample(fine, graph.named(GRID_INDEX, "INT"), next_one, "INT")
    is_beyond = graph.boolean(
        "OR", graph.compare("GREATER_EQUAL", next_one, count), graph.compare("GREATER_THAN", known, place)
    )
    return graph.end(graph.switch("INT", is_beyond, next_one, last))


def _whole_cells(name: str) -> Any:
    """Make the group that says of vertices of step 1 whether they are the top left of a cell that stays whole."""
    graph = Graph(name, (Input("Gone", "Bool"), *SIZES), {"Whole": "Bool"})
    gone, step, rows, columns = graph.inputs()
    place = graph.named(GRID_INDEX, "INT")
    row = graph.math("FLOOR", graph.math("DIVIDE", graph.math("ADD", place, 0.5), columns))
    column = graph.math("SUBTRACT", place, graph.math("MULTIPLY", row, columns))

    def cell(line: Socket, lines: Socket) -> tuple[Socket, Socket, Socket]:
        """Return of faces their own line, the first one of their cell, and how many the cell has."""
        mine = graph.math("FLOOR", graph.on("POINT", line, "FLOAT"))  # the mean of its corners is half a line further
        first = graph.math("MULTIPLY", graph.math("FLOOR", graph.math("DIVIDE", mine, step)), step)
        left = graph.math("SUBTRACT", graph.math("SUBTRACT", lines, 1.0), first)
        return mine, first, graph.math("MINIMUM", left, step)

    (row, first_row, height), (column, first_column, width) = cell(row, rows), cell(column, columns)
    number = graph.math("MULTIPLY_ADD", first_row, columns, first_column)
    stays = graph.boolean("NOT", gone)
    total = graph.add("GeometryNodeAccumulateField", stays, number, data_type="INT", domain="FACE")
    is_whole = graph.compare("EQUAL", output(total, "Total"), graph.math("MULTIPLY", width, height))
    is_first = graph.boolean(
        "AND", graph.compare("EQUAL", row, first_row), graph.compare("EQUAL", column, first_column)
    )
    return graph.end(graph.on("FACE", graph.boolean("AND", is_whole, is_first)))


def _take_over(name: str) -> Any:
    """Make the group that gives a mesh the positions, measures and materials of the fine one."""
    graph = Graph(name, (Input("Mesh", "Geometry"), Input("Fine", "Geometry")), {"Mesh": "Geometry"})
    mesh, fine = graph.inputs()
    index = graph.named(GRID_INDEX, "INT")
    position = graph.sample(fine, graph.add("GeometryNodeInputPosition"), index, "FLOAT_VECTOR")
    mesh = graph.add("GeometryNodeSetPosition", mesh, None, position)
    for measure in MEASURES:
        known = graph.named(measure)
        stored = graph.store(mesh, measure, graph.sample(fine, known, index))
        exists = graph.sample(fine, output(known, "Exists"), 0, "BOOLEAN")
        mesh = graph.switch("GEOMETRY", exists, mesh, stored)
    mesh = graph.store(mesh, GRID_INDEX, graph.sample(fine, index, index, "INT"), "INT")  # the last use of the indices
    return graph.end(_with_materials(graph, mesh, fine))


def _with_materials(graph: Graph, mesh: Socket, fine: Socket) -> Socket:
    """Join with one vertex of the fine mesh, which brings its materials, and remove it again."""
    others = graph.compare("GREATER_THAN", graph.add("GeometryNodeInputIndex"), 0.0)
    joined = graph.add("GeometryNodeJoinGeometry", mesh)
    graph.group.links.new(graph.delete(fine, others, "POINT"), joined.node.inputs[0])
    faces = output(graph.add("GeometryNodeInputMeshVertexNeighbors"), "Face Count")
    clean = graph.delete(joined, graph.compare("LESS_THAN", faces, 0.5), "POINT")
    return graph.add("GeometryNodeSetMaterialIndex", clean, None, 0)
