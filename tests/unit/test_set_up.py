"""Setting up: a lock's versions and no others, what was chosen is said, and whatever interrupts it, it begins again."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

from deploy import lock, set_up

ROOT = Path(__file__).parents[2]
VERSION = "2.14.1"


def wheel(folder: Path, name: str, version: str) -> str:
    """Make a wheel that holds nothing; returns its hash."""
    about = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {each: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for each, text in files.items()}
    record = "".join(f"{each},sha256={digest.decode().rstrip('=')},\n" for each, digest in digests.items())
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        for each, text in {**files, f"{about}/RECORD": record + f"{about}/RECORD,,\n"}.items():
            made.writestr(each, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of set_up.py with locks of its own, all of whose packages lie in one folder."""
    (tmp_path / "deploy/locked").mkdir(parents=True)
    (tmp_path / "wheels").mkdir()
    shutil.copy(ROOT / "deploy/set_up.py", tmp_path / "deploy")
    entries = []
    for name in ("torch", "torchvision", "other", "elsewhere"):
        digest = wheel(tmp_path / "wheels", name, VERSION)
        marker = " ; sys_platform == 'plan9'" if name == "elsewhere" else ""
        entries.append(f"{name}=={VERSION}{marker} \\\n    --hash=sha256:{digest}\n")
    entries.append("nvidia-cublas==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    (tmp_path / "deploy/locked/dev.txt").write_text("# made by a test\n" + "".join(entries[:-1]))
    (tmp_path / "deploy/locked/app.txt").write_text("".join(entries[:2]))
    (tmp_path / "deploy/locked/server.txt").write_text("".join(entries))
    for name in [each for each in os.environ if each.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("TORCH_BUILD", "default")
    return tmp_path


def start(place: Path, name: str = "dev") -> "subprocess.Popen[str]":
    command = [sys.executable, str(place / "deploy/set_up.py"), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8")


def run(place: Path, name: str = "dev") -> tuple[int, str]:
    process = start(place, name)
    told, _ = process.communicate(timeout=300)
    return process.returncode, told


def installed(place: Path) -> set[str]:
    return {path.name.removesuffix(".dist-info") for path in set_up.site_packages(place).glob("*.dist-info")} - {
        path.name.removesuffix(".dist-info") for path in set_up.site_packages(place).glob("*.dist-info") if "pip" in path.name
    }


WANTED = {f"{name}-{VERSION}" for name in ("torch", "torchvision", "other")}


def test_what_is_locked_is_set_up_once(place: Path) -> None:
    status, told = run(place)
    assert status == 0, told
    assert "TORCH_BUILD asks for torch's default build" in told
    assert installed(place) >= WANTED
    assert f"elsewhere-{VERSION}" not in installed(place)
    assert (place / ".venv/.app-ready").exists(), "the app's packages are among them"
    assert not (place / ".venv/.server-ready").exists()
    assert run(place) == (0, "")
    assert run(place, "app") == (0, "")


@pytest.mark.slow
def test_another_file_than_the_locked_one_is_refused_and_the_right_one_goes_on(place: Path) -> None:
    path = place / f"wheels/other-{VERSION}-py3-none-any.whl"
    whole = path.read_bytes()
    with zipfile.ZipFile(path, "a") as made:
        made.writestr("other_more.py", "")
    status, told = run(place)
    assert status != 0
    assert "HASH" in told.upper()
    assert told.endswith("The same command, run again, goes on.\n")
    assert not (place / ".venv/.dev-ready").exists()
    path.write_bytes(whole)
    assert run(place)[0] == 0
    assert installed(place) >= WANTED


@pytest.mark.slow
def test_killed_it_begins_again(place: Path) -> None:
    process = start(place)
    assert process.stdout
    for line in process.stdout:
        if "Setting up" in line or "Unpacking" in line:
            break
    process.kill()
    process.communicate()
    # As it is when pip ends in the midst of a package.
    half = set_up.site_packages(place) / f"other-{VERSION}.dist-info"
    half.mkdir(exist_ok=True)
    (half / "METADATA").write_text(f"Metadata-Version: 2.1\nName: other\nVersion: {VERSION}\n")
    (half / "INSTALLER").unlink(missing_ok=True)
    status, told = run(place)
    assert status == 0, told
    assert installed(place) >= WANTED
    assert (half / "INSTALLER").exists()


@pytest.mark.slow
def test_an_environment_without_pip_is_made_anew(place: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / ".venv")], check=True)
    assert run(place)[0] == 0
    assert installed(place) >= WANTED


@pytest.mark.slow
def test_two_at_once_wait_for_each_other(place: Path) -> None:
    both = [start(place), start(place)]
    told = [each.communicate(timeout=300)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0], told
    assert sum("Another set-up is at work here" in text for text in told) == 1
    assert sum("Everything is set up" in text for text in told) == 1
    assert installed(place) >= WANTED


@pytest.mark.slow
def test_the_cpu_build_comes_from_its_own_index_and_brings_no_cuda(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "torchvision"):
        folder = place / "index" / name
        folder.mkdir(parents=True)
        wheel(folder, name, f"{VERSION}+cpu")
        (folder / "index.html").write_text("".join(f'<a href="{each.name}">{each.name}</a>' for each in folder.glob("*.whl")))
        (place / f"wheels/{name}-{VERSION}-py3-none-any.whl").unlink()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("TORCH_BUILD", (place / "index").as_uri())
    status, told = run(place, "server")
    assert status == 0, told
    assert {f"torch-{VERSION}+cpu", f"torchvision-{VERSION}+cpu", f"other-{VERSION}"} <= installed(place)
    assert not any(each.startswith("nvidia") for each in installed(place))
    # Later it stays, whatever the machine has then.
    monkeypatch.delenv("TORCH_BUILD")
    (place / "deploy/locked/server.txt").write_text((place / "deploy/locked/server.txt").read_text() + "# changed\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    status, told = run(place, "server")
    assert status == 0, told
    assert f"torch {VERSION}+cpu stays." in told


@pytest.mark.parametrize(
    ("system", "has_gpu", "answers", "asked", "index", "told"),
    [
        ("Linux", False, True, "", set_up.CPU_BUILDS, "no GPU: torch's CPU build"),
        ("Linux", False, False, "", "", "does not answer: torch's default build (about 3 GB"),
        ("Linux", True, True, "", "", "has a GPU: torch's default build"),
        ("Linux", True, True, "cpu", set_up.CPU_BUILDS, "asks for torch's CPU build"),
        ("Linux", False, True, "default", "", "asks for torch's default build"),
        ("Darwin", False, True, "", "", "torch's build for this system"),
        ("Windows", False, True, "", "", "torch's build for this system"),
        ("Linux", False, False, "https://mirror.example/torch", "https://mirror.example/torch", "from https://mirror.example"),
    ],
)
def test_the_build_of_torch_is_chosen_and_said(
    system: str, has_gpu: bool, answers: bool, asked: str, index: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_BUILD", asked)
    monkeypatch.setattr(set_up.platform, "system", lambda: system)
    monkeypatch.setattr(set_up.shutil, "which", lambda _: "/usr/bin/nvidia-smi" if has_gpu else None)
    monkeypatch.setattr(set_up.Path, "exists", lambda _: False)
    monkeypatch.setattr(set_up, "answers", lambda _: answers)
    chosen = set_up.torch_build("")
    assert chosen[0] == index
    assert told in chosen[1]


@pytest.mark.parametrize(
    ("system", "machine", "version", "told"),
    [
        ("Linux", "x86_64", (3, 11), ""),
        ("Linux", "aarch64", (3, 14), ""),
        ("Darwin", "arm64", (3, 13), ""),
        ("Windows", "AMD64", (3, 12), ""),
        ("Darwin", "x86_64", (3, 12), "Intel"),
        ("Windows", "ARM64", (3, 12), "Windows on ARM64"),
        ("Linux", "armv7l", (3, 12), "armv7l"),
        ("Linux", "x86_64", (3, 10), "Python 3.11 to 3.14, not for 3.10"),
        ("Linux", "x86_64", (3, 15), "not for 3.15. Choose another: make PYTHON=python3.14"),
        ("Windows", "AMD64", (3, 15), "Choose another: py -3.14 deploy\\set_up.py app"),
    ],
)
def test_a_machine_without_wheels_is_told(system: str, machine: str, version: tuple[int, int], told: str) -> None:
    reason = set_up.why_not_here(system, machine, version)
    assert told in reason if told else reason == ""


def test_an_index_that_does_not_answer_is_not_waited_for() -> None:
    started = time.monotonic()
    assert not set_up.answers("http://127.0.0.1:9")
    assert time.monotonic() - started < 60


# What follows from pyproject.toml


def test_requirements_and_locks_follow_from_pyproject() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert (ROOT / "requirements.txt").read_text(encoding="utf-8") == lock.requirements(pyproject), "make lock"
    extras = tomllib.loads(pyproject)["project"]["optional-dependencies"]
    wanted = tomllib.loads(pyproject)["project"]["dependencies"]
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    for name, chosen in set_up.SETS.items():
        entries = set_up.requirements(set_up.lock_of(name, ROOT).read_text(encoding="utf-8"))
        asked = map(Requirement, [*wanted, *(line for extra in chosen for line in extras[extra])])
        for each in asked:
            if each.name != "see-the-anomaly":
                version = set_up.locked_version(entries, canonicalize_name(each.name))
                assert each.specifier.contains(version), f"{each} is locked at {version}: make lock"


def test_locks_agree_and_hold_hashes_and_no_address() -> None:
    locks = {name: set_up.lock_of(name, ROOT).read_text(encoding="utf-8") for name in set_up.SETS}
    entries = {name: set_up.requirements(text) for name, text in locks.items()}
    assert entries["app"].items() <= entries["server"].items() <= entries["dev"].items()
    for name, text in locks.items():
        assert "://" not in text, name
        assert all("--hash=sha256:" in entry for entry in entries[name].values())
