"""The data flow of a float network: where quantizers must stand, and which of them share a scale."""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx, nn

from models.layers import Concat, Sum, Upsample2x
from quant.activations import ACTIVATIONS, NEVER_NEGATIVE
from quant.normal_form import normal_form

_JOINING = (Sum, Concat)
_CONSUMERS = (nn.Conv2d, Sum, Concat, Upsample2x)
_TRANSPARENT = (nn.MaxPool2d,)


@dataclass(frozen=True)
class ConvSite:
    """A convolution by module name, with what surrounds it: the quantized module it reads (None: the network's input),
    the BN directly after it (None: its output is the logits), the modules from there to the one whose output is
    quantized, and that one."""

    conv: str
    source: str | None
    norm: str | None
    chain: tuple[str, ...]
    activation: str | None


class Structure:
    """The data flow of a network in normal form (``normal_form.py``); ``graph`` holds it, ``network`` is left alone.

    Raises:
        ConfigError: something in the network has no integer form; the sentence names it.
    """

    def __init__(self, network: nn.Module, in_channels: int | None = None) -> None:
        self.graph = normal_form(network, in_channels)
        self.modules = dict(self.graph.root.named_modules())
        self.nodes = list(self.graph.graph.nodes)

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
            sources, chain, last = self.sources(node), [], node
            for kind in (nn.BatchNorm2d, ACTIVATIONS, nn.BatchNorm2d):
                following = self._only_user(last, kind)
                if following is not None:
                    chain.append(str(following.target))
                    last = following
            sites.append(
                ConvSite(
                    conv=str(node.target),
                    source=str(sources[0].target) if sources else None,
                    norm=chain[0] if chain else None,
                    chain=tuple(chain),
                    activation=chain[-1] if chain else None,
                )
            )
        return sites

    def is_inserted(self, name: str) -> bool:
        """Whether the module ``name`` is not of the network as it was written."""
        return name.startswith(f"{self.graph.inserted}.")

    def logits(self) -> set[str]:
        """Names of quantized modules that hold logits: those before an identity that was appended to the network."""
        last = self.graph.last
        found: set[str] = set()
        waiting = self.sources(last) if self.is_inserted(str(last.target)) else []
        while waiting:
            node = waiting.pop()
            found.add(str(node.target))
            if isinstance(self.module(node), (Sum, Upsample2x)):
                waiting.extend(self.sources(node))
        return found

    def scale_groups(self) -> list[list[str]]:
        """Names of the modules that need a quantizer, grouped by shared scale."""
        group_of: dict[str, list[str]] = {}
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
        return list({id(group): group for group in group_of.values()}.values())

    def is_unsigned(self, name: str) -> bool:
        """Whether the output of module ``name`` is never negative: a ReLU, or a sum or upsampling of such."""
        module = self.modules[name]
        if isinstance(module, (Sum, Upsample2x)):
            node = next(node for node in self.nodes if node.target == name)
            return all(self.is_unsigned(str(source.target)) for source in self.sources(node))
        return isinstance(module, NEVER_NEGATIVE)

    def _only_user(self, node: fx.Node, kind: type[nn.Module] | tuple[type[nn.Module], ...]) -> fx.Node | None:
        users = [user for user in node.users if isinstance(self.module(user), kind)]
        return users[0] if len(users) == len(node.users) == 1 else None


def convolution_sites(network: nn.Module) -> list[ConvSite]:
    """Convolutions of a float network in order of execution."""
    return Structure(network).convolutions()
