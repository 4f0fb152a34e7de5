"""Segmentation networks of well-known kinds, written as people write them, with a few channels each.

From their architecture alone: blocks, strides, where features are joined. None has a layer made for hardware.
"""

import itertools

import torch
from torch import nn
from torch.nn import functional as F


def conv_bn_relu(inputs, outputs, kernel=3, **settings):
    padding = settings.pop("padding", kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False, **settings)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class DoubleConv(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.net = nn.Sequential(conv_bn_relu(inputs, outputs), conv_bn_relu(outputs, outputs))

    def forward(self, x):
        return self.net(x)


class UNet(nn.Module):
    """Upsampling by transposed convolutions, or by nearest and a convolution."""

    def __init__(self, widths=(4, 6, 8), transposed=True):
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList(DoubleConv(i, o) for i, o in zip((3, *widths), widths, strict=False))
        above = list(itertools.pairwise(widths))[::-1]
        if transposed:
            self.up = nn.ModuleList(nn.ConvTranspose2d(o, i, 2, stride=2) for i, o in above)
        else:
            self.up = nn.ModuleList(nn.Sequential(nn.Upsample(scale_factor=2), conv_bn_relu(o, i)) for i, o in above)
        self.merge = nn.ModuleList(DoubleConv(2 * i, i) for i, _ in above)
        self.out = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        skips = []
        for index, stage in enumerate(self.down):
            x = stage(self.pool(x) if index else x)
            skips.append(x)
        for up, merge, skip in zip(self.up, self.merge, skips[-2::-1], strict=True):
            x = merge(torch.cat([skip, up(x)], dim=1))
        return self.out(x)


class NestedUNet(nn.Module):
    """U-Net++: every level is made of all the shallower ones beside it."""

    def __init__(self, widths=(4, 6, 6)):
        super().__init__()
        a, b, c = widths
        self.pool = nn.MaxPool2d(2, 2)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        self.x00, self.x10, self.x20 = DoubleConv(3, a), DoubleConv(a, b), DoubleConv(b, c)
        self.x01, self.x11 = DoubleConv(a + b, a), DoubleConv(b + c, b)
        self.x02 = DoubleConv(2 * a + b, a)
        self.final = nn.Conv2d(a, 1, kernel_size=1)

    def forward(self, image):
        x00 = self.x00(image)
        x10 = self.x10(self.pool(x00))
        x01 = self.x01(torch.cat([x00, self.up(x10)], 1))
        x20 = self.x20(self.pool(x10))
        x11 = self.x11(torch.cat([x10, self.up(x20)], 1))
        x02 = self.x02(torch.cat([x00, x01, self.up(x11)], 1))
        return self.final(x02)


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNetUNet(nn.Module):
    """ResNet-18's encoder: 7x7 of stride 2, 3x3 max-pool of stride 2, two blocks a stage; a decoder of nearest."""

    def __init__(self, widths=(4, 4, 6, 8)):
        super().__init__()
        stem, *rest = widths
        self.conv1 = nn.Conv2d(3, stem, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(stem), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        before = (stem, *rest)
        self.layers = nn.ModuleList(
            nn.Sequential(BasicBlock(i, o, 1 if index == 0 else 2), BasicBlock(o, o, 1))
            for index, (i, o) in enumerate(zip(before, rest, strict=False))
        )
        self.decoders = nn.ModuleList(DoubleConv(o + i, i) for i, o in zip((stem, *rest[:-1]), rest, strict=True))
        self.last = DoubleConv(stem, stem)
        self.head = nn.Conv2d(stem, 1, 3, padding=1)

    def forward(self, image):
        x = self.relu(self.bn1(self.conv1(image)))
        skips = [x]
        x = self.maxpool(x)
        for layer in self.layers:
            x = layer(x)
            skips.append(x)
        x = skips.pop()
        for decoder, skip in zip(list(self.decoders)[::-1], skips[::-1], strict=True):
            x = decoder(torch.cat([F.interpolate(x, size=skip.shape[2:], mode="nearest"), skip], dim=1))
        return self.head(self.last(F.interpolate(x, scale_factor=2.0, mode="nearest")))


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, stride, expand):
        super().__init__()
        hidden = inputs * expand
        self.use_res_connect = stride == 1 and inputs == outputs
        layers = []
        if expand != 1:
            layers += [nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6(inplace=True)]
        layers += [
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileUNet(nn.Module):
    """MobileNetV2's encoder: inverted residuals with linear bottlenecks and ReLU6; a decoder of such."""

    def __init__(self, widths=(4, 6), expand=3):
        super().__init__()
        stem = widths[0]
        convolution = nn.Conv2d(3, stem, 3, 2, 1, bias=False)
        first = nn.Sequential(convolution, nn.BatchNorm2d(stem), nn.ReLU6(inplace=True))
        self.stem = nn.Sequential(first, InvertedResidual(stem, stem, 1, 1))
        levels = list(itertools.pairwise(widths))
        self.stages = nn.ModuleList(
            nn.Sequential(InvertedResidual(i, o, 2, expand), InvertedResidual(o, o, 1, expand)) for i, o in levels
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(o, i, 4, stride=2, padding=1, bias=False) for i, o in levels[::-1])
        self.fuse = nn.ModuleList(InvertedResidual(2 * i, i, 1, 2) for i, _ in levels[::-1])
        self.last_up = nn.ConvTranspose2d(stem, stem, 4, stride=2, padding=1, bias=False)
        self.head = nn.Sequential(conv_bn_relu(stem, stem), nn.Conv2d(stem, 1, 1))

    def forward(self, image):
        x = self.stem(image)
        skips = []
        for stage in self.stages:
            skips.append(x)
            x = stage(x)
        for up, fuse, skip in zip(self.up, self.fuse, skips[::-1], strict=True):
            x = fuse(torch.cat([skip, up(x)], dim=1))
        return self.head(self.last_up(x))


class DownsamplerBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs - inputs, (3, 3), stride=2, padding=1, bias=True)
        self.pool = nn.MaxPool2d(2, stride=2)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x):
        return F.relu(self.bn(torch.cat([self.conv(x), self.pool(x)], 1)))


