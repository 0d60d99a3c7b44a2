"""``make data`` ends with the whole data set or with one sentence, never in between."""

import hashlib
import http.client
import http.server
import io
import os
import pickle
import runpy
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from torchvision.datasets import CIFAR10

from recipe_site.drawn_cifar10 import REAL_FOLDER, has_real_data
from tools import fetch_data

pytestmark = pytest.mark.unit

NAMES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch", "batches.meta"]


class Host(http.server.BaseHTTPRequestHandler):
    """Serves ``body`` at any address, and claims that it is ``claimed`` bytes long."""

    body: bytes = b""
    claimed: int | None = None
    requests: int = 0

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(type(self).claimed or len(self.body)))
        self.end_headers()

    def do_GET(self) -> None:
        type(self).requests += 1
        self.do_HEAD()
        self.wfile.write(self.body)

    def log_message(self, *args) -> None:
        """Say nothing."""


@pytest.fixture
def host(monkeypatch):
    """The class of a server on this machine that stands for CIFAR-10's host."""
    handler = type("ThisHost", (Host,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(
            CIFAR10, "url", f"http://127.0.0.1:{server.server_port}/{CIFAR10.filename}"
        )
        yield handler
        server.shutdown()


@pytest.fixture
def archive(monkeypatch) -> bytes:
    """A proper archive of twelve images, with torchvision's checksums made to fit."""
    files = {}
    for name in NAMES[:-1]:
        batch = {"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1], "name": name}
        files[name] = pickle.dumps(batch)
    files["batches.meta"] = pickle.dumps({"label_names": list("abcdefghij")})
    sums = {name: hashlib.md5(data).hexdigest() for name, data in files.items()}
    monkeypatch.setattr(CIFAR10, "train_list", [[n, sums[n]] for n in NAMES[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [[n, sums[n]] for n in NAMES[5:6]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})
    return pack(monkeypatch, files)


def pack(monkeypatch, files: dict[str, bytes]) -> bytes:
    """An archive of files, which torchvision will take for the right one."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{REAL_FOLDER}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(packed.getvalue()).hexdigest())
    return packed.getvalue()


def make_data(monkeypatch, folder: Path) -> str:
    """What the script says when it gives up; it is one sentence."""
    monkeypatch.chdir(folder)
    with pytest.raises((SystemExit, KeyboardInterrupt)) as caught:
        runpy.run_path(fetch_data.__file__, run_name="__main__")
    assert isinstance(caught.value, SystemExit) and isinstance(caught.value.code, str)
    assert "\n" not in caught.value.code
    assert not has_real_data(folder / "data"), "a build would take this for real data"
    return caught.value.code


def test_an_unreachable_host_is_one_sentence(tmp_path) -> None:
    """As a process: exit status 1, one line, no traceback."""
    code = (
        "import runpy, sys; from torchvision.datasets import CIFAR10; "
        "CIFAR10.url = 'http://127.0.0.1:9/x'; "
        "runpy.run_module('tools.fetch_data', run_name='__main__')"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "no_proxy": "127.0.0.1"}
    env.pop("RECIPE_DATA", None)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stderr.startswith("cannot fetch cifar-10-python.tar.gz from 127.0.0.1 (")
    assert run.stderr.count("\n") == 1 and "'make data' again" in run.stderr
    assert not has_real_data(tmp_path / "data")


def break_off(host, archive) -> None:
    host.body, host.claimed = archive[:100], len(archive)


def answer_with_a_page(host, archive) -> None:
    host.body = b"<html>We are moving.</html>"


def damage(host, archive) -> None:
    host.body = archive[:-20] + bytes(20)


@pytest.mark.parametrize("fault", [break_off, answer_with_a_page, damage])
def test_the_second_try_works(host, archive, monkeypatch, tmp_path, fault) -> None:
    """A download that is not the archive leaves nothing that harms the next one."""
    fault(host, archive)
    assert "cannot fetch" in make_data(monkeypatch, tmp_path)
    host.body, host.claimed = archive, None
    assert "fetched" in fetch_data.fetch(tmp_path / "data")
    assert len(CIFAR10(tmp_path / "data")) == 10
    assert [path.name for path in (tmp_path / "data").iterdir()] == [REAL_FOLDER]


def test_a_reply_that_is_not_http(host, archive, monkeypatch, tmp_path) -> None:
    """A proxy or captive portal that talks nonsense is one sentence, too."""
    monkeypatch.setattr(host, "do_HEAD", lambda self: self.wfile.write(b"nonsense\r\n\r\n"))
    assert "cannot fetch" in make_data(monkeypatch, tmp_path)


def test_an_archive_that_lacks_a_file(host, archive, monkeypatch, tmp_path) -> None:
    """The files themselves are checked before they are put in place."""
    host.body = pack(monkeypatch, {"data_batch_1": b"only this"})
    assert "corrupted" in make_data(monkeypatch, tmp_path)


def test_an_archive_put_there_by_hand(host, archive, monkeypatch, tmp_path) -> None:
    """The folder that the message names is the one that is looked into."""
    message = make_data(monkeypatch, tmp_path)
    folder = tmp_path / message.split("put the file into ")[1].split()[0]
    (folder / CIFAR10.filename).write_bytes(archive)
    host.requests = 0
    assert "fetched" in fetch_data.fetch(tmp_path / "data")
    assert host.requests == 0


def test_a_folder_that_cannot_be_written(host, archive, monkeypatch, tmp_path) -> None:
    """Is no fault of the network, and is not told as one."""
    (tmp_path / "data").touch()
    message = make_data(monkeypatch, tmp_path)
    assert message.startswith("cannot write data/partial") and "again later" not in message


def test_whole_data_is_not_fetched_again(host, archive, tmp_path) -> None:
    """Once is enough."""
    host.body = archive
    fetch_data.fetch(tmp_path)
    host.requests = 0
    assert "whole" in fetch_data.fetch(tmp_path)
    assert host.requests == 0


def test_damaged_data_is_fetched_again(host, archive, tmp_path) -> None:
    """A file that was cut short afterwards is replaced."""
    host.body = archive
    fetch_data.fetch(tmp_path)
    (tmp_path / REAL_FOLDER / "data_batch_3").write_bytes(b"short")
    assert "fetched" in fetch_data.fetch(tmp_path)
    assert len(CIFAR10(tmp_path)) == 10


def test_an_interrupted_download(host, archive, monkeypatch, tmp_path) -> None:
    """Ctrl-C says so, and the next try starts again."""

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("torchvision.datasets.utils.extract_archive", interrupt)
        host.body = archive
        assert "interrupted" in make_data(monkeypatch, tmp_path)
    assert "fetched" in fetch_data.fetch(tmp_path / "data")
