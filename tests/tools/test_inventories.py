"""Links into the references need no network, lead to names that exist, and are all used."""

import zlib
from io import BytesIO

import pytest
from conftest import ROOT

from tools import inventories

pytestmark = [pytest.mark.unit, pytest.mark.quick]
PROJECTS = ("torch", "torchvision", "numpy", "python", "matplotlib")
NAMES = {
    name: (project, line)
    for project in PROJECTS
    for name, line in inventories.read(ROOT / f"docs/inventories/{project}.txt")[1].items()
}


def test_names_exist_where_they_are_said_to_be() -> None:
    """In the installed packages, as what the inventory calls it."""
    assert len(NAMES) >= 100
    wrong = []
    for name, (project, line) in NAMES.items():
        if line.split()[:2] != [name, inventories.kind(name)]:
            wrong.append(f"{project}: {line.strip()}: it is {inventories.kind(name) or 'nowhere'}")
        if inventories.project_of(name, {project: None}) != project:
            wrong.append(f"{project}: {name} belongs to another project")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("torch.nn", "mod"),
        ("torch.nn.Linear", "class"),
        ("torch.nn.Module.eval", "method"),
        ("torch.Tensor.grad", "attribute"),
        ("torch.save", "function"),
        ("torch.float32", "data"),
        ("torch.cuda.OutOfMemoryError", "exception"),
        ("ValueError", "exception"),
        ("len", "function"),
        ("torch.sove", ""),
        ("no_such_package.name", ""),
    ],
)
def test_kind_is_that_of_the_installed_packages(name: str, kind: str) -> None:
    assert inventories.kind(name) == kind


def test_every_role_is_in_an_inventory() -> None:
    """In recipes and pages alike, so that nothing in prose stays without a link."""
    missing = [f"{where}: {name}" for name, where in inventories.in_prose(ROOT)]
    missing = [entry for entry in missing if entry.split(": ")[1] not in NAMES]
    assert not missing, "make inventories:\n" + "\n".join(missing)


KNOWN = """\
torch.nn.Module class generated/torch.nn.Module.html
torch.nn.Linear class generated/torch.nn.Linear.html
torch.Tensor.sum method generated/torch.Tensor.sum.html
torch.utils.data.Dataset class data.html
pathlib.Path class library/pathlib.html
os.path.exists function library/os.path.html
print function library/functions.html
KeyError exception library/exceptions.html
torchvision.models.resnet18 function models/generated/torchvision.models.resnet18.html
numpy.linalg.inv function reference/generated/numpy.linalg.inv.html
matplotlib.pyplot.plot function api/_as_gen/matplotlib.pyplot.plot.html
"""


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("torch.nn.Module.eval", "method generated/torch.nn.Module.html"),  # its class's
        ("torch.Tensor.backward", "method generated/torch.Tensor.backward.html"),  # its own
        ("torch.utils.data.DataLoader", "class data.html"),
        ("torch.nn.Conv2d", "class generated/torch.nn.Conv2d.html"),
        (
            "torchvision.models.resnet34",
            "function models/generated/torchvision.models.resnet34.html",
        ),
        ("pathlib.Path.read_bytes", "method library/pathlib.html"),
        ("os.path.join", "function library/os.path.html"),
        ("len", "function library/functions.html"),
        ("ValueError", "exception library/exceptions.html"),
        ("numpy.linalg.norm", "function reference/generated/numpy.linalg.norm.html"),
        ("matplotlib.pyplot.show", "function api/_as_gen/matplotlib.pyplot.show.html"),
        ("torch.nn.init.kaiming_normal_", "function nn.init.html"),  # unlike its neighbours
        ("torch.distributions.Normal.sample", "method distributions.html"),
        ("torch.finfo", "class type_info.html"),
        ("torch.cuda.is_available", ""),  # it has no neighbour
    ],
)
def test_place_of_a_name_is_that_of_its_neighbours(name: str, line: str) -> None:
    """On the same page as they are, or on one that is called as theirs."""
    known = {entry.split()[0]: entry for entry in KNOWN.splitlines(keepends=True)}
    assert inventories.guess(name, known) == (f"{name} {line}\n" if line else "")


def test_no_name_is_where_it_cannot_be() -> None:
    """What is known to be on another page is there in our inventory, too."""
    for name, (project, line) in NAMES.items():
        if project == "torch" and (page := inventories.page_of(name)):
            assert line.split()[2] == page, name


