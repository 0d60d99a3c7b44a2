"""What an environment lacks is one sentence with its cure, and every target of make asks for it."""

import re
import socket

import pytest
from conftest import ROOT

from tools import needs

pytestmark = [pytest.mark.unit, pytest.mark.quick]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def test_what_is_missing_is_told() -> None:
    """All of it, with a command that installs it."""
    with pytest.raises(SystemExit) as ended:
        needs.main(["lint", "sys", "no_such_thing", "nor_this"])
    assert str(ended.value).startswith("'make lint' needs no_such_thing, nor_this, which this env")
    assert "./build.sh lint" in str(ended.value)


def test_what_is_there_is_not_told() -> None:
    needs.main(["lint", "sys", "pytest"])


@pytest.mark.parametrize("port", ["abc", "99999", "-1", ""])
def test_what_is_no_port_is_told(port: str) -> None:
    with pytest.raises(SystemExit, match="make it a number"):
        needs.main(["serve", f"--port={port}"])


def test_taken_port_is_told() -> None:
    """Before anything is built."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(SystemExit, match="cannot be used .*PORT="):
            needs.main(["serve", f"--port={other.getsockname()[1]}"])
    needs.main(["serve", "--port=0"])


def test_every_target_asks_for_the_modules_it_runs() -> None:
    """Those that it names after -m, but for our own, which say what they need."""
    targets = re.findall(r"(?m)^([a-z-]+):  ## .*\n((?:\t.*\n|  .*\n)*)", MAKEFILE)
    assert len(targets) >= 18
    for target, commands in targets:
        asked = re.search(r"(?m)^\t\$\(NEEDS\)(.*)", commands)
        used = set(re.findall(r"RUN\) -m (?!tools|benchmarks)(\w+)", commands))
        used |= {"sphinx"} if "$(SPHINX)" in commands else set()
        missing = used - set(asked[1].split() if asked else ())
        assert not missing, f"{target}: {missing}"
        words = asked[1].split("--")[0].split() if asked else []
        assert needs.lacking(target, words) == ""
