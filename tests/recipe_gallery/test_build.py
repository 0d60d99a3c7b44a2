"""One build: what must run is run, each page is of its own code, and one failure is one failure."""

import errno
import json
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from small_gallery import MADE_WITH, FakeExecutor, fake_run, printed

from recipe_gallery import Cell, Failure, Figure, Header, Plugin, Run
from recipe_gallery.build import origin
from recipe_gallery.files import CannotWrite, digest
from recipe_gallery.reading import Reader

pytestmark = pytest.mark.unit
HEADER = "# /// script\n# dependencies = {}\n# ///\n"
PIXEL = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx"
    b"\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82"
)


def test_all_is_executed_once(small, capsys) -> None:
    """And published with what it printed; the next build has nothing to do."""
    for slug in ("a", "sub/b"):
        small.add(slug)
    executor = FakeExecutor()
    build = small.build(executor)
    assert executor.slugs == ["a", "b"] and build.failures == {} and build.report() == ""
    assert "this is a" in small.page("a") and "this is b" in small.page("sub/b")
    assert "a.ipynb" in small.published() and "sub/b.zip" in small.published()
    assert sorted(build.records()) == ["auto/a", "auto/sub/b"]
    assert "recipe b: start (never run)" in capsys.readouterr().out

    def nobody(*args):
        raise AssertionError("nothing is executed, so nobody is asked to")

    small.build(nobody)
    assert capsys.readouterr().out == ""


def test_task_has_all_that_a_process_needs(small) -> None:
    """Nothing of it is read again there."""
    path = small.add("sub/a", "import _helper")
    path.write_text("# /// script\n# [tool.recipe]\n# timeout = 7\n# ///\n" + path.read_text())
    (path.parent / "_helper.py").write_text("x = 1\n")
    executor = FakeExecutor()
    build = small.build(executor, gallery={"expected_failing_examples": ["examples/sub/a.py"]})
    (task,) = executor.tasks
    assert (task.docname, task.name) == ("auto/sub/a", "examples/sub/a.py")
    assert list(task.files) == ["a.py", "_helper.py"] and task.files["a.py"] == path.read_bytes()
    assert task.header == Header(declared=True, timeout=7) and task.may_fail
    assert task.key == build.reader.recipes[0].key and task.srcdir == str(small.root)
    assert "image_scrapers" in task.settings and "css" not in task.settings
    assert executor.environment["PYTHONHASHSEED"] == "0"


def test_longest_comes_first(small) -> None:
    """So that no core waits at the end for the one that takes long."""
    costs = {"a": 1.0, "b": 3.0, "c": 2.0}
    for slug in costs:
        small.add(slug)
    small.build(FakeExecutor(lambda task: replace(fake_run(task), cpu=costs[task.slug])))
    for slug in costs:
        small.add(slug, "print(2)")
    executor = FakeExecutor()
    small.build(executor)
    assert [task.slug for task in executor.tasks] == ["b", "c", "a"]


def test_as_many_at_once_as_there_are_jobs(small) -> None:
    """Two that wait for each other both end."""
    small.add("a")
    small.add("b")
    both = threading.Barrier(2, timeout=20)

    def answer(task):
        both.wait()
        return fake_run(task)

    assert small.build(FakeExecutor(answer), jobs=2).failures == {}


def test_modules_are_imported_once_for_those_who_need_them(small) -> None:
    """The plugin's for dependencies that are declared; for a single recipe, not the large one."""
    plugin = Plugin()
    plugin.preload = {"pillow": "PIL.Image", "torch": "torch._dynamo"}
    for slug in ("a", "b"):
        path = small.add(slug)
        path.write_text(HEADER.format(["pillow >= 1"]) + path.read_text())
    executor = FakeExecutor()
    small.build(executor, plugin=plugin, plugin_name="the.plugin")
    assert executor.modules == ["the.plugin", "PIL.Image"]
    small.build(executor, plugin=plugin, only="a")
    assert executor.modules == ["pillow"]


# -- A source is read once -------------------------------------------------------------


def test_file_that_changes_during_the_build_is_shown_as_it_was_read(small) -> None:
    """Executed, typeset, published and recorded; the next build takes the new one."""
    path = small.add("a", "print('first text')", prose="First prose.")
    read = path.read_bytes()

    def answer(task):
        small.add("a", "print('second text')", prose="Second prose.")
        return fake_run(task)

    executor = FakeExecutor(answer)
    build = small.build(executor)
    assert executor.tasks[0].files["a.py"] == read != path.read_bytes()
    assert (small.root / "auto" / "a.py").read_bytes() == read
    for name in ("a.rst", "a.ipynb"):
        text = (small.root / "auto" / name).read_text()
        assert "first text" in text and "First prose" in text
        assert "second text" not in text and "Second prose" not in text
    record = build.records()["auto/a"]
    assert record["source"] == digest(read)
    assert record["key"] == build.store.run("auto/a").key == executor.tasks[0].key
    executor = FakeExecutor()
    small.build(executor)
    assert executor.slugs == ["a"] and "second text" in small.page("a")
    assert "Second prose" in small.page("a")


