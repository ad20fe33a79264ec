"""The class of a server: one at a time, kept in a database until the teacher ends it or its time is up.

How it is used:

    room = Classroom("sqlite:///data/class.sqlite")   # opens nothing yet; one for each process
    code = room.begin("4b", digit=5)                  # the teacher's code
    fox = room.join("any secret of this browser")     # a Student; the same one for the same secret
    room.send(fox.number, image, judgement, generation=0)  # committed when this returns; a Drawing
    room.now()                                        # a ClassSnapshot: all of it, cheap to ask for; None without a class
    room.choose(code, "fool")                         # the teacher's: choose, hide, clear, open, show_wall_to, end

Every process that has the same database has the same class: `ClassSnapshot.change` grows with every change, and
`now` reads only what is newer than what it has seen, at most every READ_SECONDS. Whoever is not the teacher cannot do what
the teacher does: the code is asked for here. Where there is no class, nothing is opened: a SQLite file is looked for; another
database, which CLASS_DATABASE_URL names, is asked.

Scores come from the server (`Judgement`, core/server/tasks.py); nothing here believes a number of a browser.
Raises ClassError, with a sentence, where something cannot be done; ClassUnavailableError where the database fails.
"""

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from core.errors import megabytes
from core.server import class_tables as tables
from core.server.access import MinuteLimit
from core.server.class_records import (
    ANIMALS,
    COLOURS,
    IMAGE_BYTES,
    MAX_DETECTOR_BYTES,
    MAX_NAME,
    ClassError,
    ClassSnapshot,
    ClassUnavailableError,
    Drawing,
    NotTheTeacherError,
    Seen,
    SharedDetector,
    Student,
    TooManyError,
    short_code,
    tidy,
    typed,
)
from core.server.class_tables import ABOUT, DETECTORS, DRAWINGS, STUDENTS
from core.server.tasks import TASKS, Judgement, Task

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

CONTENTS = (DRAWINGS, DETECTORS, STUDENTS)
"""Of a class."""

DAY = 86_400.0
READ_SECONDS = 0.2
"""Between two looks at the database, for all who ask."""
LOOK_SECONDS = 0.5
"""The same, for all who only compare what they show with what was seen last (`look`)."""
MAX_WAIT = 5.0
"""For another thread's look at the database, which may not answer."""
RETRY_SECONDS = 5.0
"""Before a database that did not answer is asked again."""

MAX_STUDENTS, MAX_DRAWINGS, MAX_DETECTORS = 200, 6000, 100
MAX_OF_A_STUDENT, MAX_DETECTORS_OF_A_STUDENT = 400, 3
MAX_JOIN_A_MINUTE = 60
"""New students from one address, which a whole class shares; each process counts for itself."""
MAX_A_MINUTE = 20
"""Drawings of one student; each process counts for itself, before it asks the database."""


