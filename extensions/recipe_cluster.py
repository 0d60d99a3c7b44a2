"""Where recipes are executed: on the nodes of a Ray cluster.

Problem: a catalogue outgrows one laptop, and some recipes need a GPU that is elsewhere.
Usage: ``make html CLUSTER=auto`` (the cluster on this machine), ``CLUSTER=host:port`` (from
one of its nodes) or ``CLUSTER=ray://host:10001`` (from anywhere); see docs/cluster.rst.
Result: each recipe is a Ray task on a node that has what its header asks for, executed there
in a process of its own by the same ``LocalExecutor`` as at home, with the same limits. This
code travels with the task and the results come back as bytes: no shared disk. A task whose
node is lost is started again by Ray on another.
"""

import contextlib
import json
import platform
import socket
import sys
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from recipe_process import Failure, Run, Task

RETRIES = 3  # of a recipe whose node was lost
PATIENCE = 60  # seconds without any node that could take a recipe


def run_on_node(
    code: dict[str, bytes], task: dict, expected: dict[str, str], packages: list[str]
) -> bytes:
    """What a node does: unpack our code, compare versions, execute, return JSON.

    Nothing of this project needs to be installed there; this function itself is sent by
    value, so it imports what it needs only after the code is in its place.
    """
    import hashlib
    import sys
    import tempfile

    digest = hashlib.sha256(b"".join(code.values())).hexdigest()[:16]
    folder = Path(tempfile.gettempdir(), f"recipe-code-{digest}")
    if not folder.is_dir():  # several workers of a node may come here at once
        new = Path(tempfile.mkdtemp(prefix="recipe-code-"))
        for name, content in code.items():
            (new / name).write_bytes(content)
        with contextlib.suppress(OSError):  # another was faster
            new.rename(folder)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    from recipe_process import Failure, Run, Task

    node = platform.node()
    for name, here in expected.items():
        there = platform.python_version() if name == "Python" else version(name)
        if not same_version(here, there):
            reason = f"was not run: the node {node} has {name} {there}, this build {here}"
            return json.dumps(Run(failure=Failure(reason)).to_dict()).encode()
    from recipe_executors import LocalExecutor

    run = LocalExecutor(task["threads"], set(packages)).run(Task(**task))
    return json.dumps(run.to_dict()).encode()


def same_version(here: str, there: str) -> bool:
    """Whether two versions are the same; ``+cpu`` and the like do not count."""
    here, there = here.split("+")[0], there.split("+")[0]
    return there == here or there.startswith(here + ".")  # Python: 3.11 and 3.11.7


class ClusterExecutor:
    """Runs each task on a node of a cluster."""

    def __init__(self, address: str, versions: dict[str, str], packages: set[str]) -> None:
        try:
            import ray
        except ImportError:
            raise SystemExit(
                "CLUSTER needs Ray: run '.venv/bin/python -m pip install -r "
                "requirements-cluster.txt -c constraints.txt' and build again"
            ) from None
        self.ray, self.versions, self.packages = ray, versions, sorted(packages)
        try:
            if ":" in address:  # Ray itself would try for minutes
                host, port = address.removeprefix("ray://").rsplit(":", 1)
                socket.create_connection((host, int(port)), timeout=5).close()
            ray.init(address, logging_level="ERROR", log_to_driver=False)
        except Exception as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else ""
            raise SystemExit(
                f"no Ray cluster answers at {address!r} ({type(error).__name__}: {first}); "
                "docs/cluster.rst says how to start one"
            ) from None
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        own = sorted(Path(__file__).parent.glob("*.py"))
        self.code = ray.put({path.name: path.read_bytes() for path in own})
        self.remote = ray.remote(run_on_node)

    def run(self, task: Task) -> Run:
        """Execute a task on the cluster and wait for it."""
        if missing := self.missing(task):
            return Run(failure=Failure(f"needs {missing}, which no node of the cluster has"))
        call = self.remote.options(
            num_cpus=task.cpus, num_gpus=task.gpus, max_retries=RETRIES, name=task.slug
        )
        reference = call.remote(self.code, asdict(task), self.versions, self.packages)
        alone_since = None
        while not self.ray.wait([reference], timeout=1)[0]:
            if not self.missing(task):
                alone_since = None
            elif alone_since is None:
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > PATIENCE:
                self.ray.cancel(reference, force=True)
                reason = f"waited {PATIENCE} s, but no node of the cluster is left for it"
                return Run(failure=Failure(reason))
        try:
            return Run.from_dict(json.loads(self.ray.get(reference)))
        except self.ray.exceptions.RayTaskError as error:
            return Run(failure=Failure(f"could not be executed: {error.cause!r}", str(error)))
        except self.ray.exceptions.RayError as error:
            reason = f"was lost {RETRIES + 1} times with its node ({type(error).__name__})"
            return Run(failure=Failure(reason))

    def missing(self, task: Task) -> str:
        """What a task asks for and no node offers, "" if there is such a node."""
        nodes = [n["Resources"] for n in self.ray.nodes() if n["Alive"]]
        if any(n.get("CPU", 0) >= task.cpus and n.get("GPU", 0) >= task.gpus for n in nodes):
            return ""
        return f"{task.cpus:g} CPU and {task.gpus:g} GPU on one node"

    def stop(self) -> None:
        """Leave the cluster; Ray ends what we started there."""
        self.ray.shutdown()
