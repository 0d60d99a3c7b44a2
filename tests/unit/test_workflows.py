"""The workflows are well-formed, pinned, and give strangers' code no rights."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

pytestmark = [pytest.mark.unit, pytest.mark.quick]
FOLDER = ROOT / ".github" / "workflows"
SCRIPTS = Path(sys.executable).parent


def check(*command: str) -> None:
    """Run a linter and show what it says if it objects."""
    result = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("schema", "folder"),
    [("vendor.github-workflows", "workflows"), ("vendor.github-issue-forms", "ISSUE_TEMPLATE")],
)
def test_forms_follow_their_schemas(schema: str, folder: str) -> None:
    files = [str(path) for path in sorted((ROOT / ".github" / folder).glob("*.yml"))]
    assert files
    check(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files)


def test_a_linter_of_workflows_finds_nothing() -> None:
    """Unpinned actions, too many rights, text of strangers that a shell would execute."""
    check(str(SCRIPTS / "zizmor"), "--offline", "--quiet", str(FOLDER))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda path: path.stem)
def test_rights(path: Path) -> None:
    """Only the job that publishes may write, and it checks out and executes nothing of ours."""
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        steps = job["steps"]
        ours = any("checkout" in step.get("uses", "") for step in steps)
        rights = {"contents": "read"} if ours else {"contents": "write", "pages": "write"}
        assert job["permissions"] == rights, name
        assert ours or (path.stem, name) == ("pages", "publish")
        for step in steps:
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
    assert "secrets." not in path.read_text("utf-8")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda path: path.stem)
def test_steps_call_what_is_there(path: Path) -> None:
    """Each make target and script that a step calls exists."""
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8")))
    for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values():
        text = "\n".join(step.get("run", "") for step in job["steps"])
        for line in re.findall(r"(?m)^(?:make|\./build\.sh) +([a-z -]+)", text):
            assert set(line.split()) <= targets, line
        for script in re.findall(r"(?m)^bash (\S+)", text):
            assert (ROOT / script).is_file()
