"""Downloads from a web server on this machine: mirrors that break, lie, stall or are down; full MNIST."""

import contextlib
import gzip
import hashlib
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from mirror import Mirror, serving

from flowlib.data import load_mnist, mnist
from flowlib.data.download import fetch
from flowlib.errors import FlowlibError

NAME, CONTENT = "file.bin", bytes(range(256)) * 40
MD5 = hashlib.md5(CONTENT).hexdigest()
ALTERED = CONTENT[:5000] + b"!" + CONTENT[5001:]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """These addresses are on this machine, whatever proxy the environment names."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def mirrors():
    """Start mirrors for the length of a test: mirrors(Mirror(…), …) returns them."""
    with contextlib.ExitStack() as stack:
        yield lambda *made: [stack.enter_context(serving(mirror)) for mirror in made]


@pytest.fixture
def down():
    """The address of a mirror that is not there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def get(folder, *mirrors, timeout=5.0):
    """Fetch from mirrors or addresses; checks that the file is whole and nothing else is left."""
    addresses = [getattr(mirror, "url", mirror) for mirror in mirrors]
    path = fetch(NAME, MD5, addresses, folder, timeout)
    assert path == folder / NAME and path.read_bytes() == CONTENT
    assert [entry.name for entry in folder.iterdir()] == [NAME]
    return path


def test_downloaded_once(tmp_path, mirrors):
    (good,) = mirrors(Mirror({NAME: CONTENT}))
    get(tmp_path / "new" / "folder", good)
    get(tmp_path / "new" / "folder", good)
    assert good.ranges == [None]


def test_of_several_at_once_one_downloads(tmp_path, mirrors):
    (good,) = mirrors(Mirror({NAME: CONTENT}))
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda number: fetch(NAME, MD5, [good.url], tmp_path / "cache"), range(6)))
    assert good.ranges == [None] and {path.read_bytes() for path in found} == {CONTENT}


def test_a_slash_at_the_end_of_an_address_does_no_harm(tmp_path, mirrors):
    (good,) = mirrors(Mirror({NAME: CONTENT}))
    get(tmp_path, good.url + "/")


def test_a_broken_connection_is_resumed_from_the_next_mirror(tmp_path, mirrors):
    broken, good = mirrors(Mirror({NAME: CONTENT}, "truncate"), Mirror({NAME: CONTENT}))
    get(tmp_path, broken, good)
    assert good.ranges == [f"bytes={len(CONTENT) // 2}-"]


def test_a_broken_connection_is_resumed_by_the_next_call(tmp_path, mirrors):
    (mirror,) = mirrors(Mirror({NAME: CONTENT}, "truncate"))
    with pytest.raises(FlowlibError, match=f"broke after {len(CONTENT) // 2} of {len(CONTENT)} bytes"):
        get(tmp_path, mirror)
    assert [entry.name for entry in tmp_path.iterdir()] == [f"{NAME}.part"]
    mirror.fault = None
    get(tmp_path, mirror)
    assert mirror.ranges == [None, f"bytes={len(CONTENT) // 2}-"]


def test_a_server_that_cannot_resume_starts_anew(tmp_path, mirrors):
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT[:300])
    (mirror,) = mirrors(Mirror({NAME: CONTENT}, "no range"))
    get(tmp_path, mirror)
    assert mirror.ranges == ["bytes=300-"]  # one request: what came was the whole file, not its rest


def test_a_server_that_cannot_resume_and_breaks_costs_nothing_that_was_there(tmp_path, mirrors):
    three_quarters = 3 * len(CONTENT) // 4
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT[:three_quarters])
    broken, good = mirrors(Mirror({NAME: CONTENT}, "no range, truncate"), Mirror({NAME: CONTENT}))
    get(tmp_path, broken, good)
    assert good.ranges == [f"bytes={three_quarters}-"]


def test_a_part_that_is_too_long_is_cut_by_a_server_that_cannot_resume(tmp_path, mirrors):
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT + b"more")
    (mirror,) = mirrors(Mirror({NAME: CONTENT}, "no range"))
    get(tmp_path, mirror)
    assert len(mirror.ranges) == 1


def test_a_complete_part_is_only_verified(tmp_path, mirrors):
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT)
    (mirror,) = mirrors(Mirror({}))
    mirror.files[NAME] = CONTENT
    get(tmp_path, mirror)
    assert mirror.ranges == [f"bytes={len(CONTENT)}-"]


def test_an_altered_file_is_thrown_away(tmp_path, mirrors):
    altered, good = mirrors(Mirror({NAME: ALTERED}), Mirror({NAME: CONTENT}))
    get(tmp_path, altered, good)
    assert good.ranges == [None]  # from the beginning: nothing of the altered file is kept
    with pytest.raises(FlowlibError, match=f"MD5 is {hashlib.md5(ALTERED).hexdigest()}, expected {MD5}"):
        get(tmp_path / "other", altered)
    assert list((tmp_path / "other").iterdir()) == []


