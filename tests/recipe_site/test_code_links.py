"""Names of APIs stay links, variables do not."""

import json

import pytest

from recipe_site.code_links import api_names, finish

pytestmark = [pytest.mark.unit, pytest.mark.quick]


def named(name: str, explicit: bool = False) -> dict:
    return {"name": name, "module_short": "torch", "is_class": False, "is_explicit": explicit}


@pytest.mark.parametrize(
    ("name", "object_", "kept"),
    [
        ("nn.Linear", named("Linear"), True),
        ("optimizer.zero_grad", named("SGD.zero_grad"), True),
        ("F.relu", named("relu"), True),
        ("x", named("Tensor"), False),
        ("model.fc1.weight", named("Parameter"), False),
        ("inputs.shape", named("Size"), False),
        ("the loader", named("DataLoader", explicit=True), True),
    ],
)
def test_names_that_stay(name, object_, kept) -> None:
    assert api_names({name: [object_]}) == ({name: [object_]} if kept else {})


def test_of_several_objects_those_of_the_name_stay() -> None:
    """The class of a function is none of them."""
    relu, function = named("relu"), named("function")
    assert api_names({"F.relu": [function, relu]}) == {"F.relu": [relu]}


def test_files_are_rewritten(tmp_path) -> None:
    file = tmp_path / "recipes" / "a.codeobj.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"x": [named("Tensor")], "torch.zeros": [named("zeros")]}))
    finish(tmp_path)
    assert list(json.loads(file.read_text())) == ["torch.zeros"]