@pytest.mark.parametrize("code", ["print(1)", "print(2)"])
def test_file_that_changes_just_after_it_was_read(small, monkeypatch, code) -> None:
    """Whether it is executed or only typeset."""
    small.add("a", prose="First prose.")
    small.build()
    path = small.add("a", code, prose="Second prose.")
    read = path.read_bytes()

    def read_all(self, real=Reader.read):
        real(self)
        small.add("a", "print(3)", prose="Third prose.")

    monkeypatch.setattr(Reader, "read", read_all)
    executor = FakeExecutor()
    small.build(executor)
    assert [task.files["a.py"] for task in executor.tasks] == [read] * (code != "print(1)")
    assert (small.root / "auto" / "a.py").read_bytes() == read
    assert "Second prose." in small.page("a")


def test_recipe_that_is_deleted_during_the_build(small) -> None:
    """Has its page, and has none after the next build."""
    path = small.add("a")
    small.add("b")

    def answer(task):
        path.unlink(missing_ok=True)
        return fake_run(task)

    assert small.build(FakeExecutor(answer)).failures == {}
    assert "this is a" in small.page("a")
    small.build()
    assert not [name for name in small.published() if "a." in name and "sphx" not in name]
    assert not [name for name in small.published() if "sphx_glr_a_" in name]
    assert "this is b" in small.page("b")


# -- Failures --------------------------------------------------------------------------


def test_failed_recipe_keeps_its_old_page(small) -> None:
    """The others are published; it is told with what it left to read."""
    for slug in ("a", "b"):
        small.add(slug)
    small.build()
    old = {name: (small.root / "auto" / name).read_bytes() for name in ("a.rst", "a.py")}
    for slug in ("a", "b"):
        small.add(slug, "print(2)")

    def answer(task):
        if task.slug == "a":
            return Run(failure=Failure("raised ValueError: x", "line 1\nline 2"))
        return fake_run(task)

    build = small.build(FakeExecutor(answer))
    assert build.report() == (
        "1 recipe failed:\n\nexamples/a.py raised ValueError: x\n    line 1\n    line 2"
    )
    assert old == {name: (small.root / "auto" / name).read_bytes() for name in old}
    assert "print(2)" in small.page("b") and "/auto/a\n" in small.page("index")
    executor = FakeExecutor()
    small.build(executor)
    assert executor.slugs == ["a"]


def test_all_failures_are_told(small) -> None:
    """Of reading, executing and typesetting, by name."""
    for slug in ("a", "c"):
        small.add(slug)
    (small.examples / "b.py").write_bytes(b"\xff")
    build = small.build(FakeExecutor(lambda task: Run(failure=Failure("was killed"))))
    lines = build.report().splitlines()
    assert lines[0] == "3 recipes failed:"
    assert [line.split()[0] for line in lines[1:] if line] == [f"examples/{x}.py" for x in "abc"]


UNTYPESETTABLE = {
    "sphinx_gallery": ("# sphinx_gallery_thumbnail_number = 'two'\nprint(1)", "", "number"),
    "prose": ("print(1)", "Again\n# =====", "'Again' is underlined like the title"),
    "pillow": ("print(1)", "A figure that is none.", "cannot identify image file"),
}


def fake_figures(task) -> Run:
    """One picture each; that of "pillow" is damaged."""
    content = b"no picture" if task.slug == "pillow" else PIXEL
    figure = Figure(f"sphx_glr_{task.slug}_001.png", "x", content)
    return replace(fake_run(task), cells=(Cell("x", "    x", (figure,)),), made_with=MADE_WITH)


def test_what_cannot_be_typeset_is_one_failure_each(small) -> None:
    """By Sphinx-Gallery, Pillow or us; the others are published, also at the next build."""
    small.add("zz_good")
    for slug, (code, prose, _) in UNTYPESETTABLE.items():
        small.add(slug, code, prose or "The only cell.")
    plugin = Plugin()
    plugin.one_title = True
    for again in (False, True):
        executor = FakeExecutor(fake_figures)
        build = small.build(executor, plugin=plugin)
        assert sorted(build.failures) == [f"examples/{slug}.py" for slug in sorted(UNTYPESETTABLE)]
        for slug, (_, _, word) in UNTYPESETTABLE.items():
            reason = build.failures[f"examples/{slug}.py"].reason
            assert reason.startswith("cannot be typeset: ") and word in reason
            assert "\n" not in reason
        assert "zz_good.rst" in small.published()
        assert not [name for name in small.published() if name.startswith(tuple(UNTYPESETTABLE))]
        assert executor.slugs == ([] if again else sorted([*UNTYPESETTABLE, "zz_good"]))


def test_file_of_another_is_a_failure(small) -> None:
    """Nothing of that execution is kept."""
    small.add("a")
    figure = Figure("sphx_glr_b_001.png", "x", b"")
    run = Run((Cell(figures=(figure,)),), made_with=MADE_WITH)
    build = small.build(FakeExecutor(lambda task: run))
    assert "not its own" in build.failures["examples/a.py"].reason
    assert build.store.run("auto/a") is None and build.records() == {}


