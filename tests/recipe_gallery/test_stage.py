"""Each step takes place at its time, and tells who runs the build what is wrong."""

import errno
import gc
import inspect
import logging
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock, Timeout
from small_gallery import FakeExecutor, Gallery, gallery_defaults
from sphinx.errors import ConfigError
from sphinx.events import core_events
from sphinx_gallery import gen_gallery

from recipe_gallery import Failure, Header, Run, stage
from recipe_gallery.files import CannotWrite
from recipe_gallery.settings import BuildError, cores

pytestmark = pytest.mark.unit
FOLDERS = {"examples_dirs": "examples", "gallery_dirs": "auto"}


class App:
    """As much of Sphinx as the steps ask for."""

    def __init__(self, root: Path, **config) -> None:
        self.srcdir, self.outdir = root, root / "out"
        self.doctreedir = root / "doctrees"
        self.builder = SimpleNamespace(name="html", get_outfilename=self.file_of)
        self.statuscode = 0
        self.extensions = {}
        self.handlers: list[tuple] = []  # event, priority, function
        self.values: dict = {}
        self.emitted: list[tuple] = []
        self.env = SimpleNamespace(found_docs={"auto/a", "index"}, images={}, dlfiles={})
        values = {"sphinx_gallery_conf": dict(FOLDERS), "recipe_gallery_conf": {}}
        values |= {"recipe_only": "", "recipe_jobs": "0", "recipe_cluster": "", "recipe_costs": ""}
        values |= {"recipe_pages_from": "", "plot_gallery": True, "html_baseurl": ""}
        self.config = SimpleNamespace(**{**values, **config})

    def file_of(self, page: str) -> Path:
        return self.outdir / f"{page}.html"

    def connect(self, event: str, function, priority: int = 500) -> None:
        self.handlers.append((event, priority, function))

    def add_config_value(self, name: str, default, rebuild, types=()) -> None:
        self.values[name] = (default, rebuild)

    def emit(self, event: str, *args) -> None:
        self.emitted.append((event, *args))

    def setup_extension(self, name: str) -> None:
        assert name == "sphinx_gallery.gen_gallery"
        gen_gallery.setup(self)

    def __getattr__(self, name: str):
        if name.startswith("add_"):
            return lambda *args, **kwargs: None
        raise AttributeError(name)


@pytest.fixture
def app(small: Gallery) -> App:
    """A build of an empty gallery."""
    return App(small.root)


@pytest.fixture
def begun(app) -> App:
    """A build whose gallery was taken; Sphinx-Gallery has filled in its defaults."""
    stage.take_gallery(app, app.config)
    taken = app.config.sphinx_gallery_conf
    app.config.sphinx_gallery_conf = {**gallery_defaults(), **taken, "src_dir": str(app.srcdir)}
    yield app
    app.recipe_gallery.lock.release()


@pytest.fixture
def fake(monkeypatch) -> FakeExecutor:
    """Executes for the stage."""
    executor = FakeExecutor()
    monkeypatch.setattr(stage, "executor_of", lambda app: executor)
    return executor


# -- The table -------------------------------------------------------------------------


@pytest.fixture
def connected(app, monkeypatch) -> App:
    """An app to which the stage was connected, and so Sphinx-Gallery."""
    monkeypatch.setattr(gc, "set_threshold", lambda *args: None)
    monkeypatch.setattr(stage.atexit, "register", lambda function: None)
    stage.setup(app)
    return app


def test_table_is_what_is_connected(connected) -> None:
    """Each line: a known event, a function of the stage that takes what the event gives."""
    events = {**core_events, "html-collect-pages": ""}  # which the builder for HTML adds
    lines = [(line.event, line.priority, line.call) for line in stage.EVENTS]
    assert [handler for handler in connected.handlers if handler in lines] == lines
    for line in stage.EVENTS:
        assert getattr(stage, line.call.__name__) is line.call and line.call.__doc__
        given = [name for name in events[line.event].split(",") if name.strip()]
        arguments = inspect.signature(line.call).parameters
        assert len(arguments) == 1 + len(given), line.call.__name__


