"""Buckets and SFTP servers: what they say when something is wrong, and what they never do."""

from __future__ import annotations

import asyncio
import builtins
from pathlib import Path

import pytest

from pipeline.config import Secret
from pipeline.config.remote import RemotePlace
from pipeline.core.errors import FileGone, MissingExtra, NoPlace, NotRead, NotSaved
from pipeline.core.pictures.saved_files import Kept
from pipeline.provider.downloads.buckets import Bucket
from pipeline.provider.downloads.sftp import Sftp
from pipeline.provider.downloads.uploads import Uploads
from pipeline.server import event_loop
from tests.fakes.buckets import (
    BUCKET,
    S3_KEY,
    azure_connection,
    azure_storage,
    google_storage,
    s3_server,
)
from tests.fakes.raw_server import RawServer, answer, answers
from tests.fakes.sftp_server import PASSWORD, USER, sftp_server

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
SECRET = "a-very-secret-key"
PUBLIC = "https://pictures.example.com/spring"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / ".fox.part"
    path.write_bytes(PNG)
    return path


def kept(place: Uploads, file: Path, name: str = "fox 1.png") -> Kept:
    async def run() -> Kept:
        try:
            return await place.keep(file, name, "image/png", "")
        finally:
            await place.close()

    return event_loop.run(run())


def refusal(place: Uploads, file: Path, kind: type[Exception] = NoPlace) -> str:
    with pytest.raises(kind) as found:
        kept(place, file)
    assert type(found.value) is kind
    return str(found.value)


def test_a_file_has_its_type_an_address_and_a_link(file: Path) -> None:
    server = s3_server()
    bucket = server.new_bucket()
    remote = RemotePlace("s3", f"s3://{bucket}/a/b/", Secret(S3_KEY), server.url, PUBLIC)

    found = kept(Bucket(remote), file)

    (key,) = server.files(bucket)
    assert found.path == f"s3://{bucket}/{key}"
    assert found.link == f"{PUBLIC}/{key.removeprefix('a/b/').replace(' ', '%20')}"
    assert server.type_of(bucket, key) == "image/png"


def test_a_place_without_a_public_address_gives_no_link(file: Path) -> None:
    server = s3_server()
    remote = RemotePlace("s3", f"s3://{server.new_bucket()}", Secret(S3_KEY), server.url)

    assert kept(Bucket(remote), file).link == ""


def test_the_other_services_have_the_type_too(file: Path) -> None:
    with google_storage() as google, azure_storage() as azure:
        url = f"http://127.0.0.1:{google.port}"
        kept(Bucket(RemotePlace("gs", f"gs://{BUCKET}", Secret('"anon"'), url)), file)
        kept(Bucket(RemotePlace("az", f"az://{BUCKET}", Secret(azure_connection(azure)))), file)

    assert list(google.types.values()) == list(azure.types.values()) == ["image/png"]


def error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        (answer(403, error("AccessDenied")), NoPlace, "the key may not write there. Give it the"),
        (answer(403, error("InvalidAccessKeyId")), NoPlace, "the key may not write there."),
        (answer(404, error("NoSuchBucket")), NoPlace, "there is no bucket pictures. Create it"),
        (answer(503, error("SlowDown")), NotSaved, "could not be saved in s3://pictures now"),
        (answer(500, error("InternalError")), NotSaved, "now (InternalError)."),
    ],
)
def test_an_error_of_s3_is_a_sentence_after_one_request(
    file: Path, text: bytes, kind: type[Exception], says: str
) -> None:
    server = RawServer(answers(text))

    async def run() -> str:
        async with server:
            key = Secret(f"key-id:{SECRET}")
            place = Bucket(RemotePlace("s3", "s3://pictures", key, server.url))
            with pytest.raises(kind) as found:
                await place.keep(file, "fox.png", "image/png", "")
            await place.close()
            assert type(found.value) is kind
            return str(found.value)

    sentence = event_loop.run(run())

    assert says in sentence
    assert SECRET not in sentence
    assert server.read == 1


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [(403, NoPlace, "may not write"), (503, NotSaved, "now (503)"), (429, NotSaved, "now (429)")],
)
def test_an_error_of_the_other_services_is_a_sentence_after_one_request(
    file: Path, status: int, kind: type[Exception], says: str
) -> None:
    with google_storage() as google, azure_storage() as azure:
        google.says = azure.says = status
        url = f"http://127.0.0.1:{google.port}"
        for remote in (
            RemotePlace("gs", f"gs://{BUCKET}", Secret('"anon"'), url),
            RemotePlace("az", f"az://{BUCKET}", Secret(azure_connection(azure))),
        ):
            assert says in refusal(Bucket(remote), file, kind)

    assert (google.uploads, azure.uploads) == (1, 1)


