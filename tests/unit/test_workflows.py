"""What hosts, workflows and forms say is there: the commands, the paths, the version."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import core
from deploy.set_up import SETS

ROOT = Path(__file__).parents[2]
yaml = pytest.importorskip("yaml")
FILES = [*ROOT.glob(".github/**/*.yml"), ROOT / ".pre-commit-config.yaml", ROOT / "CITATION.cff", ROOT / "deploy/compose.yaml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_file_can_be_read(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def commands() -> list[str]:
    workflows = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in ROOT.glob(".github/workflows/*.yml")]
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    dockerfiles = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("deploy/**/Dockerfile"))
    steps = [step["run"] for each in workflows for job in each["jobs"].values() for step in job["steps"] if "run" in step]
    return [*steps, container["postCreateCommand"], *re.findall(r"^RUN (.+)", dockerfiles, re.M)]


def test_every_command_names_what_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    checked = 0
    for command in commands():
        for target in re.findall(r"\bmake ([a-z-]+)", command):
            assert re.search(rf"^{target}:", makefile, re.M), f"make {target}"
            checked += 1
        for script, name in re.findall(r"python (deploy/\S+\.py) ?(\w*)", command):
            assert (ROOT / script).exists(), script
            assert not name or name in SETS, name
            checked += 1
        for folder in re.findall(r"\btests/\w+", command):
            assert (ROOT / folder).is_dir(), folder
            checked += 1
        for path in re.findall(r"--file (\S+)", command):
            assert (ROOT / path).exists(), path
            checked += 1
    assert checked >= 6


def test_what_images_copy_is_there() -> None:
    for path in ROOT.glob("deploy/**/Dockerfile"):
        for line in re.findall(r"^COPY (?!--from)(.+)", path.read_text(encoding="utf-8"), re.M):
            *sources, _ = [part for part in line.split() if not part.startswith("--")]
            for source in sources:
                assert source == "." or (ROOT / source).exists(), f"{path}: {source}"


def test_the_version_stands_once_and_where_it_is_cited() -> None:
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]) == core.__version__


@pytest.mark.skipif(not shutil.which("make"), reason="There is no make.")
def test_a_dry_run_of_make_knows_every_target_of_its_own_list() -> None:
    listed = re.findall(r"^# make ([a-z-]+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert {"run", "test", "lock"} <= {*listed}
    for target in listed:
        done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
