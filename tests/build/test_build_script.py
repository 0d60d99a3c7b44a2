"""build.sh says in one line what is missing and what to do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(os.name == "nt", reason="the script is for bash"),
]
ROOT = Path(__file__).parents[2]
TOOLS = ("awk", "bash", "cat", "df", "dirname", "grep", "make", "printf", "rm", "sh", "uname")


@pytest.fixture
def checkout(tmp_path):
    """A copy of what build.sh needs, with nothing installed."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("build.sh", "Makefile", "requirements.txt", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    for name in ROOT.glob("requirements-*.txt"):
        shutil.copy(name, folder)
    return folder


@pytest.fixture
def path(tmp_path):
    """A folder to be the whole PATH: the tools without any Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool))
    return folder


def command(folder: Path, name: str, script: str) -> None:
    """Put a shell script of this name into a PATH folder."""
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def run(checkout: Path, path: Path | None = None, *arguments: str, **more: str):
    """Run build.sh; its last line and its exit code."""
    environ = {**os.environ, "TORCH_INDEX": "pypi", **more}
    if path:
        environ["PATH"] = str(path)
    done = subprocess.run(
        ["bash", "build.sh", *arguments], cwd=checkout, env=environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
    )  # fmt: skip
    return done.stdout.strip().splitlines()[-1], done.returncode


def test_unknown_verb(checkout):
    """It names the verb and where the known ones are."""
    line, code = run(checkout, None, "tset")
    assert code != 0 and line == "build.sh: unknown verb 'tset'; './build.sh help' lists them"


def test_no_python(checkout, path):
    """Nor one that is too old."""
    line, code = run(checkout, path)
    assert code != 0 and "no Python 3.11 or newer found" in line
    command(path, "python3", "exit 1  # what an old one answers")
    line, code = run(checkout, path)
    assert code != 0 and "no Python 3.11 or newer found" in line


def test_no_venv_module(checkout, path):
    """Debian's Python comes without."""
    command(path, "python3", 'case "$2" in *ensurepip*) exit 1;; esac')
    line, code = run(checkout, path)
    assert code != 0 and "python3 has no venv module; install it" in line


def test_no_disk_space(checkout, path):
    """Before anything is downloaded, with the numbers."""
    command(path, "python3", 'mkdir -p .venv/bin; printf "#!/bin/sh" >.venv/bin/python; '
            "chmod +x .venv/bin/python")  # fmt: skip
    for tool in ("mkdir", "chmod"):
        (path / tool).symlink_to(shutil.which(tool))
    command(path, "df", "echo header; echo disk 9 9 1048576 9% /")
    line, code = run(checkout, path)
    assert code != 0 and "needs 8 GB of disk space, here are 1 GB" in line


def test_no_network(checkout):
    """The environment is made, nothing can be installed; the next try starts there."""
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    empty = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
    line, code = run(checkout, None, **nowhere, **empty)
    assert code != 0 and "the installation failed" in line and "no network?" in line
    assert (checkout / ".venv").is_dir()
    assert not list((checkout / ".venv").glob("installed-*"))
