"""A cell that declares that its output differs is marked where it is shown, and no other is."""

import json

import pytest
from small_gallery import MADE_WITH, FakeExecutor, printed

from recipe_gallery import Cell, Run
from recipe_gallery.varying import CAPTION, TAG, VARIES, captioned, printed_digest, varies

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (f"{VARIES}\nprint(1)", True),
        (f"\n\n{VARIES}\nprint(1)", True),
        (VARIES, True),
        (f"print(1)\n{VARIES}", False),
        (f"{VARIES[:-1]}\nprint(1)", False),
        (f"{VARIES} Mostly.\nprint(1)", False),
        (f'text = "{VARIES}"', False),
        ("", False),
    ],
)
def test_first_line_declares_it(code, expected) -> None:
    """Exactly this line, before any code."""
    assert varies(code) == expected


def test_checksum_of_what_is_printed_leaves_out_what_differs() -> None:
    """All else counts, cell by cell."""
    codes = ["print(1)", f"{VARIES}\nprint(2)", "print(3)"]
    texts = [("1", "2", "3"), ("1", "other", "3"), ("1", "2", "4"), ("13", "2", "")]
    sums = [printed_digest(Run(tuple(map(Cell, cells))), codes) for cells in texts]
    assert sums[0] == sums[1] and len(set(sums)) == 3


def test_only_outputs_that_differ_have_a_caption() -> None:
    """And that are there."""
    cells = (Cell("1", "one"), Cell("2", "two"), Cell("", "\n"))
    codes = ["print(1)", f"{VARIES}\nprint(2)", f"{VARIES}\npass"]
    run = captioned(Run(cells, wall=3), codes)
    assert [CAPTION in cell.rst for cell in run.cells] == [False, True, False]
    assert run.cells[1].rst.startswith("two\n") and run.wall == 3


def test_page_and_notebook_of_a_gallery_say_it(small) -> None:
    """The page once, below this output; the notebook by a tag; the execution is as it was."""
    run = Run(tuple(printed(f"{number}\n") for number in (1, 2, 3)), made_with=MADE_WITH)
    small.add("a", f"print(1)\n\n# %%\n# Next.\n\n{VARIES}\nprint(2)\n\n# %%\n# Last.\n\nprint(3)")
    small.build(FakeExecutor(lambda task: run))
    page = small.page("a")
    assert page.count(CAPTION) == 1 and f".. rst-class:: output-varies\n\n   {CAPTION}\n" in page
    assert page.index("\n    2\n") < page.index(CAPTION) < page.index("Last.")
    notebook = json.loads((small.root / "auto" / "a.ipynb").read_bytes())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["metadata"] for cell in code[-3:]] == [{}, {"tags": [TAG]}, {}]
    assert not any(CAPTION in cell.rst for cell in run.cells)