class NonBottleneck1d(nn.Module):
    def __init__(self, channels, dropout, dilated):
        super().__init__()
        self.conv3x1_1 = nn.Conv2d(channels, channels, (3, 1), stride=1, padding=(1, 0))
        self.conv1x3_1 = nn.Conv2d(channels, channels, (1, 3), stride=1, padding=(0, 1))
        self.bn1 = nn.BatchNorm2d(channels, eps=1e-3)
        self.conv3x1_2 = nn.Conv2d(channels, channels, (3, 1), padding=(dilated, 0), dilation=(dilated, 1))
        self.conv1x3_2 = nn.Conv2d(channels, channels, (1, 3), padding=(0, dilated), dilation=(1, dilated))
        self.bn2 = nn.BatchNorm2d(channels, eps=1e-3)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x):
        y = F.relu(self.conv3x1_1(x))
        y = F.relu(self.bn1(self.conv1x3_1(y)))
        y = F.relu(self.conv3x1_2(y))
        y = self.bn2(self.conv1x3_2(y))
        if self.dropout.p != 0:
            y = self.dropout(y)
        return F.relu(y + x)


class UpsamplerBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=True)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class ERFNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.initial_block = DownsamplerBlock(3, 6)
        blocks = [DownsamplerBlock(6, 8), NonBottleneck1d(8, 0.1, 2), NonBottleneck1d(8, 0.1, 4)]
        self.encoder = nn.Sequential(*blocks)
        self.decoder = nn.Sequential(UpsamplerBlock(8, 4), NonBottleneck1d(4, 0, 1))
        self.output_conv = nn.ConvTranspose2d(4, 1, 2, stride=2, padding=0, output_padding=0, bias=True)

    def forward(self, image):
        return self.output_conv(self.decoder(self.encoder(self.initial_block(image))))


def separable(inputs, outputs, stride=1):
    return nn.Sequential(conv_bn_relu(inputs, inputs, stride=stride, groups=inputs), conv_bn_relu(inputs, outputs, 1))


class FastSCNN(nn.Module):
    """Without pyramid pooling."""

    def __init__(self):
        super().__init__()
        self.learning_to_downsample = nn.Sequential(conv_bn_relu(3, 4, stride=2), separable(4, 6, 2))
        self.global_features = nn.Sequential(InvertedResidual(6, 8, 2, 2), InvertedResidual(8, 8, 1, 2))
        self.dwconv = conv_bn_relu(8, 8, groups=8)
        self.conv_low = nn.Sequential(nn.Conv2d(8, 6, 1), nn.BatchNorm2d(6))
        self.conv_high = nn.Sequential(nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6))
        self.classifier = nn.Sequential(separable(6, 6), nn.Dropout(0.1), nn.Conv2d(6, 1, 1))

    def forward(self, image):
        size = image.size()[2:]
        high = self.learning_to_downsample(image)
        low = F.interpolate(self.global_features(high), scale_factor=2, mode="bilinear")
        fused = F.relu(self.conv_high(high) + self.conv_low(self.dwconv(low)))
        return F.interpolate(self.classifier(fused), size)


