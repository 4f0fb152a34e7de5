"""A cascade under PYNQ: ``CascadeOverlay("folder").segment(image).mask``; needs what ``board.driver`` needs.

The bitstreams are loaded one after the other, each when its stage begins: a lone image costs both, a batch or a volume
no more. Both accelerators in one bitstream would save the loads, but not fit beside each other on a Zynq-7020.
"""

from board.cascade_folder import cascade_parts
from board.cascade_run import Cascade
from board.deploy import BITFILE
from board.driver import SegmentationOverlay


class CascadeOverlay(Cascade):
    """The cascade of a folder (see ``board.cascade_folder``); ``segment``, ``segment_batch`` and ``segment_volume``.

    ``options`` are those of ``board.driver.SegmentationOverlay``; one that is open when a stage begins is closed.
    """

    def __init__(self, folder, report=lambda line: None, **options):
        def open_network(deploy):
            return SegmentationOverlay(deploy.path(BITFILE), **options)

        super().__init__(*cascade_parts(folder, open_network), report)