class Classroom:
    """The class in one database. Any thread may call.

    url: as SQLAlchemy takes it; raises SettingError for another. days: after so many it is deleted. clock: seconds since 1970.
    """

    def __init__(self, url: str, days: float = 1.0, clock: Callable[[], float] = time.time) -> None:
        self._url = tables.usable_url(url)
        self._days, self._clock = days, clock
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        self._engine: sa.Engine | None = None
        self._file: tuple[int, int] | None = None  # of SQLite: which file is open
        self._snapshot: ClassSnapshot | None = None
        self._cleared = -1
        self._problem: ClassUnavailableError | None = None
        self._joins = MinuteLimit[str](MAX_JOIN_A_MINUTE, clock)  # by address
        self._drawings = MinuteLimit[int](MAX_A_MINUTE, clock)  # by student
        self._read_at = self._asked_at = float("-inf")

    # ------------------------------------------------------------ looking

    @property
    def seen(self) -> ClassSnapshot | None:
        """The class as it was seen last; asks nothing of the database."""
        return self._snapshot

    @property
    def has_problem(self) -> bool:
        """Whether the database did not answer last."""
        return self._problem is not None

    def look(self) -> None:
        """Have somebody else look at the database, where nobody has for LOOK_SECONDS; returns at once."""
        if time.monotonic() - max(self._read_at, self._asked_at) >= LOOK_SECONDS:
            self._asked_at = time.monotonic()
            threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        with suppress(ClassUnavailableError):  # kept, and raised for whoever calls `now`
            self.now()

    def now(self, at_once: bool = False) -> ClassSnapshot | None:
        """The class as it is now, or as it was READ_SECONDS ago; None without one. at_once: as it is.

        Who comes while another one looks does not wait for a slow database, and has what was seen last.
        """
        must_wait = at_once or (self._snapshot is None and self._problem is None)
        if not self._lock.acquire(timeout=MAX_WAIT if must_wait else 0):
            if must_wait:
                self._problem = _no_answer()
            if problem := self._problem:  # another thread may end it meanwhile
                raise problem.detached()
            return self._snapshot
        try:
            since = time.monotonic() - self._read_at
            if self._problem and since < RETRY_SECONDS and not at_once:
                raise self._problem.detached()
            if at_once or since >= READ_SECONDS:
                try:
                    self._snapshot, self._problem = self._read(), None
                except ClassUnavailableError as error:
                    self._problem = error.detached()
                    raise
                finally:
                    self._read_at = time.monotonic()
            return self._snapshot
        finally:
            self._lock.release()

    def _read(self) -> ClassSnapshot | None:
        if not self._may_exist():
            self._close()
            return None
        with self._transaction(is_reading=True) as connection:
            about = connection.execute(sa.select(ABOUT)).mappings().first()
            if about is None:
                return None
            if not self._is_over(about):
                return self._read_changes(connection, about)
        self._delete(about["code"])
        return None

    def _read_changes(self, connection: sa.Connection, about: tables.Row) -> ClassSnapshot:
        """What is newer than what is known. What changes meanwhile is read again the next time."""
        known = self._snapshot
        if known and (
            known.about.begun != about["begun"] or known.about.code != about["code"] or self._cleared != about["cleared"]
        ):
            known = None
        if known and known.change == about["change"]:
            return known
        since = known.change if known else -1

        def newer(table: sa.Table, *columns: sa.Column[Any]) -> Iterator[tables.Row]:
            wanted = sa.select(*(columns or (table,))).where(table.c.change > since).order_by(table.c.change)
            yield from connection.execute(wanted).mappings()

        students = {row["number"]: Student(row["number"], row["colour"], row["animal"]) for row in newer(STUDENTS)}
        drawings = {row["number"]: tables.drawing_of(row) for row in newer(DRAWINGS)}
        columns = [column for column in DETECTORS.c if column.name != "file"]
        detectors = {
            row["code"]: SharedDetector(row["code"], row["student"], row["digit"], row["time"])
            for row in newer(DETECTORS, *columns)
        }
        if known:
            students, drawings = {**known.students, **students}, {**known.drawings, **drawings}
            detectors = {**known.detectors, **detectors}
        in_order = dict(sorted(drawings.items()))
        read = ClassSnapshot(
            about["change"],
            tables.class_of(about),
            MappingProxyType(students),
            MappingProxyType(in_order),
            MappingProxyType(detectors),
        )
        # Together: where the connection breaks before, what was taken away is still to be left out.
        self._snapshot, self._cleared = read, about["cleared"]
        return read

    def _is_over(self, about: tables.Row) -> bool:
        return bool(self._clock() >= about["begun"] + self._days * DAY)

    # ------------------------------------------------------------ the teacher

    def begin(self, name: str, digit: int = 5, seen_by: Seen = "everybody") -> str:
        """Begin the class and return the teacher's code. Raises ClassError where there is one already."""
        if not 0 <= digit <= 9:
            raise ClassError("The normal digit is one of 0 to 9.")
        name, code = tidy(name), short_code(8)
        if not name:
            raise ClassError("Give the class a name.")
        now = self.now(at_once=True)
        if now is not None:
            raise ClassError("There is a class already: “{name}”. End it first.", name=now.about.name)
        row = {"one": 1, "begun": self._clock(), "code": code, "name": name, "digit": digit, "task": "draw", "round": 1}
        row |= {"seen_by": seen_by, "is_open": True, "change": 1, "cleared": 0}
        try:
            with self._making_or_deleting_file(), self._transaction() as connection:
                connection.execute(sa.insert(ABOUT).values(row))
        except ClassUnavailableError as error:
            if isinstance(error.__cause__, sa.exc.IntegrityError):
                raise ClassError("There is a class already.") from error
            raise
        self._look_again()
        return code

    def is_teacher(self, code: str) -> bool:
        """Whether this is the teacher's code, however it was typed."""
        now = self.now()
        return now is not None and secrets.compare_digest(typed(code).encode(), now.about.code.encode())

    def choose(self, code: str, task: Task) -> None:
        """Set the task for everybody. A list begins anew with each press. Raises NotTheTeacherError."""
        if task not in TASKS:
            raise ClassError("There is no task “{task}”.", task=str(task)[:MAX_NAME])
        self._change_class(code, task=task, round=ABOUT.c.round + 1)

    def open(self, code: str, is_open: bool) -> None:
        """Take in drawings, or no more. Raises NotTheTeacherError."""
        self._change_class(code, is_open=is_open)

    def show_wall_to(self, code: str, seen_by: Seen) -> None:
        """Who may see the wall. Raises NotTheTeacherError."""
        self._change_class(code, seen_by=seen_by)

    def hide(self, code: str, drawing: int, is_hidden: bool = True) -> None:
        """Take one drawing off the wall and out of the list, or put it back. Raises NotTheTeacherError."""
        with self._change(code) as (connection, change):
            changed = sa.update(DRAWINGS).where(DRAWINGS.c.number == drawing)
            connection.execute(changed.values(is_hidden=is_hidden, change=change))

    def clear(self, code: str) -> None:
        """Delete every drawing. Raises NotTheTeacherError."""
        with self._change(code) as (connection, change):
            connection.execute(sa.delete(DRAWINGS))
            connection.execute(sa.update(ABOUT).values(cleared=change))

    def end(self, code: str) -> None:
        """Delete the class and everything in it. Raises NotTheTeacherError."""
        with self._change(code) as (connection, _):
            for table in (ABOUT, *CONTENTS):
                connection.execute(sa.delete(table))
        with suppress(ClassUnavailableError):  # the class is gone, and what is left of the file is empty
            self._delete_file()

    # ------------------------------------------------------------ students

    def join(self, browser: str, address: str = "") -> Student:
        """The student of this browser, a new one under a made-up name where there is none. browser: its secret.

        address: from where it comes, "" where that is not known. Raises TooManyError for too many, of one address or of all.
        """
        digest = _digest(browser)
        with self._change() as (connection, change):
            rows = connection.execute(sa.select(STUDENTS)).mappings().all()
            for row in rows:
                if row["browser"] == digest:
                    return Student(row["number"], row["colour"], row["animal"])
            if len(rows) >= MAX_STUDENTS:
                raise TooManyError("The class is full: {most} have joined.", most=MAX_STUDENTS)
            if address and (wait := self._joins.take(address)):
                raise TooManyError("Wait {seconds:.0f} s, then try again.", seconds=max(1.0, wait))
            taken = {(row["colour"], row["animal"]) for row in rows}
            free = [(c, a) for c in range(COLOURS) for a in range(ANIMALS) if (c, a) not in taken]
            colour, animal = secrets.choice(free)
            values = {"browser": digest, "colour": colour, "animal": animal, "change": change}
            inserted = connection.execute(sa.insert(STUDENTS).values(values).returning(STUDENTS.c.number))
            return Student(inserted.scalar_one(), colour, animal)

    def student_of(self, browser: str) -> Student | None:
        """The student whom this browser joined as, if it did."""
        if not self._may_exist():
            return None
        with self._transaction(is_reading=True) as connection:
            row = connection.execute(sa.select(STUDENTS).where(STUDENTS.c.browser == _digest(browser))).mappings().first()
        return Student(row["number"], row["colour"], row["animal"]) if row else None

    def leave(self, browser: str) -> None:
        """Let this browser be nobody in the class; whoever comes after is somebody else. Drawings stay.

        Who has drawn and given nothing makes room for another.
        """
        with self._change() as (connection, change):
            same = STUDENTS.c.browser == _digest(browser)
            has_left = [sa.exists().where(table.c.student == STUDENTS.c.number) for table in (DRAWINGS, DETECTORS)]
            gone = connection.execute(sa.delete(STUDENTS).where(same, ~sa.or_(*has_left)))
            if gone.rowcount:
                connection.execute(sa.update(ABOUT).values(cleared=change))
            connection.execute(sa.update(STUDENTS).where(same).values(browser=_digest(secrets.token_urlsafe())))

    def send(
        self,
        student: int,
        image: bytes,
        judgement: Judgement,
        generation: int,
        prediction: bool | None = None,
        detector: str = "",
        in_round: int | None = None,
    ) -> Drawing:
        """Put a drawing on the wall, for the task at hand; it is committed when this returns.

        in_round: of the task for which it was drawn, where that has to be the one at hand.
        A drawing on the same canvas in the same round replaces what it was before, but in `blind`, where the first one stands.
        Raises TooManyError for too many of one student, or of all; ClassError where the class takes in none.
        """
        if len(image) != IMAGE_BYTES:
            raise ValueError(f"An image has {IMAGE_BYTES} bytes, not {len(image)}.")
        if self._drawings.take(student):
            raise TooManyError(
                "You have sent {most} drawings within a minute. Wait a little, and send your best ones.", most=MAX_A_MINUTE
            )
        with self._change() as (connection, change):
            about = tables.class_of(connection.execute(sa.select(ABOUT)).mappings().one())
            if not about.is_open:
                raise ClassError("The teacher has closed the wall: it takes in no drawings now.")
            if in_round not in (None, about.round):
                self._look_again()
                raise ClassError("The task has changed. Look at it, then send.")
            own = DRAWINGS.c.student == student
            if connection.execute(sa.select(STUDENTS.c.number).where(STUDENTS.c.number == student)).first() is None:
                raise ClassError("You have not joined this class.")
            same = (
                own
                & (DRAWINGS.c.round == about.round)
                & (DRAWINGS.c.generation == generation)
                & (DRAWINGS.c.detector == detector)
            )
            before = connection.execute(sa.select(DRAWINGS.c.number, DRAWINGS.c.is_hidden).where(same)).first()
            if before and about.task == "blind":
                raise ClassError("This drawing is on the wall already. Clear the canvas for the next one.")
            if before and before.is_hidden:
                raise ClassError("The teacher has hidden this drawing. Clear the canvas for another one.")
            count = sa.select(sa.func.count()).select_from(DRAWINGS)
            if before is None:
                if connection.execute(count.where(own)).scalar_one() >= MAX_OF_A_STUDENT:
                    raise TooManyError(
                        "You have sent {most} drawings, and the wall takes no more of one person.", most=MAX_OF_A_STUDENT
                    )
                if connection.execute(count).scalar_one() >= MAX_DRAWINGS:
                    raise TooManyError("The wall is full: it holds {most:,} drawings.", most=MAX_DRAWINGS)
            values = {
                "student": student,
                "task": about.task,
                "round": about.round,
                "generation": generation,
                "image": image,
                "score": judgement.score,
                "threshold": judgement.threshold,
                "p_value": judgement.p_value,
                "is_anomaly": judgement.is_anomaly,
                "best_digit": judgement.best_digit,
                "best_ratio": min(judgement.best_ratio, tables.MAX_RATIO),
                "prediction": prediction,
                "detector": detector,
                "time": self._clock(),
                "is_hidden": False,
                "change": change,
            }
            if before:
                connection.execute(sa.update(DRAWINGS).where(DRAWINGS.c.number == before.number).values(values))
                number = before.number
            else:
                inserted = connection.execute(sa.insert(DRAWINGS).values(values).returning(DRAWINGS.c.number))
                number = inserted.scalar_one()
        return tables.drawing_of({**values, "number": number})

    # ------------------------------------------------------------ detectors

    def share(self, student: int, digit: int, file: bytes) -> str:
        """Give a detector to the class; returns its code. file: a checkpoint that was read and found good."""
        if len(file) > MAX_DETECTOR_BYTES:
            raise TooManyError(
                "This detector has {size:.0f} MB; the class takes {most} MB at most.",
                size=megabytes(len(file)),
                most=MAX_DETECTOR_BYTES // 2**20,
            )
        with self._change() as (connection, change):
            owners = [row.student for row in connection.execute(sa.select(DETECTORS.c.student))]
            if connection.execute(sa.select(STUDENTS.c.number).where(STUDENTS.c.number == student)).first() is None:
                raise ClassError("You have not joined this class.")
            if owners.count(student) >= MAX_DETECTORS_OF_A_STUDENT:
                raise TooManyError(
                    "You have given {most} detectors to the class, and may give no more.", most=MAX_DETECTORS_OF_A_STUDENT
                )
            if len(owners) >= MAX_DETECTORS:
                raise TooManyError("The class has {most} detectors and takes no more.", most=MAX_DETECTORS)
            code = short_code(4)
            values = {"code": code, "student": student, "digit": digit, "time": self._clock(), "file": file, "change": change}
            connection.execute(sa.insert(DETECTORS).values(values))
        return code

    def checkpoint(self, code: str) -> tuple[SharedDetector, bytes]:
        """A shared detector and its file, by its code, however it was typed. Raises ClassError."""
        if self._may_exist():
            with self._transaction(is_reading=True) as connection:
                row = connection.execute(sa.select(DETECTORS).where(DETECTORS.c.code == typed(code))).mappings().first()
            if row:
                return SharedDetector(row["code"], row["student"], row["digit"], row["time"]), row["file"]
        raise ClassError("No detector of the class has the code “{code}”.", code=tidy(code))

    # ------------------------------------------------------------ the database

    def _change_class(self, code: str, **values: Any) -> None:
        with self._change(code) as (connection, _):
            connection.execute(sa.update(ABOUT).values(**values))

    @contextmanager
    def _change(self, code: str | None = None) -> Iterator[tuple[sa.Connection, int]]:
        """A transaction with the number of its change, one at a time in all processes. code: the teacher's, where needed."""
        if not self._may_exist():
            raise ClassError("There is no class now.")
        with self._transaction() as connection:
            # The row is locked until the commit, so that changes become visible in the order of their numbers.
            counted = sa.update(ABOUT).values(change=ABOUT.c.change + 1)
            row = connection.execute(counted.returning(ABOUT.c.change, ABOUT.c.code)).first()
            if row is None:
                raise ClassError("There is no class now.")
            if code is not None and not secrets.compare_digest(typed(code).encode(), row.code.encode()):
                raise NotTheTeacherError("Only the teacher can do this.")
            yield connection, row.change
        self._look_again()

    def _turn_to_write(self) -> AbstractContextManager[None]:
        """Of this process one at a time writes into SQLite, where those who wait sleep up to a tenth of a second too long."""
        return nullcontext() if self._path() is None else _held(self._writing, tables.ANSWER_SECONDS)

    def _look_again(self) -> None:
        self._read_at = float("-inf")

    @contextmanager
    def _transaction(self, is_reading: bool = False) -> Iterator[sa.Connection]:
        try:
            # The connection first: one that is made after the class has ended makes its file anew.
            with self._opened().connect() as plain, nullcontext() if is_reading else self._turn_to_write():
                connection = plain.execution_options(is_reading=is_reading)
                with connection.begin():
                    yield connection
        except (SQLAlchemyError, OSError) as error:
            self._look_again()
            raise _no_answer() from error

    def _path(self) -> Path | None:
        """The file, where the database is one."""
        name = self._url.database
        return Path(name) if self._url.get_backend_name() == "sqlite" and name else None

    def _may_exist(self) -> bool:
        path = self._path()
        return path is None or path.exists()

    def _opened(self) -> sa.Engine:
        """The engine, with the tables made; SQLite's file may have been deleted and begun anew by another process."""
        with _held(self._lock):
            path = self._path()
            if path is not None:
                found = path.stat() if path.exists() else None
                if self._engine and (found is None or (found.st_dev, found.st_ino) != self._file):
                    self._close()
                self._file = (found.st_dev, found.st_ino) if found else None
            if self._engine is None:
                engine = tables.engine_of(self._url)
                try:
                    tables.make(engine)
                except BaseException:
                    engine.dispose()
                    raise
                self._engine = engine
                if path is not None and self._file is None:
                    found = path.stat()
                    self._file = found.st_dev, found.st_ino
            return self._engine

    def _close(self) -> None:
        with self._lock:
            if self._engine:
                self._engine.dispose()
            self._engine = self._file = self._snapshot = None
            self._read_at = float("-inf")

    close = _close

    def _delete(self, code: str) -> None:
        """Delete the class that has this code, and not another one that was begun meanwhile."""
        with self._transaction() as connection:
            # The row of the class first: until the commit no other class can begin.
            if connection.execute(sa.delete(ABOUT).where(ABOUT.c.code == code)).rowcount:
                for table in CONTENTS:
                    connection.execute(sa.delete(table))
        self._delete_file()

    def _delete_file(self) -> None:
        """Delete SQLite's file, if no class is in it."""
        with _held(self._lock):
            path = self._path()
            if path and path.exists():
                with self._making_or_deleting_file():
                    if self._is_empty():
                        self._close()
                        for each in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
                            with suppress(OSError):  # another process has it open, where such files cannot be deleted
                                each.unlink(missing_ok=True)
            self._snapshot = None
            self._look_again()

    def _is_empty(self) -> bool:
        with self._transaction(is_reading=True) as connection:
            return connection.execute(sa.select(ABOUT.c.one)).first() is None

    @contextmanager
    def _making_or_deleting_file(self) -> Iterator[None]:
        """SQLite's file is there, and one process at a time begins a class in it or deletes it; nothing for other databases.

        Raises ClassUnavailableError where there can be no file.
        """
        path = self._path()
        if path is None:
            yield
            return
        with self._lock, ExitStack() as stack:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(_turn(path.parent))
                path.touch(mode=0o600)
            except OSError as error:
                raise ClassUnavailableError(
                    "No class can be kept at {path}: {reason}.", path=path, reason=error.strerror or str(error)
                ) from error
            yield


@contextmanager
def _held(lock: "threading.Lock | threading.RLock", seconds: float = MAX_WAIT) -> Iterator[None]:
    """One thread at a time, of which none waits longer than this for one that the database does not answer."""
    if not lock.acquire(timeout=seconds):
        raise _no_answer()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """One process at a time; where there are no such locks, files that are open cannot be deleted either."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _no_answer() -> ClassUnavailableError:
    return ClassUnavailableError("The class cannot be reached now: its database does not answer. Try again in a moment.")


def _digest(browser: str) -> str:
    return hashlib.sha256(browser.encode("utf-8", "surrogatepass")).hexdigest()
