"""A cascade's folder on the board: ``cascade.json``, and in ``first/`` and ``second/`` a deploy folder each.

A bitstream beside ``cascade.json`` holds both accelerators; else each deploy folder has its own.
"""

import contextlib
import os

from board.cascade_spec import CASCADE, STAGES, read_cascade
from board.deploy import BITFILE, Deploy
from board.errors import InputError


def is_cascade(folder=None):
    """Whether a folder (default: the current one) is a cascade's."""
    return os.path.isfile(os.path.join(folder or os.getcwd(), CASCADE))


def cascade_parts(folder, open_network, open_joint):
    """(spec, layouts, open_stage) of a folder, as ``board.cascade_run.Cascade`` takes them.

    ``open_network(deploy)`` opens the network of a ``Deploy``, ``open_joint(path)`` the bitstream of both, as
    ``board.driver.JointOverlay`` does. InputError: a file is missing or wrong, or a network is another than the cascade
    was joined of.
    """
    spec = read_cascade(folder)
    deploys = [Deploy(os.path.join(str(folder), stage)) for stage in STAGES]
    for stage, deploy, joined in zip(STAGES, deploys, spec.networks, strict=True):
        if deploy.model_sha256() != joined:
            raise InputError(
                f"'{deploy.folder}' holds another network than {CASCADE} was made for; deploy the {stage} export of "
                "`python -m quant cascade` again"
            )
    both = os.path.join(str(folder), BITFILE)
    opener = AtOnce(lambda: open_joint(both)) if os.path.isfile(both) else OneByOne(deploys, open_network)
    return spec, [deploy.spec() for deploy in deploys], opener


class OneByOne:
    """Opens the network of a stage when it begins, and closes it at its end: a bitstream each."""

    def __init__(self, deploys, open_network):
        self._deploys, self._open_network = deploys, open_network

    def __call__(self, stage):
        """A context whose value is the network of ``stage``."""
        return self._open_network(self._deploys[stage])

    def close(self):
        """Nothing is open between stages."""


class AtOnce:
    """Opens both networks when the first stage begins, and leaves them open: one bitstream."""

    def __init__(self, open_joint):
        self._open_joint, self._joint = open_joint, None

    def __call__(self, stage):
        """A context whose value is the network of ``stage``; loads again what somebody has closed."""
        if self._joint is None or self._joint.closed:
            self._joint = self._open_joint()
        return contextlib.nullcontext(self._joint.networks[stage])

    def close(self):
        """Lets the next process in."""
        if self._joint is not None:
            self._joint.close()
            self._joint = None
