"""The measure of the search counts what it should; the search itself is asked in a browser."""

import json

import pytest

from tools import questions
from tools.questions import Answer

pytestmark = pytest.mark.unit
ASKED = [
    {"keywords": "clip", "sentence": "how to clip", "recipes": ["gradient_clipping", "later"]},
    {"keywords": "prune", "sentence": "how to prune", "recipes": ["later"]},
    {"error": "bad size [1]\nfor more see", "recipes": ["shapes"]},
]


def test_questions_without_a_recipe_are_left_out(tmp_path) -> None:
    """A message is asked whole, and by its first line."""
    file = tmp_path / "questions.json"
    file.write_text(json.dumps(ASKED), "utf-8")
    assert list(questions.read(file, ["gradient_clipping", "shapes"])) == [
        ("keywords", "clip", ("gradient_clipping",)),
        ("sentence", "how to clip", ("gradient_clipping",)),
        ("error, whole", "bad size [1]\nfor more see", ("shapes",)),
        ("error, first line", "bad size [1]", ("shapes",)),
    ]


def test_first_and_in_five_are_counted() -> None:
    """By the way of asking; what is not first is listed."""
    answers = [
        Answer("sentence", "how to a", ("a",), ("a", "b")),
        Answer("sentence", "how to b", ("b", "x"), ("a", "x", "b")),
        Answer("sentence", "how to c", ("c",), ()),
        Answer("keywords", "a", ("a",), ("a",)),
    ]
    assert [answer.place for answer in answers] == [1, 2, 0, 1]
    assert questions.shares(answers) == {
        "sentence": (3, 1 / 3, pytest.approx(2 / 3)),
        "keywords": (1, 1, 1),
    }
    assert "sentence               3     33%      67%" in questions.table(answers)
    told = questions.misses(answers)
    assert "2  how to b" in told and "-  how to c" in told and "how to a" not in told
    assert "wanted: b, x; first: a, x" in told and "first: nothing" in told


def test_questions_of_the_project_are_well_formed() -> None:
    """Each is asked in both ways, or is a message, and names whoever answers it."""
    asked = json.loads(questions.QUESTIONS.read_text("utf-8"))
    assert len(asked) > 50
    for question in asked:
        assert set(question) in ({"keywords", "sentence", "recipes"}, {"error", "recipes"})
        assert all(question.values())


def test_command_says_what_is_missing(monkeypatch, tmp_path) -> None:
    """The site, then the browser."""
    monkeypatch.setattr(questions, "SITE", tmp_path)
    with pytest.raises(SystemExit, match="make html"):
        questions.main()
    (tmp_path / "search.html").touch()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="no browser"):
        questions.main()
