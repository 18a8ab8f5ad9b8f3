"""Folders of files wherever they lie, against a real S3-compatible server on this machine."""

import socket
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import fsspec
import httpx
import pytest
from ga4_events import event, write_parquet
from ga4_nights import Nights
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer
from pydantic import TypeAdapter, ValidationError

from pipelines.errors import AccessRefusedError, C360Error, SourceDownError
from pipelines.extract.buckets import File, Folder
from pipelines.extract.files import Extracted, extract_files
from pipelines.rules.source_types.files import FilesSecrets, FilesSource, FolderPath

NIGHT = date(2026, 6, 30)
ORDERS = b"id\n1\n"
SECRET = "hidden"  # noqa: S105 - of a server on this machine


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def secrets(server, monkeypatch) -> FilesSecrets:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return FilesSecrets(key="demo", secret=SECRET, endpoint_url=server, region="eu-west-1")


@pytest.fixture
def bucket(server) -> Iterator[Any]:
    """An empty bucket `drop`."""
    httpx.post(f"{server}/moto-api/reset")
    client = boto3.client("s3", endpoint_url=server, region_name="eu-west-1",
                          aws_access_key_id="demo", aws_secret_access_key=SECRET)  # fmt: skip
    client.create_bucket(
        Bucket="drop", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    yield client
    client.close()


@pytest.fixture
def put(bucket):
    def put_object(key: str, content: bytes = ORDERS) -> None:
        bucket.put_object(Bucket="drop", Key=key, Body=content)

    return put_object


@pytest.fixture
def extract(secrets, tmp_path):
    def extract_from(path: str = "s3://drop/shop", given: FilesSecrets | None = None) -> Extracted:
        source = FilesSource(name="shop", type="files", path=path)
        return extract_files(source, tmp_path / "raw", NIGHT, ("orders",), given or secrets)

    return extract_from


# --- A drop folder in a bucket ---------------------------------------------------------------


def test_a_bucket_is_read_as_a_folder_is(put, extract):
    for key in ("shop/", "shop/orders.csv", "shop/.orders.csv", "shop/notes.txt",
                "shop/old/orders.csv", "shop/orders/orders.csv", "orders.csv"):  # fmt: skip
        put(key)
    extracted = extract()
    [copy] = extracted.new
    assert copy.read_bytes() == ORDERS
    assert copy.name.endswith("__orders.csv")
    assert extracted.ignored == ("notes.txt",)
    assert extract() == Extracted(new=(), known=1, ignored=("notes.txt",))


@pytest.mark.parametrize("path", ["s3://drop", "s3://drop/", "s3a://drop/shop/"])
def test_a_bucket_may_be_given_with_or_without_a_prefix(put, extract, path):
    put("orders.csv")
    put("shop/orders.csv")
    assert len(extract(path).new) == 1


def test_an_object_that_is_as_it_was_is_not_fetched_again(put, extract, monkeypatch):
    put("shop/orders.csv")
    extract()
    put("shop/orders.csv")  # its time is another, its tag is not
    monkeypatch.setattr(Folder, "fetch", None)
    assert extract() == Extracted(new=(), known=1, ignored=())


def test_an_object_that_changed_is_fetched_beside_its_older_self(put, extract):
    for content in (b"id\n1\n", b"id\n2\n"):
        put("shop/orders.csv", content)
        assert len(extract().new) == 1


def test_more_objects_than_one_answer_holds_are_all_seen(bucket, secrets):
    for number in range(1_001):
        s3_backends["123456789012"]["aws"].put_object("drop", f"many/orders-{number}.csv", b"")
    assert len(Folder("shop", "s3://drop/many", secrets).files()) == 1_001


def test_an_emptied_prefix_is_no_fault_once_something_was_there(bucket, put, extract):
    put("shop/orders.csv")
    extract()
    bucket.delete_object(Bucket="drop", Key="shop/orders.csv")
    assert extract() == Extracted(new=(), known=0, ignored=())


def test_an_empty_prefix_is_told_as_an_empty_folder_is(bucket, extract):
    with pytest.raises(C360Error, match=r"Source shop: s3://drop/shop holds nothing"):
        extract()


def test_an_export_is_read_from_a_bucket(put, server, secrets, catalogue, tmp_path):
    login = {"key": "demo", "secret": SECRET, "endpoint_url": server, "region": "eu-west-1"}
    nights = Nights(tmp_path / "raw" / "web", catalogue, login, path="s3://drop/ga4")
    for user in (None, "changed"):
        write_parquet(tmp_path / "day", [event(1), event(2, user_id=user)])
        put("ga4/events_20260630_000000000000.parquet", (tmp_path / "day").read_bytes())
        assert nights.extract().records == (1 if user else 2)
        assert nights.extract().parts == []
    assert [row["user_id"] for row in nights.rows()] == [None, "changed"]


# --- What can go wrong -----------------------------------------------------------------------


def test_a_missing_bucket_is_told_in_a_sentence(bucket, extract):
    with pytest.raises(SourceDownError, match=r"the drop folder s3://lost/shop does not exist"):
        extract("s3://lost/shop")


def test_an_object_is_no_folder(put, extract):
    put("shop/orders.csv")
    with pytest.raises(SourceDownError, match=r"s3://drop/shop/orders.csv is a file"):
        extract("s3://drop/shop/orders.csv")


@pytest.fixture
def locked(server, put) -> Iterator[None]:
    """From here on the server wants to know who asks."""
    put("shop/orders.csv")
    httpx.post(f"{server}/moto-api/reset-auth", content=b"0")
    yield
    httpx.post(f"{server}/moto-api/reset-auth", content=b"inf")


def test_a_wrong_key_is_told_in_a_sentence_that_does_not_hold_it(locked, secrets, extract):
    with pytest.raises(AccessRefusedError, match=r"may not be read: InvalidAccessKeyId") as caught:
        extract()
    assert "C360_SOURCE_SHOP" in caught.value.hint
    assert SECRET not in str(caught.value)
    assert "demo" not in str(caught.value)
    assert not caught.value.heals


def test_no_key_at_all_is_told_in_a_sentence(server, bucket, extract, monkeypatch, tmp_path):
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(AccessRefusedError, match=r"may not be read: NoCredentialsError"):
        extract(given=FilesSecrets(endpoint_url=server))


def test_a_server_that_does_not_answer_is_told_in_a_sentence(extract, secrets):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        nobody = secrets.model_copy(update={"endpoint_url": url})
        with pytest.raises(SourceDownError, match=r"does not answer: EndpointConnectionError"):
            extract(given=nobody)


def test_an_object_that_vanishes_before_it_is_fetched_is_told_in_a_sentence(bucket, secrets):
    folder = Folder("shop", "s3://drop/shop", secrets)
    with pytest.raises(SourceDownError, match=r"s3://drop/shop/orders.csv does not exist"):
        folder.fetch(File("orders.csv", 5, "x"), Path("/tmp/never"))  # noqa: S108


def test_an_object_that_is_replaced_while_it_is_fetched_is_not_kept(put, secrets, tmp_path):
    put("shop/orders.csv")
    folder = Folder("shop", "s3://drop/shop", secrets)
    [listed] = folder.files()
    put("shop/orders.csv", b"id\n2\n")
    with pytest.raises(C360Error, match="changed while it was copied"):
        folder.fetch(listed, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "driver"), [("gs://drop/shop", "gs://"), ("nowhere://drop/shop", "nowhere://")]
)
def test_a_place_without_a_driver_is_told_in_a_sentence(extract, path, driver):
    with pytest.raises(C360Error, match=r"cannot be opened") as caught:
        extract(path)
    assert f"fsspec driver of {driver}" in caught.value.hint