def test_reasons_are_true(connected) -> None:
    """ "Before" and "after" what they name, which is at the number that they give."""
    others = {}
    for event, priority, function in connected.handlers:
        if function.__module__ == "sphinx_gallery.gen_gallery":
            others.setdefault((event, priority), []).append(function.__name__)
    named = 0
    for line in stage.EVENTS:
        for word, number in re.findall(r"\b(before|after)\b.*?\bat (\d+)", line.why):
            number = int(number)
            assert line.priority < number if word == "before" else line.priority > number, line
            if "Sphinx-Gallery" in line.why or "its look" in line.why:
                assert (line.event, number) in others, line
                named += 1
    assert named == 3
    assert "fill_gallery_conf_defaults" in others["config-inited", 10]
    assert "generate_gallery_rst" in others["builder-inited", 500]
    assert "summarize_failing_examples" in others["build-finished", 500]


def test_steps_of_a_build_come_in_order(connected) -> None:
    """By their priorities, together with those of Sphinx-Gallery; ours are the last words."""
    order = [
        function.__name__
        for event in ("config-inited", "builder-inited", "build-finished")
        for _, function in sorted(
            ((p, f) for e, p, f in connected.handlers if e == event), key=lambda pair: pair[0]
        )
    ]
    wanted = [
        "take_gallery", "fill_gallery_conf_defaults", "generate_gallery_rst", "run_stage", "begin",
        "count", "summarize_failing_examples", "end", "report",
    ]  # fmt: skip
    assert [name for name in order if name in wanted] == wanted
    assert order[-1] == "report" and order[-2] == "end"


def test_settings_and_what_they_have_read_again(connected) -> None:
    """Only what pages depend on; what a single build is told changes no page."""
    again = {name for name, (_, rebuild) in connected.values.items() if rebuild == "env"}
    assert {"recipe_gallery_conf", "recipe_pages_from"} <= again
    assert {"recipe_only", "recipe_jobs", "recipe_cluster", "recipe_costs"} <= set(connected.values)
    assert not {"recipe_only", "recipe_jobs", "recipe_cluster", "recipe_costs"} & again


def test_pages_can_be_read_and_written_in_parallel(app, monkeypatch) -> None:
    """And the package's own ``setup`` is this one."""
    import recipe_gallery

    monkeypatch.setattr(stage, "setup", lambda app: {"app": app})
    assert recipe_gallery.setup(app) == {"app": app}


# -- The gallery is taken --------------------------------------------------------------


def test_sphinx_gallery_has_an_empty_gallery(app) -> None:
    """And nothing to write for it, but all its other settings; the stage knows the folders."""
    app.config.sphinx_gallery_conf["show_memory"] = True
    stage.take_gallery(app, app.config)
    assert app.config.sphinx_gallery_conf == stage.EMPTY
    assert stage.EMPTY["examples_dirs"] == stage.EMPTY["gallery_dirs"] == []
    assert app.recipe_gallery.taken == {**FOLDERS, "show_memory": True}
    assert app.recipe_gallery.conf == stage.Conf()


def test_folders_have_sphinx_gallerys_defaults(app) -> None:
    """Where conf.py does not name them."""
    app.config.sphinx_gallery_conf = {}
    stage.take_gallery(app, app.config)
    names = [*FOLDERS, "show_memory"]
    taken = {name: gen_gallery.DEFAULT_GALLERY_CONF[name] for name in names}
    assert app.recipe_gallery.taken == taken


def test_unknown_setting_is_named(app) -> None:
    """With those that there are."""
    app.config.recipe_gallery_conf = {"plug_in": "x"}
    with pytest.raises(SystemExit, match="unknown field `plug_in`; known: plugin, state, index"):
        stage.take_gallery(app, app.config)


