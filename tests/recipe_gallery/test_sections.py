"""The sections of a gallery and their lists are those that Sphinx-Gallery would make."""

import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from mini_site import SITES
from small_gallery import FakeExecutor
from sphinx.errors import SphinxError
from sphinx_gallery import gen_gallery

from recipe_gallery import sections
from recipe_gallery.build import Build
from recipe_gallery.settings import Settings

pytestmark = pytest.mark.unit


# -- Which files are recipes -----------------------------------------------------------


def find(small, **gallery) -> list[sections.Section]:
    return sections.find(small.settings(gallery=gallery).gallery, small.root)


def test_gallery_comes_first_then_its_sections(small) -> None:
    """Sorted by name, with what each is called as a page."""
    for slug in ("z", "b/b2", "b/b1", "a/a1"):
        small.add(slug)
    found = find(small)
    assert [(part.target, part.top) for part in found] == [
        ("auto", True), ("auto/a", False), ("auto/b", False)
    ]  # fmt: skip
    assert [[path.stem for path in part.files] for part in found] == [["z"], ["a1"], ["b1", "b2"]]
    assert found[2].docname(found[2].files[0]) == "auto/b/b1"
    assert found[1].source == small.examples / "a" and found[1].header.startswith("a\n")


def test_orders_are_those_of_the_settings(small) -> None:
    """Of sections and within them; equal ones by name."""
    for slug in ("long", "short", "b/x", "a/x"):
        small.add(slug, "print(1)\nprint(2)" if slug == "long" else "print(1)")
    (small.examples / "also_short.py").write_text((small.examples / "short.py").read_text())
    small.build(gallery={"subsection_order": ["examples/b", "examples/a"]})
    assert listed(small) == ["also_short", "short", "long", "b/index", "a/index"]
    small.build(gallery={"within_subsection_order": "FileNameSortKey"})
    assert listed(small) == ["also_short", "long", "short", "a/index", "b/index"]


def test_order_of_files_that_cannot_be_read(small) -> None:
    """One that was published and is broken now stays in the list, which then is by name."""
    for slug in ("long", "short"):
        small.add(slug, "print(1)\nprint(2)" if slug == "long" else "print(1)")
    small.build()
    assert listed(small) == ["short", "long"]
    (small.examples / "long.py").write_bytes(b"\xff")
    assert list(small.build().failures) == ["examples/long.py"]
    assert listed(small) == ["long", "short"]


def listed(small) -> list[str]:
    """What the gallery's toctrees name, in their order."""
    lines = [line.strip() for line in small.page("index").splitlines()]
    entries = [line for line in lines if line.startswith("/auto/")]
    return [line.removeprefix("/auto/").removesuffix(".rst") for line in entries]


def test_helpers_headers_and_strangers_are_no_recipes(small) -> None:
    """Names that begin with _ or ., the section's text, what is ignored, other kinds of files."""
    small.add("a")
    for name in ("_helper.py", ".hidden.py", "__init__.py", "data.csv", "skip_me.py"):
        (small.examples / name).write_text("")
    (small.examples / "folder.py").mkdir()
    (small.examples / "gone.py").symlink_to("nowhere")
    (part, *_) = find(small, ignore_pattern="skip_")
    assert [path.name for path in part.files] == ["a.py"]


def test_folder_without_a_header_is_no_section(small) -> None:
    """As with Sphinx-Gallery; the gallery itself needs one, or an index of its own."""
    small.add("sub/a")
    (small.examples / "sub" / "README.rst").unlink()
    assert [part.target for part in find(small)] == ["auto"]
    (small.examples / "README.rst").unlink()
    with pytest.raises(SphinxError, match="GALLERY_HEADER"):
        find(small)


def test_gallery_with_an_index_of_its_own(small) -> None:
    """It is copied and not written over; so is that of a section."""
    for slug in ("sub/a", "own/b"):
        small.add(slug)
    (small.examples / "own" / "README.rst").unlink()
    for folder in ("", "own"):
        (small.examples / folder / "index.rst").write_text(f"My own {folder}\n")
    own = {"copyfile_regex": r"index\.rst"}
    headers = {part.target: part.header[:3] for part in find(small, **own)}
    assert headers == {"auto": "", "auto/own": "", "auto/sub": "sub"}
    small.build(gallery=own)
    assert small.page("index") == "My own \n" and small.page("own/index") == "My own own\n"
    assert "/auto/sub/a\n" in small.page("sub/index")
    assert "this is b" in small.page("own/b")


def test_several_galleries(small) -> None:
    """Each with its folder of pages."""
    small.add("a")
    (small.root / "more").mkdir()
    (small.root / "more" / "README.rst").write_text("More\n====\n")
    (small.root / "more" / "b.py").write_text((small.examples / "a.py").read_text())
    both = {"examples_dirs": ["examples", "more"], "gallery_dirs": ["auto", "auto_more"]}
    found = find(small, **both)
    assert [(part.target, part.top) for part in found] == [("auto", True), ("auto_more", True)]
    small.build(gallery=both)
    assert (small.root / "auto_more" / "b.rst").is_file()
    assert "/auto_more/b\n" in (small.root / "auto_more" / "index.rst").read_text()
    assert "auto_more" not in small.page("index")


