"""What an older version lacks is read from the last line of an error."""

import pytest

from recipe_site.tried import Environment
from tools.trial import is_older, last_line, missing_name

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("AttributeError: module 'torch.nn' has no attribute 'Buffer'", "torch.nn.Buffer"),
        ("AttributeError: type object 'Tensor' has no attribute 'new'", "Tensor.new"),
        ("AttributeError: 'Tensor' object has no attribute 'new'", "Tensor.new"),
        ("ImportError: cannot import name 'x' from 'torch.a' (/b.py)", "torch.a.x"),
        ("ModuleNotFoundError: No module named 'torch.new'", "torch.new"),
        ("TypeError: load() got an unexpected keyword argument 'mmap'", "load(mmap=)"),
        ("TypeError: Adam.__init__() got an unexpected keyword argument 'x'", "Adam(x=)"),
        ("ModuleNotFoundError: No module named 'flask'", ""),
        ("ValueError: 'Tensor' object", ""),
        ("", ""),
    ],
)
def test_missing_names(line, name) -> None:
    assert missing_name(line) == name


@pytest.mark.parametrize(
    ("errors", "line"),
    [
        (
            "Traceback:\n  File 'a.py', line 3\n    1 / 0\n    ~~^~~\nZeroDivisionError: by 0\n",
            "by 0",
        ),
        ("  File 'a.py', line 3\n    assert x\n           ^\nAssertionError\n", "in: assert x"),
        ("Killed\n", "Killed"),
        ("\n", ""),
    ],
)
def test_last_line_says_what_is_wrong(errors, line) -> None:
    """Also where an assertion has no words."""
    assert last_line(errors).endswith(line)


@pytest.mark.parametrize(
    ("torch", "python", "expected"),
    [("2.14.1", "3.11.7", False), ("2.13.0", "3.11.7", True), ("2.15.0", "3.10.1", True)],
)
def test_which_is_older(torch, python, expected) -> None:
    """Torch or Python; a build for another device is the same version."""
    environment = Environment("a", "Any", {"torch": torch, "python": python})
    assert is_older(environment, {"torch": "2.14.1+cpu", "python": "3.11.7"}) == expected
    assert not is_older(environment, {})
