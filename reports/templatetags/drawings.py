"""Decorations that a page draws without being given anything."""

import math

from django import template

register = template.Library()

STEP, COLUMNS, GROUND = 32, 45, 148


def _height(number: int) -> float:
    return round(74 + 38 * math.sin(number / 2.1) * math.sin(number / 7.3 + 0.6) + 26 * math.sin(number / 3.7), 1)


@register.inclusion_tag("_skyline.html")
def skyline() -> dict[str, list[dict[str, float]]]:
    """The row of bars at the foot of a bare page; it runs below the edge so that only the tops are round."""
    return {
        "bars": [
            {"x": number * STEP + 5, "y": round(GROUND - _height(number), 1), "height": _height(number) + 20}
            for number in range(COLUMNS)
        ]
    }
