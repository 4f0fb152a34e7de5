"""A network of modules in the form that quantizers are put into: after each accumulator one chain, then codes.

An accumulator is a convolution's output, a sum's or a mean's. After a convolution stand a BN, then at most one
activation, then at most one BN more; after a sum or a mean a ReLU at most; after a table, which reads codes, a BN at
most. What is written otherwise is rewritten
without changing a value:

- a convolution without BN gets a ``FrozenNorm`` after it, which takes its bias;
- factors and shifts merge with the BN before them; in front of the output they go into the convolution;
- a ReLU after a max-pool, or after what moves pixels alone, moves before it, where it is the same;
- channels that become pixels are a convolution's of its own: a 1x1 convolution that is the identity stands before them
  where they are not;
- where a BN or an activation reads anything else (a sum, a skip, the image), a 1x1 convolution that is the identity
  gives it an accumulator; where the output is no convolution's, such a convolution makes the logits.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import fx, nn

from quant.base.errors import ConfigError
from quant.layers.frozen_norm import FrozenNorm, Norm, affine_of
from quant.operators import operator_of
from quant.operators.filters import is_filters
from quant.operators.table import TABLES
from quant.twin.activations import STRAIGHT
from quant.twin.module_graph import ModuleGraph, never_negative
from quant.twin.written import as_modules

if TYPE_CHECKING:
    from quant.operators.operator import Operator

_SIDES_OF_IMAGES = 2
_NOT_LOGITS = (nn.Sigmoid, nn.LogSigmoid, nn.Tanh)


def normal_form(network: nn.Module, in_channels: int | None = None, size: tuple[int, ...] | None = None) -> ModuleGraph:
    """``network``, which is left alone, in normal form and evaluation mode; see ``as_modules``.

    Raises:
        ConfigError: something in it has no integer form; the sentence names it.
    """
    graph = as_modules(network, in_channels, size)
    rewriter = _Rewriter(graph)
    rewriter.equal_layers_once()
    rewriter.pools_behind_activations()
    rewriter.logits_by_a_convolution()
    rewriter.pixels_that_move()
    rewriter.chains()
    rewriter.images_that_are_joined()
    graph.finish()
    return graph


class _Rewriter:
    def __init__(self, graph: ModuleGraph) -> None:
        self._graph = graph

    def _nodes(self, *kinds: type[nn.Module]) -> list[fx.Node]:
        return [node for node in self._graph.graph.nodes if isinstance(self._module(node), kinds)]

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self._graph.module(node)

    def _operator(self, node: fx.Node) -> Operator | None:
        return operator_of(self._module(node))

    def readers(self, node: fx.Node) -> list[fx.Node]:
        """Those of the users of ``node`` that read its values."""
        operators = {user: self._operator(user) for user in node.users}
        return [user for user, operator in operators.items() if operator is None or node in operator.reads(user)]

    def _operations(self) -> list[tuple[fx.Node, Operator]]:
        """Nodes that are an operator, with it."""
        found = ((node, self._operator(node)) for node in self._graph.graph.nodes)
        return [(node, operator) for node, operator in found if operator is not None]

    def _insert(self, module: nn.Module, behind: fx.Node, readers: list[fx.Node]) -> fx.Node:
        """A new node between ``behind`` and those of its readers."""
        with self._graph.graph.inserting_after(behind):
            node = self._graph.call(module, (behind,))
        node.meta["shape"] = behind.meta["shape"]
        for reader in readers:
            reader.replace_input_with(behind, node)
        return node

    def _drop(self, node: fx.Node) -> None:
        """Takes ``node`` out; its readers read its source, which has its values from now on."""
        source = node.args[0]
        node.replace_all_uses_with(source)
        self._take_origin(source, node)
        self._graph.graph.erase_node(node)

    @staticmethod
    def _take_origin(node: fx.Node, of: fx.Node) -> None:
        node.meta.pop("origin", None)
        if "origin" in of.meta:
            node.meta["origin"] = of.meta["origin"]

    def equal_layers_once(self) -> None:
        """What is done twice to the same tensors, and has nothing to learn, is done once, as an export has it."""
        first: dict[tuple, fx.Node] = {}
        for node in list(self._graph.graph.nodes):
            module = self._module(node)
            if module is None or any(True for _ in module.parameters()) or isinstance(module, nn.BatchNorm2d):
                continue
            held = tuple(tuple(buffer.flatten().tolist()) for buffer in module.buffers())
            kept = first.setdefault((node.args, type(module), repr(module), held), node)
            if kept is not node:
                node.replace_all_uses_with(kept)
                self._graph.graph.erase_node(node)

    def pools_behind_activations(self) -> None:
        """pool(x) -> activation becomes activation -> pool: the same for rising activations."""
        for activation in self._nodes(*STRAIGHT):
            if isinstance(self._module(activation), (nn.PReLU, nn.LeakyReLU)):
                continue
            pool = activation.args[0]
            while self._lets_pass(pool) and len(pool.users) == 1:
                source = pool.args[0]
                if len(source.users) != 1 or not self._may_stand_before_activation(source):
                    break
                pool.replace_input_with(source, activation)
                activation.replace_all_uses_with(pool, delete_user_cb=lambda user, pool=pool: user is not pool)
                activation.replace_input_with(pool, source)
                source.append(activation)
                self._take_origin(pool, activation)
                activation.meta = {"shape": source.meta["shape"]}
                pool = source

    def _lets_pass(self, node: fx.Node) -> bool:
        operator = self._operator(node)
        return operator is not None and operator.lets_pass

    def _may_stand_before_activation(self, node: fx.Node) -> bool:
        operator = self._operator(node)
        if operator is None:
            return isinstance(self._module(node), nn.BatchNorm2d)
        return operator.is_filters or operator.accumulates or operator.lets_pass

    def pixels_that_move(self) -> None:
        """Gives what moves pixels the convolutions around it that it needs."""
        for node, operator in self._operations():
            if operator.needs_own_convolution and not self._has_own_convolution(node.args[0]):
                self.copy(node.args[0], node)

    def _has_own_convolution(self, node: fx.Node) -> bool:
        """Whether ``node`` ends the chain of a convolution of one group that nothing else reads."""
        while not is_filters(self._module(node)):
            if len(node.users) != 1 or not isinstance(self._module(node), (*STRAIGHT, nn.BatchNorm2d)):
                return False
            node = node.args[0]
        operator = self._operator(node)
        return operator.makes_logits and len(node.users) == 1 and self._module(node).groups == 1

    def copy(self, source: fx.Node, reader: fx.Node) -> None:
        """An identity between the two whose codes are unsigned where the source's are."""
        norm = self._convolution(self._identity(source, reader))
        if never_negative(self._graph, source):
            self._insert(nn.ReLU(), norm, [reader])

    def logits_by_a_convolution(self) -> None:
        """Folds what stands between the last convolution and the output, or appends an identity."""
        output = next(node for node in self._graph.graph.nodes if node.op == "output")
        last = output.args[0]
        if isinstance(self._module(last), _NOT_LOGITS):
            raise ConfigError(
                f"the network ends in '{last.target}' ({type(self._module(last)).__name__}); leave it out: loss and"
                " mask take logits, and a mask is logit > 0"
            )
        chain = []
        while isinstance(self._module(last), nn.BatchNorm2d) and len(last.users) == 1:
            chain.append(last)
            last = last.args[0]
        operator = self._operator(last)
        if operator is not None and operator.makes_logits and len(last.users) == 1:
            for node in reversed(chain):
                gain, shift = affine_of(self._module(node))
                self._graph.place(str(last.target), _scaled_convolution(self._module(last), gain, shift))
                self._drop(node)
            return
        self._identity(output.args[0], output)

    def chains(self) -> None:
        """Gives every BN and activation its accumulator, and every convolution but the last its BN."""
        for node in list(self._graph.graph.nodes):
            module = self._module(node)
            if isinstance(module, nn.BatchNorm2d):
                self._norm(node)
            elif isinstance(module, STRAIGHT):
                self._activation(node)
            elif is_filters(module) and not self._is_last(node):
                self._convolution(node)

    def images_that_are_joined(self) -> None:
        """Gives the image, whose scale is fixed, a quantizer of its own where it meets another tensor."""
        for join, operator in self._operations():
            sources = dict.fromkeys(join.args if operator.joins else ())
            of_image = [source for source in sources if self._is_image(source)]
            for source in of_image if len(of_image) < len(sources) else ():
                self.copy(source, join)

    def _is_image(self, node: fx.Node) -> bool:
        """Whether the codes of ``node`` are the image's alone."""
        operator = self._operator(node)
        if operator is not None and operator.hands_on:
            return all(map(self._is_image, operator.reads(node)))
        return node is self._graph.image

    def _is_last(self, node: fx.Node) -> bool:
        return [user.op for user in node.users] == ["output"]

    def _convolution(self, conv: fx.Node) -> fx.Node:
        """The BN after a convolution, which gets one where it has none."""
        users = list(conv.users)
        if len(users) == 1 and isinstance(self._module(users[0]), nn.BatchNorm2d):
            return users[0]
        shape = conv.meta["shape"]
        norm = self._insert(FrozenNorm(torch.ones(shape[1]), torch.zeros(shape[1])), conv, users)
        self._take_origin(norm, conv)
        return norm

    def _norm(self, node: fx.Node) -> None:
        source = node.args[0]
        if not self._module(node).affine:
            self._graph.place(str(node.target), Norm.like(self._module(node)))
        before = self._module(source)
        if isinstance(before, nn.BatchNorm2d) and len(source.users) == 1:
            self._merge(source, node)
        elif not self._in_chain(source) or isinstance(before, nn.BatchNorm2d):
            self._give_accumulator(node)

    def _merge(self, first: fx.Node, second: fx.Node) -> None:
        """One norm of two: ``first``, which keeps its statistics where ``second`` is a constant."""
        gain, shift = affine_of(self._module(second))
        norm = self._module(first)
        if isinstance(self._module(second), FrozenNorm):
            with torch.no_grad():
                norm.weight.mul_(gain)
                norm.bias.mul_(gain).add_(shift)
        else:
            own_gain, own_shift = affine_of(norm)
            self._graph.place(str(first.target), FrozenNorm(own_gain * gain, own_shift * gain + shift))
        self._drop(second)

    def _activation(self, node: fx.Node) -> None:
        source = node.args[0]
        before, only, operator = self._module(source), len(source.users) == 1, self._operator(source)
        accumulates = operator is not None and operator.accumulates
        relu_of_sum = accumulates and isinstance(self._module(node), nn.ReLU) and only
        behind_norm = isinstance(before, nn.BatchNorm2d) and only and is_filters(self._module(source.args[0]))
        if not (relu_of_sum or behind_norm):
            self._give_accumulator(node)

    def _in_chain(self, source: fx.Node) -> bool:
        """Whether a BN may stand after ``source``: a convolution, or an activation in a convolution's chain."""
        if len(source.users) != 1:
            return False
        before = self._module(source)
        if is_filters(before) or isinstance(before, TABLES):
            return True
        return isinstance(before, STRAIGHT) and isinstance(self._module(source.args[0]), nn.BatchNorm2d)

    def _give_accumulator(self, node: fx.Node) -> None:
        """An identity before the BN or activation ``node``."""
        conv = self._identity(node.args[0], node)
        if not isinstance(self._module(node), nn.BatchNorm2d):
            self._convolution(conv)

    def _identity(self, source: fx.Node, reader: fx.Node) -> fx.Node:
        """A 1x1 convolution between the two that is the identity; dense, since that takes signed codes as well."""
        _, channels, *sides = source.meta["shape"]
        kind = nn.Conv2d if len(sides) == _SIDES_OF_IMAGES else nn.Conv3d
        identity = kind(channels, channels, 1, bias=False)
        with torch.no_grad():
            identity.weight.copy_(torch.eye(channels).reshape(identity.weight.shape))
        conv = self._insert(identity, source, [reader])
        self._take_origin(conv, source)
        return conv


def _scaled_convolution(conv: nn.Conv2d | nn.Conv3d, gain: torch.Tensor, shift: torch.Tensor) -> nn.Module:
    """``gain * conv(x) + shift`` (C,) as one convolution."""
    scaled = copy.deepcopy(conv)
    bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach()
    with torch.no_grad():
        scaled.weight.mul_(gain.reshape(-1, *[1] * (conv.weight.dim() - 1)))
    scaled.bias = nn.Parameter((bias * gain + shift).to(bias.dtype))
    return scaled
