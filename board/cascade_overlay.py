"""A cascade under PYNQ: ``CascadeOverlay("folder").segment(image).mask``; needs what ``board.driver`` needs.

Where a bitstream with both accelerators lies beside ``cascade.json``, it is loaded once and stays. Else the bitstreams
are loaded one after the other, each when its stage begins: a lone image costs both, a batch or a volume no more.
"""

from board.cascade_folder import cascade_parts
from board.cascade_run import Cascade
from board.deploy import IO_SPEC
from board.driver import JointOverlay, SegmentationOverlay


class CascadeOverlay(Cascade):
    """The cascade of a folder (see ``board.cascade_folder``); ``segment``, ``segment_batch`` and ``segment_volume``.

    ``options`` are those of ``board.driver.SegmentationOverlay``; one that is open when a stage begins is closed.
    """

    def __init__(self, folder, report=lambda line: None, **options):
        def open_network(deploy):
            bitfile, number = deploy.bitfile()
            return SegmentationOverlay(bitfile, deploy.path(IO_SPEC), accelerator=number, **options)

        super().__init__(*cascade_parts(folder, open_network, lambda path: JointOverlay(path, **options)), report)

    def close(self):
        """Closes the bitstream with both accelerators, where one is open; the next stage loads it again."""
        self.open_stage.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
