"""Where recipes are executed: on the nodes of a Ray cluster.

Problem: a catalogue outgrows one laptop, and some recipes need a GPU that is elsewhere.
Usage: the setting ``recipe_cluster`` is "auto" (the cluster on this machine), "host:port" (from
one of its nodes) or "ray://host:10001" (from anywhere); "" is none.
Result: each recipe is a Ray task on a node that has what its header asks for, executed there
in a process of its own by the same ``LocalExecutor`` as at home, with the same limits. This
code travels with the task and the results come back as bytes: no shared disk. A task whose
node is lost is started again by Ray on another.
"""

import contextlib
import os
import pickle
import platform
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .model import Failure, Run, Task
from .plugin import load
from .settings import BuildError

RETRIES = 3  # of a recipe whose node was lost
PATIENCE = 60  # seconds without any node that could take a recipe
LOST, EACH = 30, 5  # seconds without a word of the head, and how often it is asked
# What begins a talk in HTTP/2, which Ray's servers speak, and the kind of what they answer.
GREETING, SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), 4


def run_on_node(
    code: dict[str, bytes],
    package: str,
    task: bytes,
    expected: Mapping[str, str],
    modules: Sequence[str],
    environment: Mapping[str, str],
) -> bytes:
    """What a node does: unpack our code, compare versions, execute, return JSON.

    Nothing of this project needs to be installed there; this function itself is sent by
    value, so it imports what it needs only after the code is in its place.
    """
    import importlib
    import sys
    import tempfile

    if package not in sys.modules:
        folder = tempfile.mkdtemp(prefix="recipe-code-")  # of this worker: nobody else writes there
        for name, content in code.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        sys.path.insert(0, folder)
    model = importlib.import_module(f"{package}.model")
    local = importlib.import_module(f"{package}.local")

    node = platform.node()
    for name, here in expected.items():
        try:
            there = platform.python_version() if name == "Python" else version(name)
        except PackageNotFoundError:
            there = "not installed"
        if not same_version(here, there):
            reason = f"was not run: the node {node} has {name} {there}, this build {here}"
            return model.Run(failure=model.Failure(reason)).to_json()
    one = pickle.loads(task)
    keep = importlib.import_module(f"{package}.plugin").load(one.plugin).keep
    return local.LocalExecutor(modules, environment, keep).run(one).to_json()


def same_version(here: str, there: str) -> bool:
    """Whether two versions are the same; ``+cpu`` and the like do not count."""
    here, there = here.split("+")[0], there.split("+")[0]
    return there == here or there.startswith(here + ".")  # Python: 3.11 and 3.11.7


def is_version(name: str, value: str) -> bool:
    """Whether an entry of a key is the version of a package, or of Python."""
    with contextlib.suppress(PackageNotFoundError):
        return name == "Python" or version(name) == value
    return False


