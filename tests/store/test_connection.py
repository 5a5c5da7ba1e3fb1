"""Opening a store: allowed places, file permissions, and the errors of an unusable store."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.core.errors import StoreError, StoreFull
from pipeline.core.model import JobKey, State
from pipeline.core.states import state_of
from pipeline.store import Spent, Store, network_file_system
from pipeline.store.schema import VERSION, metadata
from pipeline.store.upgrading import script
from tests.fakes.cases import each

STORES = Path(__file__).parents[1] / "stores"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    # The store should not depend on the umask.
    before = os.umask(0)
    yield tmp_path / "store.db"
    os.umask(before)


def test_all_files_of_a_store_are_private(file: Path) -> None:
    with Store(f"sqlite:///{file}") as store:
        store.jobs.add([JobKey("sheet", "r_000000000", 1)])
        store.attempts.reserve()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}

    names = ("store.db", "store.db-shm", "store.db-wal", "store.db.rescue")
    assert modes == dict.fromkeys(names, 0o600)


def test_every_commit_is_on_disk_before_it_returns(file: Path) -> None:
    with Store(f"sqlite:///{file}") as store, store._database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_store_keeps_its_id(file: Path) -> None:
    with Store(f"sqlite:///{file}") as first, Store(f"sqlite:///{file}") as second:
        assert first.id == second.id
    with Store(f"sqlite:///{file}") as third, Store(f"sqlite:///{file}.other") as other:
        assert first.id == third.id != other.id


def test_a_store_of_a_newer_program_is_left_unchanged(file: Path) -> None:
    Store(f"sqlite:///{file}").close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(
            "update promptsheet set value = ? where name = 'version'", [str(VERSION + 1)]
        )
        connection.commit()
    before = file.read_bytes()

    with pytest.raises(StoreError, match=r"made by a newer Promptsheet .* upgrade Promptsheet"):
        Store(f"sqlite:///{file}")
    assert file.read_bytes() == before


def of_version_1(file: Path) -> Path:
    """A store made by a program of that version: three rows, two of them sent, one done."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((STORES / "version_1.sql").read_text())
    return file


def test_a_store_of_version_1_is_upgraded_in_place_and_keeps_everything(file: Path) -> None:
    first, second, third = (JobKey("sheet", f"r_00000000{n}", 1) for n in range(3))

    with Store(f"sqlite:///{of_version_1(file)}") as store:
        jobs = store.jobs.all("sheet")
        kept = (
            store.id,
            store.rows.memory("sheet").order,
            store.budget.spent("key", "run", "2026-03-01"),
        )

    order = {first.row_id: 1, second.row_id: 2, third.row_id: 3}
    assert kept == ("a27c23c4d097ef4c", order, Spent(8, 8))
    assert [state_of(jobs[key]) for key in (first, second, third)] == [
        State.SUCCEEDED,
        State.RUNNING,
        State.PENDING,
    ]
    assert jobs[first].attempts[0].result.urls == ("https://x/1.png",)
    assert jobs[first].files == {"https://x/1.png": "a.png"}
    assert {one.hook for job in jobs.values() for one in job.attempts} == {""}
    with closing(sqlite3.connect(file)) as connection:
        asked = "select value from promptsheet where name = 'version'"
        assert connection.execute(asked).fetchone() == (str(VERSION),)


def test_an_upgraded_store_has_the_schema_of_a_new_one(file: Path) -> None:
    Store(f"sqlite:///{of_version_1(file)}").close()
    Store(f"sqlite:///{file}.new").close()

    assert shape(file) == shape(Path(f"{file}.new"))


def shape(file: Path) -> dict[str, object]:
    """Every table with its columns and every index with its condition, without their order."""
    with closing(sqlite3.connect(file)) as connection:
        names = connection.execute("select name, type, sql from sqlite_master").fetchall()
        return {
            name: sorted(
                connection.execute(
                    f"select name, type, \"notnull\" from pragma_table_info('{name}')"
                )
            )
            if kind == "table"
            else sql
            for name, kind, sql in names
        }


def test_a_file_that_is_not_a_store_is_left_unchanged(file: Path) -> None:
    file.write_text("prompt,status\na cat,\n" * 100)

    with pytest.raises(StoreError, match=r"store\.db is not a store of Promptsheet"):
        Store(f"sqlite:///{file}")
    assert file.read_text() == "prompt,status\na cat,\n" * 100


def test_a_missing_folder_is_reported_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"No such file or directory\. Is its folder there"):
        Store(f"sqlite:///{tmp_path}/missing/store.db")
    assert not (tmp_path / "missing").exists()


@each(
    ("url", "sentence"),
    [
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("mysql://ann:secret@host/db", "begins with mysql"),
        ("not an address with secret", "is not an address"),
        ("postgresql://ann:secret@host:port/db", "is not an address"),
        ("", "is not an address"),
    ],
)
def test_an_unusable_url_is_reported_without_quoting_it(url: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence) as caught:
        Store(url)
    shown = caught.value.__cause__, str(caught.value)
    assert "secret" not in repr(shown)


def test_a_damaged_store_is_reported_in_a_clear_sentence(file: Path) -> None:
    with Store(f"sqlite:///{file}") as store:
        store.jobs.add([JobKey("sheet", f"r_{number:09d}", 1) for number in range(2000)])
    kept = file.read_bytes()
    file.write_bytes(kept[:4096] + os.urandom(len(kept) - 4096))

    with (
        pytest.raises(StoreError, match=r"is damaged|is not a store") as caught,
        Store(f"sqlite:///{file}") as store,
    ):
        store.jobs.all("sheet")
    assert not isinstance(caught.value, StoreFull)
    assert "\n" not in str(caught.value)


MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 27 0:40 / /srv/team rw,relatime shared:9 - nfs4 server:/team rw,vers=4.2
31 27 0:41 / /srv/team/local rw - ext4 /dev/vdb rw
32 27 0:42 / /media/Ann's\040share rw - cifs //server/share rw
33 27 0:43 / /net/ann/remote rw - fuse.sshfs ann@host: rw
34 27 0:44 / /mnt/c rw - 9p drvfs rw
35 27 0:45 / /twice rw - nfs server:/x rw
36 35 0:46 / /twice rw - tmpfs none rw
a line that nobody understands
"""


@each(
    ("path", "kind"),
    [
        ("/plain/store.db", ""),
        ("/srv/team/a/store.db", "nfs4"),
        ("/srv/team/local/store.db", ""),
        ("/srv/teammate/store.db", ""),
        ("/media/Ann's share/store.db", "cifs"),
        ("/net/ann/remote/store.db", "fuse.sshfs"),
        ("/mnt/c/store.db", "9p"),
        ("/twice/store.db", ""),
    ],
)
def test_a_network_file_system_is_recognised_by_its_longest_mount_point(
    path: str, kind: str
) -> None:
    assert network_file_system(Path(path), MOUNTS) == kind
    assert network_file_system(Path(path), "") == ""


def test_a_store_on_a_network_file_system_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.store.connection.network_file_system", lambda *_: "nfs4")

    with pytest.raises(StoreError, match=r"is on a network file system \(nfs4\)"):
        Store(f"sqlite:///{file}")
    assert not file.exists()


def test_the_newest_revision_leads_to_the_version_of_this_program() -> None:
    found = [one.revision for one in script().walk_revisions()]

    assert found == [str(version) for version in range(VERSION, 0, -1)]


def test_alembic_finds_no_difference_between_a_new_store_and_its_tables(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with Store(url) as store, store._database.writing() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        found = compare_metadata(context, metadata)

    assert found == []
