"""A small page for the lab: choose or drop an image, see its mask. Standard library; one frame at a time.

``POST /segment`` takes the bytes of an image file and answers with a PNG: the overlay, or with ``?mask`` the mask.
Every connection has a thread of its own, because browsers open some that they never use; ``frame_lock`` of the server
is held by whoever uses the accelerator.
"""

import html
import http.server
import sys
import threading

from board.errors import BoardError, InputError
from board.pictures import mask_png, overlay_png, read_codes

MAX_UPLOAD_BYTES = 16 << 20
UPLOADS_AT_ONCE = 4  # in memory; others wait
CLIENT_TIMEOUT_S = 20  # of a client that stalls

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>edgeseg</title><link rel="icon" href="data:,">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
#drop { display: block; border: 2px dashed #888; border-radius: .5rem; padding: 2rem; text-align: center }
#drop.over { background: #eef }
img[src] { width: 48%; image-rendering: pixelated }
#said { min-height: 1.5rem; color: #a00 }
</style>
<h1>edgeseg</h1>
<p>Network NETWORK, SIZE (height x width).</p>
<label id="drop">Drop an image here, or <input type="file" accept="image/*"></label>
<p id="said" role="status"></p>
<img id="image" alt=""> <img id="overlay" alt="">
<script>
const drop = document.getElementById("drop"), said = document.getElementById("said");
const image = document.getElementById("image"), overlay = document.getElementById("overlay");
async function segment(file) {
  said.textContent = "";
  image.src = URL.createObjectURL(file);
  overlay.removeAttribute("src");
  if (file.size > LIMIT) { said.textContent = "The file is larger than LIMIT bytes; send a smaller one."; return; }
  try {
    const answer = await fetch("segment", {method: "POST", body: file});
    if (!answer.ok) { said.textContent = await answer.text(); return; }
    overlay.src = URL.createObjectURL(await answer.blob());
  } catch (error) { said.textContent = "The server does not answer: is it still running?"; }
}
drop.querySelector("input").onchange = event => event.target.files[0] && segment(event.target.files[0]);
for (const kind of ["dragover", "dragleave", "drop"]) document.addEventListener(kind, event => {
  event.preventDefault();  // a file dropped beside the field must not replace the page
  drop.className = kind == "dragover" ? "over" : "";
});
drop.addEventListener("drop", event => event.dataTransfer.files[0] && segment(event.dataTransfer.files[0]));
</script>
"""


class Server(http.server.ThreadingHTTPServer):
    """The page's server; ``stop_frames`` before the accelerator is closed."""

    def __init__(self, address, handler):
        super().__init__(address, handler)
        self.frame_lock = threading.Lock()
        self.uploads = threading.BoundedSemaphore(UPLOADS_AT_ONCE)

    def stop_frames(self):
        """Waits for the frame that runs, and lets no other begin."""
        self.frame_lock.acquire()

    def handle_error(self, request, client_address):
        """A client that is gone is no defect; anything else is, and is shown as one."""
        if isinstance(sys.exc_info()[1], ConnectionError):
            print(f"{client_address[0]} went away", file=sys.stderr)
        else:
            super().handle_error(request, client_address)


def make_server(accel, host, port, resize=False, max_upload_bytes=MAX_UPLOAD_BYTES):
    """The ``Server`` of an accelerator; InputError where it cannot listen. ``resize``: see ``read_codes``."""
    spec = accel.spec
    words = {"NETWORK": html.escape(spec.network), "SIZE": f"{spec.height} x {spec.width}", "LIMIT": max_upload_bytes}
    page = PAGE
    for word, value in words.items():
        page = page.replace(word, str(value))

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = CLIENT_TIMEOUT_S

        def do_GET(self):
            if self.path == "/":
                self._answer(200, "text/html; charset=utf-8", page.encode())
            else:
                self._refuse(404, "nothing here; the page is at /")

        def do_POST(self):
            path, _, query = self.path.partition("?")
            if path != "/segment":
                self._refuse(404, "images go to /segment")
                return
            length = self.headers.get("Content-Length", "")
            if not (length.isascii() and length.isdigit()):
                self._refuse(411, "the upload must say its Content-Length")
                return
            if int(length) > max_upload_bytes:
                self._refuse(413, f"the upload is larger than {max_upload_bytes} bytes; send a smaller file")
                return
            try:
                with self.server.uploads:
                    codes = read_codes(self.rfile.read(int(length)), spec, resize)
                with self.server.frame_lock:
                    mask = accel.segment(codes)
            except InputError as error:
                self._refuse(400, str(error))
            except BoardError as error:
                self._refuse(503, str(error))
            else:
                self._answer(200, "image/png", mask_png(mask) if query == "mask" else overlay_png(codes, mask))

        def log_message(self, format, *arguments):
            print(f"{self.address_string()} {format % arguments}", file=sys.stderr)

        def _refuse(self, status, sentence):
            self.close_connection = True
            self._answer(status, "text/plain; charset=utf-8", f"{sentence}\n".encode())

        def _answer(self, status, kind, content):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(content)

    try:
        return Server((host, port), Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot listen on {host}:{port} ({reason}); choose another --port or --host") from None