@pytest.mark.parametrize("limits", [{"timeout": "5"}, {"memory": 0}])
def test_limit_that_is_none_is_told(app, limits) -> None:
    """Before any example is read."""
    app.config.recipe_gallery_conf = limits
    with pytest.raises(SystemExit, match=f"conf.py: recipe_gallery_conf: .*{next(iter(limits))}"):
        stage.take_gallery(app, app.config)


def test_unknown_plugin_is_named(app) -> None:
    """Before anything is imported or written."""
    app.config.recipe_gallery_conf = {"plugin": "no_such_plugin"}
    with pytest.raises(SystemExit, match="no module is called 'no_such_plugin'"):
        stage.take_gallery(app, app.config)


def pages_from(app: App) -> str:
    stage.take_gallery(app, app.config)
    return app.config.recipe_pages_from


def test_pages_are_read_again_when_what_makes_them_changed(app, tmp_path, monkeypatch) -> None:
    """The code of the stage, that of the plugin's package, addresses that can be linked to."""
    first = pages_from(app)
    assert pages_from(app) == first
    app.config.intersphinx_mapping = {"t": ("https://t.org/", "t.txt")}
    assert pages_from(app) == first
    text = "# Sphinx inventory version 1\n# Project: t\n# Version: 2\nt.x class x.html\n"
    (app.srcdir / "t.txt").write_text(text)
    linked = pages_from(app)
    assert linked != first
    folder = tmp_path / "site_for_stage"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "adds.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    app.config.recipe_gallery_conf = {"plugin": "site_for_stage.adds"}
    pages_from(app)
    before = pages_from(app)
    (folder / "other.py").write_text("x = 1\n")
    assert pages_from(app) != before


# -- The recipes are made --------------------------------------------------------------


def test_settings_of_a_build(begun) -> None:
    """From those of Sphinx, and the command line's."""
    found = stage.settings_of(begun, begun.recipe_gallery)
    assert (found.srcdir, found.state) == (begun.srcdir, begun.srcdir / "_build/recipe_runs")
    assert found.execute and found.index and found.jobs == cores() >= 1
    assert found.defaults == Header() and found.typeset_by == begun.config.recipe_pages_from
    config = begun.config
    config.recipe_only, config.recipe_jobs, config.recipe_costs = "a", "3", "x.json"
    config.plot_gallery, config.html_baseurl = "0", "https://x.org/"
    own = stage.Conf(state="kept", index=False, timeout=5, memory=2)
    begun.recipe_gallery.conf = own
    found = stage.settings_of(begun, begun.recipe_gallery)
    assert (found.only, found.jobs, found.costs, found.execute) == ("a", 3, "x.json", False)
    assert (found.base, found.index, found.state) == (
        "https://x.org/",
        False,
        begun.srcdir / "kept",
    )
    assert found.defaults == Header(timeout=5, memory=2)
    config.recipe_cluster = "auto"
    assert stage.settings_of(begun, begun.recipe_gallery).jobs == stage.MOST_ON_CLUSTER


def test_recipes_are_made_and_told(begun, small, fake) -> None:
    """Other extensions hear of it, when minigalleries know the folders again."""
    small.add("a")
    stage.run_stage(begun)
    assert fake.slugs == ["a"] and "a.rst" in small.published()
    ((event, build),) = begun.emitted
    assert event == "recipes-published" and list(build.records()) == ["auto/a"]
    assert begun.config.sphinx_gallery_conf["gallery_dirs"] == "auto"
    assert begun.recipe_gallery.lock.is_locked


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (BuildError("no recipe is called 'x'"), "no recipe is called 'x'"),
        (CannotWrite(errno.ENOSPC, "No space left", "x.rst"), "cannot write x.rst: No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "y"), "cannot .* y: Permission denied"),
        (ConfigError("a setting is wrong"), "a setting is wrong"),
    ],
)
def test_what_ends_a_build_is_one_sentence(begun, fake, monkeypatch, error, sentence) -> None:
    """And the next build need not wait."""

    def fail(self):
        raise error

    monkeypatch.setattr(stage.Build, "run", fail)
    with pytest.raises(SystemExit, match=sentence):
        stage.run_stage(begun)
    assert not begun.recipe_gallery.lock.is_locked and begun.emitted == []


