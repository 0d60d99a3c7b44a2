"""What Sphinx finds wrong in a recipe is reported with the recipe's own file and line."""

import pytest

pytestmark = pytest.mark.build
EXTENSIONS = "extensions=recipe_gallery,recipe_site"
PROSE = "Twice the same line.\n#\n# Twice the same line.\n# And :{}."


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("ref:`nothing_here`", "undefined label"),
        ("nothing:`here`", "Unknown interpreted"),
    ],
)
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_line_of_the_source(make_site, role: str, message: str, jobs: str) -> None:
    """Whether Sphinx reads the page itself or a process of its own does."""
    site = make_site()
    path = site.add("faulty", "print(1)", PROSE.format(role))
    lines = path.read_text("utf-8").splitlines()
    second = len(lines) - lines[::-1].index("# Twice the same line.")
    result = site.build("-D", EXTENSIONS, "-j", jobs)
    warnings = [line for line in result.stdout.splitlines() if message in line]
    assert warnings, result.stdout
    expected = [f"recipes_source/recipes/faulty.py:{n}: " for n in (second, second + 1)]
    assert all(line.startswith(tuple(expected)) for line in warnings), warnings
    assert "faulty.rst" not in result.stdout
