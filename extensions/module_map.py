"""The directive ``module-map``: what each extension is for, and which uses which.

Problem: a list and a diagram of the code, kept by hand, are soon wrong.
Usage: ``.. module-map:: recipe_runner`` on any page: the module from which the diagram starts.
Result: a diagram of that module and all that it imports of ours, each arrow from who uses to
what is used (not drawn where a longer way leads there, too), and a list of all modules with the
first line of their docstrings. Both are made from the files in this folder.
"""

import ast
import io
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from atomic_files import write

PICTURE = "_build/module_map.png"


def read_modules(folder: Path) -> dict[str, tuple[str, set[str]]]:
    """Of each module its docstring's first line, and the modules of ours that it imports."""
    trees = {path.stem: ast.parse(path.read_text("utf-8")) for path in sorted(folder.glob("*.py"))}
    found = {}
    for name, tree in trees.items():
        used = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                used |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                used.add(node.module)
        found[name] = ((ast.get_docstring(tree) or "").partition("\n")[0], used & set(trees))
    return found


def draw(modules: dict[str, tuple[str, set[str]]], start: str) -> tuple[bytes, str]:
    """The diagram as a PNG file, and in words."""
    import matplotlib.pyplot as plt  # only here: most builds do not read this page
    import networkx as nx

    imports = nx.DiGraph((name, used) for name, (_, all_) in modules.items() for used in all_)
    reduced = nx.transitive_reduction(imports.subgraph({start} | nx.descendants(imports, start)))
    graph = nx.DiGraph()  # in an order that does not change from build to build
    graph.add_nodes_from(sorted(reduced))
    graph.add_edges_from(sorted(reduced.edges))
    layers = dict(enumerate(sorted(names, key=len) for names in nx.topological_generations(graph)))
    places = nx.multipartite_layout(graph, layers, align="horizontal")
    fig, ax = plt.subplots(figsize=(9, 0.8 * len(layers)), layout="constrained")
    box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "black"}
    nx.draw_networkx_labels(graph, places, font_size=9, bbox=box, ax=ax)
    look = {"node_size": 1500, "edge_color": "gray"}
    nx.draw_networkx_edges(graph, places, ax=ax, **look)
    ax.margins(0.12, 0.06)
    ax.invert_yaxis()
    ax.axis("off")
    file = io.BytesIO()
    fig.savefig(file, dpi=150, metadata={"Software": None})
    plt.close(fig)
    uses = [f"{n} uses {' and '.join(sorted(graph[n]))}" for n in sorted(graph) if graph[n]]
    return file.getvalue(), "; ".join(uses)


class ModuleMap(SphinxDirective):
    """A diagram and a list of our modules."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        folder = Path(__file__).parent
        for path in sorted(folder.glob("*.py")):
            self.env.note_dependency(str(path))
        modules = read_modules(folder)
        picture, words = draw(modules, self.arguments[0])
        write(Path(self.env.srcdir, PICTURE), picture)
        lines = [f".. image:: /{PICTURE}", f"   :alt: {words}", ""]
        for name, (purpose, _) in modules.items():
            lines += [f"``{name}``", f"   {purpose}"]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("module-map", ModuleMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
