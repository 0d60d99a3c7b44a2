"""Links into the references need no network, lead to names that exist, and are all used."""

import zlib
from io import BytesIO

import pytest
from conftest import ROOT

import link_inventories as inventories

pytestmark = [pytest.mark.unit, pytest.mark.quick]
PROJECTS = ("torch", "torchvision", "numpy", "python", "matplotlib")
NAMES = {
    name: (project, line)
    for project in PROJECTS
    for name, line in inventories.read(ROOT / f"docs/inventories/{project}.txt")[1].items()
}


@pytest.mark.parametrize("name", NAMES)
def test_name_exists_where_it_is_said_to_be(name: str) -> None:
    """In the installed packages, as what the inventory calls it."""
    project, line = NAMES[name]
    assert line.split()[1] == inventories.kind(name)
    assert inventories.project_of(name, {project: None}) == project


def test_every_role_is_in_an_inventory() -> None:
    """In recipes and pages alike, so that nothing in prose stays without a link."""
    missing = [f"{where}: {name}" for name, where in inventories.in_prose(ROOT)]
    missing = [entry for entry in missing if entry.split(": ")[1] not in NAMES]
    assert not missing, "make inventories:\n" + "\n".join(missing)


def test_pages_of_names_without_their_own() -> None:
    """The rules know where the references describe what."""
    pages = {
        "torch.nn.Module.eval": "generated/torch.nn.Module.html",
        "torch.Tensor.backward": "generated/torch.Tensor.backward.html",
        "torch.utils.data.DataLoader": "data.html",
        "torch.device": "tensor_attributes.html",
        "torchvision.models.resnet18": "models/generated/torchvision.models.resnet18.html",
        "pathlib.Path.read_bytes": "library/pathlib.html",
        "os.path.join": "library/os.path.html",
        "len": "library/functions.html",
        "ValueError": "library/exceptions.html",
        "numpy.linalg.norm": "reference/generated/numpy.linalg.norm.html",
        "matplotlib.pyplot.show": "api/_as_gen/matplotlib.pyplot.show.html",
    }
    for name, page in pages.items():
        project = inventories.project_of(name, dict.fromkeys(PROJECTS))
        assert inventories.page(project, name) == page


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


def test_new_names_are_added_by_rule(small_project) -> None:
    """Of prose, and of code the first that is described; what is not used goes."""
    file = small_project / "docs/inventories/torch.txt"
    file.write_text("# 1\n# 2\n# 3\ntorch.cat function generated/torch.cat.html\n")
    assert inventories.update(small_project, offline=True) == []
    assert lines(small_project) == [
        "torch.nn.Module.parameters method generated/torch.nn.Module.html",
        "torch.save function generated/torch.save.html",
    ]


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