def test_a_folder_that_may_not_be_read_is_told_in_a_sentence(extract, tmp_path, monkeypatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("fsspec.implementations.local.os.scandir", refuse)
    with pytest.raises(AccessRefusedError, match=r"may not be read: PermissionError"):
        extract(str(tmp_path))


# --- Other places ----------------------------------------------------------------------------


def test_any_place_that_fsspec_knows_will_do(extract):
    memory = fsspec.filesystem("memory")
    memory.pipe("/shop-drop/orders.csv", ORDERS)
    assert len(extract("memory://shop-drop").new) == 1
    assert extract("memory://shop-drop").known == 1
    memory.pipe("/shop-drop/orders.csv", b"id\n2\n")
    assert len(extract("memory://shop-drop").new) == 1
    with pytest.raises(SourceDownError, match="does not exist"):
        extract("memory://nowhere")


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_local_folder_may_be_given_as_a_path_or_a_url(extract, tmp_path, prefix):
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "orders.csv").write_bytes(ORDERS)
    assert len(extract(f"{prefix}{tmp_path}/drop").new) == 1


def test_a_file_without_any_mark_is_fetched_each_time(extract, monkeypatch):
    memory = fsspec.filesystem("memory")
    memory.pipe("/plain/orders.csv", ORDERS)
    monkeypatch.setattr("pipelines.extract.buckets.CLOCKS", ())
    assert len(extract("memory://plain").new) == 1
    fetched = []
    fetch = Folder.fetch
    monkeypatch.setattr(
        Folder, "fetch", lambda self, file, to: fetched.append(1) or fetch(self, file, to)
    )
    assert extract("memory://plain").known == 1
    assert fetched == [1]


@pytest.mark.parametrize(
    ("path", "is_fine"),
    [
        ("s3://bucket/path", True),
        ("abfs://container@account.dfs.core.windows.net/x", True),
        ("hdfs://host:8020/x", True),
        ("sftp://shop@host/drop", True),
        ("sftp://shop:secret@host/drop", False),
        ("/data/drop", True),
    ],
)
def test_a_url_holds_no_password(path, is_fine):
    adapter: TypeAdapter[Any] = TypeAdapter(FolderPath)
    if is_fine:
        assert str(adapter.validate_python(path)) == path
        return
    with pytest.raises(ValidationError, match="a password has no place in a rules file"):
        adapter.validate_python(path)


@pytest.mark.parametrize(
    ("response", "kind", "told"),
    [
        ({"Error": {"Code": "SignatureDoesNotMatch"}}, AccessRefusedError, "SignatureDoesNotMatch"),
        ({"Error": {"Code": "SlowDown", "Message": "hidden"}}, SourceDownError, "SlowDown"),
        (SimpleNamespace(status_code=500), SourceDownError, "OSError"),
    ],
)
def test_an_error_is_told_by_its_code_or_kind_alone(bucket, secrets, response, kind, told):
    def fail(*_: Any, **__: Any) -> None:
        error = OSError("hidden")
        raise error from type("ClientError", (Exception,), {"response": response})()

    folder = Folder("shop", "memory://x", secrets)
    folder._fs = SimpleNamespace(ls=fail)
    with pytest.raises(kind, match=rf"{told}\.") as caught:
        folder.files()
    assert "hidden" not in str(caught.value)
