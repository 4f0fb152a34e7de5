"""The data flow of a float network: where quantizers must stand, and which of them share a scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import fx, nn

from quant.operators import operator_of
from quant.operators.filters import is_filters
from quant.operators.table import TABLES
from quant.twin.activations import STRAIGHT
from quant.twin.module_graph import never_negative
from quant.twin.normal_form import normal_form

if TYPE_CHECKING:
    from quant.operators.operator import Operator


@dataclass(frozen=True)
class ConvSite:
    """A convolution by module name, with what surrounds it: the quantized module it reads (None: the network's input),
    the BN directly after it (None: its output is the logits), the modules from there to the one whose output is
    quantized, and that one.
    """

    conv: str
    source: str | None
    norm: str | None
    chain: tuple[str, ...]
    activation: str | None


@dataclass(frozen=True)
class TableSite:
    """An activation that becomes a table by module name: the quantized module it reads (None: the network's input), and
    the modules from it to the one whose output is quantized.
    """

    table: str
    source: str | None
    chain: tuple[str, ...]


@dataclass(frozen=True)
class MultiplesSite:
    """What gives multiples of a grid that its scales decide, by module name: the quantized modules that it reads, in
    order (None: the network's input), and the one whose output is quantized.
    """

    layer: str
    sources: tuple[str | None, ...]
    activation: str


class Structure:
    """The data flow of a network in normal form (``normal_form.py``); ``graph`` holds it, ``network`` is left alone.

    ``size``: (H, W) of its image; None: any.

    Raises:
        ConfigError: something in the network has no integer form; the sentence names it.
    """

    def __init__(self, network: nn.Module, in_channels: int | None = None, size: tuple[int, ...] | None = None) -> None:
        self.graph = normal_form(network, in_channels, size)
        self.modules = dict(self.graph.root.named_modules())
        self.nodes = list(self.graph.graph.nodes)

    def module(self, node: fx.Node) -> nn.Module | None:
        return self.modules[node.target] if node.op == "call_module" else None

    def operator(self, node: fx.Node) -> Operator | None:
        """What ``node`` is; None of the image, the output, norms and activations."""
        return operator_of(self.module(node))

    def sources(self, node: fx.Node) -> list[fx.Node]:
        """The nodes whose output needs a quantizer so that ``node``'s inputs are codes."""
        operator = self.operator(node)
        read = node.all_input_nodes if operator is None else operator.reads(node)
        return [source for parent in read for source in self._quantized(parent)]

    def _quantized(self, parent: fx.Node) -> list[fx.Node]:
        """The nodes whose output needs a quantizer so that that of ``parent`` is codes."""
        operator = self.operator(parent)
        if operator is not None and operator.hands_on:
            return self.sources(parent)
        return [parent] if parent.op == "call_module" else []

    def convolutions(self) -> list[ConvSite]:
        sites = []
        for node in self.nodes:
            if not is_filters(self.module(node)):
                continue
            sources, chain, last = self.sources(node), [], node
            for kind in (nn.BatchNorm2d, STRAIGHT, nn.BatchNorm2d):
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

    def tables(self) -> list[TableSite]:
        """In order of execution."""
        sites = []
        for node in self.nodes:
            if not isinstance(self.module(node), TABLES):
                continue
            sources = self.sources(node)
            behind = self._only_user(node, (nn.BatchNorm2d, nn.ReLU))
            chain = (node,) if behind is None else (node, behind)
            source = str(sources[0].target) if sources else None
            sites.append(TableSite(str(node.target), source, tuple(str(each.target) for each in chain)))
        return sites

    def multiples(self) -> list[MultiplesSite]:
        """In order of execution; tables have sites of their own."""
        sites = []
        for node in self.nodes:
            operator = self.operator(node)
            if operator is None or not operator.settled or isinstance(self.module(node), TABLES):
                continue
            quantized = [[str(source.target) for source in self._quantized(read)] for read in operator.reads(node)]
            last = self._only_user(node, nn.ReLU) or node
            sources = tuple(next(iter(names), None) for names in quantized)
            sites.append(MultiplesSite(str(node.target), sources, str(last.target)))
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
            operator = self.operator(node)
            if operator is not None and operator.accumulates:
                waiting.extend(self.sources(node))
        return found

    def scale_groups(self) -> list[list[str]]:
        """Names of the modules that need a quantizer, grouped by shared scale."""
        group_of: dict[str, list[str]] = {}
        for node in self.nodes:
            operator = self.operator(node)
            if operator is None or (operator.hands_on and not operator.joins):
                continue
            for source in self.sources(node):
                name = str(source.target)
                group_of.setdefault(name, [name])
            if operator.joins:
                names = [str(source.target) for source in self.sources(node)]
                merged = list(dict.fromkeys(member for name in names for member in group_of[name]))
                for member in merged:
                    group_of[member] = merged
        return list({id(group): group for group in group_of.values()}.values())

    def is_unsigned(self, name: str) -> bool:
        """Whether the output of module ``name`` is never negative: a ReLU, or a sum or upsampling of such."""
        return never_negative(self.graph, next(node for node in self.nodes if node.target == name))

    def _only_user(self, node: fx.Node, kind: type[nn.Module] | tuple[type[nn.Module], ...]) -> fx.Node | None:
        users = [user for user in node.users if isinstance(self.module(user), kind)]
        return users[0] if len(users) == len(node.users) == 1 else None


def convolution_sites(
    network: nn.Module, in_channels: int | None = None, size: tuple[int, ...] | None = None
) -> list[ConvSite]:
    """Convolutions of a float network in order of execution; ``in_channels``, ``size``: of its image, as `Structure`
    takes them.
    """
    return Structure(network, in_channels, size).convolutions()