def test_missing_gallery_is_an_error(small) -> None:
    """Named, and one that a build can tell."""
    with pytest.raises((SphinxError, OSError), match="nowhere"):
        find(small, examples_dirs="nowhere")


def test_what_a_gallery_wants_executed(small) -> None:
    """By the whole path; and Python only, as nothing else can be."""
    path = small.add("plot_a")
    assert sections.is_executable({"filename_pattern": "/plot_"}, path)
    assert not sections.is_executable({"filename_pattern": "/run_"}, path)
    assert sections.is_executable({"filename_pattern": "examples/"}, path)
    assert not sections.is_executable({"filename_pattern": ""}, path.with_suffix(".jl"))


def test_expected_failures_are_named_from_the_root(small) -> None:
    """As in conf.py, or whole; none by default."""
    names = {"expected_failing_examples": ["examples/a.py", "../docs/examples/b.py"]}
    assert sections.expected_failures(names, small.root) == {
        small.examples / "a.py",
        small.examples / "b.py",
    }
    assert sections.expected_failures({}, small.root) == set()


# -- The pages that list them ----------------------------------------------------------

VARIANTS = {
    "as_it_is": {},
    "in_one_page": {"nested_sections": False},
    "without_zip": {"download_all_examples": False, "show_signature": False},
    "by_name": {"within_subsection_order": "FileNameSortKey"},
}


@pytest.fixture(scope="module", params=VARIANTS)
def both(request, tmp_path_factory) -> tuple[Path, Path]:
    """The folders of one gallery typeset by us and by Sphinx-Gallery, without execution."""
    folders = []
    for maker in ("ours", "theirs"):
        # Their links to a label or a name are made from absolute paths in no place.
        root = tmp_path_factory.mktemp(maker) / "docs"
        shutil.copytree(SITES / "foreign", root)
        conf = runpy.run_path(str(root / "conf.py"))["sphinx_gallery_conf"]
        conf = gen_gallery._fill_gallery_conf_defaults({**conf, **VARIANTS[request.param]})
        gen_gallery._update_gallery_conf_builder_inited(conf, root, plot_gallery=False)
        if maker == "ours":
            Build(Settings(conf, root, root / "state", execute=False), FakeExecutor()).run()
        else:
            builder = SimpleNamespace(srcdir=root, outdir=root / "out")
            config = SimpleNamespace(sphinx_gallery_conf=conf)
            gen_gallery.generate_gallery_rst(SimpleNamespace(builder=builder, config=config))
        folders.append(root)
    return tuple(folders)


def contents(root: Path, pattern: str) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text("utf-8")
        for path in sorted(root.rglob(pattern))
        if path.relative_to(root).parts[0] not in ("examples", "state")
    }


def test_the_same_lists(both) -> None:
    """Headers, thumbnails, toctrees and downloads; for the gallery and for each section."""
    ours, theirs = (contents(root / "auto_examples", "index.rst") for root in both)
    assert "A cosine with emphasis" in theirs["index.rst"]
    assert ours == theirs


def test_the_same_examples_of_names(both) -> None:
    """For minigalleries: each name's list, in the same order, and all in one file."""
    for pattern in ("*.examples", "backreferences_all*"):
        ours, theirs = (contents(root, pattern) for root in both)
        here, there = (str(root) for root in both)
        theirs = {name: text.replace(there, here) for name, text in theirs.items()}
        assert ours == theirs and ours, pattern
    assert "generated/numpy.cos.examples" in contents(both[0], "*.examples")


def test_the_same_files(both) -> None:
    """But for what Sphinx-Gallery notes for itself, and pages of running times."""
    own = ("sg_execution_times.rst", ".py.md5", ".cost.json", ".new")
    ours, theirs = (
        {
            path.relative_to(root).as_posix()
            for folder in ("auto_examples", "generated")
            for path in (root / folder).rglob("*")
            if path.is_file() and not path.name.endswith(own)
        }
        for root in both
    )
    assert ours == theirs


def test_lists_are_not_written_again_without_need(small) -> None:
    """Else Sphinx would read them again."""
    small.add("sub/a", prose="See :func:`numpy.cos`.")
    names = {"backreferences_dir": "generated", "doc_module": ("numpy",)}
    small.build(gallery=names)
    lists = [*small.root.rglob("index.rst"), *small.root.rglob("*.examples")]
    assert len(lists) == 3, lists
    before = [(path, path.stat().st_mtime_ns) for path in lists]
    small.build(gallery=names)
    assert [(path, path.stat().st_mtime_ns) for path in lists] == before


def test_recipe_without_a_page_is_not_listed(small) -> None:
    """One that never went well; the list of a later build has it."""
    small.add("a")
    (small.examples / "bad.py").write_text("x = 1\n")
    small.build()
    assert "/auto/a\n" in small.page("index") and "bad" not in small.page("index")


def test_site_may_write_its_own_lists(small) -> None:
    """``index`` is off; pages are there all the same."""
    small.add("a")
    small.build(index=False)
    assert "a.rst" in small.published() and "index.rst" not in small.published()