def test_an_altered_part_costs_one_more_try(tmp_path, mirrors):
    (tmp_path / f"{NAME}.part").write_bytes(ALTERED[:6000])
    (mirror,) = mirrors(Mirror({NAME: CONTENT}))
    get(tmp_path, mirror)
    assert mirror.ranges == ["bytes=6000-", None]


def test_a_damaged_file_in_the_cache_is_replaced(tmp_path, mirrors):
    (tmp_path / NAME).write_bytes(CONTENT[:-1])
    (mirror,) = mirrors(Mirror({NAME: CONTENT}))
    get(tmp_path, mirror)


@pytest.mark.parametrize("fault", ["stall", "garbage"])
def test_a_mirror_that_misbehaves_is_left(tmp_path, mirrors, fault):
    bad, good = mirrors(Mirror({NAME: CONTENT}, fault), Mirror({NAME: CONTENT}))
    get(tmp_path, bad, good, timeout=0.3)


def test_a_mirror_that_is_down_or_lacks_the_file_is_left(tmp_path, mirrors, down):
    empty, good = mirrors(Mirror({}), Mirror({NAME: CONTENT}))
    get(tmp_path, down, empty, good)


def test_offline_the_message_says_what_to_do(tmp_path, down):
    with pytest.raises(FlowlibError) as caught:
        get(tmp_path, down, down + "/again")
    message = str(caught.value)
    for part in (
        f"{NAME} could not be downloaded",
        down,
        "refused",
        "run the same command again",
        str(tmp_path),
    ):
        assert part in message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FlowlibError, match="cannot be made .*FLOWLIB_CACHE"):
        get(tmp_path / "file" / "cache")


class TestMnist:
    """The loader, with a small stand-in for the files behind the same names."""

    @pytest.fixture
    def server(self, mirrors, monkeypatch, tmp_path):
        random, files = np.random.RandomState(0), {}
        for prefix, count in (("train", 6), ("t10k", 4)):
            images = random.randint(0, 256, (count, 28, 28)).astype(np.uint8)
            labels = random.randint(0, 10, count).astype(np.uint8)
            files[f"{prefix}-images-idx3-ubyte.gz"] = idx(images)
            files[f"{prefix}-labels-idx1-ubyte.gz"] = idx(labels)
        monkeypatch.setattr(mnist, "MD5", {name: hashlib.md5(value).hexdigest() for name, value in files.items()})
        monkeypatch.setenv("FLOWLIB_CACHE", str(tmp_path))
        return mirrors(Mirror(files))[0]

    @pytest.mark.parametrize("split, prefix, count", [("train", "train", 6), ("test", "t10k", 4)])
    def test_both_splits(self, server, split, prefix, count):
        images, labels = load_mnist(split, mirrors=[server.url])
        assert images.shape == (count, 1, 28, 28) and images.dtype == torch.uint8
        assert labels.shape == (count,) and labels.dtype == torch.int64
        raw = gzip.decompress(server.files[f"{prefix}-images-idx3-ubyte.gz"])
        assert images.numpy().tobytes() == raw[16:]
        assert labels.tolist() == list(gzip.decompress(server.files[f"{prefix}-labels-idx1-ubyte.gz"])[8:])

    def test_cached_in_the_folder_that_the_environment_names(self, server, tmp_path):
        load_mnist("test", mirrors=[server.url])
        load_mnist("test", mirrors=[])  # offline
        names = sorted(path.name for path in (tmp_path / "mnist").iterdir())
        assert names == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]

    def test_offline_without_the_files(self, server, down):
        with pytest.raises(FlowlibError, match="train-images-idx3-ubyte.gz could not be downloaded"):
            load_mnist("train", mirrors=[down])

    def test_unknown_split(self):
        with pytest.raises(FlowlibError, match="unknown split 'valid'"):
            load_mnist("valid")


def test_the_published_checksums():
    assert sorted(mnist.MD5.values()) == [
        "9fb629c4189551a2d022fa330f9573f3", "d53e105ee54ea40749a09fcbcd1e9432",
        "ec29112dd5afa0611ce80d1b7f02629c", "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    ]  # fmt: skip


def idx(array):
    """The bytes of a gzipped IDX file, by the format's definition."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


def test_sha256_is_told_from_md5_by_its_length(tmp_path, mirrors):
    altered, good = mirrors(Mirror({NAME: ALTERED}), Mirror({NAME: CONTENT}))
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert fetch(NAME, sha256, [altered.url, good.url], tmp_path).read_bytes() == CONTENT
    assert good.ranges == [None]
    with pytest.raises(FlowlibError, match=f"SHA-256 is {hashlib.sha256(ALTERED).hexdigest()}, expected {sha256}"):
        fetch(NAME, sha256, [altered.url], tmp_path / "other")
