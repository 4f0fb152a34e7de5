"""Registers the simulated device as soon as pynq has been imported, before pynq looks for devices.

A ``.pth`` file of the environment imports this module when EDGESEG_SIM is 1; nothing of pynq is patched.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class AfterPynq(MetaPathFinder):
    """Lets the import of pynq be followed by that of ``hw_build.implement.pynq_sim.device``, once."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "pynq":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Registering(spec.loader)
        return spec


class _Registering(Loader):
    """Loads pynq as ``loader`` does, then registers the device."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        importlib.import_module("hw_build.implement.pynq_sim.device")


sys.meta_path.insert(0, AfterPynq())
