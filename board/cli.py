"""The command line of ``board``. A user's mistake is one line on stderr and status 2, an interruption status 130."""

import argparse
import collections
import json
import os
import sys

from board.boundary import USER_ERROR, add_debug, run_command
from board.cascade_folder import cascade_parts, is_cascade
from board.cascade_run import Cascade
from board.deploy import IO_SPEC, Deploy
from board.errors import BoardError, DeviceError, InputError
from board.io_spec import IoSpec, read_io_spec
from board.segmenter import FRAMES_PER_JOB, TIMEOUT_S


def main(argv=None):
    """Runs the command of ``argv`` (the process's own by default); its status."""
    return run_command(lambda: _parser().parse_args(argv), _explain)


def _explain(error):
    return (f"error: {error}", USER_ERROR) if isinstance(error, BoardError) else None


def _parser():
    parser = argparse.ArgumentParser(prog="python -m board", description="run-time side of the accelerator")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True

    selftest = commands.add_parser("selftest", help="golden frames through the accelerator, every value compared")
    _device_arguments(selftest)
    selftest.add_argument("--frames", type=int, help="golden frames to run (default: all)")
    selftest.set_defaults(run=_selftest)

    bench = commands.add_parser("bench", help="time of a frame, as JSON: through the accelerator, or of the host alone")
    _device_arguments(bench)
    bench.add_argument("--frames", type=int, default=64, help="frames to run (default 64)")
    bench.add_argument("--host", action="store_true", help="copies, pack and unpack on this machine; needs no device")
    bench.set_defaults(run=_bench)

    infer = commands.add_parser("infer", help="masks (or class indices) and overlays of image files, or of a scan")
    _device_arguments(infer)
    infer.add_argument(
        "images", metavar="IMAGE", nargs="+", help="8-bit image of the network's size, .npy array, or a NIfTI scan"
    )
    infer.add_argument(
        "--out",
        required=True,
        metavar="PATH",
        help="folder for NAME_mask.png and NAME_overlay.png, or NIfTI file",
    )
    infer.add_argument("--resize", action="store_true", help="scale images of another size, bilinearly")
    infer.set_defaults(run=_infer)

    evaluate = commands.add_parser("evaluate", help="IoU and more on a data folder, as `quant evaluate --json`")
    _device_arguments(evaluate)
    evaluate.add_argument("data", metavar="DIR", help="folder with images/ masks/ SPLIT.txt")
    evaluate.add_argument("--split", default="val", help="name of the list of ids (default val)")
    evaluate.add_argument("--resize", action="store_true", help="scale images of another size, bilinearly")
    evaluate.set_defaults(run=_evaluate)

    serve = commands.add_parser("serve", help="a web page that shows the mask of an image dropped onto it")
    _device_arguments(serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine)")
    serve.add_argument("--port", type=int, default=8080, help="port (default 8080)")
    serve.add_argument("--resize", action="store_true", help="scale images of another size, bilinearly")
    serve.set_defaults(run=_serve)

    describe = commands.add_parser("describe", help="sizes of a frame, from io_spec.json")
    describe.add_argument("io_spec", metavar="IO_SPEC", nargs="?", help="io_spec.json (default: of the deploy folder)")
    describe.set_defaults(run=_describe)
    add_debug(commands)
    return parser


def _device_arguments(parser):
    parser.add_argument("--deploy", metavar="DIR", help="unpacked deploy folder (default: the current one)")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, metavar="S", help="of a frame (default 2 s)")
    parser.add_argument(
        "--frames-per-job", type=int, default=FRAMES_PER_JOB, metavar="N", help="frames back to back (default 8)"
    )


def _driver():
    try:
        from board import driver
    except ImportError as error:
        raise DeviceError(
            f"pynq cannot be imported ({error}); run this on a PYNQ board, in its pynq environment "
            "(source /etc/profile.d/pynq_venv.sh), as root"
        ) from None
    return driver


def _options(arguments):
    return {"frames_per_job": arguments.frames_per_job, "timeout_s": arguments.timeout}


def _accelerator(arguments, deploy):
    bitfile, number = deploy.bitfile()
    io_spec = deploy.path(IO_SPEC)
    return _driver().SegmentationOverlay(bitfile, io_spec, accelerator=number, **_options(arguments))


def _joint(arguments, bitfile):
    return _driver().JointOverlay(bitfile, **_options(arguments))


def _selftest(arguments):
    from board.selftest import selftest

    if arguments.frames is not None and arguments.frames < 1:
        raise InputError(f"--frames must be at least 1, got {arguments.frames}")
    deploy = Deploy(arguments.deploy)
    codes, logits = deploy.golden(arguments.frames)
    with _accelerator(arguments, deploy) as accel:
        print(f"design   {accel.header['design']}, network {accel.spec.network} 0x{accel.spec.network_hash:016x}")
        selftest(accel, codes, logits, lambda line: print(f"exact    {line}", flush=True))


def _bench(arguments):
    from board.bench import bench_device, bench_host

    if arguments.host:
        spec = Deploy(arguments.deploy).spec() if arguments.deploy else IoSpec("of the paper's size", 0, 256, 256, 3)
        result = {"height": spec.height, "width": spec.width, **bench_host(spec)}
    else:
        if arguments.frames < 1:
            raise InputError(f"--frames must be at least 1, got {arguments.frames}")
        deploy = Deploy(arguments.deploy)
        with _accelerator(arguments, deploy) as accel:
            result = bench_device(accel, deploy.golden()[0], arguments.frames)
    print(json.dumps(result, indent=1))


def _infer(arguments):
    from board.nifti import is_nifti

    scans = [path for path in arguments.images if is_nifti(path)]
    if scans:
        _infer_scan(arguments, _cascade_labels if is_cascade(arguments.deploy) else _network_labels)
    else:
        (_infer_cascade if is_cascade(arguments.deploy) else _infer_images)(arguments)


