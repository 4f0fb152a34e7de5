"""The data flow of a float network: where quantizers must stand, and which of them share a scale.

Networks are traced with torch.fx; every operator must be a module, because a module can be given a quantizer.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx, nn

from models.layers import Concat, Sum, Upsample2x
from quant.errors import ConfigError

_JOINING = (Sum, Concat)
_CONSUMERS = (nn.Conv2d, Sum, Concat, Upsample2x)
_TRANSPARENT = (nn.MaxPool2d, nn.Identity, nn.Dropout2d)


@dataclass(frozen=True)
class ConvSite:
    """A convolution by module name, with what surrounds it: the quantized module it reads (None: the network's input),
    the BN directly behind it, and the module that quantizes that BN's output (the ReLU behind it, or the BN itself)."""

    conv: str
    source: str | None
    norm: str | None
    activation: str | None


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, (*_JOINING, Upsample2x)) or super().is_leaf_module(module, qualified_name)


class Structure:
    """The data flow of a network whose operators are all modules."""

    def __init__(self, network: nn.Module) -> None:
        self.modules = dict(network.named_modules())
        self.nodes = list(_Tracer().trace(network).nodes)
        for node in self.nodes:
            if node.op not in ("placeholder", "call_module", "output"):
                raise ConfigError(
                    f"operation '{node.name}' ({node.target}) is not a module, so it cannot be given a quantizer;"
                    " write sums and concatenations as models.layers.Sum and Concat"
                )

    def module(self, node: fx.Node) -> nn.Module | None:
        return self.modules[node.target] if node.op == "call_module" else None

    def sources(self, node: fx.Node) -> list[fx.Node]:
        """The nodes whose output needs a quantizer so that ``node``'s inputs are codes."""
        found = []
        for parent in node.all_input_nodes:
            module = self.module(parent)
            if isinstance(module, (*_TRANSPARENT, Concat)):
                found.extend(self.sources(parent))
            elif module is not None:
                found.append(parent)
        return found

    def convolutions(self) -> list[ConvSite]:
        sites = []
        for node in self.nodes:
            if not isinstance(self.module(node), nn.Conv2d):
                continue
            sources = self.sources(node)
            norm = self._only_user(node, nn.BatchNorm2d)
            relu = self._only_user(norm, nn.ReLU) if norm is not None else None
            sites.append(
                ConvSite(
                    conv=str(node.target),
                    source=str(sources[0].target) if sources else None,
                    norm=str(norm.target) if norm is not None else None,
                    activation=str((relu or norm).target) if norm is not None else None,
                )
            )
        return sites

    def scale_groups(self) -> list[list[str]]:
        """Names of the modules that need a quantizer, grouped by shared scale."""
        group_of: dict[str, list[str]] = {}
        seen: set[str] = set()
        for node in self.nodes:
            if self.module(node) is None or not isinstance(self.module(node), _CONSUMERS):
                continue
            for source in self.sources(node):
                name = str(source.target)
                group_of.setdefault(name, [name])
            if isinstance(self.module(node), _JOINING):
                names = [str(source.target) for source in self.sources(node)]
                merged = list(dict.fromkeys(member for name in names for member in group_of[name]))
                for member in merged:
                    group_of[member] = merged
        for node in self.nodes:
            name = str(node.target)
            if node.op == "call_module" and name in group_of:
                if name in seen:
                    raise ConfigError(f"module '{name}' is used twice; give each use a module of its own")
                seen.add(name)
        return list({id(group): group for group in group_of.values()}.values())

    def is_unsigned(self, name: str) -> bool:
        """Whether the output of module ``name`` is never negative: a ReLU, or a sum or upsampling of such."""
        module = self.modules[name]
        if isinstance(module, (Sum, Upsample2x)):
            node = next(node for node in self.nodes if node.target == name)
            return all(self.is_unsigned(str(source.target)) for source in self.sources(node))
        return isinstance(module, nn.ReLU)

    def _only_user(self, node: fx.Node, kind: type[nn.Module]) -> fx.Node | None:
        users = [user for user in node.users if isinstance(self.module(user), kind)]
        return users[0] if len(users) == len(node.users) == 1 else None


def convolution_sites(network: nn.Module) -> list[ConvSite]:
    """Convolutions of a float network in order of execution."""
    return Structure(network).convolutions()