def test_missing_gallery_is_one_sentence(begun, fake) -> None:
    """That names the folder, and does not speak of writing."""
    begun.recipe_gallery.taken["examples_dirs"] = "nowhere"
    with pytest.raises(SystemExit, match="nowhere") as caught:
        stage.run_stage(begun)
    assert "cannot write" not in str(caught.value)


def test_builds_of_one_folder_wait_for_each_other(app, monkeypatch) -> None:
    """And say so."""
    other = FileLock(app.srcdir / "state" / "lock")
    (app.srcdir / "state").mkdir()
    told = []

    class Waiting(FileLock):
        def acquire(self, timeout=None):
            if timeout is None:
                assert told
                other.release()
                return super().acquire(timeout=5)
            return super().acquire(timeout=timeout)

    monkeypatch.setattr(stage.logger, "info", told.append)
    mine = Waiting(app.srcdir / "state" / "lock")
    with other:
        with pytest.raises(Timeout):
            mine.acquire(timeout=0)
        stage.wait_for_others(mine)
    assert mine.is_locked and "waiting for it to end" in told[0]
    mine.release()


def test_executor_is_made_when_it_is_needed(begun, monkeypatch) -> None:
    """Here, or on the cluster that the command line names."""
    made = []
    monkeypatch.setattr("recipe_gallery.local.LocalExecutor", lambda *a: made.append(a))
    monkeypatch.setattr("recipe_gallery.cluster.RayExecutor", lambda *a: made.append(a))
    make = stage.executor_of(begun)
    assert made == []
    make(["m"], {"A": "1"})
    assert made == [(["m"], {"A": "1"}, ())]
    begun.config.recipe_cluster = "auto"
    begun.recipe_gallery.build = SimpleNamespace(reader=SimpleNamespace(common_key={"numpy": "1"}))
    make(["m"], {"A": "1"})
    assert made[1] == ("auto", ["m"], {"A": "1"}, {"numpy": "1"}, "")


# -- The mark of an unfinished build ---------------------------------------------------


def test_unfinished_build_has_all_pages_read_again(begun) -> None:
    """Nothing of that where the build before ended well."""
    begun.outdir.mkdir()
    (begun.outdir / ".buildinfo").write_text("")
    stage.begin(begun)
    assert stage.mark_of(begun).name == "unfinished-html" and stage.mark_of(begun).exists()
    assert begun.handlers == [] and (begun.outdir / ".buildinfo").exists()
    stage.begin(begun)
    ((event, _, function),) = begun.handlers
    assert event == "env-get-outdated" and not (begun.outdir / ".buildinfo").exists()
    assert function(begun, begun.env, set(), set(), set()) == {"auto/a", "index"}
    logging.getLogger("sphinx").removeHandler(begun.recipe_gallery.heard)


def test_pages_with_warnings_are_read_again(begun, small, fake) -> None:
    """Of a recipe, whose file the warning names, and of a page by hand; no others."""
    small.add("a")
    stage.run_stage(begun)
    stage.begin(begun)
    begun.env.path2doc = lambda path: "index" if path.name == "index.rst" else None
    logger = logging.getLogger("sphinx")
    logger.warning("strange", extra={"location": "examples/a.py:7"})
    logger.warning("strange", extra={"location": str(begun.srcdir / "index.rst:9")})
    stage.end(begun, None)
    stage.begin(begun)
    begun.env.found_docs.add("other")
    ((event, _, function),) = begun.handlers
    assert event == "env-get-outdated"
    assert function(begun, begun.env, set(), set(), set()) == {"auto/a", "index"}
    begun.recipe_gallery.heard.places.clear()
    stage.end(begun, None)
    assert not stage.mark_of(begun).exists()


