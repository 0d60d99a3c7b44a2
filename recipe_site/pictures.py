"""The figures of a page, small and sharp, and the picture of its card.

Problem: a figure as it was drawn is the heaviest part of a page, and shrunken to the size of a
card it is a grey plot with unreadable labels, like every other.
Usage: ``finish(folder)`` on what was typeset, before it is published.
Result: beside each figure a copy as lossless WebP, equal to the pixel in less than half of the
bytes; the PNG files stay as they were drawn. The picture of a card shows what is drawn inside of
the axes, with thicker lines and without labels. ``frames`` says where in a figure axes are, so
that a page can leave photographs as they are in the dark.

Imported only where pages are typeset: Pillow and numpy are not there in every process.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

Box = tuple[int, int, int, int]  # left, top, right, bottom
CARD = (400, 200)  # pixels; a card shows it half as wide on screens with twice as many
DARK = 150  # of 255; a frame around axes is darker
COLOURLESS = 40  # of 255; its red, green and blue differ less
LITTLE_WHITE = 0.6  # of the area of a photograph; of most plots more is white
MANY_COLOURS = 300  # of a photograph; the bars of a plot have fewer, edges included


def finish(folder: Path) -> None:
    """Make the small copies of all figures below a folder, and the pictures of cards."""
    for drawn in sorted(folder.rglob("sphx_glr_*.png")):
        with Image.open(drawn) as image:
            picture = image.convert("RGB")
        if not drawn.stem.endswith("_thumb"):
            picture.save(drawn.with_suffix(".webp"), lossless=True, method=4, quality=60)
            continue
        first = drawn.parents[1] / f"{drawn.stem.removesuffix('_thumb')}_001.png"
        if first.is_file():
            with Image.open(first) as image:
                picture = card(image.convert("RGB"))
        picture.quantize(64).save(drawn, optimize=True)


def frames(image: Image.Image) -> list[Box]:
    """The frames around axes in a figure, without the lines themselves, from the top."""
    pixels = np.asarray(image.convert("RGB"), np.int16)
    grey = pixels.max(axis=2) - pixels.min(axis=2) < COLOURLESS  # a coloured bar has edges, too
    dark = (np.asarray(image.convert("L")) < DARK) & grey
    height, width = dark.shape
    lines = []  # rows with a dark line in them: row, left end, right end
    for row in np.flatnonzero(dark.sum(axis=1) >= width // 12):
        steps = np.diff(np.concatenate(([0], dark[row].view(np.int8), [0])))
        ends = zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True)
        lines += [(int(row), int(a), int(b)) for a, b in ends if b - a >= width // 12]
    found: list[Box] = []
    for top, left, right in lines:
        if any(a - 4 < left and right < c + 4 and b - 4 < top < d + 8 for a, b, c, d in found):
            continue
        for bottom, *ends in lines:
            same = abs(ends[0] - left) < 3 and abs(ends[1] - right) < 3
            if not same or bottom - top <= height // 6:
                continue
            side = dark[top:bottom, left : left + 8].mean(axis=0)  # a tick may lengthen a line
            if side.max() > 0.8:
                box = (left + int(side.argmax()) + 2, top + 2, right - 2, bottom - 2)
                if np.ptp(pixels[box[1] : box[3], box[0] : box[2]]) > COLOURLESS:
                    found.append(box)  # and no grey bar
                break
    return found


def photographs(image: Image.Image) -> list[Box]:
    """The frames in a figure that are filled with a picture rather than with lines on white."""
    found = []
    for box in frames(image):
        part = image.crop(box)
        white = (np.asarray(part.convert("L")) > 250).mean()
        if white < LITTLE_WHITE and part.getcolors(MANY_COLOURS) is None:
            found.append(box)
    return found


def card(figure: Image.Image) -> Image.Image:
    """The picture of a card: the largest axes without labels; all of them if they are small."""
    boxes = frames(figure)
    if not boxes:
        return contained(figure)
    widest = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
    if photographs(figure) or len(boxes) > 3:
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        return contained(figure.crop((min(lefts), min(tops), max(rights), max(bottoms))))
    return figure.crop(widest).filter(ImageFilter.MinFilter(3)).resize(CARD, Image.Resampling.BOX)


def contained(picture: Image.Image) -> Image.Image:
    """A picture in the middle of a white card, whole."""
    copy = picture.copy()
    copy.thumbnail(CARD)
    canvas = Image.new("RGB", CARD, "white")
    canvas.paste(copy, ((CARD[0] - copy.width) // 2, (CARD[1] - copy.height) // 2))
    return canvas
