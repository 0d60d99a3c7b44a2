"""Figures become small without a change of a pixel, and photographs in them are found."""

import random

import pytest
from PIL import Image, ImageDraw

from recipe_site import pictures

pytestmark = [pytest.mark.unit, pytest.mark.quick]
LEFT, RIGHT = (40, 20, 240, 180), (280, 20, 480, 180)


def figure(*photographs: tuple[int, int, int, int]) -> Image.Image:
    """Two axes, each with a line or filled with a picture of many colours."""
    image = Image.new("RGB", (520, 220), "white")
    draw, dice = ImageDraw.Draw(image), random.Random(0)
    for box in (LEFT, RIGHT):
        draw.rectangle(box, outline="black")
        draw.line((box[0], 60, box[0] - 5, 60), "black")  # a tick
        if box not in photographs:
            draw.line((box[0] + 5, 60, box[2] - 5, 150), "#1f77b4", 2)
            continue
        for x in range(box[0] + 1, box[2]):
            for y in range(box[1] + 1, box[3]):
                image.putpixel((x, y), tuple(dice.randrange(150, 240) for _ in range(3)))
    return image


def near(found: list[tuple], expected: list[tuple]) -> bool:
    """Whether these are the same boxes, but for the width of a line."""
    return len(found) == len(expected) and all(
        abs(side - other) <= 3
        for box, wanted in zip(found, expected, strict=True)
        for side, other in zip(box, wanted, strict=True)
    )


def test_frames_are_those_of_the_axes() -> None:
    assert near(pictures.frames(figure()), [LEFT, RIGHT])
    assert near(pictures.frames(figure(LEFT)), [LEFT, RIGHT])
    assert pictures.frames(Image.new("RGB", (520, 220), "white")) == []


@pytest.mark.parametrize("boxes", [(), (LEFT,), (LEFT, RIGHT)])
def test_photographs_are_told_from_plots(boxes) -> None:
    assert near(pictures.photographs(figure(*boxes)), list(boxes))


@pytest.mark.parametrize("boxes", [(), (LEFT,), (LEFT, RIGHT)])
def test_small_copies_are_equal_and_cards_are_drawn(tmp_path, boxes) -> None:
    """A card has its size, shows something, and is not the figure with its labels."""
    images = tmp_path / "recipes" / "images"
    (images / "thumb").mkdir(parents=True)
    drawn = images / "sphx_glr_a_001.png"
    card = images / "thumb" / "sphx_glr_a_thumb.png"
    for path in (drawn, card):
        figure(*boxes).save(path)
    before = drawn.read_bytes()
    pictures.finish(tmp_path)
    assert drawn.read_bytes() == before
    with Image.open(drawn.with_suffix(".webp")) as small:
        assert small.convert("RGB").tobytes() == figure(*boxes).tobytes()
    with Image.open(card) as shown:
        assert shown.size == pictures.CARD
        low, high = shown.convert("L").getextrema()
        assert high - low > 100


def test_a_card_without_a_figure_stays(tmp_path) -> None:
    (tmp_path / "thumb").mkdir()
    card = tmp_path / "thumb" / "sphx_glr_a_thumb.png"
    Image.new("RGB", (480, 240), "white").save(card)
    pictures.finish(tmp_path)
    with Image.open(card) as shown:
        assert shown.size == (480, 240)


@pytest.mark.parametrize("colour", ["#1f77b4", "#333333"])
def test_bars_are_no_axes(colour) -> None:
    """They have straight edges, too; a card that shows one of them is blank."""
    image = figure()
    draw = ImageDraw.Draw(image)
    draw.rectangle((LEFT[0] + 20, LEFT[1] + 10, LEFT[0] + 90, LEFT[3] - 1), fill=colour)
    draw.rectangle((LEFT[0] + 110, LEFT[3] - 60, LEFT[0] + 180, LEFT[3] - 1), fill=colour)
    assert near(pictures.frames(image), [LEFT, RIGHT])
    low, high = pictures.card(image).convert("L").getextrema()
    assert high - low > 100
