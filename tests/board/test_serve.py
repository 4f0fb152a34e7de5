"""The page of ``serve`` over the fake device: answers, refusals, clients that stall, vanish or come together."""

import http.client
import io
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from fake_device import FakeDevice, images, logits_of, segmenter

from board import registers as reg
from board import serve
from board.io_spec import IoSpec
from board.segmenter import Segmenter
from board.serve import make_server

LIMIT = 100_000
PATIENCE_S = 60  # with a busy machine


@pytest.fixture
def device():
    return FakeDevice()


@pytest.fixture
def server(device, monkeypatch):
    """The page on a free port of this machine. It never gives a client up, so that what waits for one is seen."""
    monkeypatch.setattr(serve, "CLIENT_TIMEOUT_S", 1000 * PATIENCE_S)
    with make_server(segmenter(device), "127.0.0.1", 0, max_upload_bytes=LIMIT) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def post(server, content, path="/segment?mask"):
    request = urllib.request.Request(f"http://127.0.0.1:{server.server_port}{path}", data=content)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return answer.read()


def png(codes):
    content = io.BytesIO()
    Image.fromarray(codes).save(content, "PNG")
    return content.getvalue()


def is_right(answer, codes):
    """``answer`` is the PNG of the mask of ``codes``."""
    return np.array_equal(np.asarray(Image.open(io.BytesIO(answer))), np.where(logits_of(codes)[..., 0] > 0, 255, 0))


def test_answers_with_mask_and_overlay(server):
    codes = images(1)[0]
    assert is_right(post(server, png(codes)), codes)
    overlay = np.asarray(Image.open(io.BytesIO(post(server, png(codes), "/segment"))))
    background = logits_of(codes)[..., 0] <= 0
    assert np.array_equal(overlay[background], codes[background])


def test_page_names_network_size_and_limit():
    spec = IoSpec("<b>&", 1, 16, 16, 3)
    accel = Segmenter.__new__(Segmenter)  # the page needs no more of it
    accel.spec = spec
    with make_server(accel, "127.0.0.1", 0) as made:
        thread = threading.Thread(target=made.handle_request)
        thread.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{made.server_port}", timeout=PATIENCE_S) as page:
            text = page.read().decode()
        thread.join()
    assert "Network &lt;b&gt;&amp;, 16 x 16" in text
    assert "file.size > 16777216" in text


@pytest.mark.parametrize(
    ("path", "content", "status", "sentence"),
    [
        ("/segment", b"no image", 400, "image 'upload' is none of PNG, JPEG"),
        ("/segment", png(np.zeros((8, 16, 3), np.uint8)), 400, "is 8x16 (height x width), the network takes 16x16"),
        ("/segment", bytes(LIMIT + 1), 413, f"larger than {LIMIT} bytes"),
        ("/elsewhere", b"x", 404, "images go to /segment"),
        ("/elsewhere", None, 404, "the page is at /"),
    ],
)
def test_refusals_are_one_sentence(server, path, content, status, sentence):
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(server, content, path)
    assert refused.value.code == status and sentence in refused.value.read().decode()
    refused.value.close()


@pytest.mark.parametrize("length", [None, "", "-1", "x", "\xb2"])
def test_upload_without_a_length(server, length):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE_S)
    connection.putrequest("POST", "/segment")
    if length is not None:
        connection.putheader("Content-Length", length.encode("latin-1"))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (411, b"the upload must say its Content-Length\n")
    connection.close()


def test_error_of_the_accelerator_is_told_and_the_next_image_answered(server, device):
    codes = images(1)[0]
    device.status = reg.STATUS_READ_SLVERR
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(server, png(codes))
    assert refused.value.code == 503 and "READ_SLVERR" in refused.value.read().decode()
    refused.value.close()
    assert is_right(post(server, png(codes)), codes)


def test_connections_that_say_nothing_keep_nobody_out(server):
    codes = images(1)[0]
    silent = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(3)]  # as browsers open them
    assert is_right(post(server, png(codes)), codes)
    for connection in silent:
        connection.close()


def test_clients_at_once_get_each_their_own_mask(server):
    codes, answers = images(12), {}

    def ask(index):
        answers[index] = post(server, png(codes[index]))

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(codes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == len(codes) and all(is_right(answers[index], codes[index]) for index in answers)


class WatchedLock:
    """A lock that tells when it is asked for."""

    def __init__(self):
        self.asked, self._lock = threading.Event(), threading.Lock()

    def __enter__(self):
        self.asked.set()
        self._lock.acquire()

    def __exit__(self, *_):
        self._lock.release()


def test_client_that_leaves_is_one_line(server, capsys):
    server.frame_lock = WatchedLock()
    with server.frame_lock:  # its frame cannot be computed before it has gone
        server.frame_lock.asked.clear()
        content = png(images(1)[0])
        leaving = socket.create_connection(("127.0.0.1", server.server_port))
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closed by a reset
        leaving.sendall(b"POST /segment HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
        assert server.frame_lock.asked.wait(PATIENCE_S)
        leaving.close()
    said = ""
    for _ in range(20 * PATIENCE_S):
        said += capsys.readouterr().err
        if "went away" in said:
            break
        time.sleep(0.05)
    assert "127.0.0.1 went away" in said and "Traceback" not in said


def test_no_frame_begins_after_the_server_was_told_to_stop(server, device):
    server.stop_frames()
    with pytest.raises((TimeoutError, urllib.error.URLError)):
        urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{server.server_port}/segment", data=png(images(1)[0])),
            timeout=0.3,
        )
    assert "start" not in device.events
    server.frame_lock.release()
