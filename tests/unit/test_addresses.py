"""Where others find the server: in the browser's address, in PUBLIC_URL, or in this machine's own network."""

import socket
import subprocess
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import streamlit as st

from core.server import addresses
from core.server.addresses import Obstacle, Reach, is_own_name, of_this_machine, reach
from deploy import replica

Machine = Callable[..., None]
WLAN, VPN, DOCKER = ("wlan0", "192.168.1.7"), ("tun0", "10.8.0.2"), ("docker0", "172.17.0.1")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Sets which interfaces a machine has and from which address it would ask the Internet."""
    monkeypatch.delenv("PUBLIC_URL", raising=False)
    monkeypatch.delenv("PROXY_ADDRESS", raising=False)

    def has(*interfaces: tuple[str, str], route: str = "", ipv6: str = "") -> None:
        monkeypatch.setattr(addresses, "_interfaces", lambda: iter([("lo", "127.0.0.1"), *interfaces]))
        monkeypatch.setattr(
            addresses,
            "_source",
            lambda target, family: ipv6 if family == socket.AF_INET6 else route if target[0] == "1" else "",
        )

    has(WLAN, route=WLAN[1])
    return has


@pytest.mark.parametrize(
    ("interfaces", "route", "found"),
    [
        ([WLAN], WLAN[1], [WLAN[1]]),
        ([WLAN, DOCKER], WLAN[1], [WLAN[1]]),
        ([VPN, WLAN], VPN[1], [WLAN[1], VPN[1]]),
        ([("eth0", "10.0.0.5"), WLAN], WLAN[1], [WLAN[1], "10.0.0.5"]),
        ([("eth0", "169.254.3.4"), WLAN], "169.254.3.4", [WLAN[1], "169.254.3.4"]),
        ([WLAN], "", [WLAN[1]]),
        ([], WLAN[1], [WLAN[1]]),
        ([], "", []),
    ],
    ids=["one", "containers", "tunnel", "two", "link-local", "no-internet", "not-linux", "none"],
)
def test_the_likeliest_address_of_a_machine_comes_first(
    machine: Machine, interfaces: list[tuple[str, str]], route: str, found: list[str]
) -> None:
    machine(*interfaces, route=route)
    assert of_this_machine() == tuple(found)


def test_ipv6_only_where_there_is_no_ipv4(machine: Machine) -> None:
    machine(ipv6="2001:db8:1::7")
    assert reach("http://localhost:8501/", "::").addresses == ("http://[2001:db8:1::7]:8501",)
    machine(WLAN, ipv6="2001:db8:1::7")
    assert reach("http://localhost:8501/", "::").addresses == ("http://192.168.1.7:8501",)


@pytest.mark.parametrize("seen", ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", "teachers-laptop", "app.localhost"])
@pytest.mark.parametrize("listens_on", ["0.0.0.0", "", "::"])
def test_a_name_that_only_this_machine_knows_becomes_its_address(machine: Machine, seen: str, listens_on: str) -> None:
    assert reach(f"http://{seen}:8501/class?lang=es", listens_on) == Reach(("http://192.168.1.7:8501",), None, True)


@pytest.mark.parametrize(
    "seen", ["http://192.168.1.7:8501", "http://teacher.local:8501", "https://anomaly.example.org", "http://[fd00::2]:8501"]
)
def test_an_address_that_brought_somebody_here_brings_others(machine: Machine, seen: str) -> None:
    assert reach(f"{seen}/draw?lang=es", "localhost") == Reach((seen,))


def test_a_server_that_listens_on_its_own_machine_says_so(machine: Machine) -> None:
    for own in ("localhost", "127.0.0.1", "::1"):
        assert reach("http://localhost:8501/", own) == Reach(obstacle=Obstacle.LISTENS_HERE_ONLY)
    assert reach("http://localhost:8501/", "192.168.1.7").addresses == ("http://192.168.1.7:8501",)
    machine()
    assert reach("http://localhost:8501/", "0.0.0.0") == Reach(obstacle=Obstacle.NO_NETWORK)


def test_behind_a_proxy_its_address_counts(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reach("http://localhost/", "127.0.0.1", True) == Reach(obstacle=Obstacle.UNKNOWN_PROXY)
    monkeypatch.setenv("PROXY_ADDRESS", "0.0.0.0:80")
    assert reach("http://localhost/", "127.0.0.1", True).addresses == ("http://192.168.1.7",)
    monkeypatch.setenv("PROXY_ADDRESS", "127.0.0.1:80")
    assert reach("http://localhost/", "127.0.0.1", True) == Reach(obstacle=Obstacle.LISTENS_HERE_ONLY)


def test_public_url_comes_before_all(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://anomaly.example.org:8443/")
    for seen in ("http://localhost:8501/class", "http://192.168.1.7:8501/class", ""):
        assert reach(seen, "localhost", True) == Reach(("https://anomaly.example.org:8443",))


def test_what_is_told_at_the_terminal_has_the_path_below_which_the_app_is_served(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"server.address": "0.0.0.0", "server.port": 8501, "server.baseUrlPath": "/lessons/anomaly/"}
    opened = list[str]()
    monkeypatch.setattr(st, "get_option", options.get)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    replica.tell_address()
    told = capsys.readouterr().out
    assert opened == ["http://localhost:8501/lessons/anomaly"]
    assert "is at http://localhost:8501/lessons/anomaly " in told
    assert f"From other machines: http://{WLAN[1]}:8501/lessons/anomaly\n" in told


def test_names_of_other_machines_are_not_our_own() -> None:
    assert not any(map(is_own_name, ("192.168.1.7", "fd00::2", "anomaly.example.org", "teacher.local", "127.0.0.1.example")))


@contextmanager
def listening() -> Iterator[tuple[str, int]]:
    with socket.create_server(("0.0.0.0", 0)) as server:
        yield server.getsockname()


def test_somebody_who_listens_everywhere_answers_at_each_address_that_is_found() -> None:
    with listening() as (_, port):
        for address in of_this_machine():
            socket.create_connection((address, port), timeout=5).close()


@pytest.mark.skipif(sys.platform != "linux", reason="Interfaces are asked of Linux only.")
def test_interfaces_are_read_from_the_system() -> None:
    assert ("lo", "127.0.0.1") in list(addresses._interfaces())


def test_a_server_is_not_started_with_an_address_that_is_none(tmp_path: Path) -> None:
    started = subprocess.run(
        [sys.executable, "-m", "deploy.replica", "--port", "0"],
        cwd=Path(__file__).parents[2],
        env={"PUBLIC_URL": "anomaly.example.org", "DATA_DIR": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert started.returncode == 1
    assert "PUBLIC_URL in the environment is the address of the app" in started.stderr
    assert "Traceback" not in started.stderr