@pytest.fixture
def small_project(tmp_path):
    """A project of one recipe that is built, and one role of each kind of fate."""
    (tmp_path / "conf.py").write_text(
        'intersphinx_mapping = {"torch": ("https://example.org/", "docs/inventories/torch.txt")}\n'
    )
    for folder in ("docs/inventories", "recipes_source/recipes", "recipes/recipes"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "recipes_source/recipes/a.py").write_text('"""\nA\n\n:func:`~torch.save`\n"""\n')
    (tmp_path / "recipes/recipes/a.codeobj.json").write_text(
        '{"x": [{"module_short": "torch.nn", "name": "Sequential.parameters"},'
        ' {"module_short": "torch.nn", "name": "Module.parameters"}]}'
    )
    return tmp_path


def lines(root) -> list[str]:
    return (root / "docs/inventories/torch.txt").read_text().splitlines()[3:]


def test_new_names_are_added_as_their_neighbours_are(small_project, capsys) -> None:
    """Of prose, which is a guess; of code what is described; what is not used goes."""
    file = small_project / "docs/inventories/torch.txt"
    cat = "torch.cat function generated/torch.cat.html\n"
    parameters = "torch.nn.Module.parameters method generated/torch.nn.Module.html\n"
    file.write_text(f"# 1\n# 2\n# 3\n{cat}{parameters}")
    assert inventories.update(small_project, offline=True) == []
    assert lines(small_project) == [
        "torch.nn.Module.parameters method generated/torch.nn.Module.html",
        "torch.save function generated/torch.save.html",
    ]
    said = "recipes_source/recipes/a.py:4: generated/torch.save.html is a guess, as torch.save is"
    assert said in capsys.readouterr().out
    assert inventories.update(small_project, offline=True) == []
    assert "guess" not in capsys.readouterr().out


def test_name_without_neighbours_is_told(small_project) -> None:
    """With the line to write; nothing is invented."""
    (small_project / "docs/inventories/torch.txt").write_text("# 1\n# 2\n# 3\n")
    (problem,) = inventories.update(small_project, offline=True)
    start = "recipes_source/recipes/a.py:4: no reference is known to describe torch.save: write"
    assert problem.startswith(start)
    assert "'torch.save function PAGE' in docs/inventories" in problem
    assert lines(small_project) == []


def test_code_that_is_not_built_keeps_its_names(small_project, capsys) -> None:
    """What was left out is said."""
    file = small_project / "docs/inventories/torch.txt"
    file.write_text("# 1\n# 2\n# 3\ntorch.cat function generated/torch.cat.html\n")
    (small_project / "recipes_source/recipes/b.py").write_text('"""\nB\n"""\n')
    assert inventories.update(small_project, offline=True) == []
    assert "torch.cat function generated/torch.cat.html" in lines(small_project)
    assert "left out the code of what is not built: b\n" in capsys.readouterr().out


def test_wrong_name_is_told_with_its_line(small_project) -> None:
    """In the source, not in a generated file."""
    recipe = small_project / "recipes_source/recipes/a.py"
    recipe.write_text('"""\nA\n\nSee :func:`torch.sove`.\n"""\n')
    (problem,) = inventories.update(small_project, offline=True)
    assert problem.startswith("recipes_source/recipes/a.py:4: the installed packages have no")


def test_real_inventory_decides_if_reachable(small_project, monkeypatch) -> None:
    """Its pages and its kinds are taken over; its anchors are the names again."""
    text = b"torch.save py:function 1 over/there.html#$ -\ntorch py:module 0 x.html#module-$ -\n"
    answer = b"# Sphinx inventory version 2\n# Project: P\n# Version: 9\n# zlib\n"
    monkeypatch.setattr(
        inventories.urllib.request, "urlopen", lambda *a, **k: BytesIO(answer + zlib.compress(text))
    )
    assert inventories.update(small_project, offline=False) == []
    assert lines(small_project) == ["torch.save function over/there.html"]


def test_without_a_network_nothing_changes(small_project, monkeypatch) -> None:
    """Not even some of the files."""

    def unreachable(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(inventories.urllib.request, "urlopen", unreachable)
    with pytest.raises(OSError, match="no network"):
        inventories.update(small_project, offline=False)
    assert not (small_project / "docs/inventories/torch.txt").exists()
