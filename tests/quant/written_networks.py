"""Small networks as people write them, by name: what lowers, and what gets a sentence."""

import torch
from torch import nn
from torch.nn import functional as F

from models.layers import Residual, Sum, Upsample2x
from quant.operators.table import TABLES


class Written(nn.Module):
    """A stem to 4 channels with BN and ReLU, then ``body(self, x)`` over ``layers``, then a 1x1 head."""

    def __init__(self, body, *, channels=4, in_channels=3, stem=True, head=True, **layers):
        super().__init__()
        self.body = body
        if stem:
            self.stem = nn.Sequential(nn.Conv2d(in_channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        for name, layer in layers.items():
            self.add_module(name, layer)
        if head:
            self.head = nn.Conv2d(channels, 1, 1)

    def forward(self, x):
        x = self.stem(x) if hasattr(self, "stem") else x
        x = self.body(self, x)
        return self.head(x) if hasattr(self, "head") else x


def conv(inputs=4, outputs=4, kernel=3, **settings):
    return nn.Conv2d(inputs, outputs, kernel, **{"padding": kernel // 2, **settings})


def block(inputs=4, outputs=4, kernel=3, activation=nn.ReLU, **settings):
    return nn.Sequential(conv(inputs, outputs, kernel, **settings), nn.BatchNorm2d(outputs), activation())


def in_place_sum(net, x):
    y = net.a(x)
    y += x
    return net.b(y)


def silu_in_place(net, x):
    """Twice, and what it changed is read again."""
    y = net.act(x) + x
    return net.b(net.act(y) + y)


def pre_activation(net, x):
    y = net.conv1(F.relu(net.norm1(x)))
    y = net.conv2(F.relu(net.norm2(y)))
    return x + y


def pre_activation_twice(net, x):
    for block_of_net in net.blocks:
        x = x + block_of_net(x)
    return F.relu(net.norm(x))


def skip_halved(net, x):
    y = net.a(x)
    return net.b(y) + 0.5 * y


def post_activation(net, x):
    return F.relu(net.norm(net.conv(x)) + x)


def twice(net, x):
    return net.relu(net.norm2(net.conv2(net.relu(net.norm1(net.conv1(x))))))


def unet(net, x):
    """The milesial U-Net's way: sizes from shapes, a pad that is zero, one pooling module, concatenation."""
    down = net.a(net.pool(x))
    up = net.up(down)
    height, width = x.size()[2] - up.size()[2], x.size()[3] - up.size()[3]
    up = F.pad(up, [width // 2, width - width // 2, height // 2, height - height // 2])
    return net.b(torch.cat([x, up], dim=1))


def to_size(net, x):
    return net.a(x + F.interpolate(net.b(F.max_pool2d(x, 2)), size=x.shape[2:], mode="bilinear"))


def upsampled_head(net, x):
    return F.interpolate(net.last(net.a(F.max_pool2d(x, 2))), scale_factor=2, mode="bilinear", align_corners=False)


def deeplab(net, x):
    """A decoder at a quarter of the image's size, whose logits are enlarged to it."""
    low = net.b(F.max_pool2d(net.a(F.max_pool2d(x, 2)), 2))
    return F.interpolate(net.last(low), size=x.shape[-2:], mode="bilinear", align_corners=False)


def fcn(net, x):
    deep = net.score2(net.b(F.max_pool2d(net.a(x), 2)))
    return net.score1(x) + F.interpolate(deep, scale_factor=2, mode="bilinear", align_corners=False)


def bottleneck(net, x):
    return x + net.linear(net.expand(x))


def dense_connections(net, x):
    a = net.a(x)
    b = net.b(torch.cat([x, a], 1))
    return torch.cat([x, a, b], 1)


def there_and_back(net, x):
    """Down by one layer, and up again."""
    return net.b(net.up(net.down(x)))


def padded_pool(net, x):
    return net.up(F.max_pool2d(F.pad(x, [1, 1, 1, 1]), 3, 2))


def padded_skip(net, x):
    """A skip of another size, padded to meet the other."""
    small = net.a(x)
    return torch.cat([x, F.pad(small, [1, 0, 1, 0])], 1)


def padded_sum(net, x):
    """A convolution that does not pad, and its frame of zeros, before a sum and before a convolution of one pixel."""
    return net.b(F.pad(net.a(x + F.pad(net.valid(x), [1, 1, 1, 1])), [1, 0, 0, 1])[:, :, :-1, 1:])


def shortcut_of_zeros(net, x):
    """A ResNet's shortcut without weights: every second pixel, and channels of zeros."""
    return F.interpolate(F.relu(net.a(x) + F.pad(x[:, :, ::2, ::2], [0, 0, 0, 0, 2, 2])), size=x.shape[2:])


def residual_down(net, x):
    """A ResNet's block that halves the image."""
    return F.interpolate(F.relu(net.b(net.a(x)) + net.short(x)), size=x.shape[2:])


def pyramid(net, x):
    return net.b(torch.cat([x, F.max_pool2d(x, 3, 1, 1), F.max_pool2d(x, 5, 1, 2)], 1))


class SqueezeExcitation(nn.Module):
    """With dense layers, as in the paper's code."""

    def __init__(self, channels=4, reduced=2):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, reduced, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(reduced, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        batch, channels, _, _ = x.size()
        y = self.avg_pool(x).view(batch, channels)
        y = self.fc(y).view(batch, channels, 1, 1)
        return x * y.expand_as(x)


def excited(net, x):
    """Squeeze and excitation of a linear bottleneck by 1x1 convolutions, with hard sigmoid."""
    x = net.linear(net.a(x))
    gate = F.hardsigmoid(net.expand(F.relu(net.reduce(x.mean((2, 3), keepdim=True)))))
    return net.b(x * gate)


def attended(net, x):
    """The attention gate of the attention U-Net."""
    return net.b(x * torch.sigmoid(net.psi(F.relu(net.theta(x) + net.phi(x)))))


def joined_again(net, x):
    return net.b(torch.cat([net.a(x[:, :1]), x[:, 1:]], 1))


def several(split):
    """Parts of a tensor, each to its own layers."""
    return lambda net, x: torch.cat([layer(part) for layer, part in zip(net.layers, split(x), strict=True)], 1)


def nested(net, x):
    """CSP's block with all that is between: parts of a split in a list, joined with what is made of the last."""
    y = list(net.a(x).chunk(2, 1))
    y.extend(layer(y[-1]) for layer in net.layers)
    return net.b(torch.cat(y, 1))


def of_scales(net, x):
    """Res2Net's: each part is added to what comes before it."""
    parts = torch.split(x, 1, 1)
    made = []
    for index, layer in enumerate(net.layers):
        made.append(layer(parts[index] + made[-1] if made else parts[index]))
    return torch.cat([*made, parts[len(net.layers)]], 1)


def shuffled(net, x):
    """ShuffleNet's idiom."""
    batch, channels, height, width = x.size()
    x = net.a(x).view(batch, 2, channels // 2, height, width)
    return net.b(torch.transpose(x, 1, 2).contiguous().view(batch, -1, height, width))


def halves_shuffled(net, x):
    """The same of the halves of channels, which is another way to write it."""
    batch, channels, height, width = x.size()
    assert channels % 4 == 0
    x = (
        x.reshape(batch * channels // 2, 2, height * width)
        .permute(1, 0, 2)
        .reshape(2, -1, channels // 2, height, width)
    )
    return torch.cat((net.a(x[0]), x[1]), 1)


def focused(net, x):
    return net.up(net.a(torch.cat([x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)], 1)))


def centre(net, x):
    """A convolution without padding, its skip cropped to the same size; zeros bring that of the image back."""
    small = net.a(x)
    dy, dx = (x.size(2) - small.size(2)) // 2, (x.size(3) - small.size(3)) // 2
    skip = x[:, :, dy : dy + small.size(2), dx : dx + small.size(3)]
    return F.pad(net.b(torch.cat([skip, small], 1)), [dx, dx, dy, dy])


def shifted(net, x):
    """UNeXt's shift: each group of channels moves by rows of its own."""
    parts = torch.chunk(F.pad(x, (0, 0, 2, 2)), 4, 1)
    return net.a(torch.cat([torch.narrow(part, 2, at, x.shape[2]) for at, part in enumerate(parts)], 1))


def blocks_by_hand(net, x):
    """A pixel shuffle's reverse, and the same by view, with rows before columns."""
    batch, channels, height, width = x.shape
    x = x.view(batch, channels, height // 2, 2, width // 2, 2).permute(0, 1, 5, 3, 2, 4)
    x = net.a(x.reshape(batch, 4 * channels, height // 2, width // 2))
    x = x.view(batch, channels, 2, 2, height // 2, width // 2).permute(0, 1, 4, 2, 5, 3)
    return net.b(x.reshape(batch, channels, height, width))


def pooled_image(net, x):
    """ASPP's branch of the whole image, of one that is halved."""
    x = net.a(F.max_pool2d(x, 2))
    whole = net.pooled(F.adaptive_avg_pool2d(x, (1, 1)))
    whole = F.interpolate(whole, size=x.shape[2:], mode="bilinear", align_corners=False)
    return F.interpolate(net.b(torch.cat([x, whole], 1)), scale_factor=2)


class MovedInput(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.25, 0.5, 0.125]).view(1, 3, 1, 1))
        self.a, self.head = block(3, 4), nn.Conv2d(4, 1, 1)

    def forward(self, x):
        return self.head(self.a((x - self.mean) / 0.5))


class JoinedImage(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = block(3, 4), block(7, 4), nn.Conv2d(4, 1, 1)

    def forward(self, x):
        return self.head(self.b(torch.cat([x, self.a(x)], 1)))


def cut_by_ceil_mode(net, x):
    """Of odd sides, by windows that reach beyond them, to a half, to which those of a pool that pads are cropped."""
    x = net.pool(x[:, :, 1:, :-1])
    return net.a(F.interpolate(net.crop(x) if hasattr(net, "crop") else x, scale_factor=2))


class CoordinateAttention(nn.Module):
    """As in its paper's code: averages of rows and of columns through one convolution, a gate of each."""

    def __init__(self, channels=4, reduced=3):
        super().__init__()
        self.pool_h, self.pool_w = nn.AdaptiveAvgPool2d((None, 1)), nn.AdaptiveAvgPool2d((1, None))
        self.conv1, self.bn1, self.act = nn.Conv2d(channels, reduced, 1), nn.BatchNorm2d(reduced), nn.ReLU6()
        self.conv_h, self.conv_w = nn.Conv2d(reduced, channels, 1), nn.Conv2d(reduced, channels, 1)

    def forward(self, x):
        _, _, h, w = x.size()
        y = torch.cat([self.pool_h(x), self.pool_w(x).permute(0, 1, 3, 2)], dim=2)
        y = self.bn1(self.conv1(y))
        y = y * (self.act(y + 3) / 6)
        y_h, y_w = torch.split(y, [h, w], dim=2)
        return x * self.conv_w(y_w.permute(0, 1, 3, 2)).sigmoid() * self.conv_h(y_h).sigmoid()


def strips(net, x):
    """Strip pooling: a row and a column added to all, by ``mean`` and ``expand_as``."""
    rows, columns = net.a(x.mean(3, keepdim=True)), net.b(x.mean(-2).unsqueeze(2))
    return net.c(F.relu(x + rows) * torch.sigmoid(columns).expand_as(x))


def by_sizes(net, x):
    """Decisions and numbers that follow from shapes alone, as public forwards have them."""
    half = int(x.size()[1] * 0.5)
    if x.shape[-1] % 4 != 0 or len(x.shape) != 4:
        raise RuntimeError("Wrong input shape")
    for group in range(x.shape[1] // half):
        x = x if group else net.a(x.data)
    size = [round(side * 0.5) for side in x.shape[2:]]
    y = F.interpolate(input=net.b(F.max_pool2d(x, 2)), size=size)
    if y.shape[-2:] != x.shape[-2:]:
        y = F.interpolate(y, size=x.shape[-2:], mode="bilinear")
    return torch.cat((x[:, :half], y[:, half:].detach()), axis=1)


def pooled_twice(net, x):
    """The image's averages, worked out twice, and two activations of one sum."""
    y = x + net.a(x)
    half, quarter = F.avg_pool2d(x, 3, 2, 1), F.avg_pool2d(F.avg_pool2d(x, 3, 2, 1), 3, 2, 1)
    y = F.silu(y) + net.b(F.silu(y))
    return torch.cat([y, F.interpolate(half, size=x.shape[2:]), F.interpolate(quarter, size=x.shape[2:])], 1)


def recurrent(net, x):
    """One convolution and its BN, used three times."""
    y = net.a(x)
    for _ in range(2):
        y = net.a(x + y)
    return y


def spatially_attended(net, x):
    """A gate of the average and the greatest of a pixel's channels."""
    greatest, _ = torch.max(x, dim=1, keepdim=True)
    return x * torch.sigmoid(net.a(torch.cat([x.mean(1, keepdim=True), greatest], 1)))


def pag(net, x):
    """A gate of the sum of products over the channels, written without ``keepdim``."""
    return x * torch.sigmoid(torch.sum(net.a(x) * net.b(x), dim=1).unsqueeze(1)) + x.max(1, keepdim=True).values


def eca(net, x):
    """Efficient channel attention: a convolution along the channels of one pixel."""
    y = net.a(F.adaptive_avg_pool2d(x, 1).squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
    return x * torch.sigmoid(y).expand_as(x)


def with_context(net, x):
    """One pixel added to all."""
    return net.a(x.mean((2, 3), keepdim=True) + x)


def _reduced(factor, mode):
    """The image of a cascade's coarse branch."""

    def body(net, x):
        x = F.interpolate(x, scale_factor=1 / factor, mode=mode, recompute_scale_factor=True)
        return F.interpolate(net.a(x), scale_factor=factor)

    return _double(body, a=block)


def _activation(module):
    return lambda: Written(lambda net, x: net.b(net.a(x)), a=block(activation=lambda: module), b=block())


def _bn_head():
    return Written(lambda net, x: net.norm(net.last(x)), head=False, last=nn.Conv2d(4, 1, 1), norm=nn.BatchNorm2d(1))


def _double(body, **layers):
    return lambda: Written(body, **{name: make() for name, make in layers.items()})


def _there(down, up=None):
    """``down`` to half or less of the image, ``up`` again to its size."""
    return lambda: Written(there_and_back, down=down(), up=up() if up else nn.Upsample(scale_factor=2), b=block())


def _up(inputs, *settings):
    return nn.Sequential(nn.ConvTranspose2d(inputs, 4, *settings), nn.BatchNorm2d(4), nn.ReLU())


def _norm(**settings):
    return nn.BatchNorm2d(4, **settings)


LOWERS = {
    "by_sizes": lambda: Written(by_sizes, a=block(), b=block()),
    "pooled_twice": lambda: Written(pooled_twice, channels=12, a=block(), b=block()),
    "recurrent": _double(recurrent, a=block),
    "shared_head": lambda: Written(lambda net, x: net.a(net.a(x)), head=False, a=conv(4, 4, 1)),
    "spatial_attention": lambda: Written(spatially_attended, a=conv(2, 1, 7)),
    "attention_by_products": _double(pag, a=conv, b=conv),
    "eca": lambda: Written(eca, a=nn.Conv1d(1, 1, 3, padding=1, bias=False)),
    "eca_with_bias": lambda: Written(eca, a=nn.Conv1d(1, 1, 3, padding=1)),
    "greatest_of_one_and_of_four": _double(
        lambda net, x: net.a(x + torch.amax(x[:, :1], 1, keepdim=True) * torch.amax(x, (1,), True)), a=block
    ),
    "context": _double(with_context, a=block),
    "half_of_the_image": _reduced(2, "bilinear"),
    "quarter_of_the_image": _reduced(4, "bilinear"),
    "nearest_half": _reduced(2, "nearest"),
    "area_of_a_quarter": _reduced(4, "area"),
    "area_of_a_half": _reduced(2, "area"),
    "functional_relu": _double(lambda net, x: F.relu(net.norm(net.conv(x))), conv=conv, norm=_norm),
    "torch_relu": _double(lambda net, x: torch.relu(net.norm(net.conv(x))), conv=conv, norm=_norm),
    "method_relu": _double(lambda net, x: net.norm(net.conv(x)).relu(), conv=conv, norm=_norm),
    "plus": _double(lambda net, x: net.b(x + net.a(x)), a=block, b=block),
    "plus_in_place": _double(in_place_sum, a=block, b=block),
    "torch_add": _double(lambda net, x: net.b(torch.add(x, net.a(x))), a=block, b=block),
    "cat_of_two": lambda: Written(lambda net, x: torch.cat([x, net.a(x)], 1), channels=8, a=block()),
    "cat_of_three": lambda: Written(dense_connections, channels=12, a=block(), b=block(8, 4)),
    "unet_of_sizes": lambda: Written(
        unet, pool=nn.MaxPool2d(2), a=block(), b=block(8, 4), up=nn.Upsample(scale_factor=2, mode="bilinear")
    ),
    "interpolate_to_size": _double(to_size, a=block, b=block),
    "deeplab": lambda: Written(deeplab, head=False, a=block(), b=block(), last=nn.Conv2d(4, 1, 1)),
    "fcn_8": _double(lambda net, x: net.b(F.interpolate(net.a(F.max_pool2d(x, 8)), scale_factor=8, mode="bilinear")),
                     a=block, b=block),
    "upsample_module": lambda: Written(
        lambda net, x: net.b(net.up(net.a(net.pool(x)))),
        pool=nn.MaxPool2d(2), a=block(), b=block(), up=nn.Upsample(None, 2, "bilinear", False),
    ),
    "times_constant": _double(lambda net, x: net.b(x + 0.25 * net.a(x)), a=block, b=block),
    "times_constant_before_bn": _double(lambda net, x: F.relu(net.norm(net.conv(x) * 2)), conv=conv, norm=_norm),
    "minus_and_divided": _double(lambda net, x: net.b(net.a(x) / 4 - 0.125), a=block, b=block),
    "relu_used_twice": lambda: Written(
        twice, relu=nn.ReLU(inplace=True), conv1=conv(), conv2=conv(), norm1=nn.BatchNorm2d(4), norm2=nn.BatchNorm2d(4)
    ),
    "dropout_and_identity": lambda: Written(
        lambda net, x: net.c(net.b(net.a(x))), a=nn.Dropout(), b=nn.Sequential(nn.Dropout2d(), block()), c=nn.Identity()
    ),
    "convolution_without_bn": _double(lambda net, x: F.relu(net.conv(x)), conv=conv),
    "convolution_into_convolution": lambda: Written(lambda net, x: net.b(net.a(x)), a=conv(4, 6), b=conv(6, 4)),
    "convolution_into_head": _double(lambda net, x: net.a(x), a=conv),
    "pre_activation": lambda: Written(
        pre_activation, norm1=nn.BatchNorm2d(4), norm2=nn.BatchNorm2d(4), conv1=conv(), conv2=conv()
    ),
    "pre_activation_twice": lambda: Written(
        pre_activation_twice,
        norm=nn.BatchNorm2d(4),
        blocks=nn.ModuleList(nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), conv()) for _ in range(2)),
    ),
    "skip_halved": _double(skip_halved, a=block, b=block),
    "post_activation": _double(post_activation, conv=conv, norm=_norm),
    "upsampled_head": lambda: Written(upsampled_head, head=False, a=block(), last=nn.Conv2d(4, 1, 1)),
    "fcn_scores": lambda: Written(
        fcn, head=False, a=block(), b=block(), score1=nn.Conv2d(4, 1, 1), score2=nn.Conv2d(4, 1, 1)
    ),
    "bn_on_the_head": _bn_head,
    "scaled_head": lambda: Written(lambda net, x: 4 * net.last(x) - 1, head=False, last=nn.Conv2d(4, 1, 1)),
    "head_without_bias": lambda: Written(lambda net, x: net.last(x), head=False, last=nn.Conv2d(4, 1, 1, bias=False)),
    "head_3x3": lambda: Written(lambda net, x: net.last(x), head=False, last=nn.Conv2d(4, 1, 3, padding=1)),
    "one_channel": lambda: Written(lambda net, x: net.a(x), in_channels=1, a=block()),
    "four_channels": lambda: Written(lambda net, x: net.a(x), in_channels=4, a=block()),
    "bn_eps": lambda: Written(bottleneck, expand=block(4, 8), linear=nn.Sequential(conv(8, 4), _norm(eps=1.0))),
    "bn_not_affine": _double(lambda net, x: F.relu(net.norm(net.conv(x))), conv=conv, norm=lambda: _norm(affine=False)),
    "dilated": lambda: Written(lambda net, x: net.a(x), a=block(dilation=2, padding="same")),
    "dilated_depthwise": lambda: Written(lambda net, x: net.a(x), a=block(dilation=2, padding="same", groups=4)),
    "grouped": lambda: Written(lambda net, x: net.a(x), a=block(groups=2)),
    "depthwise_of_two": lambda: Written(lambda net, x: net.b(net.a(x)), a=block(4, 8, groups=4), b=block(8, 4)),
    "depthwise": lambda: Written(lambda net, x: x + net.a(x), a=block(groups=4)),
    "pool_before_relu": lambda: Written(
        lambda net, x: net.b(net.up(F.relu(net.pool(net.norm(net.conv(x)))))),
        conv=conv(), norm=nn.BatchNorm2d(4), pool=nn.MaxPool2d(2), up=Upsample2x(), b=block(),
    ),
    "bn_behind_relu": _double(lambda net, x: net.norm(F.relu(net.conv(x))), conv=conv, norm=_norm),
    "sums_of_sums": lambda: Written(lambda net, x: net.s(x, net.t(x, net.a(x))), a=block(), s=Sum(), t=Sum()),
    "sum_with_itself": lambda: Written(lambda net, x: net.a(x + x), a=block()),
    "input_moved": MovedInput,
    "image_joined": JoinedImage,
    "single_convolution": lambda: Written(lambda net, x: net.last(x), stem=False, head=False, last=nn.Conv2d(3, 1, 1)),
    "padding_same": lambda: Written(lambda net, x: net.a(x), a=block(padding="same")),
    "kernel_5": lambda: Written(lambda net, x: net.a(x), a=block(kernel=5)),
    "kernels_1x7_7x1": lambda: Written(
        lambda net, x: F.relu(net.b(net.a(x))),
        a=nn.Conv2d(4, 4, (1, 7), padding=(0, 3)), b=nn.Conv2d(4, 4, (7, 1), padding=(3, 0)),
    ),
    "kernels_2x2": lambda: Written(
        lambda net, x: F.relu(net.b(net.a(x))), a=nn.Conv2d(4, 4, 2, padding=1), b=nn.Conv2d(4, 4, 2)
    ),
    "stride_2": _there(lambda: block(stride=2)),
    "stride_of_7x7": _there(lambda: block(kernel=7, stride=2)),
    "stride_4": _there(lambda: block(kernel=4, stride=4, padding=0), lambda: nn.Upsample(scale_factor=4)),
    "stride_of_1x1": _there(lambda: block(kernel=1, stride=2)),
    "stride_of_a_1x3": _there(lambda: nn.Sequential(nn.Conv2d(4, 4, (1, 3), 2, (0, 1)), nn.ReLU())),
    "depthwise_stride": _there(lambda: block(stride=2, groups=4)),
    "grouped_stride_dilated": _there(lambda: block(stride=2, groups=2, dilation=2, padding=2)),
    "dilated_by_4": lambda: Written(lambda net, x: net.a(x), a=block(dilation=4, padding=4)),
    "residual_down": lambda: Written(
        residual_down, a=block(stride=2), b=nn.Sequential(conv(), nn.BatchNorm2d(4)),
        short=nn.Sequential(conv(kernel=1, stride=2), nn.BatchNorm2d(4)),
    ),
    "same_of_even": lambda: Written(lambda net, x: net.a(x), a=block(kernel=2, padding="same")),
    "zeros_on_two_sides": _there(
        lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), block(stride=2, padding=0))
    ),
    "functional_pad": _double(lambda net, x: net.a(F.pad(x, (2, 1, 1, 2))), a=lambda: block(kernel=4, padding=0)),
    "padded_pool": lambda: Written(padded_pool, up=nn.Upsample(scale_factor=2)),
    "padded_skip": lambda: Written(padded_skip, channels=8, a=block(kernel=2, padding=0)),
    "padded_sum": lambda: Written(padded_sum, valid=block(padding=0), a=block(), b=block(kernel=1)),
    "shortcut_of_zeros": lambda: Written(
        shortcut_of_zeros, channels=8, a=nn.Sequential(conv(4, 8, stride=2), nn.BatchNorm2d(8))
    ),
    "transposed_2x2": _there(lambda: block(4, 6, stride=2), lambda: _up(6, 2, 2)),
    "transposed_3x3": _there(lambda: block(4, 6, stride=2), lambda: _up(6, 3, 2, 1, 1)),
    "transposed_4x4": _there(lambda: block(4, 6, stride=2), lambda: _up(6, 4, 2, 1)),
    "transposed_alone": _there(lambda: nn.MaxPool2d(2), lambda: nn.ConvTranspose2d(4, 4, 2, 2)),
    "transposed_logits": lambda: Written(
        lambda net, x: net.up(net.a(x)), head=False, a=block(stride=2), up=nn.ConvTranspose2d(4, 1, 4, 2, 1)
    ),
    "nearest_by_4": _there(lambda: block(stride=4), lambda: nn.UpsamplingNearest2d(scale_factor=4)),
    "nearest_before_norm": _there(
        lambda: nn.MaxPool2d(2), lambda: nn.Sequential(conv(), nn.Upsample(scale_factor=2), _norm(), nn.ReLU())
    ),
    "pool_3_2_1": _there(lambda: nn.MaxPool2d(3, 2, 1)),
    "pool_ceil": _there(lambda: nn.MaxPool2d(3, 2, ceil_mode=True)),
    "pool_of_negatives": _there(lambda: nn.Sequential(conv(), nn.BatchNorm2d(4), nn.MaxPool2d(3, 2, 1), nn.ReLU())),
    "pool_of_signed_codes": _there(lambda: nn.Sequential(conv(), _norm(), nn.MaxPool2d(3, 2, 1), conv())),
    "pool_joined_with_negatives": _there(
        lambda: nn.MaxPool2d(3, 2, 1),
        lambda: nn.Sequential(Residual(nn.Sequential(conv(), _norm())), nn.Upsample(scale_factor=2)),
    ),
    "pool_pyramid": lambda: Written(pyramid, b=block(12, 4)),
    "average": _there(lambda: nn.AvgPool2d(2)),
    "average_then_relu": _there(lambda: nn.Sequential(conv(), nn.AvgPool2d(2), nn.ReLU())),
    "functional_average": lambda: Written(
        lambda net, x: net.a(x) + F.interpolate(F.avg_pool2d(x, 2), scale_factor=2), a=block()
    ),
    "dense_excitation": lambda: Written(
        lambda net, x: net.b(net.se(net.a(x))), a=block(), se=SqueezeExcitation(), b=block()
    ),
    "dense_of_a_mean": lambda: Written(
        lambda net, x: net.a(x * net.fc(x.mean((2, 3)))[:, :, None, None]),
        fc=nn.Sequential(nn.Linear(4, 4), nn.Hardsigmoid()), a=block(),
    ),
    "excitation": lambda: Written(
        excited, a=block(), linear=nn.Sequential(conv(), _norm()), reduce=conv(4, 2, 1), expand=conv(2, 4, 1), b=block()
    ),
    "attention_gate": lambda: Written(
        attended, **{name: nn.Sequential(conv(4, 2, 1), nn.BatchNorm2d(2)) for name in ("theta", "phi")},
        psi=nn.Sequential(conv(2, 1, 1), nn.BatchNorm2d(1)), b=block(),
    ),
    "pooled_image": lambda: Written(pooled_image, a=block(), pooled=block(kernel=1), b=block(8, 4)),
    "product": _double(lambda net, x: net.b(torch.mul(net.a(x), x)), a=conv, b=block),
    "square": _double(lambda net, x: net.a(x * x), a=block),
    "gated_image": lambda: Written(
        lambda net, x: net.a(x * torch.sigmoid(net.gate(x))), stem=False, gate=conv(3, 1), a=block(3, 4)
    ),
    "relu_of_a_product": _double(lambda net, x: net.b(F.relu(net.a(x) * x)), a=conv, b=block),
    "pixel_shuffle": _there(lambda: block(4, 16, stride=2), lambda: nn.PixelShuffle(2)),
    "relu_behind_shuffle": _there(
        lambda: nn.MaxPool2d(2), lambda: nn.Sequential(conv(4, 16), nn.PixelShuffle(2), nn.ReLU())
    ),
    "shuffle_of_a_pool": lambda: Written(
        lambda net, x: net.b(F.pixel_shuffle(net.pool(x), 2)), pool=nn.MaxPool2d(2), b=block(1, 4)
    ),
    "shuffled_logits": lambda: Written(
        lambda net, x: net.shuffle(net.a(x)), head=False, a=conv(4, 4, stride=2), shuffle=nn.PixelShuffle(2)
    ),
    "slice": lambda: Written(joined_again, a=block(1, 1), b=block()),
    "split": lambda: Written(
        several(lambda x: torch.split(x, [1, 3], 1)), layers=nn.ModuleList([block(1, 2), block(3, 2)])
    ),
    "unpacked": lambda: Written(
        several(lambda x: x.tensor_split(2, dim=1)), layers=nn.ModuleList(block(2, 2) for _ in range(2))
    ),
    "csp": lambda: Written(nested, a=block(), layers=nn.ModuleList(block(2, 2) for _ in range(2)), b=block(8, 4)),
    "res2net": lambda: Written(of_scales, layers=nn.ModuleList(block(1, 1) for _ in range(3))),
    "channels_by_stride": lambda: Written(
        lambda net, x: net.a(x[:, ::2]) + x[:, [3, 1]].flip(1), channels=2, a=block(2, 2)
    ),
    "channel_shuffle": lambda: Written(
        lambda net, x: net.b(net.shuffle(net.a(x))), a=block(groups=2), shuffle=nn.ChannelShuffle(2), b=block(groups=2)
    ),
    "shuffled_by_view": lambda: Written(shuffled, a=block(groups=2), b=block(groups=2)),
    "halves_shuffled": lambda: Written(halves_shuffled, a=block(2, 2)),
    "pixel_unshuffle": _there(lambda: nn.Sequential(nn.PixelUnshuffle(2), block(16, 4))),
    "unshuffle_by_4": _there(
        lambda: nn.Sequential(
            nn.ZeroPad2d((0, 1, 1, 0)), conv(kernel=2, padding=0), nn.PixelUnshuffle(4), block(64, 4)
        ),
        lambda: nn.Upsample(scale_factor=4),
    ),
    "blocks_by_hand": lambda: Written(blocks_by_hand, a=conv(16, 16), b=block()),
    "focus": lambda: Written(focused, a=block(16, 4), up=nn.Upsample(scale_factor=2)),
    "centre_crop": lambda: Written(centre, a=block(padding=0), b=block(8, 4)),
    "negative_pad": lambda: Written(lambda net, x: net.a(F.pad(x, [-1, 1, 2, -2])), a=block()),
    "shifts": lambda: Written(shifted, a=block(kernel=1)),
    "signed_part": lambda: Written(
        lambda net, x: F.relu(net.a(x)[:, 1:3]), channels=2, a=nn.Sequential(conv(), _norm())
    ),
    "average_3_2_1": _there(lambda: nn.AvgPool2d(3, 2, 1)),
    "average_5_1": lambda: Written(
        lambda net, x: net.b(F.avg_pool2d(net.a(x), 5, 1, 2)), a=nn.Sequential(conv(), _norm()), b=block()
    ),
    "average_of_the_image": lambda: Written(
        lambda net, x: net.b(net.a(x)), a=nn.AvgPool2d(3, 1, 1, count_include_pad=False), b=block()
    ),
    "average_ceil": lambda: Written(cut_by_ceil_mode, pool=nn.AvgPool2d(2, ceil_mode=True), a=block()),
    "average_padded_ceil": lambda: Written(
        cut_by_ceil_mode, pool=nn.AvgPool2d(4, 2, 2, ceil_mode=True), crop=nn.ZeroPad2d((0, -1, -1, 0)), a=block()
    ),
    "average_of_odd_sides": lambda: Written(
        lambda net, x: net.a(F.interpolate(F.avg_pool2d(F.pad(x, (0, 1, 1, 0)), 2), scale_factor=2)), a=block()
    ),
    "coordinate_attention": lambda: Written(
        lambda net, x: net.a(net.attention(x)), attention=CoordinateAttention(), a=block()
    ),
    "strips": lambda: Written(strips, a=conv(kernel=1), b=block(kernel=1), c=block()),
    "average_4": _there(lambda: nn.AvgPool2d(4), lambda: nn.Upsample(scale_factor=4)),
    "relu6": _activation(nn.ReLU6()),
    "leaky_relu": _activation(nn.LeakyReLU(0.1)),
    "prelu": _activation(nn.PReLU(4)),
    **{kind.__name__.lower(): _activation(kind()) for kind in TABLES},
    "gelu_before_norm": lambda: Written(
        lambda net, x: net.norm(F.gelu(net.conv(x))), conv=conv(), norm=nn.BatchNorm2d(4)
    ),
    "silu_in_place": _double(silu_in_place, act=lambda: nn.SiLU(inplace=True), b=block),
    "hardswish_of_a_sum": lambda: Written(lambda net, x: F.hardswish(x + net.a(x)), a=block()),
    "hardtanh": _activation(nn.Hardtanh()),
    "hardsigmoid": _activation(nn.Hardsigmoid()),
}  # fmt: skip
