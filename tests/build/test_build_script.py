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
    return (done.stdout.strip().splitlines() or [""])[-1], done.returncode


def test_unknown_verb(checkout):
    """It names the verb and where the known ones are."""
    line, code = run(checkout, None, "tset")
    assert code != 0 and line == "build.sh: unknown verb 'tset'; './build.sh help' lists them"


@pytest.mark.parametrize("argument", ["x", "recipe=x", "-j2", "epub"])
def test_further_argument_is_refused(checkout, argument):
    """Nothing that is asked for is dropped in silence."""
    line, code = run(checkout, None, "html", argument)
    assert code != 0 and line.startswith(f"build.sh: '{argument}' is not understood; write NAME=")


def test_unknown_setting_is_refused(checkout):
    """By make, too, which takes any name."""
    for command in (["bash", "build.sh", "html", "RECIP=x"], ["make", "html", "RECIP=x"]):
        done = subprocess.run(command, cwd=checkout, text=True, capture_output=True)
        assert done.returncode != 0 and "RECIP is no setting of this Makefile" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("verb", ["help", "--help", "-h", "clean"])
def test_nothing_is_installed_for(checkout, path, verb):
    """There is not even a Python."""
    (checkout / "_build").mkdir()
    line, code = run(checkout, path, verb)
    assert code == 0, line
    assert not (checkout / ".venv").exists()
    assert (checkout / "_build").exists() == (verb != "clean")


def test_no_make(checkout, path):
    """Before anything is installed."""
    (path / "make").unlink()
    line, code = run(checkout, path)
    assert code != 0 and line.startswith("build.sh: make is missing; install it")


FAKE_PYTHON = """
echo "$0 $*" >> "$LOG"
case "$*" in
  "-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  "-m pip --version") [ -e .venv/pip ] || exit 1 ;;
  "-m ensurepip"*) touch .venv/pip ;;
  "-m pip install"*) exit $PIP ;;
esac
"""


@pytest.fixture
def fake(checkout, path, tmp_path):
    """A Python that only says what it is called with; a function that builds and says that."""
    command(path, "python3", FAKE_PYTHON)
    command(path, "make", 'echo make "$@" >> "$LOG"')
    command(path, "df", "echo header; echo disk 9 9 99999999 9% /")
    for tool in ("mkdir", "cp", "touch"):
        (path / tool).symlink_to(shutil.which(tool))
    log = tmp_path / "log"

    def build(*arguments: str, pip: int = 0) -> list[str]:
        log.write_text("")
        run(checkout, path, *arguments, LOG=str(log), PIP=str(pip))
        return log.read_text().splitlines()

    return build


def test_everything_is_passed_on(fake):
    """What comes after the target."""
    assert fake("html", "RECIPE=a b")[-1].endswith("html PYTHON=.venv/bin/python RECIPE=a b")


def test_environment_without_pip_is_healed(checkout, fake):
    """As an interrupted build.sh leaves it, or another tool makes it; nothing is made anew."""
    assert any("-m venv" in line for line in fake())
    (checkout / ".venv" / "pip").unlink()
    (checkout / ".venv" / "installed-requirements.txt").unlink()
    log = fake()
    assert not any("-m venv" in line for line in log)
    assert any("ensurepip" in line for line in log) and any("pip install" in line for line in log)


def test_environment_whose_python_is_gone_is_made_anew(checkout, fake):
    """After an upgrade of the system."""
    fake()
    command(checkout / ".venv" / "bin", "python", "exit 127")
    assert any("-m venv --clear .venv" in line for line in fake())


def test_installation_is_done_once(checkout, fake):
    """Again only where it failed; and what only tests need is installed for them alone."""
    assert not any(line.startswith("make html PYTHON") for line in fake("html", pip=1))
    assert any("pip install" in line for line in fake())
    assert not any("pip install" in line for line in fake())
    assert not any("pip install" in line for line in fake("epub"))
    assert any("-r requirements-dev.txt" in line for line in fake("lint"))


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
