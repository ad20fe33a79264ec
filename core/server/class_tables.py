"""The tables in which a class is kept, and the connection to the database that has them.

A database of another schema is emptied and begun anew: it holds a day.
"""

import hashlib
import sqlite3
import time
from collections.abc import Mapping
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from core.errors import SettingError
from core.server.class_records import IMAGE_BYTES, MAX_DETECTOR_BYTES, MAX_NAME, Class, Drawing
from core.server.tasks import Judgement, Task

TABLES = sa.MetaData()
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # only INTEGER counts by itself in SQLite

SCHEMA = sa.Table("class_schema", TABLES, sa.Column("print", sa.String(64), primary_key=True))
ABOUT = sa.Table(
    "class_about",
    TABLES,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),  # always 1: a second class has no place
    sa.Column("begun", sa.Float, nullable=False),
    sa.Column("code", sa.String(16), nullable=False),
    sa.Column("name", sa.String(MAX_NAME), nullable=False),
    sa.Column("digit", sa.Integer, nullable=False),
    sa.Column("task", sa.String(16), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("seen_by", sa.String(16), nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Column("change", NUMBER, nullable=False),
    sa.Column("cleared", NUMBER, nullable=False),  # the change with which drawings were taken away last
)
STUDENTS = sa.Table(
    "class_students",
    TABLES,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("browser", sa.String(64), nullable=False, unique=True),  # a digest
    sa.Column("colour", sa.Integer, nullable=False),
    sa.Column("animal", sa.Integer, nullable=False),
    sa.Column("change", NUMBER, nullable=False, index=True),
    sa.UniqueConstraint("colour", "animal"),
    sqlite_autoincrement=True,  # who has left may still have a page open
)
DRAWINGS = sa.Table(
    "class_drawings",
    TABLES,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("student", NUMBER, nullable=False),
    sa.Column("task", sa.String(16), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("generation", NUMBER, nullable=False),
    sa.Column("image", sa.LargeBinary(IMAGE_BYTES), nullable=False),
    *(sa.Column(name, sa.Float, nullable=False) for name in ("score", "threshold", "p_value", "best_ratio")),
    sa.Column("is_anomaly", sa.Boolean, nullable=False),
    sa.Column("best_digit", sa.Integer, nullable=False),
    sa.Column("prediction", sa.Boolean),
    sa.Column("detector", sa.String(16), nullable=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("is_hidden", sa.Boolean, nullable=False),
    sa.Column("change", NUMBER, nullable=False, index=True),
    sa.Index("class_drawings_of_student", "student", "time"),
    sqlite_autoincrement=True,  # a number is never given again, not even after the wall was cleared
)
DETECTORS = sa.Table(
    "class_detectors",
    TABLES,
    sa.Column("code", sa.String(16), primary_key=True),
    sa.Column("student", NUMBER, nullable=False),
    sa.Column("digit", sa.Integer, nullable=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("file", sa.LargeBinary(MAX_DETECTOR_BYTES), nullable=False),
    sa.Column("change", NUMBER, nullable=False, index=True),
)
FINGERPRINT = hashlib.sha256(
    "".join(str(CreateTable(each).compile(dialect=sqlite.dialect())) for each in TABLES.sorted_tables).encode()
).hexdigest()
"""As SQLite has it, which says more than others: that no number is given again."""

ANSWER_SECONDS = 10
"""In which PostgreSQL has to answer; as long a change waits for others in SQLite."""

LIMITS = {
    "connect_timeout": 2,
    "tcp_user_timeout": ANSWER_SECONDS * 1000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
"""Of a connection whose network is gone without a word, for which a system waits a quarter of an hour (libpq, 34.1.2)."""

Row = sa.RowMapping | Mapping[str, Any]
MAX_RATIO = 1e300
"""For an infinite ratio: not every database keeps one."""


def usable_url(url: str) -> sa.URL:
    """The address, whose driver is there. Raises SettingError."""
    try:
        found = sa.make_url(url)
        found.get_dialect().import_dbapi()
    except SQLAlchemyError as error:
        raise SettingError(
            "CLASS_DATABASE_URL in the environment is an address such as {example}.",
            example="postgresql://user:password@host/database",
        ) from error
    except ModuleNotFoundError as error:
        raise SettingError(
            "The database of CLASS_DATABASE_URL needs {package}, which is not installed here. "
            "Install it with: python deploy/set_up.py server",
            package=error.name,
        ) from error
    return found


def engine_of(url: sa.URL) -> sa.Engine:
    """The connections to a database; nothing is opened yet."""
    if url.get_backend_name() != "sqlite":
        is_libpq = url.get_backend_name() == "postgresql" and url.get_driver_name().startswith("psycopg")
        arguments = LIMITS if is_libpq else {}
        engine = sa.create_engine(url, pool_pre_ping=True, pool_size=4, max_overflow=8, pool_timeout=5, connect_args=arguments)
        if is_libpq:

            @sa.event.listens_for(engine, "connect")
            def limit(connection: Any, _: Any) -> None:
                # Not as an option of the connection, which poolers before PostgreSQL refuse.
                with connection.cursor() as cursor:
                    cursor.execute(f"SET statement_timeout = {ANSWER_SECONDS * 1000}")
                connection.commit()

        return engine
    engine = sa.create_engine(url, connect_args={"timeout": 10})

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        # Transactions begin as told below; what is deleted is overwritten; what is committed outlives the process.
        connection.isolation_level = None
        use_write_ahead_log(connection)
        for line in ("synchronous=NORMAL", "secure_delete=ON"):
            connection.execute(f"PRAGMA {line}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # Whoever means to write waits for the others now: two who read first and then write would end each other.
        is_reading = connection.get_execution_options().get("is_reading")
        connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")

    return engine


def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Keep changes in SQLite's write-ahead log, so that readers do not wait for writers.

    Where several connections switch a new file to it at the same moment, SQLite fails at once, whatever its timeout: it is
    tried again for ANSWER_SECONDS. Raises sqlite3.OperationalError.
    """
    latest = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > latest:
                raise
            time.sleep(0.01)


def make(engine: sa.Engine) -> None:
    """Make the tables; those of another schema of ours are deleted with all that is in them, where they have today's names.

    No other ones are touched. Raises SQLAlchemyError where tables of these names are there that are somebody else's.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(20260519)"))  # replicas that start together
        if sa.inspect(connection).has_table(SCHEMA.name):
            found = connection.execute(sa.select(SCHEMA.c.print)).scalar()
            if found == FINGERPRINT:
                return
            if found:
                TABLES.drop_all(connection)
        TABLES.create_all(connection, checkfirst=False)
        connection.execute(sa.insert(SCHEMA).values(print=FINGERPRINT))


def class_of(row: Row) -> Class:
    """From a row of ABOUT."""
    names = ("name", "digit", "task", "round", "seen_by", "is_open", "begun", "code")
    return Class(**{name: row[name] for name in names})


def drawing_of(row: Row) -> Drawing:
    """From a row of DRAWINGS."""
    ratio = row["best_ratio"]
    judgement = Judgement(
        row["score"],
        row["threshold"],
        row["p_value"],
        bool(row["is_anomaly"]),
        row["best_digit"],
        ratio if ratio < MAX_RATIO else float("inf"),
    )
    names = ("number", "student", "round", "generation", "prediction", "detector", "time", "is_hidden", "change")
    values = {name: row[name] for name in names}
    return Drawing(task=cast(Task, row["task"]), image=bytes(row["image"]), judgement=judgement, **values)
