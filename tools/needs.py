"""Says in one sentence what the environment lacks for a target of make.

Problem: ``No module named ruff`` does not say that one command installs it.
Usage: ``python -m tools.needs TARGET MODULE... [--port=8000]``, before the target's own commands.
Result: nothing, or a sentence with the cure and exit status 1. With a port, also whether a server
can have it. Imports nothing beyond Python itself.
"""

import importlib.util
import socket
import sys
from collections.abc import Iterable, Sequence


def lacking(target: str, modules: Iterable[str]) -> str:
    """A sentence on the modules that a target needs and that cannot be imported; "" if none."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    return (
        f"'make {target}' needs {', '.join(missing)}, which this environment lacks: run "
        f"'./build.sh {target}' once, or install requirements-dev.txt with {sys.executable}"
    )


def taken(port: str) -> str:
    """A sentence on a port that no server can have; "" if one can."""
    if not port.isdecimal() or int(port) > 65535:
        return f"PORT is {port!r}: make it a number, such as 8000"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as error:
            return f"port {port} cannot be used ({error.strerror}): name another, PORT=8001"
    return ""


def main(arguments: Sequence[str]) -> None:
    """The command.

    Raises:
        SystemExit: with a sentence, if something is missing.
    """
    target, *rest = arguments
    modules = [word for word in rest if not word.startswith("--port=")]
    problem = lacking(target, modules)
    for word in rest:
        if word.startswith("--port="):
            problem = problem or taken(word.removeprefix("--port="))
    if problem:
        raise SystemExit(problem)


if __name__ == "__main__":
    main(sys.argv[1:])