def greet(address: str) -> None:
    """See whether a server that could be Ray's answers; Ray itself would wait for minutes.

    Args:
        address: ``host:port``, also with ``ray://`` before it.

    Raises:
        OSError: if nobody answers soon, or somebody else does.
        ValueError: if it is no such address.
    """
    host, port = address.removeprefix("ray://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=EACH) as server:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return  # it answers only to those who have its keys
        server.sendall(GREETING)
        with server.makefile("rb") as answer:
            if answer.read(4)[3:] != bytes([SETTINGS]):
                raise ConnectionError("something else listens there")


def package_files(*modules: str) -> dict[str, bytes]:
    """The source of the packages that these modules are in; "" is none."""
    files = {}
    for top in sorted({name.partition(".")[0] for name in modules} - {""}):
        folder = Path(sys.modules[top].__file__).parent
        for path in sorted(folder.rglob("*.py")):
            files[path.relative_to(folder.parent).as_posix()] = path.read_bytes()
    return files


class RayExecutor:
    """Runs each task on a node of a cluster.

    Args:
        address: of the cluster, as Ray takes it.
        modules: what a node imports once for all recipes.
        environment: variables that each recipe's process has.
        key: of the build; the versions in it must be those of each node.
        plugin: the name of its module, which goes along.

    Raises:
        BuildError: if there is no Ray here, or no cluster there.
    """

    def __init__(
        self,
        address: str,
        modules: Sequence[str],
        environment: Mapping[str, str],
        key: Mapping[str, str],
        plugin: str = "",
    ) -> None:
        try:
            import ray
        except ImportError:
            command = load(plugin).install_command.format(packages="'ray[client]'")
            raise BuildError(
                f"a cluster needs Ray: install it with: {command}; then build again"
            ) from None
        self.ray, self.modules, self.environment = ray, list(modules), dict(environment)
        self.versions = {name: there for name, there in key.items() if is_version(name, there)}
        try:
            if ":" in address:
                greet(address)
            ray.init(address, logging_level="ERROR", log_to_driver=False)
        except Exception as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else ""
            raise BuildError(
                f"no Ray cluster answers at {address!r} ({type(error).__name__}: {first}); "
                "start one with: ray start --head"
            ) from None
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        self.head = address if ":" in address else ray.get_runtime_context().gcs_address
        self.asked = self.heard = time.monotonic()  # the head
        self.lost = False
        self.code = ray.put(package_files(__package__, plugin))
        self.remote = ray.remote(run_on_node)

    def run(self, task: Task) -> Run:
        """Execute a task on the cluster and wait for it.

        Raises:
            BuildError: if the head of the cluster is lost meanwhile.
        """
        if missing := self.missing(task):
            return Run(failure=Failure(f"needs {missing}, which no node of the cluster has"))
        call = self.remote.options(
            num_cpus=task.header.cpus,
            num_gpus=task.header.gpus,
            max_retries=RETRIES,
            name=task.slug,
        )
        there = pickle.dumps(replace(task, srcdir=""))
        own = {name: version for name, version in task.key.items() if is_version(name, version)}
        versions = self.versions | own  # what the recipe declares, and what all need
        reference = call.remote(
            self.code, __package__, there, versions, self.modules, self.environment
        )
        alone_since = None
        while not self.ray.wait([reference], timeout=1)[0]:
            if not self.head_answers():
                continue
            if not self.missing(task):
                alone_since = None
            elif alone_since is None:
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > PATIENCE:
                self.ray.cancel(reference, force=True)
                reason = f"waited {PATIENCE} s, but no node of the cluster is left for it"
                return Run(failure=Failure(reason))
        try:
            return Run.from_json(self.ray.get(reference))
        except self.ray.exceptions.RayTaskError as error:
            return Run(failure=Failure(f"could not be executed: {error.cause!r}", str(error)))
        except self.ray.exceptions.RayError as error:
            reason = f"was lost {RETRIES + 1} times with its node ({type(error).__name__})"
            return Run(failure=Failure(reason))

    def head_answers(self) -> bool:
        """Whether the head has answered when it was asked last; Ray would end the whole build.

        Raises:
            BuildError: if it has not for a while.
        """
        if time.monotonic() - self.asked > EACH:
            self.asked = time.monotonic()
            with contextlib.suppress(OSError):
                greet(self.head)
                self.heard = time.monotonic()
        if time.monotonic() - self.heard > LOST + EACH:
            self.lost = True
            raise BuildError(
                f"the head of the Ray cluster at {self.head} has not answered for {LOST} s; what "
                "was finished is kept, so build again when it is there"
            )
        return self.heard >= self.asked

    def missing(self, task: Task) -> str:
        """What a task asks for and no node offers, "" if there is such a node."""
        nodes = [n["Resources"] for n in self.ray.nodes() if n["Alive"]]
        cpus, gpus = task.header.cpus, task.header.gpus
        if any(n.get("CPU", 0) >= cpus and n.get("GPU", 0) >= gpus for n in nodes):
            return ""
        return f"{cpus:g} CPU and {gpus:g} GPU on one node"

    def stop(self) -> None:
        """Leave the cluster; Ray ends what we started there."""
        if not self.lost:  # it would wait for the answer
            self.ray.shutdown()
