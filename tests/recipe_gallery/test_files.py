"""A file is written whole or not at all, and only when it changes."""

import errno
import os

import pytest

from recipe_gallery.files import DISK, CannotWrite, digest, read_json, write, write_json

pytestmark = pytest.mark.unit


def test_write_replaces_in_one_step(tmp_path) -> None:
    """The folder is made; a reader who holds the old file still has it whole."""
    path = tmp_path / "a" / "b" / "file"
    write(path, b"old")
    with path.open("rb") as reader:
        write(path, b"new and longer")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new and longer"
    assert os.listdir(path.parent) == ["file"]


def test_write_leaves_equal_content_alone(tmp_path) -> None:
    """Else other tools would work again."""
    path = tmp_path / "file"
    write(path, b"same")
    os.utime(path, (1, 1))
    before = path.stat()
    write(path, b"same")
    after = path.stat()
    assert (after.st_mtime, after.st_ino) == (1, before.st_ino)


@pytest.mark.parametrize("step", ["os.replace", "pathlib.Path.write_bytes"])
def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch, step) -> None:
    """Nothing half-written is left beside it, and the error says which file it was."""
    path = tmp_path / "file"
    write(path, b"old")

    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device", "some temporary name")

    monkeypatch.setattr(step, fail)
    with pytest.raises(CannotWrite) as caught:
        write(path, b"new")
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["file"] and path.read_bytes() == b"old"
    assert caught.value.errno == errno.ENOSPC
    text = f"cannot write {path}: No space left on device; what was finished is kept"
    assert str(caught.value).startswith(text)


def test_write_takes_away_what_a_killed_build_left(tmp_path) -> None:
    """Also where the content is there already."""
    (tmp_path / "file").write_bytes(b"same")
    (tmp_path / ".file.new").write_bytes(b"ha")
    write(tmp_path / "file", b"same")
    assert os.listdir(tmp_path) == ["file"]


def test_folder_that_cannot_be_made_is_named(tmp_path) -> None:
    """A file where a folder should be."""
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(CannotWrite, match="cannot write .*taken.file: "):
        write(tmp_path / "taken" / "file", b"new")


def test_json_is_the_same_for_equal_values(tmp_path) -> None:
    """Whatever the order of the keys; and comes back."""
    write_json(tmp_path / "a", {"x": 1, "y": ["ä", None]})
    write_json(tmp_path / "b", {"y": ["ä", None], "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_json(tmp_path / "a") == {"x": 1, "y": ["ä", None]}


@pytest.mark.parametrize("content", [None, b"", b'{"x": ', b"\xff"])
def test_damaged_json_is_empty(tmp_path, content) -> None:
    """As if nothing were there; so is a missing file."""
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    assert read_json(path) == {}


def test_digest_is_short_and_of_content() -> None:
    """The same for text and its bytes."""
    assert digest("ä") == digest("ä".encode()) != digest("a")
    assert len(digest("")) == 16


def test_a_full_disk_is_among_what_concerns_the_whole_build() -> None:
    """A missing file is not: that is one recipe's fault."""
    assert errno.ENOSPC in DISK and errno.EROFS in DISK and errno.ENOENT not in DISK
