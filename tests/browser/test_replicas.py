"""Several replicas behind nginx: who comes stays with one, and finds another when that one is gone."""

import os
import shutil
import signal
import time
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Page, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from core.presets import Shipped
from deploy.configure import replicas_conf, write
from tests.browser.conftest import SOME_SECONDS, clear, draw, eventually, final_score, run_journey, settled
from tests.load.replicas import FIGURES, Replicas, Seen, attend, running_replicas
from tests.load.visitor import Visitor
from tests.strokes import WAYS, on_canvas

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin"),
        reason="There is no nginx: apt-get install nginx-light",
    ),
]


def test_configuration_is_made_once_and_certificates_stay(tmp_path: Path) -> None:
    write(tmp_path, "8501", ["10.0.0.1:80", "10.0.0.2:80"], tmp_path)
    listen = tmp_path / "see-the-anomaly/listen.conf"
    assert listen.read_text() == "listen 8501;\n"
    listen.write_text("listen 443 ssl;\n")
    write(tmp_path, "8501", ["10.0.0.1:80"], tmp_path)
    assert listen.read_text() == "listen 443 ssl;\n"
    assert (tmp_path / "see-the-anomaly/replicas.conf").read_text() == replicas_conf(["10.0.0.1:80"], tmp_path)


@pytest.fixture(scope="module")
def replicas(data_directory: Path) -> Iterator[Replicas]:
    with running_replicas(data_directory, 3) as running:
        yield running


def ask(replicas: Replicas, path: str, **headers: str) -> tuple[int, Message]:
    """Status and headers of what nginx answers."""
    request = urllib.request.Request(f"{replicas.url}/{path}", headers=headers)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=20) as answer:
            return answer.status, answer.headers
    except HTTPError as refused:
        return refused.code, refused.headers


def named(headers: Message) -> list[str]:
    return [line for line in headers.get_all("Set-Cookie", []) if line.startswith("replica=")]


def test_newcomers_are_spread_and_told_once_where_they_are(replicas: Replicas) -> None:
    lines = [named(ask(replicas, "draw")[1]) for _ in range(3)]
    assert sorted(lines) == [[f"replica={number}; Path=/; HttpOnly; SameSite=Lax"] for number in (1, 2, 3)]
    for number in (1, 2, 3):
        assert named(ask(replicas, "draw", Cookie=f"replica={number}")[1]) == []


def test_behind_a_proxy_that_ends_tls_cookies_reach_a_frame_of_another_site(replicas: Replicas) -> None:
    given = ask(replicas, "draw", **{"X-Forwarded-Proto": "https"})[1].get_all("Set-Cookie", [])
    assert len(given) == 2
    assert any(line.startswith("visitor-") and "; Secure" in line for line in given), "the replica knows it too"
    (line,) = [line for line in given if line.startswith("replica=")]
    assert line.partition("; ")[2] == "Path=/; HttpOnly; SameSite=None; Partitioned; Secure"


@pytest.mark.parametrize(
    "cookie",
    ["4", "0", "-1", "anyone", "replica-1", "127.0.0.1:9", "x.example:80", "1%0d%0aX: y", "1\t", '"1"', "../1", "1" * 3000],
)
def test_a_cookie_that_names_no_replica_is_like_none(replicas: Replicas, cookie: str) -> None:
    status, headers = ask(replicas, "draw", Cookie=f"replica={cookie}")
    assert status == 200
    [line] = named(headers)
    assert line in {f"replica={number}; Path=/; HttpOnly; SameSite=Lax" for number in (1, 2, 3)}


def test_figures_are_not_for_the_world(replicas: Replicas) -> None:
    assert ask(replicas, FIGURES)[0] == 404
    assert replicas.ask(1, FIGURES), "they are there without nginx"


async def looks_for_status(url: str) -> None:
    visitor = await Visitor(url).arrive("draw")
    assert "draw" in visitor.pages
    assert "status" not in visitor.pages
    await visitor.close()


def test_status_stays_closed_although_nginx_is_on_the_same_machine(replicas: Replicas) -> None:
    run_journey(looks_for_status(replicas.url))
    with pytest.raises(AssertionError):
        run_journey(looks_for_status(replicas.address(1)))


def test_an_upload_comes_through_and_one_that_is_too_large_does_not(replicas: Replicas, page: Page) -> None:
    page.goto(f"{replicas.url}/browse")
    settled(page)
    page.get_by_role("button", name="Detector:").click()
    page.locator("input[type=file]").first.set_input_files(Shipped("course", "mnist", 3).path)
    expect(page.get_by_role("button", name="uploaded")).to_be_visible()
    large = urllib.request.Request(f"{replicas.url}/_stcore/upload_file/a/b", data=b"0" * 7_000_000, method="PUT")
    with pytest.raises(HTTPError) as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(large, timeout=20)
    assert refused.value.code == 413


def test_sessions_stay_put_whatever_happens_to_other_replicas(replicas: Replicas) -> None:
    count = 6
    seen: Seen = run_journey(attend(replicas, count, SOME_SECONDS))
    assert seen.placed == {1: 2, 2: 2, 3: 2}
    assert seen.after_bad_wifi == count
    assert len(seen.killed) == 2
    assert seen.undisturbed == count - 2
    assert seen.stayed_moved == 2


def replica_of(page: Page) -> int:
    [cookie] = [cookie for cookie in page.context.cookies() if cookie.get("name") == "replica"]
    return int(cookie.get("value", ""))


def lose_replica(replicas: Replicas, page: Page) -> None:
    """Kill the replica of a page, and wait until another one has run its page; before that its buttons do nothing."""
    home, ran = replica_of(page), []

    def note(message: str | bytes) -> None:
        ran.append(isinstance(message, bytes) and ForwardMsg.FromString(message).WhichOneof("type") == "script_finished")

    page.on("websocket", lambda socket: socket.on("framereceived", note))
    os.kill(replicas.pid(home), signal.SIGKILL)
    eventually(page, lambda: replica_of(page) != home and any(ran))
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-connection-state", "CONNECTED")
    settled(page)


def test_a_page_at_rest_whose_replica_is_killed_answers_what_is_drawn_then(replicas: Replicas, page: Page) -> None:
    page.goto(f"{replicas.url}/draw")
    settled(page)
    page.wait_for_load_state("networkidle")
    lose_replica(replicas, page)
    draw(page, on_canvas(WAYS[7][0]))
    expect(page.locator(".st-key-verdict")).to_contain_text("Anomaly")
    clear(page)
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")


def test_a_page_whose_replica_is_killed_is_there_again_by_itself(replicas: Replicas, page: Page) -> None:
    page.goto(f"{replicas.url}/draw?lang=es")
    settled(page)
    verdict = page.locator(".st-key-verdict")
    draw(page, on_canvas(WAYS[7][0]))
    expect(verdict).to_contain_text("Anomalía")
    clear(page, "Borrar")
    expect(verdict).not_to_contain_text("Anomalía")
    draw(page, on_canvas(WAYS[7][1]))
    expect(verdict).to_contain_text("Anomalía")
    judged = final_score(page)
    began = time.monotonic()
    lose_replica(replicas, page)
    # The drawing is still there, in the same language; the next one is judged as if nothing had happened.
    expect(verdict).to_contain_text("Anomalía")
    assert final_score(page) == judged
    clear(page, "Borrar")
    expect(verdict).not_to_contain_text("Anomalía")
    draw(page, on_canvas(WAYS[5][0]))
    expect(verdict).to_contain_text("Normal")
    print(f"The next drawing is judged {time.monotonic() - began:.1f} s after its replica was killed.")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert page.url.endswith("/draw?lang=es")
