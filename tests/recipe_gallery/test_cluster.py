"""What is sent to a cluster, and what is said when it comes back, or does not.

With a stand-in for Ray; ``tests/build/test_cluster.py`` builds on a real cluster.
"""

import contextlib
import pickle
import platform
import shutil
import socket
import sys
import threading
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_gallery import fake_run

from recipe_gallery import Failure, Header, Run, Task, cluster, local
from recipe_gallery.cluster import RayExecutor, is_version, package_files, run_on_node, same_version
from recipe_gallery.settings import BuildError

pytestmark = pytest.mark.unit


def task(**header) -> Task:
    return Task("auto/a", "a.py", {"a.py": b""}, {}, Header(**header), {}, srcdir="/here")


class FakeRay:
    """A cluster that does what it is told in this process, when somebody waits for it."""

    class exceptions(SimpleNamespace):  # noqa: N801
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            def __init__(self, cause: Exception) -> None:
                super().__init__(f"ray::run_on_node() {cause}")
                self.cause = cause

        class NodeDiedError(RayError):
            pass

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.options_given: list[dict] = []
        self.by_value: list = []
        self.cancelled = self.is_shut_down = False
        self.alive = [{"CPU": 4.0, "GPU": 1.0, "memory": 1e9}]
        self.answer = fake_run(task())
        self.waits = 0  # how often nothing has come back yet
        self.cloudpickle = SimpleNamespace(register_pickle_by_value=self.by_value.append)

    def init(self, address: str, **kwargs) -> None:
        self.address = address

    def get_runtime_context(self):
        return SimpleNamespace(gcs_address="127.0.0.1:1")

    def put(self, value):
        return ("put", value)

    def remote(self, function):
        return SimpleNamespace(options=self.options)

    def options(self, **kwargs):
        self.options_given.append(kwargs)
        return SimpleNamespace(remote=lambda *args: self.calls.append(args) or "reference")

    def wait(self, references, timeout):
        self.waits -= 1
        return ([], references) if self.waits >= 0 else (references, [])

    def get(self, reference) -> bytes:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer.to_json()

    def nodes(self) -> list[dict]:
        dead = {"Alive": False, "Resources": {"CPU": 1000.0, "GPU": 1000.0}}
        return [dead, *({"Alive": True, "Resources": found} for found in self.alive)]

    def cancel(self, reference, force: bool) -> None:
        self.cancelled = force

    def shutdown(self) -> None:
        self.is_shut_down = True


@pytest.fixture
def ray(monkeypatch) -> FakeRay:
    found = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", found)
    monkeypatch.setattr(RayExecutor, "head_answers", lambda self: True)
    return found


@pytest.fixture
def executor(ray) -> RayExecutor:
    key = {"numpy": version("numpy"), "Python": "3.11", "code": "abc", "nothing-such": "none"}
    return RayExecutor("auto", ["PIL"], {"A": "1"}, key)


# -- From here -------------------------------------------------------------------------


def test_task_goes_to_a_node_that_has_what_it_asks_for(executor, ray) -> None:
    """With our code, the versions to compare, and no path of this machine."""
    assert executor.run(task(cpus=2, gpus=1)) == fake_run(task())
    assert ray.options_given == [
        {"num_cpus": 2, "num_gpus": 1, "max_retries": cluster.RETRIES, "name": "a"}
    ]
    ((code, package, sent, versions, modules, environment),) = ray.calls
    assert package == "recipe_gallery" and "recipe_gallery/child.py" in code[1]
    assert pickle.loads(sent) == Task(
        "auto/a", "a.py", {"a.py": b""}, {}, Header(cpus=2, gpus=1), {}, srcdir=""
    )
    assert versions == {"numpy": version("numpy"), "Python": "3.11"}
    assert (modules, environment) == (["PIL"], {"A": "1"})
    assert ray.address == "auto" and ray.by_value == [cluster]
    executor.stop()
    assert ray.is_shut_down


def test_versions_of_what_a_recipe_declares_go_along(executor, ray) -> None:
    """Beside those that all recipes need; a part of the key that is no version does not."""
    one = replace(task(), key={"pillow": version("pillow"), "code": "abc", "c++": "12"})
    executor.run(one)
    assert ray.calls[0][3] == {**executor.versions, "pillow": version("pillow")}


def test_what_no_node_has_is_told_at_once(executor, ray) -> None:
    """A node that is gone has nothing."""
    run = executor.run(task(cpus=5))
    assert (
        run.failure.reason == "needs 5 CPU and 0 GPU on one node, which no node of the cluster has"
    )
    ray.alive.append({"CPU": 8.0})
    assert not executor.run(task(cpus=5)).failure
    assert executor.run(task(cpus=5, gpus=1)).failure


