"""Streaming kernels of this project as FINN custom ops; qonnx finds them by the domain ``hw_build.kernels``.

A kernel is a folder: its class, with attributes, numpy reference, geometry and cost, and its SystemVerilog.
A new one is a folder and a line in ``KERNELS``.
"""

from importlib import import_module
from importlib.util import find_spec

from finn.custom_op.fpgadataflow.hwcustomop import HWCustomOp

DOMAIN = "hw_build.kernels"

KERNELS = (
    "hw_build.kernels.add",
    "hw_build.kernels.add_threshold",
    "hw_build.kernels.average_pool",
    "hw_build.kernels.bias",
    "hw_build.kernels.bilinear",
    "hw_build.kernels.bilinear_threshold",
    "hw_build.kernels.block_sum",
    "hw_build.kernels.code_table",
    "hw_build.kernels.concat",
    "hw_build.kernels.conv",
    "hw_build.kernels.crop",
    "hw_build.kernels.depth_to_space",
    "hw_build.kernels.depthwise",
    "hw_build.kernels.fork",
    "hw_build.kernels.gather",
    "hw_build.kernels.global_sum",
    "hw_build.kernels.maxpool",
    "hw_build.kernels.multiply",
    "hw_build.kernels.nearest",
    "hw_build.kernels.place_factor",
    "hw_build.kernels.repeat",
    "hw_build.kernels.threshold",
    "hw_build.kernels.window_max",
    "hw_build.kernels.window_sum",
    "hw_build.kernels.zero_pad",
)


def _classes() -> dict[str, type[HWCustomOp]]:
    """Name -> class of every kernel."""
    modules = [import_module(name) for name in KERNELS]
    members = [getattr(module, name) for module in modules for name in module.__all__]
    return {each.__name__: each for each in members if isinstance(each, type) and issubclass(each, HWCustomOp)}


custom_op = _classes()


def load_hls_nodes() -> None:
    """Enter into FINN's registry the nodes of kernels that have C++: a module ``hls`` in the kernel's folder."""
    for name in KERNELS:
        if find_spec(f"{name}.hls") is not None:
            import_module(f"{name}.hls")
