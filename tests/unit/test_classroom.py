"""The class's store on SQLite: one class, its limits, several processes, a process that is killed, and hostile texts."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest
import sqlalchemy as sa

from core.errors import SettingError
from core.server import class_tables as tables
from core.server import classroom
from core.server.class_records import (
    ANIMALS,
    COLOURS,
    LETTERS,
    MAX_NAME,
    ClassError,
    ClassUnavailableError,
    NotTheTeacherError,
    TooManyError,
    tidy,
)
from core.server.classroom import DAY, MAX_A_MINUTE, MAX_JOIN_A_MINUTE, MAX_STUDENTS, Classroom
from core.server.tasks import Judgement
from deploy import replica
from pages.shared.state import classroom as state_of_class
from tests.conftest import PATIENCE

ROOT = Path(__file__).parents[2]
IMAGE = bytes(range(256)) * 3 + bytes(16)
JUDGED = Judgement(0.05, 0.1, 0.4, False, 5, 0.5)


class Clock:
    """Seconds since 1970, as a test sets them."""

    seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def url(class_database: str) -> str:
    return class_database


of_files = pytest.mark.parametrize("class_database", ["sqlite"], indirect=True)
"""For tests that look at SQLite's files."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def room(url: str, clock: Clock) -> Classroom:
    return Classroom(url, clock=clock)


@of_files
def test_without_a_class_nothing_is_made_or_opened(room: Classroom, tmp_path: Path) -> None:
    assert room.now() is None
    assert room.student_of("me") is None
    with pytest.raises(ClassError, match="no class"):
        room.join("me")
    assert (list(tmp_path.iterdir()), room._engine) == ([], None)


def test_what_is_sent_is_there_for_every_process(room: Classroom, url: str) -> None:
    other = Classroom(url, clock=room._clock)
    code = room.begin("4b", 7)
    fox = other.join("secret")
    assert room.join("secret") == fox
    assert (room.student_of("secret"), room.student_of("another")) == (fox, None)
    sent = other.send(fox.number, IMAGE, JUDGED, generation=3, prediction=True)
    now = room.now(at_once=True)
    assert now
    assert (now.about.name, now.about.digit, now.about.task) == ("4b", 7, "draw")
    assert now.drawings[sent.number] == sent
    assert (sent.image, sent.judgement, sent.prediction, sent.generation) == (IMAGE, JUDGED, True, 3)
    room.choose(code, "edge")
    later = other.now(at_once=True)
    assert later
    assert (later.about.task, later.about.round, later.in_round(), len(later.shown())) == ("edge", 2, [], 1)
    assert later.change > now.change


def test_a_class_behind_one_address_joins_at_once_and_whoever_joins_without_end_waits(room: Classroom, clock: Clock) -> None:
    room.begin("4b")
    for number in range(MAX_JOIN_A_MINUTE):
        room.join(f"student {number}", "203.0.113.7")
    with pytest.raises(TooManyError, match="Wait 60 s"):
        room.join("one more", "203.0.113.7")
    room.leave("student 0")
    with pytest.raises(TooManyError):
        room.join("student 0", "203.0.113.7")
    assert room.join("student 1", "203.0.113.7"), "has joined already"
    assert room.join("from elsewhere", "198.51.100.1")
    clock.seconds += 60
    assert room.join("one more", "203.0.113.7")


def test_who_joins_waits_for_nobody_who_reads(room: Classroom) -> None:
    """Whoever reads may wait for the database, which whoever joins holds."""
    with room._lock:
        counted = threading.Thread(target=room._joins.take, args=("203.0.113.7",), daemon=True)
        counted.start()
        counted.join(5)
        assert not counted.is_alive()


def test_only_what_is_new_is_read(room: Classroom) -> None:
    room.begin("4b")
    fox = room.join("a")
    room.send(fox.number, IMAGE, JUDGED, 1)
    before = room.now(at_once=True)
    assert before
    assert room.now(at_once=True) is before, "nothing has changed"
    room.send(fox.number, IMAGE, JUDGED, 2)
    after = room.now(at_once=True)
    assert after
    assert after.drawings[1] is before.drawings[1]
    assert [*after.drawings] == [1, 2]


