"""What stands in a panel instead of rows: nothing there, nothing left, too slow, failed. LOOK: icon, title,
one sentence, at most two buttons; what is normal is grey, slow is amber, failed is red."""

from collections.abc import Sequence
from typing import Any

from reports.links import Links
from reports.words import FilterWords


def _state(kind: str, icon: str, title: str, text: str, acts: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    return {"kind": kind, "icon": icon, "title": title, "text": text, "acts": list(acts)}


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def empty(icon: str, plural: str, domain: str, range_words: str, links: Links, is_all_time: bool) -> dict[str, Any]:
    """Nobody came. With a shorter range than all time, offers that."""
    if is_all_time:
        return _state("empty", icon, f"No {plural} yet", f"Nobody came to {domain} yet.")
    show_all = {"label": "Show all time", "url": links.for_period("all")}
    return _state("empty", icon, f"No {plural}", f"Nobody came to {domain} {range_words}.", [show_all])


def none_arrived(domain: str, within: str, links: Links) -> dict[str, Any]:
    """No event of any kind reached the door."""
    show_all = {"label": "Show all time", "url": links.for_period("all"), "soft": "page"}
    return _state("empty", "bars", "No events", f"No event of {domain} arrived {within}.", [show_all])


def calm(icon: str, title: str, text: str) -> dict[str, Any]:
    """There is nothing, and nothing is to be done."""
    return _state("empty", icon, title, text)


def before_the_first(domain: str, setup_url: str) -> dict[str, Any]:
    """A site that has never had an event."""
    text = f"Put the snippet on {domain}. The figures appear here by themselves."
    act = {"label": "Install", "url": setup_url, "soft": "page"}
    return _state("empty", "code", "Waiting for the first event", text, [act])


def filtered_away(one: str, filters: Sequence[FilterWords], links: Links) -> dict[str, Any]:
    """The filters leave nothing: offers to drop the last one."""
    last = filters[-1]
    verb = "leaves" if len(filters) == 1 else "leave"
    text = f"{_joined([str(words) for words in filters])} {verb} no visitor."
    drop = {"label": f"Remove “{last}”", "url": links.without_filter(last.told)}
    return _state("filtered", "filter", f"No {one} matches", text, [drop])


def timed_out(seconds: int, here: str, soft: str, links: Links, days: int) -> dict[str, Any]:
    """Offers a shorter range than these `days`, where there is one."""
    acts: list[dict[str, Any]] = [{"label": "Try again", "url": here, "icon": "refresh", "soft": soft}]
    shorter = next((fewer for fewer in (30, 7) if fewer < days), None)
    if shorter:
        acts.append({"label": f"Use {shorter} days", "url": links.for_period(f"{shorter}d"), "is_plain": True})
    text = "The range is long and has no ready totals. The rest of the page is complete."
    return _state("slow", "clock", f"This took longer than {seconds} s", text, acts)


def failed(here: str, soft: str) -> dict[str, Any]:
    acts = [{"label": "Try again", "url": here, "icon": "refresh", "soft": soft}]
    text = "The database did not answer. Nothing is lost: events are kept and counted later."
    return _state("failed", "alert", "These figures could not be loaded", text, acts)
