"""A cascade's folder on the board: ``cascade.json``, and in ``first/`` and ``second/`` a deploy folder each."""

import os

from board.cascade_spec import CASCADE, STAGES, read_cascade
from board.deploy import Deploy
from board.errors import InputError


def is_cascade(folder=None):
    """Whether a folder (default: the current one) is a cascade's."""
    return os.path.isfile(os.path.join(folder or os.getcwd(), CASCADE))


def cascade_parts(folder, open_network):
    """(spec, layouts, open_stage) of a folder, as ``board.cascade_run.Cascade`` takes them.

    ``open_network(deploy)`` opens the network of a ``Deploy``. InputError: a file is missing or wrong, or a network is
    another than the cascade was joined of.
    """
    spec = read_cascade(folder)
    deploys = [Deploy(os.path.join(str(folder), stage)) for stage in STAGES]
    for stage, deploy, joined in zip(STAGES, deploys, spec.networks, strict=True):
        if deploy.model_sha256() != joined:
            raise InputError(
                f"'{deploy.folder}' holds another network than {CASCADE} was made for; deploy the {stage} export of "
                "`python -m quant cascade` again"
            )
    return spec, [deploy.spec() for deploy in deploys], lambda stage: open_network(deploys[stage])