def _infer_scan(arguments, labels_of):
    """``labels_of(arguments, scan)`` gives the labels (X, Y, Z) and lines on the accelerator's time."""
    from board.nifti import read_scan, require_labels_path, write_labels

    if len(arguments.images) > 1:
        raise InputError("give one scan at a time, and the name of its mask with --out")
    require_labels_path(arguments.out, arguments.images[0])
    scan = read_scan(arguments.images[0])
    labels, lines = labels_of(arguments, scan)
    write_labels(arguments.out, labels, scan)
    for line in lines:
        print(line)
    print(f"{arguments.out}  {(labels > 0).mean():.1%} foreground", flush=True)


def _cascade_labels(arguments, scan):
    cascade = _cascade(arguments)
    labels = cascade.segment_scan(scan).mask
    spent = [(stage, frames, seconds) for stage, (frames, seconds) in enumerate(cascade.spent, 1) if frames]
    return labels, [f"stage {stage}  {_time_of(frames, seconds)}" for stage, frames, seconds in spent]


def _network_labels(arguments, scan):
    with _accelerator(arguments, Deploy(arguments.deploy)) as accel:
        labels = accel.segment_scan(scan)
        return labels, [_time_of(accel.timing.frames, accel.timing.dma_s)]


def _time_of(frames, seconds):
    return f"{frames} frames in {1e3 * seconds:.3f} ms of the accelerator"


def _infer_cascade(arguments):
    from board.pictures import mask_png, overlay_png, read_codes, write_file

    cascade, names = _cascade(arguments), _names(arguments.images)
    images = [read_codes(path, cascade.frame, arguments.resize) for path in arguments.images]
    os.makedirs(arguments.out, exist_ok=True)
    for name, image, found in zip(names, images, cascade.segment_batch(images), strict=True):
        path = os.path.join(arguments.out, name)
        write_file(f"{path}_mask.png", mask_png(found.mask))
        write_file(f"{path}_overlay.png", overlay_png(image, found.mask))
        told = f"; {found.note}" if found.note else ""
        print(f"{path}_mask.png  {found.mask.mean():.1%} foreground{told}", flush=True)


def _cascade(arguments):
    """The cascade of the deploy folder; the steps are told on stderr."""
    parts = cascade_parts(
        arguments.deploy or os.getcwd(),
        lambda deploy: _accelerator(arguments, deploy),
        lambda bitfile: _joint(arguments, bitfile),
    )
    return Cascade(*parts, lambda line: print(line, file=sys.stderr, flush=True))


def _names(paths):
    """The names of the images' masks."""
    names = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    if len(set(names)) < len(names):
        raise InputError("two images have the same name, so would their masks; rename one")
    return names


def _infer_images(arguments):
    from board.pictures import check_image, mask_png, overlay_png, read_codes, write_file

    deploy = Deploy(arguments.deploy)
    spec, names = deploy.spec(), _names(arguments.images)
    for path in arguments.images:
        check_image(path, spec, arguments.resize)
    os.makedirs(arguments.out, exist_ok=True)
    waiting = collections.deque()  # images that are read and whose masks are not there yet

    def images():
        for path in arguments.images:
            waiting.append(read_codes(path, spec, arguments.resize))
            yield waiting[-1]

    with _accelerator(arguments, deploy) as accel:
        for name, mask in zip(names, accel.stream(images()), strict=True):
            image = waiting.popleft()
            path = os.path.join(arguments.out, name)
            write_file(f"{path}_mask.png", mask_png(mask))
            write_file(f"{path}_overlay.png", overlay_png(image, mask))
            print(f"{path}_mask.png  {(mask > 0).mean():.1%} foreground", flush=True)


def _evaluate(arguments):
    from board.dataset import list_pairs
    from board.pictures import read_pair
    from board.scores import Scores

    deploy = Deploy(arguments.deploy)
    spec = deploy.spec()
    pairs = list_pairs(arguments.data, arguments.split)
    waiting = collections.deque()  # truths of images that are read and whose masks are not there yet
    scores = Scores(spec.classes)

    def images():
        for image, masks in pairs:
            codes, truth = read_pair(image, masks, spec, arguments.resize)
            waiting.append(truth)
            yield codes

    with _accelerator(arguments, deploy) as accel:
        for mask in accel.stream(images()):
            scores.add(mask, waiting.popleft())
    print(json.dumps({"arithmetic": "board", "split": arguments.split, **scores.summary()}, indent=1))


def _serve(arguments):
    from board.serve import make_server

    deploy = Deploy(arguments.deploy)
    with (
        _accelerator(arguments, deploy) as accel,
        make_server(accel, arguments.host, arguments.port, arguments.resize) as server,
    ):
        print(f"http://{arguments.host}:{server.server_port}/ (Ctrl-C ends)", flush=True)
        try:
            server.serve_forever()
        finally:
            server.stop_frames()


def _describe(arguments):
    spec = read_io_spec(arguments.io_spec) if arguments.io_spec else Deploy().spec()
    print(f"network  {spec.network}, hash 0x{spec.network_hash:016x}")
    print(f"in       {spec.height} x {spec.width} x {spec.channels} codes, {spec.input_bytes} bytes")
    if spec.resizes:
        print(f"results  {spec.out_height} x {spec.out_width}")
    if spec.volume is not None:
        print(f"scans    {spec.volume}")
    decisions = "a mask" if spec.classes == 1 else f"indices of {spec.classes} classes, a byte a pixel, in all"
    print(f"out      {spec.logit_words} words of one logit each, or {decisions} {spec.mask_words} words")