def test_task_waits_for_a_busy_node(executor, ray, monkeypatch) -> None:
    """As long as there is one at all."""
    ray.waits = 5
    monkeypatch.setattr(cluster, "PATIENCE", -1)
    assert not executor.run(task()).failure


@pytest.mark.parametrize("comes_back", [True, False])
def test_task_does_not_wait_for_a_node_that_is_gone(executor, ray, monkeypatch, comes_back) -> None:
    """For longer than a moment, in which another one may come."""
    monkeypatch.setattr(cluster, "PATIENCE", -1 if not comes_back else 60)
    nodes = [ray.nodes(), [], [], ray.nodes() if comes_back else []]
    monkeypatch.setattr(ray, "nodes", lambda: nodes.pop(0) if len(nodes) > 1 else nodes[0])
    ray.waits = 4
    run = executor.run(task())
    if comes_back:
        assert not run.failure and not ray.cancelled
    else:
        assert run.failure.reason.endswith("but no node of the cluster is left for it")
        assert ray.cancelled


def test_patience_begins_anew_when_a_node_comes_back(executor, ray, monkeypatch) -> None:
    """Each time 40 seconds without one; more than it has, together."""
    clock, there = iter(range(0, 1000, 40)), iter([True] + [False, True] * 20)
    nodes = ray.nodes()
    monkeypatch.setattr(cluster.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(ray, "nodes", lambda: nodes if next(there) else [])
    ray.waits = 12
    assert not executor.run(task()).failure


def test_fault_of_ours_on_a_node_is_told(executor, ray) -> None:
    """With what the node said."""
    ray.answer = ray.exceptions.RayTaskError(ValueError("x"))
    failure = executor.run(task()).failure
    assert failure == Failure("could not be executed: ValueError('x')", "ray::run_on_node() x")


def test_node_that_is_lost_too_often_is_told(executor, ray) -> None:
    """Ray has started the task again on others before."""
    ray.answer = ray.exceptions.NodeDiedError()
    assert executor.run(task()).failure.reason == "was lost 4 times with its node (NodeDiedError)"


def test_cluster_that_does_not_answer_ends_the_build(ray, monkeypatch) -> None:
    """With one sentence, and soon."""

    def init(address, **kwargs):
        raise ConnectionError("nobody there\nand more")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(BuildError, match=r"'auto' \(ConnectionError: nobody there\); start one"):
        RayExecutor("auto", [], {}, {})
    with socket.socket() as taken:  # an address where nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
            with pytest.raises(BuildError, match="ConnectionRefusedError"):
                RayExecutor(address, [], {}, {})
    with pytest.raises(BuildError, match="no Ray cluster answers at 'host:port'"):
        RayExecutor("host:port", [], {}, {})


@pytest.fixture
def server():
    """Listens at an address, and says what a test tells it to, if anything, when it is greeted."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer(*texts: bytes) -> str:
            def serve() -> None:
                for text in texts:
                    connection, _ = listening.accept()
                    with connection, contextlib.suppress(OSError):  # that one has given up
                        connection.recv(100)
                        connection.sendall(text)

            threading.Thread(target=serve, daemon=True).start()
            return f"127.0.0.1:{listening.getsockname()[1]}"

        yield answer


GOOD = bytes([0, 0, 6, 4, 0])


def test_who_does_not_answer_as_ray_does_is_not_asked_to(ray, server, monkeypatch) -> None:
    """Something silent, and something else; Ray would wait for either, for minutes."""
    monkeypatch.setattr(cluster, "EACH", 0.2)
    with pytest.raises(BuildError, match=r"no Ray cluster .* \(TimeoutError: timed out\)"):
        RayExecutor(server(), [], {}, {})
    monkeypatch.setattr(cluster, "EACH", 10)  # seconds: these answer
    address = server(b"to the one before", b"HTTP/1.1 400", b"", GOOD)
    for prefix in ("", "ray://"):
        with pytest.raises(BuildError, match="something else listens there"):
            RayExecutor(f"{prefix}{address}", [], {}, {})
    assert RayExecutor(address, [], {}, {}).head == address


def test_lost_head_ends_the_build(ray, server, monkeypatch) -> None:
    """With one sentence, and without a word to Ray, which would wait; a short silence is none."""
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(cluster, "EACH", 2)
    executor = RayExecutor(server(GOOD, GOOD), [], {}, {})
    executor.asked = 0
    assert executor.head_answers() and executor.heard >= executor.asked > 0
    with socket.create_server(("127.0.0.1", 0)) as gone:
        executor.head = f"127.0.0.1:{gone.getsockname()[1]}"
    executor.asked = 0
    assert not executor.head_answers()
    monkeypatch.setattr(cluster, "LOST", -3)
    ray.waits = 1
    with pytest.raises(BuildError, match=r"head of the Ray cluster at 127.* has not answered for"):
        executor.run(task())
    executor.stop()
    assert not ray.is_shut_down


def test_missing_ray_ends_the_build(monkeypatch) -> None:
    """With what to install."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BuildError, match=r"pip install 'ray\[client\]'"):
        RayExecutor("auto", [], {}, {})


def test_package_is_sent_whole(tmp_path, monkeypatch) -> None:
    """The plugin's, too, with its subfolders; nothing for a site without one."""
    (tmp_path / "sent_site" / "sub").mkdir(parents=True)
    for name in ("__init__.py", "adds.py", "sub/deep.py", "notes.txt"):
        (tmp_path / "sent_site" / name).write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    import sent_site.adds  # noqa: F401

    files = package_files("sent_site.adds", "", "sent_site")
    assert sorted(files) == [f"sent_site/{x}.py" for x in ("__init__", "adds", "sub/deep")]
    for name in [name for name in sys.modules if name.startswith("sent_site")]:
        monkeypatch.delitem(sys.modules, name)
    assert "recipe_gallery/__init__.py" in package_files("recipe_gallery")


@pytest.mark.parametrize(
    ("here", "there", "same"),
    [
        ("2.4.0", "2.4.0+cpu", True),
        ("2.4.0+cu121", "2.4.0+cpu", True),
        ("3.11", "3.11.7", True),
        ("3.1", "3.11.7", False),
        ("2.4.0", "2.4.1", False),
    ],
)
def test_versions_that_are_the_same(here, there, same) -> None:
    """For which machine a package was built does not count."""
    assert same_version(here, there) == same


def test_parts_of_a_key_that_are_versions() -> None:
    """Others cannot be compared with what a node has."""
    assert is_version("numpy", version("numpy")) and is_version("Python", "3.11")
    assert not is_version("numpy", "0.1") and not is_version("gallery settings", "abc")


# -- On a node -------------------------------------------------------------------------


def test_node_executes_as_at_home(monkeypatch, tmp_path) -> None:
    """With the same modules and variables, and those of the node that the plugin keeps."""
    (tmp_path / "plugin_of_node.py").write_text("keep = ('WHERE_DATA_IS',)\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen = []

    class Local:
        def __init__(self, *args) -> None:
            seen.append(args)

        def run(self, task: Task) -> Run:
            return fake_run(task)

    monkeypatch.setattr(local, "LocalExecutor", Local)
    expected = {"Python": platform.python_version(), "numpy": version("numpy")}
    sent = pickle.dumps(replace(task(), plugin="plugin_of_node"))
    answer = run_on_node({}, "recipe_gallery", sent, expected, ["PIL"], {"A": "1"})
    assert Run.from_json(answer) == fake_run(task())
    assert seen == [(["PIL"], {"A": "1"}, ("WHERE_DATA_IS",))]


def test_node_with_other_versions_executes_nothing() -> None:
    """It would be another result; the node is named."""
    answer = run_on_node({}, "recipe_gallery", b"", {"numpy": "0.1"}, [], {})
    node, there = platform.node(), version("numpy")
    expected = f"was not run: the node {node} has numpy {there}, this build 0.1"
    assert Run.from_json(answer).failure.reason == expected


def test_node_without_a_package_executes_nothing() -> None:
    """It is named, as if it had another version."""
    answer = run_on_node({}, "recipe_gallery", b"", {"no-such-package": "1"}, [], {})
    reason = "has no-such-package not installed, this build 1"
    assert Run.from_json(answer).failure.reason.endswith(reason)


def test_node_uses_the_code_that_came_along(monkeypatch) -> None:
    """Nothing of this project needs to be installed there."""
    files = package_files("recipe_gallery")
    code = {name.replace("recipe_gallery/", "sent_gallery/"): files[name] for name in files}
    monkeypatch.setattr(sys, "path", list(sys.path))
    answer = run_on_node(code, "sent_gallery", b"", {"numpy": "0.1"}, [], {})
    assert "was not run" in Run.from_json(answer).failure.reason
    folder = Path(sys.modules["sent_gallery.child"].__file__).parents[1]
    assert str(folder) == sys.path[0] and folder.name.startswith("recipe-code-")
    shutil.rmtree(folder)
    for name in [name for name in sys.modules if name.startswith("sent_gallery")]:
        del sys.modules[name]
