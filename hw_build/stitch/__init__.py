"""The stitcher: a graph of hardware nodes -> one accelerator with FIFOs and width converters in place."""

from hw_build.stitch.design import TOP_MODULE, Design, Node, Stream
from hw_build.stitch.stitcher import stitch

__all__ = ["TOP_MODULE", "Design", "Node", "Stream", "stitch"]
