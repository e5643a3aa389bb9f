"""Filters for the few values that reach a template unprinted."""

from datetime import date, datetime

from django import template

from reports import formats

register = template.Library()

register.filter("count", formats.count)
register.filter("day", formats.day)
register.filter("clock", formats.clock)


@register.filter
def ago(then: datetime | None, now: datetime) -> str:
    return formats.ago(then, now) if then else formats.NOTHING


@register.filter
def iso(value: date) -> str:
    return value.isoformat()