@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_a_server_that_cannot_be_reached_is_tried_again_later(file: Path, kind: str) -> None:
    key = Secret(S3_KEY if kind == "s3" else '"anon"')
    place = Bucket(RemotePlace(kind, f"{kind}://{BUCKET}", key, "http://127.0.0.1:1"))

    assert "could not be saved" in refusal(place, file, NotSaved)


@pytest.mark.parametrize(
    ("kind", "key", "says"),
    [
        ("s3", SECRET, "the key cannot be read. Set [media] credentials to KEY_ID:SECRET"),
        ("gs", SECRET, "the key cannot be read. Set [media] credentials to the key file"),
        ("az", SECRET, "the key cannot be read. Set [media] credentials to a connection string"),
    ],
)
def test_a_key_in_a_wrong_form_is_refused_without_showing_it(
    file: Path, kind: str, key: str, says: str
) -> None:
    sentence = refusal(Bucket(RemotePlace(kind, f"{kind}://{BUCKET}", Secret(key))), file)

    assert says in sentence
    assert SECRET not in sentence


def test_a_machine_without_keys_is_named(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    place = Bucket(RemotePlace("s3", f"s3://{BUCKET}", None, "http://127.0.0.1:1"))

    assert "this machine has no key for S3. Set [media] credentials" in refusal(place, file)


@pytest.mark.parametrize(
    ("kind", "missing", "extra"),
    [
        ("s3", "s3fs", "s3"),
        ("gs", "gcsfs.core", "gcs"),
        ("az", "adlfs", "azure"),
        ("sftp", "paramiko", "sftp"),
    ],
)
def test_missing_libraries_are_named_with_the_command_that_installs_them(
    file: Path, monkeypatch: pytest.MonkeyPatch, kind: str, missing: str, extra: str
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name == missing:
            raise ImportError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]

    remote = RemotePlace(kind, f"{kind}://127.0.0.1/media")
    place = Sftp(remote) if kind == "sftp" else Bucket(remote)
    monkeypatch.setattr(builtins, "__import__", without)

    assert f'Install "promptsheet[{extra}]"' in refusal(place, file, MissingExtra)


def test_an_unknown_host_key_is_refused_and_nothing_is_sent(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with sftp_server(tmp_path / "server") as server:
        place = f"sftp://{USER}@127.0.0.1:{server.port}/media"
        unknown = refusal(Sftp(RemotePlace("sftp", place, Secret(PASSWORD))), file)
        server.known_hosts(tmp_path)
        wrong = refusal(Sftp(RemotePlace("sftp", place, Secret(SECRET))), file)
        kept(Sftp(RemotePlace("sftp", place, Secret(PASSWORD))), file)

        assert f"the host key of 127.0.0.1:{server.port} is not known. Run ssh once" in unknown
        assert "refuses the login. Check the user and [media] credentials" in wrong
        assert SECRET not in wrong
        assert [Path(name).suffix for name in server.files()] == [".png"]


def test_a_file_on_the_sftp_server_is_never_half_under_its_name(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with sftp_server(tmp_path / "server") as server:
        server.known_hosts(tmp_path)
        place = RemotePlace("sftp", f"sftp://{USER}@127.0.0.1:{server.port}/", Secret(PASSWORD))
        server.breaks_after = 1000
        broken = refusal(Sftp(place), file, NotSaved)
        left = dict(server.files())
        server.breaks_after = None
        again = kept(Sftp(place), file)

        assert "could not be saved" in broken
        assert all(name.endswith(".part") for name in left)
        assert server.files()[again.path.rpartition("/")[2]] == PNG


def unread(place: Uploads, path: str) -> tuple[str, bool]:
    """Why the file cannot be read, and whether it is only this file."""
    with pytest.raises(NotRead) as found:
        place.read(path, 0, 10)
    event_loop.run(place.close())
    return str(found.value), isinstance(found.value, FileGone)


def test_why_a_file_cannot_be_read_is_said_with_the_right_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    key = Secret(f"key-id:{SECRET}")
    server = RawServer(answers(answer(403, error("AccessDenied"))))

    async def refused() -> tuple[str, bool]:
        async with server:
            place = Bucket(RemotePlace("s3", "s3://pictures", key, server.url))
            return await asyncio.to_thread(unread, place, "s3://pictures/fox.png")

    said = [event_loop.run(refused())]
    with google_storage() as google, azure_storage() as azure:
        google.refuses = azure.refuses = 403
        url = f"http://127.0.0.1:{google.port}"
        gs = Bucket(RemotePlace("gs", f"gs://{BUCKET}", Secret('"anon"'), url))
        az = Bucket(RemotePlace("az", f"az://{BUCKET}", Secret(azure_connection(azure))))
        said += [unread(gs, f"gs://{BUCKET}/fox.png"), unread(az, f"az://{BUCKET}/fox.png")]
    down = Bucket(RemotePlace("s3", "s3://pictures", key, "http://127.0.0.1:1"))
    said.append(unread(down, "s3://pictures/fox.png"))
    with sftp_server(tmp_path / "server") as sftp:
        place = f"sftp://{USER}@127.0.0.1:{sftp.port}/media"
        said.append(unread(Sftp(RemotePlace("sftp", place, Secret(PASSWORD))), f"{place}/a.png"))

    for (sentence, is_alone), says in zip(
        said,
        (
            "the key may not read there. Give it the permission to read objects (s3:GetObject).",
            "(the role Storage Object Viewer).",
            "(Storage Blob Data Reader).",
            "cannot be read from s3://pictures now (nothing answers there).",
            "the host key of 127.0.0.1",
        ),
        strict=True,
    ):
        assert says in sentence
        assert SECRET not in sentence
        assert not is_alone


def test_a_key_of_google_that_may_only_create_objects_repeats_an_upload_and_a_check(
    file: Path,
) -> None:
    with google_storage() as google:
        google.may_replace, google.refuses = False, 403
        url = f"http://127.0.0.1:{google.port}"
        remote = RemotePlace("gs", f"gs://{BUCKET}", Secret('"anon"'), url)
        for _ in range(2):  # two runs
            place = Bucket(remote)
            event_loop.run(place.check())
            event_loop.run(place.close())
        first, again = kept(Bucket(remote), file), kept(Bucket(remote), file)
        google.says = 403
        other = refusal(Bucket(remote), file)

    assert again == first
    assert "may not write" in other
    assert google.files[first.path.rpartition("/")[2]] == PNG
    assert len(google.files) == 2  # the test file could not be deleted


def test_a_check_says_if_files_can_be_saved_and_not_be_read(file: Path) -> None:
    with google_storage() as google:
        url = f"http://127.0.0.1:{google.port}"
        place = Bucket(RemotePlace("gs", f"gs://{BUCKET}", Secret('"anon"'), url))
        event_loop.run(place.check())
        well = place.remark
        google.refuses = 403
        event_loop.run(place.check())
        event_loop.run(place.close())

    assert well == ""
    assert place.remark == (
        "Pictures cannot be read from gs://pictures: the key may not read there. Give it the "
        "permission to read objects (the role Storage Object Viewer). Until then, the page shows "
        "only small versions."
    )
    assert google.files == {}


def test_a_key_that_opens_other_buckets_reads_only_the_one_of_the_configuration(
    file: Path,
) -> None:
    server = s3_server()
    ours, other = server.new_bucket(), server.new_bucket()
    secret = kept(Bucket(RemotePlace("s3", f"s3://{other}", Secret(S3_KEY), server.url)), file)
    earlier = kept(Bucket(RemotePlace("s3", f"s3://{ours}/old", Secret(S3_KEY), server.url)), file)
    place = Bucket(RemotePlace("s3", f"s3://{ours}/new", Secret(S3_KEY), server.url))

    assert place.read(earlier.path, 0, len(PNG)) == PNG  # save_to has moved since
    assert unread(place, secret.path) == (
        f"The file was saved elsewhere, not in {place.address}.",
        True,
    )


def test_a_page_that_runs_for_days_connects_again_to_an_sftp_server(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with sftp_server(tmp_path / "server") as server:
        server.known_hosts(tmp_path)
        remote = RemotePlace("sftp", f"sftp://{USER}@127.0.0.1:{server.port}/", Secret(PASSWORD))
        path = kept(Sftp(remote), file).path
        place, read = Sftp(remote), []
        for _ in range(3):
            read.append(place.read(path, 0, len(PNG)))
            for transport in server.transports:
                transport.close()
        again = place.about(path).size
        connections = server.connections
        event_loop.run(place.close())

    assert read == [PNG] * 3
    assert again == len(PNG)
    assert connections == 5