def test_whoever_only_compares_has_the_database_looked_at_by_somebody_else(
    room: Classroom, url: str, wait_until: Callable[[Callable[[], object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert room.seen is None
    room.begin("4b")
    other = Classroom(url, clock=room._clock)
    other.now(at_once=True)
    room.join("a")
    monkeypatch.setattr(classroom, "LOOK_SECONDS", 3600.0)
    other.look()
    assert other.seen
    assert not other.seen.students, "it is not time yet, and what was seen stands"
    monkeypatch.setattr(classroom, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(classroom, "READ_SECONDS", 0.0)
    other.look()
    wait_until(lambda: other.seen and other.seen.students)
    assert not other.has_problem


@of_files
def test_a_look_that_finds_no_database_is_kept_as_a_problem(
    room: Classroom, wait_until: Callable[[Callable[[], object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    room.begin("4b")
    room.now(at_once=True)
    monkeypatch.setattr(classroom, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(classroom, "READ_SECONDS", 0.0)
    monkeypatch.setattr(room, "_read", Mock(side_effect=ClassUnavailableError("It does not answer.")))
    room.look()
    wait_until(lambda: room.has_problem)
    assert room.seen, "what was seen last is still known"


def test_the_same_canvas_replaces_and_another_round_does_not(room: Classroom) -> None:
    code, worse = room.begin("4b"), Judgement(0.2, 0.1, 0.01, True, 3, 0.2)
    fox, owl = room.join("a"), room.join("b")
    first = room.send(fox.number, IMAGE, worse, 1)
    assert room.send(fox.number, IMAGE, JUDGED, 1).number == first.number
    assert room.send(owl.number, IMAGE, JUDGED, 1).number != first.number
    room.choose(code, "fool")
    assert room.send(fox.number, IMAGE, JUDGED, 1).number not in (first.number, first.number + 1)
    now = room.now(at_once=True)
    assert now
    assert [each.judgement for each in now.drawings.values()] == [JUDGED] * 3


def test_a_prediction_cannot_be_taken_back(room: Classroom) -> None:
    code = room.begin("4b")
    fox = room.join("a")
    room.choose(code, "blind")
    room.send(fox.number, IMAGE, JUDGED, 1, prediction=True)
    with pytest.raises(ClassError, match="on the wall already"):
        room.send(fox.number, IMAGE, JUDGED, 1, prediction=False)


def test_what_the_teacher_has_hidden_does_not_come_back_by_itself(room: Classroom) -> None:
    code = room.begin("4b")
    fox = room.join("a")
    drawing = room.send(fox.number, IMAGE, JUDGED, 1)
    room.hide(code, drawing.number)
    now = room.now(at_once=True)
    assert now
    assert (now.shown(), now.places) == ([], {})
    with pytest.raises(ClassError, match="hidden"):
        room.send(fox.number, IMAGE, JUDGED, 1)
    room.hide(code, drawing.number, False)
    now = room.now(at_once=True)
    assert now
    assert len(now.shown()) == 1


def test_the_teachers_buttons_need_the_code(room: Classroom) -> None:
    code = room.begin("4b")
    fox = room.join("a")
    drawing = room.send(fox.number, IMAGE, JUDGED, 1)
    before = room.now(at_once=True)
    for forged in ("", "x", code[:-1], f"{code[:-1]}{'A' if code[-1] != 'A' else 'B'}"):
        assert not room.is_teacher(forged)
        for do in (
            lambda forged=forged: room.choose(forged, "fool"),
            lambda forged=forged: room.hide(forged, drawing.number),
            lambda forged=forged: room.open(forged, False),
            lambda forged=forged: room.show_wall_to(forged, "teacher"),
            lambda forged=forged: room.clear(forged),
            lambda forged=forged: room.end(forged),
        ):
            with pytest.raises(NotTheTeacherError, match="Only the teacher"):
                do()
    assert room.now(at_once=True) is before
    assert room.is_teacher(f" {code.lower()[:4]} {code.lower()[4:]} "), "as one types it"


def test_a_closed_wall_takes_in_nothing(room: Classroom) -> None:
    code = room.begin("4b")
    fox = room.join("a")
    room.open(code, False)
    with pytest.raises(ClassError, match="closed the wall"):
        room.send(fox.number, IMAGE, JUDGED, 1)
    room.open(code, True)
    with pytest.raises(ClassError, match="not joined"):
        room.send(999, IMAGE, JUDGED, 1)


def test_who_sends_without_end_gets_a_sentence_and_nobody_else_notices(room: Classroom, clock: Clock) -> None:
    room.begin("4b")
    hog, fox = room.join("a"), room.join("b")
    for generation in range(MAX_A_MINUTE):
        room.send(hog.number, IMAGE, JUDGED, generation)
    for generation in range(1000):
        with pytest.raises(TooManyError, match="within a minute"):
            room.send(hog.number, IMAGE, JUDGED, generation)
    room.send(fox.number, IMAGE, JUDGED, 1)
    clock.seconds += 61
    room.send(hog.number, IMAGE, JUDGED, 2000)


def test_bounds_of_students_drawings_and_detectors(room: Classroom, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    room.begin("4b")
    monkeypatch.setattr(classroom, "MAX_STUDENTS", 2)
    monkeypatch.setattr(classroom, "MAX_OF_A_STUDENT", 2)
    monkeypatch.setattr(classroom, "MAX_DRAWINGS", 3)
    fox, owl = room.join("a"), room.join("b")
    with pytest.raises(TooManyError, match="class is full"):
        room.join("c")
    for generation in (1, 2):
        room.send(fox.number, IMAGE, JUDGED, generation)
    with pytest.raises(TooManyError, match="no more of one person"):
        room.send(fox.number, IMAGE, JUDGED, 3)
    room.send(fox.number, IMAGE, JUDGED, 2)  # replaced, not added
    room.send(owl.number, IMAGE, JUDGED, 1)
    with pytest.raises(TooManyError, match="wall is full"):
        room.send(owl.number, IMAGE, JUDGED, 2)
    for _again in range(classroom.MAX_DETECTORS_OF_A_STUDENT):
        room.share(fox.number, 5, b"file")
    with pytest.raises(TooManyError, match="may give no more"):
        room.share(fox.number, 5, b"file")
    monkeypatch.setattr(classroom, "MAX_DETECTOR_BYTES", 10)
    with pytest.raises(TooManyError, match="MB"):
        room.share(owl.number, 5, bytes(11))


def test_names_are_enough_for_everybody(room: Classroom) -> None:
    assert COLOURS * ANIMALS >= MAX_STUDENTS
    room.begin("4b")
    names = {(each.colour, each.animal) for each in (room.join(str(number)) for number in range(40))}
    assert len(names) == 40


def test_who_leaves_is_nobody_and_the_next_one_is_somebody_else(room: Classroom) -> None:
    room.begin("4b")
    fox = room.join("this machine")
    room.leave("this machine")
    assert room.student_of("this machine") is None
    assert room.join("this machine") != fox


def test_shared_detectors_are_found_by_their_code(room: Classroom) -> None:
    room.begin("4b")
    fox = room.join("a")
    code = room.share(fox.number, 3, b"\x00\xffcheckpoint")
    assert set(code) <= set(LETTERS)
    shared, file = room.checkpoint(f" {code.lower()} ")
    assert (shared.student, shared.digit, file) == (fox.number, 3, b"\x00\xffcheckpoint")
    now = room.now(at_once=True)
    assert now
    assert [*now.detectors] == [code]
    with pytest.raises(ClassError, match="No detector of the class"):
        room.checkpoint("' OR 1=1 --")


def test_what_was_cleared_stays_away_where_the_connection_breaks_meanwhile(
    room: Classroom, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = room.begin("4b")
    fox = room.join("a")
    room.send(fox.number, IMAGE, JUDGED, 1)
    other = Classroom(url, clock=room._clock)
    assert other.now(at_once=True)
    room.clear(code)
    with monkeypatch.context() as patch:
        patch.setattr(tables, "class_of", Mock(side_effect=sa.exc.OperationalError("", {}, Exception())))
        with pytest.raises(ClassUnavailableError):
            other.now(at_once=True)
    now = other.now(at_once=True)
    assert now
    assert now.drawings == {}


def test_no_drawing_has_the_number_of_one_that_was_cleared(room: Classroom) -> None:
    code = room.begin("4b")
    fox = room.join("a")
    first = room.send(fox.number, IMAGE, JUDGED, 1)
    room.clear(code)
    assert room.send(fox.number, IMAGE, JUDGED, 2).number > first.number


@of_files
def test_the_end_deletes_everything(room: Classroom, url: str, tmp_path: Path) -> None:
    other = Classroom(url, clock=room._clock)
    code = room.begin("4b")
    fox = other.join("a")
    other.send(fox.number, b"\x91" * 784, JUDGED, 1)
    room.clear(code)
    now = other.now(at_once=True)
    assert now
    assert (now.drawings, len(now.students)) == ({}, 1)
    files = list((tmp_path / "data").iterdir())
    assert not any(b"\x91" * 700 in path.read_bytes() for path in files if path.suffix == ".sqlite")
    room.end(code)
    assert (room.now(), other.now(at_once=True)) == (None, None)
    assert list((tmp_path / "data").iterdir()) == []
    other.begin("another")
    assert room.now(at_once=True)


def test_who_leaves_without_a_drawing_makes_room(room: Classroom, url: str) -> None:
    room.begin("4b")
    other = Classroom(url, clock=room._clock)
    for number in range(MAX_STUDENTS):
        room.join(f"browser {number}", f"192.0.2.{number}")
    drew = room.join("browser 0")
    room.send(drew.number, IMAGE, JUDGED, 1)
    with pytest.raises(TooManyError, match="full"):
        room.join("late")
    assert len(other.now(at_once=True).students) == MAX_STUDENTS  # type: ignore[union-attr]
    room.leave("browser 0")
    with pytest.raises(TooManyError, match="full"):
        room.join("late")  # the drawing on the wall has somebody's name
    gone = room.join("browser 1").number
    room.leave("browser 1")
    assert room.join("late").number > gone
    for each in (room, other):
        now = each.now(at_once=True)
        assert now
        assert gone not in now.students
        assert drew.number in now.students


class TurnAfterTheEnd:
    """For all threads but that of the test, which ends the class; a lock as `Classroom` asks for one."""

    def __init__(self) -> None:
        self.waiting = threading.Semaphore(0)
        self.has_ended = threading.Event()

    def acquire(self, timeout: float) -> bool:
        if threading.current_thread() is threading.main_thread():
            return True
        self.waiting.release()
        return self.has_ended.wait(timeout)

    def release(self) -> None:
        pass


@of_files
def test_who_waits_to_write_when_the_class_ends_does_not_make_its_file_anew(
    room: Classroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, turn = room.begin("4b"), TurnAfterTheEnd()
    monkeypatch.setattr(room, "_writing", turn)
    with ThreadPoolExecutor(3) as students:
        joins = [students.submit(room.join, secret) for secret in "abc"]
        for _ in joins:
            assert turn.waiting.acquire(timeout=PATIENCE)
        room.end(code)
        turn.has_ended.set()
    assert all(isinstance(join.exception(), ClassError) for join in joins)
    assert list((tmp_path / "data").iterdir()) == []


@of_files
def test_a_class_is_deleted_when_its_time_is_up(room: Classroom, clock: Clock, tmp_path: Path) -> None:
    room.begin("4b")
    clock.seconds += DAY - 1
    assert room.now(at_once=True)
    clock.seconds += 2
    assert room.now(at_once=True) is None
    assert list((tmp_path / "data").iterdir()) == []


@of_files
def test_a_server_deletes_a_class_at_which_nobody_looks(
    room: Classroom, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_of_class, "store", lambda: room)
    room.begin("4b")
    clock.seconds += DAY + 1
    folder = tmp_path / "data"
    assert list(folder.iterdir())

    async def serve() -> None:
        looking = asyncio.create_task(replica.forget_what_is_over(0.0))
        while list(folder.iterdir()):
            await asyncio.sleep(0.01)
        looking.cancel()

    asyncio.run(asyncio.wait_for(serve(), PATIENCE))


@pytest.mark.skipif(os.name != "posix", reason="Only POSIX systems have such modes.")
@of_files
def test_only_the_owner_of_the_server_reads_the_file(room: Classroom, tmp_path: Path) -> None:
    room.begin("4b")
    (file,) = (tmp_path / "data").glob("*.sqlite")
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "a week"])
def test_days_of_a_class_that_are_no_number_are_told(days: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASS_DAYS", days)
    with pytest.raises(SettingError, match=f"CLASS_DAYS.*“{days}”"):
        state_of_class.store()


def test_another_schema_begins_anew_and_leaves_other_tables_alone(room: Classroom, url: str) -> None:
    Path(room._url.database or "").parent.mkdir(exist_ok=True)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for line in (
            "CREATE TABLE class_about (x INTEGER)",
            "CREATE TABLE class_schema (print TEXT)",
            "CREATE TABLE mine (x INTEGER)",
        ):
            connection.execute(sa.text(line))
        connection.execute(sa.text("INSERT INTO class_schema VALUES ('old')"))
        connection.execute(sa.text("INSERT INTO mine VALUES (5)"))
    engine.dispose()
    assert room.now() is None
    room.begin("4b")
    assert room.now(at_once=True)
    with sa.create_engine(url).connect() as connection:
        assert connection.execute(sa.text("SELECT x FROM mine")).scalar() == 5


@pytest.mark.parametrize("ours", [True, False], ids=["beside another schema", "alone"])
def test_tables_of_somebody_else_stay_whatever_they_are_called(ours: bool, room: Classroom, url: str) -> None:
    Path(room._url.database or "").parent.mkdir(exist_ok=True)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for line in (
            "CREATE TABLE users (id INTEGER PRIMARY KEY)",
            "CREATE TABLE class_members (member INTEGER REFERENCES users (id))",
            "INSERT INTO users VALUES (5)",
            "INSERT INTO class_members VALUES (5)",
            *(["CREATE TABLE class_schema (print TEXT)", "INSERT INTO class_schema VALUES ('old')"] if ours else []),
        ):
            connection.execute(sa.text(line))
    engine.dispose()
    room.begin("4b")
    with sa.create_engine(url).connect() as connection:
        assert connection.execute(sa.text("SELECT id FROM users JOIN class_members ON id = member")).scalar() == 5


def test_a_table_of_somebody_else_with_a_name_of_ours_is_not_used(room: Classroom, url: str) -> None:
    Path(room._url.database or "").parent.mkdir(exist_ok=True)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE class_students (name TEXT)"))
        connection.execute(sa.text("INSERT INTO class_students VALUES ('Ada')"))
    engine.dispose()
    with pytest.raises(ClassUnavailableError):
        room.begin("4b")
    with sa.create_engine(url).connect() as connection:
        assert connection.execute(sa.text("SELECT name FROM class_students")).scalar() == "Ada"
        assert sa.inspect(connection).get_table_names() == ["class_students"]


@pytest.mark.parametrize("url", ["", "class.sqlite", "nosuch://host/x", "postgres://host/x"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(SettingError, match="CLASS_DATABASE_URL"):
        Classroom(url)


@of_files
def test_a_file_that_is_no_database_is_told(room: Classroom) -> None:
    path = Path(room._url.database or "")
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(ClassUnavailableError, match="does not answer"):
        room.now()
    with pytest.raises(ClassUnavailableError):
        room.now()  # kept for a moment, so that not everybody waits for it


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("  4b\n\tMaths ", "4b Maths"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("abc\u202egnp.exe\u2066", "abcgnp.exe"),
        ("الصف الرابع", "الصف الرابع"),
        ("🦊 Füchse 👩‍🏫", "🦊 Füchse 👩‍🏫"),
        ("\x00\x07a\ud800", "a"),
        ("x" * 500, "x" * MAX_NAME),
    ],
    ids=["space", "markup", "turned", "right-to-left", "emoji", "control", "long"],
)
def test_hostile_names(given: str, wanted: str, room: Classroom) -> None:
    assert tidy(given) == wanted
    room.begin(given)
    now = room.now(at_once=True)
    assert now
    assert now.about.name == wanted


@pytest.mark.parametrize("given", ["", "  ", "\u202e\x00"], ids=["nothing", "spaces", "unseen"])
def test_a_class_without_a_name_is_refused(given: str, room: Classroom) -> None:
    with pytest.raises(ClassError, match="Give the class a name"):
        room.begin(given)
    assert room.now(at_once=True) is None


SENDS = """
import sys
from core.server import classroom
from core.server.tasks import Judgement
classroom.MAX_A_MINUTE = 1_000_000
room = classroom.Classroom(sys.argv[1])
who = room.join(sys.argv[2])
for generation in range(int(sys.argv[3])):
    drawing = room.send(who.number, bytes(784), Judgement(0.05, 0.1, 0.4, False, 5, 0.5), generation)
    print(drawing.number, flush=True)
"""


def sender(url: str, name: str, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", SENDS, url, name, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


@pytest.mark.slow
def test_several_processes_lose_nothing(url: str) -> None:
    room = Classroom(url)
    room.begin("4b")
    processes = [sender(url, name, 50) for name in "abc"]
    told = [int(line) for process in processes for line in process.communicate()[0].split()]
    now = room.now(at_once=True)
    assert now
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert (sorted(told), len(now.students)) == (sorted(now.drawings), 3)
    assert len(told) == len(set(told)) == 150


@pytest.mark.slow
def test_killed_in_the_middle_every_drawing_that_was_told_is_there(url: str) -> None:
    room = Classroom(url)
    room.begin("4b")
    process = sender(url, "a", 400)
    assert process.stdout
    told = [int(process.stdout.readline()) for _ in range(25)]
    process.send_signal(signal.SIGKILL)
    told += [int(line) for line in process.stdout.read().split()]
    assert process.wait() == -signal.SIGKILL
    now = Classroom(url).now(at_once=True)
    assert now
    assert set(told) <= set(now.drawings)
    fox = room.join("b")
    assert room.send(fox.number, IMAGE, JUDGED, 1).number > max(told)