@pytest.mark.parametrize("step", ["keep", "publish"])
def test_full_disk_ends_the_build(small, monkeypatch, step) -> None:
    """It is no recipe's fault; what is running is ended."""
    from recipe_gallery.store import Store

    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device", "x")

    small.add("a")
    if step == "publish":
        monkeypatch.setattr(Store, "publish", fail)
    else:
        monkeypatch.setattr("recipe_gallery.files.os.replace", fail)
    executor = FakeExecutor()
    with pytest.raises(CannotWrite, match="No space left"):
        small.build(executor)
    assert executor.stopped or step == "keep"


def test_interrupt_ends_what_is_running(small) -> None:
    """And the build."""
    small.add("a")

    def interrupt(task):
        raise KeyboardInterrupt

    executor = FakeExecutor(interrupt)
    with pytest.raises(KeyboardInterrupt):
        small.build(executor)
    assert executor.stopped


# -- What is recorded ------------------------------------------------------------------


def test_execution_is_recorded_with_its_origin(small, monkeypatch) -> None:
    """Date, commit, and what the process says of itself; the page says so."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    small.add("a")
    record = small.build().records()["auto/a"]
    assert record["made with"] == {**MADE_WITH, "date": "1970-01-02", "commit": "unknown"}
    assert (record["title"], record["intro"]) == ("a", "An example made by a test.")
    assert (record["wall"], record["cpu"], record["peak"]) == (1.0, 2.0, 3.0)
    assert record["executed"] and not record["skipped"] and record["timeout"] == 120
    assert "Executed on 1970-01-02 with Python 3.0 on Nowhere, commit unknown." in small.page("a")
    summary = json.loads((small.root / "state" / "summary.json").read_text())
    assert list(summary) == ["auto/a"] and summary["auto/a"]["cpu"] == 2.0


def test_costs_of_an_earlier_build_can_be_shown(small, tmp_path) -> None:
    """For builds that must be equal."""
    small.add("a")
    costs = tmp_path / "summary.json"
    costs.write_text(json.dumps({"auto/a": {"wall": 61.0, "cpu": 5.0}}))
    record = small.build(costs=str(costs)).records()["auto/a"]
    assert (record["wall"], record["cpu"], record["peak"]) == (61.0, 5.0, 3.0)
    assert "(1 minutes 1.000 seconds)" in small.page("a")


def test_origin_of_results(tmp_path, monkeypatch) -> None:
    """Today, unless the commit's date is asked for; the commit if there is a git."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    before = datetime.now(UTC).date().isoformat()
    assert before <= origin(tmp_path)["date"] <= datetime.now(UTC).date().isoformat()
    assert origin(tmp_path)["commit"] == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert origin(tmp_path)["commit"] == "unknown"


def test_commit_is_named_by_git(tmp_path) -> None:
    """With a word if the checkout was edited."""
    import subprocess

    def git(*words: str) -> None:
        identity = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "First")
    assert re.fullmatch(r"[0-9a-f]{10}", origin(tmp_path)["commit"])
    (tmp_path / "file").write_text("2")
    assert origin(tmp_path)["commit"].endswith("-dirty")


def test_counts_are_those_of_sphinx_gallery(small) -> None:
    """What was executed now, what was right already, and what was expected to fail."""
    for slug in ("a", "b", "fails"):
        small.add(slug)
    expected = {"expected_failing_examples": ["examples/fails.py"]}

    def answer(task):
        return replace(fake_run(task), raised="Traceback" if task.may_fail else "")

    paths = {slug: str(small.examples / f"{slug}.py") for slug in ("a", "b", "fails")}
    counts = small.build(FakeExecutor(answer), gallery=expected).counts()
    assert sorted(counts["passing_examples"]) == [paths["a"], paths["b"]]
    assert counts["failing_examples"] == {paths["fails"]: "Traceback"}
    assert counts["stale_examples"] == []
    small.add("b", "print(2)")
    counts = small.build(FakeExecutor(answer), gallery=expected).counts()
    assert counts["passing_examples"] == [paths["b"]] and counts["stale_examples"] == [paths["a"]]


def test_deleted_and_skipped_recipes(small) -> None:
    """The one leaves nothing, the other a page that says what was missing."""
    plugin = Plugin()
    plugin.skip = lambda header: "no GPU"
    small.add("a")
    path = small.add("b")
    build = small.build(plugin=plugin)
    assert build.skipped == dict.fromkeys(("examples/a.py", "examples/b.py"), "no GPU")
    assert "has no GPU" in small.page("a")
    path.unlink()
    small.build(plugin=plugin)
    assert not (small.root / "auto" / "b.rst").exists()
    assert list(small.build().records()) == ["auto/a"]


def test_cells_are_shown_in_their_places(small) -> None:
    """Each under its own code."""
    small.add("a", "print(1)\n\n# %%\n# Between.\n\nprint(2)")
    cells = (printed("first\n"), printed("second\n"))
    small.build(FakeExecutor(lambda task: replace(fake_run(task), cells=cells)))
    page = small.page("a")
    order = [page.index(text) for text in ("print(1)", "first", "Between.", "print(2)", "second")]
    assert order == sorted(order)