@pytest.mark.parametrize(
    ("exception", "message", "stays"),
    [
        (None, "", False),
        (None, f"cannot open [Errno {errno.ENOSPC}] No space left on device", True),
        (RuntimeError("x"), "", True),
    ],
)
def test_mark_is_taken_away_after_a_good_end(begun, exception, message, stays) -> None:
    """Not when a page could not be written, which Sphinx only warns of."""
    stage.begin(begun)
    begun.recipe_gallery.lock.acquire()
    if message:
        logging.getLogger("sphinx").warning(message)
    stage.end(begun, exception)
    assert stage.mark_of(begun).exists() == stays
    assert not begun.recipe_gallery.lock.is_locked
    assert begun.recipe_gallery.heard not in logging.getLogger("sphinx").handlers


# -- The end ---------------------------------------------------------------------------


def test_outputs_of_deleted_recipes_are_removed(begun, small, fake) -> None:
    """In the folders of the gallery; those of other pages are not ours."""
    small.add("a")
    stage.run_stage(begun)
    for name in ("auto/a.html", "auto/gone.html", "other/gone.html"):
        (begun.outdir / name).parent.mkdir(parents=True, exist_ok=True)
        (begun.outdir / name).write_text("")
    assert stage.remove_outputs(begun) == []
    left = sorted(p.relative_to(begun.outdir).as_posix() for p in begun.outdir.rglob("*.html"))
    assert left == ["auto/a.html", "other/gone.html"]


def test_summary_of_sphinx_gallery_counts_our_executions(begun, small, fake) -> None:
    """Before the stage has run there is nothing to count."""
    stage.count(begun, None)
    small.add("a")
    stage.run_stage(begun)
    stage.count(begun, None)
    passing = begun.config.sphinx_gallery_conf["passing_examples"]
    assert passing == [str(small.examples / "a.py")]


def test_good_build_has_nothing_to_report(begun, small, fake, capsys) -> None:
    """Its status is that of Sphinx."""
    small.add("a")
    stage.run_stage(begun)
    capsys.readouterr()
    stage.report(begun, None)
    assert begun.statuscode == 0 and capsys.readouterr().out == ""


def test_build_that_did_not_come_so_far_has_nothing_to_report(begun, capsys) -> None:
    """Sphinx tells what went wrong."""
    stage.report(begun, RuntimeError())
    assert begun.statuscode == 0 and capsys.readouterr().out == ""


def test_failures_and_skips_are_the_last_words(begun, small, fake, capsys, monkeypatch) -> None:
    """Each of them; the build ends with an error, and the site is there."""
    told = []
    monkeypatch.setattr(stage.logger, "error", told.append)
    fake.answer = lambda task: Run(failure=Failure("raised ValueError: x"))
    small.add("a")
    stage.run_stage(begun)
    begun.recipe_gallery.build.skipped["examples/b.py"] = "no GPU"
    capsys.readouterr()
    stage.report(begun, None)
    assert capsys.readouterr().out == "skipped: examples/b.py was not executed: no GPU\n"
    assert told == ["1 recipe failed:\n\nexamples/a.py raised ValueError: x"]
    assert begun.statuscode == 1


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (f"[Errno {errno.EROFS}] Read-only", "Read-only file system"),
        ("cannot write x.html: the disk is full; x", "cannot write x.html"),
    ],
)
def test_failed_write_is_the_very_last_word(begun, message, why) -> None:
    """In place of a page for developers of Sphinx."""
    begun.recipe_gallery.heard.look(message)
    with pytest.raises(SystemExit, match=rf"cannot write .*out: {why}"):
        stage.report(begun, None)
