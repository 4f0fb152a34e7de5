"""A small page for the lab: choose or drop an image, see its mask. Standard library, one request at a time.

``POST /segment`` takes the bytes of an image file and answers with a PNG: the overlay, or with ``?mask`` the mask.
"""

import http.server
import sys

from board.errors import BoardError, InputError
from board.pictures import mask_png, overlay_png, read_codes

MAX_UPLOAD_BYTES = 16 << 20
UPLOAD_TIMEOUT_S = 20

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>edgeseg</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
#drop { border: 2px dashed #888; border-radius: .5rem; padding: 2rem; text-align: center }
#drop.over { background: #eef }
img { max-width: 48%; image-rendering: pixelated }
#said { min-height: 1.5rem; color: #a00 }
</style>
<h1>edgeseg</h1>
<p>Network NETWORK, SIZE (height x width).</p>
<label id="drop">Drop an image here, or <input type="file" accept="image/*"></label>
<p id="said" role="status"></p>
<img id="image" alt=""> <img id="overlay" alt="">
<script>
const drop = document.getElementById("drop"), said = document.getElementById("said");
async function segment(file) {
  said.textContent = "";
  document.getElementById("image").src = URL.createObjectURL(file);
  const answer = await fetch("segment", {method: "POST", body: file});
  if (!answer.ok) { said.textContent = await answer.text(); return; }
  document.getElementById("overlay").src = URL.createObjectURL(await answer.blob());
}
drop.querySelector("input").onchange = event => event.target.files[0] && segment(event.target.files[0]);
drop.ondragover = event => { event.preventDefault(); drop.className = "over"; };
drop.ondragleave = () => { drop.className = ""; };
drop.ondrop = event => {
  event.preventDefault(); drop.className = "";
  if (event.dataTransfer.files[0]) segment(event.dataTransfer.files[0]);
};
</script>
"""


def make_server(accel, host, port, resize=False, max_upload_bytes=MAX_UPLOAD_BYTES):
    """An HTTP server, single-threaded so that the accelerator sees one request after the other."""
    spec = accel.spec
    page = PAGE.replace("NETWORK", spec.network).replace("SIZE", f"{spec.height} x {spec.width}")

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = UPLOAD_TIMEOUT_S  # a client that stalls must not keep the others out

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
            if not length.isdigit():
                self._refuse(411, "the upload must say its Content-Length")
                return
            if int(length) > max_upload_bytes:
                self._refuse(413, f"the upload is larger than {max_upload_bytes} bytes; send a smaller file")
                return
            try:
                codes = read_codes(self.rfile.read(int(length)), spec, resize)
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
        return http.server.HTTPServer((host, port), Handler)
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another --port or --host"
        ) from None