class FCN8(nn.Module):
    """Scores of three scales, summed by learned upsampling; VGG's blocks before them."""

    def __init__(self, widths=(4, 6, 6, 8)):
        super().__init__()
        blocks = [
            nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2, stride=2))
            for i, o in zip((3, *widths), widths, strict=False)
        ]
        self.features2 = nn.Sequential(*blocks[:2])
        self.features3, self.features4 = blocks[2:]
        self.fc = nn.Sequential(nn.Conv2d(widths[3], 8, 1), nn.ReLU(inplace=True), nn.Dropout2d())
        self.score4, self.score3, self.score2 = (nn.Conv2d(c, 1, 1) for c in (8, widths[2], widths[1]))
        self.upscore4 = nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1, bias=False)
        self.upscore3 = nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1, bias=False)
        self.upscore = nn.ConvTranspose2d(1, 1, 8, stride=4, padding=2, bias=False)

    def forward(self, image):
        pool2 = self.features2(image)
        pool3 = self.features3(pool2)
        score = self.score4(self.fc(self.features4(pool3)))
        score = self.upscore4(score) + self.score3(pool3)
        score = self.upscore3(score) + self.score2(pool2)
        return self.upscore(score)


class ASPPPooling(nn.Sequential):
    def __init__(self, inputs, outputs):
        conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        super().__init__(nn.AdaptiveAvgPool2d(1), conv, nn.BatchNorm2d(outputs), nn.ReLU())

    def forward(self, x):
        size = x.shape[-2:]
        for module in self:
            x = module(x)
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class ASPP(nn.Module):
    def __init__(self, inputs, outputs, rates, pooled):
        super().__init__()
        branches = [conv_bn_relu(inputs, outputs, 1)]
        branches += [conv_bn_relu(inputs, outputs, padding=rate, dilation=rate) for rate in rates]
        branches += [ASPPPooling(inputs, outputs)] * pooled
        self.convs = nn.ModuleList(branches)
        self.project = nn.Sequential(conv_bn_relu(outputs * len(branches), outputs, 1), nn.Dropout(0.5))

    def forward(self, x):
        return self.project(torch.cat([conv(x) for conv in self.convs], dim=1))


class DeepLab(nn.Module):
    """DeepLab v3+, its pyramid with or without the branch of the whole image."""

    def __init__(self, pooled=True):
        super().__init__()
        self.stem = conv_bn_relu(3, 4, stride=2)
        self.body = nn.Sequential(BasicBlock(4, 6, 2), BasicBlock(6, 6, 1))
        self.aspp = ASPP(6, 4, (2, 4, 6), pooled)
        self.low = conv_bn_relu(4, 4, 1)
        self.classifier = nn.Sequential(conv_bn_relu(8, 4), nn.Conv2d(4, 1, 1))

    def forward(self, image):
        low = self.stem(image)
        x = F.interpolate(self.aspp(self.body(low)), size=low.shape[-2:], mode="bilinear", align_corners=False)
        x = self.classifier(torch.cat([self.low(low), x], dim=1))
        return F.interpolate(x, size=image.shape[-2:], mode="bilinear", align_corners=False)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, reduced):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(channels, reduced, 1), nn.Conv2d(reduced, channels, 1)
        self.activation, self.scale_activation = nn.SiLU(inplace=True), nn.Sigmoid()

    def forward(self, x):
        scale = self.activation(self.fc1(self.avgpool(x)))
        return self.scale_activation(self.fc2(scale)) * x


