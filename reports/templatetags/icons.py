"""Drawings on a 16 grid with a 1.5 stroke, set inline so that they take the colour of the text beside them."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

ICONS = {
    "alert": '<path d="M8 2.2 14.2 13H1.8L8 2.2ZM8 6.4v3.1M8 11.3v.1"/>',
    "archive": '<rect x="1.8" y="2.6" width="12.4" height="3.6" rx="1"/><path d="M3 6.4v5.8a1.2 1.2 0 0 0 1.2 1.2h7.6'
    'a1.2 1.2 0 0 0 1.2-1.2V6.4M6.4 9h3.2"/>',
    "bars": '<path d="M3.2 13V9.2M8 13V3M12.8 13V6.4"/>',
    "calendar": '<rect x="2" y="3.2" width="12" height="11" rx="2"/><path d="M2 6.6h12M5.2 1.6v3M10.8 1.6v3"/>',
    "check": '<path d="m3.2 8.4 3.2 3.2 6.4-7"/>',
    "chevron-down": '<path d="m4.5 6.3 3.5 3.5 3.5-3.5"/>',
    "chevron-left": '<path d="M9.7 4.5 6.2 8l3.5 3.5"/>',
    "chevron-right": '<path d="M6.3 4.5 9.8 8l-3.5 3.5"/>',
    "clock": '<circle cx="8" cy="8" r="6"/><path d="M8 4.6V8l2.2 1.6"/>',
    "close": '<path d="m4 4 8 8M12 4l-8 8"/>',
    "code": '<path d="M5 4.4 1.6 8 5 11.6M11 4.4 14.4 8 11 11.6M9.2 3 6.8 13"/>',
    "copy": '<rect x="5.4" y="5.4" width="8.4" height="8.4" rx="1.6"/><path d="M3.4 10.6a1.2 1.2 0 0 1-1.2-1.2V3.6'
    'a1.4 1.4 0 0 1 1.4-1.4h5.8a1.2 1.2 0 0 1 1.2 1.2"/>',
    "devices": '<rect x="1.6" y="2.8" width="10" height="7.4" rx="1.4"/><path d="M4 13h3.6"/>'
    '<rect x="10" y="6.4" width="4.4" height="7" rx="1.2"/>',
    "download": '<path d="M8 2.2v7.6M4.8 6.8 8 10l3.2-3.2M2.6 13.4h10.8"/>',
    "expand": '<path d="M9.6 2.4h4v4M13.4 2.6 9 7M6.4 13.6h-4v-4M2.6 13.4 7 9"/>',
    "external": '<path d="M9.4 2.4h4.2v4.2M13.4 2.6 7.6 8.4M11.8 9.4v3a1.4 1.4 0 0 1-1.4 1.4H3.6a1.4 1.4 0 0 1-1.4-1.4'
    'V5.6a1.4 1.4 0 0 1 1.4-1.4h3"/>',
    "eye": '<path d="M1.4 8S3.8 3.6 8 3.6 14.6 8 14.6 8 12.2 12.4 8 12.4 1.4 8 1.4 8Z"/><circle cx="8" cy="8" r="2"/>',
    "filter": '<path d="M1.8 2.8h12.4L9.6 8.4v4.2l-3.2 1.2V8.4L1.8 2.8Z"/>',
    "grid": '<rect x="2" y="2" width="5" height="5" rx="1.2"/><rect x="9" y="2" width="5" height="5" rx="1.2"/>'
    '<rect x="2" y="9" width="5" height="5" rx="1.2"/><rect x="9" y="9" width="5" height="5" rx="1.2"/>',
    "keyboard": '<rect x="1.4" y="3.8" width="13.2" height="8.4" rx="1.6"/><path d="M4.2 6.6v.1M6.8 6.6v.1M9.4 6.6v.1'
    'M12 6.6v.1M5 9.6h6"/>',
    "log-out": '<path d="M6.2 13.6H3.6a1.4 1.4 0 0 1-1.4-1.4V3.8a1.4 1.4 0 0 1 1.4-1.4h2.6"/>'
    '<path d="M10.4 11 13.4 8l-3-3M13.2 8H6"/>',
    "menu": '<path d="M2.4 4.2h11.2M2.4 8h11.2M2.4 11.8h11.2"/>',
    "moon": '<path d="M13.6 9.4A6 6 0 0 1 6.6 2.4a6 6 0 1 0 7 7Z"/>',
    "more": '<path d="M3.4 8h.1M8 8h.1M12.6 8h.1" stroke-width="2"/>',
    "page": '<path d="M9 1.8H4.6a1.4 1.4 0 0 0-1.4 1.4v9.6a1.4 1.4 0 0 0 1.4 1.4h6.8a1.4 1.4 0 0 0 1.4-1.4V5.6L9 1.8Z'
    'M9 1.8v3.8h3.8"/>',
    "person": '<circle cx="8" cy="5.2" r="2.8"/><path d="M2.6 14c.5-3 2.6-4.6 5.4-4.6s4.9 1.6 5.4 4.6"/>',
    "pin": '<path d="M8 14.4s4.8-4.2 4.8-7.8a4.8 4.8 0 0 0-9.6 0c0 3.6 4.8 7.8 4.8 7.8Z"/>'
    '<circle cx="8" cy="6.6" r="1.6"/>',
    "plus": '<path d="M8 3v10M3 8h10"/>',
    "refresh": '<path d="M13.4 8A5.4 5.4 0 1 1 11.6 4M13.6 1.8V5h-3.2"/>',
    "screen": '<rect x="1.8" y="2.6" width="12.4" height="8.4" rx="1.4"/><path d="M5.4 13.6h5.2M8 11.2v2.2"/>',
    "search": '<circle cx="7" cy="7" r="4.6"/><path d="m10.6 10.6 3.2 3.2"/>',
    "shield": '<path d="M8 1.8 13 3.6v4c0 3.2-2.1 5.5-5 6.6-2.9-1.1-5-3.4-5-6.6v-4L8 1.8Z"/>',
    "source": '<path d="M2 4.2h3.4a3 3 0 0 1 3 3v2.2a3 3 0 0 0 3 3h2.2M11.4 10.2l2.4 2.2-2.4 2.2M2 8.6h3"/>',
    "sun": '<circle cx="8" cy="8" r="2.8"/>'
    '<path d="M8 1.4v1.4M8 13.2v1.4M1.4 8h1.4M13.2 8h1.4M3.3 3.3l1 1M11.7 11.7l1 1'
    'M12.7 3.3l-1 1M4.3 11.7l-1 1"/>',
    "table": '<rect x="2" y="2.6" width="12" height="10.8" rx="1.6"/><path d="M2 6.2h12M6.4 6.2v7"/>',
}


@register.simple_tag
def icon(name: str, size: str = "", label: str = "") -> SafeString:
    """An inline drawing; `label` names it where no word stands beside it. Raises KeyError for an unknown name."""
    named = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="icon {}" viewBox="0 0 16 16" {}>{}</svg>',
        size,
        named,
        mark_safe(ICONS[name]),  # noqa: S308  our own drawings, no part of a request
    )
