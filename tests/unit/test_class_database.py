"""The class's database when many write at once, and when it is not there."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import psycopg
import pytest

from core.server import class_tables, classroom
from core.server.class_records import ClassError, ClassUnavailableError
from core.server.classroom import Classroom
from core.server.tasks import Judgement
from tests.conftest import PATIENCE
from tests.postgres import Postgres

JUDGEMENT = Judgement(0.02, 0.04, 0.3, False, 5, 0.5)
Rooms = Callable[[], Classroom]


@pytest.fixture
def rooms(class_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rooms]:
    """Makes one more process's view of the same database; students may send as much as they like."""
    monkeypatch.setattr(classroom, "MAX_A_MINUTE", 10_000)
    made = []

    def room() -> Classroom:
        made.append(Classroom(class_database))
        return made[-1]

    yield room
    for each in made:
        each.close()


def image(number: int) -> bytes:
    """A picture that is no other number's."""
    return number.to_bytes(4, "big") * 196


def test_all_that_many_send_at_once_arrives_and_a_reader_misses_none(rooms: Rooms) -> None:
    writers, reader = [rooms(), rooms()], rooms()
    writers[0].begin("4b")
    students = [writers[number % 2].join(f"browser {number}") for number in range(12)]
    assert len({(student.colour, student.animal) for student in students}) == 12
    each = 10
    over = threading.Event()
    grown: list[int] = []

    def read() -> None:
        """Looks again and again while others write: a change that is committed late must not be passed over."""
        while not over.is_set():
            now = reader.now(at_once=True)
            assert now
            grown.append(len(now.drawings))

    def write(number: int) -> list[int]:
        room = writers[number % 2]
        return [room.send(students[number].number, image(100 * number + turn), JUDGEMENT, turn).number for turn in range(each)]

    with ThreadPoolExecutor(13) as threads:
        reading = threads.submit(read)
        try:
            numbers = [number for sent in threads.map(write, range(12)) for number in sent]
        finally:
            over.set()
        reading.result()
    assert grown == sorted(grown)
    assert len(set(numbers)) == 12 * each
    now, fresh = reader.now(at_once=True), rooms().now(at_once=True)
    assert now
    assert fresh
    assert set(now.drawings) == set(numbers)
    assert now == fresh, "what was read change by change is what is there"
    wanted = {image(100 * number + turn) for number in range(12) for turn in range(each)}
    assert {drawing.image for drawing in now.drawings.values()} == wanted


def test_of_two_who_begin_at_once_one_has_the_class(rooms: Rooms) -> None:
    together = threading.Barrier(4)

    def begin(number: int) -> str:
        room = rooms()
        together.wait()
        try:
            return room.begin(f"class {number}")
        except ClassError as error:
            return str(error)

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(begin, range(4)))
    begun = [text for text in outcomes if len(text) == 8]
    assert len(begun) == 1
    assert all("There is a class already" in text for text in outcomes if text not in begun)
    assert rooms().is_teacher(begun[0])


def busy(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("of SQLite")
    error.sqlite_errorcode = code
    return error


def test_who_opens_a_new_file_with_others_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Mock()
    connection.execute.side_effect = [busy(sqlite3.SQLITE_BUSY), busy(sqlite3.SQLITE_BUSY), None]
    class_tables.use_write_ahead_log(connection)
    assert connection.execute.call_count == 3
    connection.execute.side_effect = [busy(sqlite3.SQLITE_READONLY)]
    with pytest.raises(sqlite3.OperationalError):
        class_tables.use_write_ahead_log(connection)
    monkeypatch.setattr(class_tables, "ANSWER_SECONDS", -1)
    connection.execute.side_effect = [busy(sqlite3.SQLITE_BUSY)]
    with pytest.raises(sqlite3.OperationalError):
        class_tables.use_write_ahead_log(connection)


def test_a_class_that_begins_while_another_process_deletes_the_last_one_stays(
    class_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = time.time()
    clock = Mock(return_value=begun)
    late, other = Classroom(class_database, clock=clock), Classroom(class_database, clock=clock)
    late.begin("yesterday")
    other.join("a browser")
    clock.return_value += 2 * classroom.DAY
    delete = late._delete

    def delete_late(*about: str) -> None:
        other.begin("today")
        other.join("another browser")
        delete(*about)

    monkeypatch.setattr(late, "_delete", delete_late)
    assert late.now(at_once=True) is None, "as it was read"
    for room in (late, other, Classroom(class_database, clock=clock)):
        now = room.now(at_once=True)
        assert now
        assert now.about.name == "today"
        assert len(now.students) == 1
        room.close()


def test_a_file_is_not_deleted_while_a_class_begins_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/class.sqlite"
    first, other = Classroom(url), Classroom(url)
    code = first.begin("yesterday")
    assert other.now()
    close, beginning = first._close, threading.Thread(target=other.begin, args=("today",))

    def close_while_another_begins() -> None:
        close()
        beginning.start()
        beginning.join(0.5)  # in which it has begun, unless it waits until the file is deleted

    monkeypatch.setattr(first, "_close", close_while_another_begins)
    first.end(code)
    beginning.join()
    fresh = Classroom(url)
    now = fresh.now()
    assert now
    assert now.about.name == "today"
    for room in (fresh, other):
        room.close()


def test_a_database_that_does_not_answer_is_told_in_a_sentence() -> None:
    room = Classroom("postgresql+psycopg://class@127.0.0.1:9/class")
    for _ in range(2):
        with pytest.raises(ClassUnavailableError, match="database does not answer"):
            room.now()


def test_a_database_that_says_nothing_is_not_waited_for_without_end(
    running_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_tables, "ANSWER_SECONDS", 1)
    url = running_postgres.database()
    room = Classroom(url)
    room.begin("4b")
    assert room.now()
    holding = psycopg.connect(url.replace("+psycopg", ""))
    with ThreadPoolExecutor(1) as threads:
        try:
            holding.execute("LOCK TABLE class_about IN ACCESS EXCLUSIVE MODE")
            looking = threads.submit(room.now, at_once=True)
            with pytest.raises(ClassUnavailableError, match="database does not answer"):
                looking.result(PATIENCE)
        finally:
            holding.close()
    now = room.now(at_once=True)
    assert now
    assert now.about.name == "4b"
    with room._opened().connect() as connection:
        told = connection.connection.dbapi_connection.info.get_parameters()  # type: ignore[union-attr]
    assert int(told["tcp_user_timeout"]) <= 10_000, "milliseconds, where the network is gone"
    assert int(told["keepalives_idle"]) + int(told["keepalives_interval"]) * int(told["keepalives_count"]) < 15
    room.close()


def test_nobody_waits_without_end_for_a_thread_that_has_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classroom, "MAX_WAIT", 0.1)
    room = Classroom(f"sqlite:///{tmp_path}/class.sqlite")
    room.begin("4b")
    waits, answer, read = threading.Event(), threading.Event(), room._read

    def read_late() -> object:
        waits.set()
        answer.wait(PATIENCE)
        return read()

    monkeypatch.setattr(room, "_read", read_late)
    with ThreadPoolExecutor(4) as threads:
        try:
            stuck = threads.submit(room.now, at_once=True)
            assert waits.wait(PATIENCE)
            for other in (room.now, lambda: room.join("a browser"), lambda: room.student_of("a browser")):
                with pytest.raises(ClassUnavailableError, match="database does not answer"):
                    threads.submit(other).result(PATIENCE / 2)
        finally:
            answer.set()
    now = stuck.result()
    assert now
    assert now == room.now(at_once=True), "once it answers, all is well"
    room.close()
