"""The same pages from a Ray cluster of several nodes on this machine."""

import subprocess
import sys
import time

import pytest

from recipe_gallery import Run, cluster

ray = pytest.importorskip("ray", reason="needs requirements-cluster.txt")
pytestmark = [pytest.mark.build, pytest.mark.cluster]
# A cluster in a process of its own: it prints its address and obeys one-word commands.
CLUSTER = """
import sys
from ray.cluster_utils import Cluster

head = dict(num_cpus=0, node_ip_address="127.0.0.1", include_dashboard=False)
cluster = Cluster(initialize_head=True, head_node_args=head)
nodes = [cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1") for _ in range(2)]
print(cluster.address, flush=True)
for line in sys.stdin:
    if line.strip() == "kill":
        cluster.remove_node(nodes.pop(), allow_graceful=False)
        print("killed", flush=True)
cluster.shutdown()
"""


@pytest.fixture(autouse=True, scope="module")
def loopback():
    """Ray takes 127.0.0.1 for the address of this machine, in what the tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        yield


class Nodes:
    """A head and two nodes with one CPU each, all on 127.0.0.1."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("127.0.0.1:"), self.address

    def kill_one(self) -> None:
        """Take a node away without a word."""
        self.process.stdin.write("kill\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == "killed"

    def stop(self) -> None:
        """End all of them."""
        self.process.stdin.close()
        self.process.wait(60)


@pytest.fixture(scope="module")
def nodes(loopback):
    """A cluster for this module."""
    nodes = Nodes()
    yield nodes
    nodes.stop()


def results(site) -> dict[str, dict]:
    """What was executed, without what no two executions share."""
    runs = {}
    for path in sorted((site.root / "_build" / "recipe_runs").glob("**/*.run.json")):
        run = Run.from_json(path.read_bytes())
        runs[path.name] = (run.cells, run.names, run.made_with, run.key)
    return runs


def test_pages_equal_a_local_build(nodes, make_site):
    """Outputs and figures to the byte."""
    here, there = make_site(), make_site()
    for site in (here, there):
        site.add("draws", "import matplotlib.pyplot as plt\n\n_ = plt.plot([1, 2])\nprint('drawn')")
    assert here.build("-W").returncode == 0
    result = there.build("-W", "-D", f"recipe_cluster={nodes.address}")
    assert result.returncode == 0, result.stdout
    assert results(here) == results(there) and len(results(here)) == 4


def test_faults_end_alone_there_too(nodes, site):
    """A crash and a hang on a node are reported as they are at home."""
    for name in ("segfaults", "hangs", "exits_zero"):
        site.add_fault(name)
    hangs = site.sources / "hangs.py"  # another test looks for what its own leave running
    hangs.write_text(hangs.read_text("utf-8").replace("600.625", "600.5"), "utf-8")
    result = site.build("-D", f"recipe_cluster={nodes.address}")
    assert result.returncode != 0 and "3 recipes failed:" in result.stdout
    assert "segfaults.py was ended by the signal SIGSEGV" in result.stdout
    assert "hangs.py was still running after its time limit of 15 s" in result.stdout
    assert "exits_zero.py called sys.exit(0)" in result.stdout
    assert site.page("zz_sees_nothing").is_file()


def test_what_no_node_has_is_said(nodes, site):
    """A recipe that needs a GPU fails at once, the others run."""
    path = site.add("wants_a_gpu", "print(1)")
    header = '# [tool.recipe]\n# gpus = 1\n# ///\n"'
    path.write_text(path.read_text().replace('# ///\n"', header))
    result = site.build("-D", f"recipe_cluster={nodes.address}")
    assert "wants_a_gpu.py needs 1 CPU and 1 GPU on one node" in result.stdout
    assert site.page("zz_sees_nothing").is_file()


def test_other_versions_on_a_node_are_named(monkeypatch):
    """Both versions and the node, instead of a page that nobody could repeat."""
    monkeypatch.setattr(cluster, "version", lambda name: "2.13.0")
    answer = cluster.run_on_node({}, "recipe_gallery", b"", {"torch": "2.14.1"}, [], {})
    assert "has torch 2.13.0, this build 2.14.1" in Run.from_json(answer).failure.reason


def test_no_cluster_is_one_sentence(site):
    """Nobody answers at that address."""
    result = site.build("-D", "recipe_cluster=127.0.0.1:1")
    assert result.returncode != 0 and "no Ray cluster answers at '127.0.0.1:1'" in result.stdout


def test_lost_node(nodes, site):
    """A node is killed in the middle; its recipes end on the other."""
    for number in range(4):
        site.add(f"slow_{number}", f"import time\n\ntime.sleep(4)\nprint({number})")
    build = site.start("-W", "-D", f"recipe_cluster={nodes.address}")
    lines = []
    for line in build.stdout:
        lines.append(line)
        if ": 4." in line or "(1/" in line:  # the first has ended, others are under way
            break
    time.sleep(1)
    nodes.kill_one()
    output, _ = build.communicate(timeout=240)
    assert build.returncode == 0, "".join(lines) + output
    for number in range(4):
        assert site.page(f"slow_{number}").is_file()