class MBConv(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride, expand):
        super().__init__()
        hidden = inputs * expand
        layers = []
        if expand != 1:
            layers += [nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.SiLU(inplace=True)]
        depthwise = nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False)
        layers += [depthwise, nn.BatchNorm2d(hidden), nn.SiLU(inplace=True)]
        layers += [SqueezeExcitation(hidden, max(1, inputs // 2))]
        layers += [nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.block = nn.Sequential(*layers)
        self.use_res_connect = stride == 1 and inputs == outputs

    def forward(self, x):
        result = self.block(x)
        if self.use_res_connect:
            result += x
        return result


class EfficientUNet(nn.Module):
    """EfficientNet's encoder: inverted bottlenecks with SiLU and squeeze-and-excitation; a decoder of nearest."""

    def __init__(self, widths=(4, 6)):
        super().__init__()
        stem, deep = widths
        conv = nn.Conv2d(3, stem, 3, 2, 1, bias=False)
        self.stem = nn.Sequential(conv, nn.BatchNorm2d(stem), nn.SiLU(inplace=True), MBConv(stem, stem, 3, 1, 1))
        self.stage = nn.Sequential(MBConv(stem, deep, 5, 2, 2), MBConv(deep, deep, 3, 1, 2))
        self.fuse = DoubleConv(stem + deep, stem)
        self.head = nn.Conv2d(stem, 1, 3, padding=1)

    def forward(self, image):
        low = self.stem(image)
        x = self.fuse(torch.cat([F.interpolate(self.stage(low), scale_factor=2), low], dim=1))
        return self.head(F.interpolate(x, scale_factor=2))


class AttentionBlock(nn.Module):
    def __init__(self, gating, skip, inner):
        super().__init__()
        self.W_g, self.W_x = (nn.Sequential(nn.Conv2d(i, inner, 1), nn.BatchNorm2d(inner)) for i in (gating, skip))
        self.psi = nn.Sequential(nn.Conv2d(inner, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())
        self.relu = nn.ReLU(inplace=True)

    def forward(self, g, x):
        psi = self.relu(self.W_g(g) + self.W_x(x))
        return x * self.psi(psi)


class AttentionUNet(nn.Module):
    """Each skip is multiplied by a gate of one value a pixel, made of it and of what comes from below."""

    def __init__(self, widths=(4, 6, 8)):
        super().__init__()
        self.pool = nn.MaxPool2d(2, 2)
        self.down = nn.ModuleList(DoubleConv(i, o) for i, o in zip((3, *widths), widths, strict=False))
        above = list(itertools.pairwise(widths))[::-1]
        self.up = nn.ModuleList(nn.Sequential(nn.Upsample(scale_factor=2), conv_bn_relu(o, i)) for i, o in above)
        self.gates = nn.ModuleList(AttentionBlock(i, i, i // 2) for i, _ in above)
        self.merge = nn.ModuleList(DoubleConv(2 * i, i) for i, _ in above)
        self.out = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        skips = []
        for index, stage in enumerate(self.down):
            x = stage(self.pool(x) if index else x)
            skips.append(x)
        for up, gate, merge, skip in zip(self.up, self.gates, self.merge, skips[-2::-1], strict=True):
            x = up(x)
            x = merge(torch.cat((gate(g=x, x=skip), x), dim=1))
        return self.out(x)


class SmallGates(nn.Module):
    """One level of a U-Net: below a gate of each channel and a pixel that is repeated, beside it one of each pixel."""

    def __init__(self, channels=3):
        super().__init__()
        self.stem, self.pool, self.up = conv_bn_relu(3, channels), nn.MaxPool2d(2), nn.Upsample(scale_factor=2)
        self.se, self.pooling = SqueezeExcitation(channels, 2), ASPPPooling(channels, 2)
        self.mix = conv_bn_relu(channels + 2, channels, 1)
        self.attention = AttentionBlock(channels, channels, 2)
        self.head = nn.Conv2d(2 * channels, 1, 1)

    def forward(self, image):
        skip = self.stem(image)
        x = self.se(self.pool(skip))
        x = self.up(self.mix(torch.cat([x, self.pooling(x)], dim=1)))
        return self.head(torch.cat([self.attention(x, skip), x], dim=1))


ARCHITECTURES = {
    "unet_transposed": UNet,
    "unet_nearest": lambda: UNet(transposed=False),
    "nested_unet": NestedUNet,
    "resnet18_unet": ResNetUNet,
    "mobilenetv2_unet": MobileUNet,
    "erfnet": ERFNet,
    "fast_scnn": FastSCNN,
    "fcn8": FCN8,
    "deeplab_without_pooling": lambda: DeepLab(pooled=False),
    "deeplab": DeepLab,
    "efficientnet_unet": EfficientUNet,
    "attention_unet": AttentionUNet,
}
