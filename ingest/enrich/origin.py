"""The origin of a session: from where and with what, found from its first event."""

from typing import Any

import msgspec

from ingest.enrich import channel, source, useragent
from ingest.event import Context
from ingest.sessions import ORIGIN, Origin, Placed


def origin_of(item: Placed) -> Origin:
    """What an import states wins over what is found."""
    stated = {**_known(item.batch.context), **_known(item.event.context)}
    acquired = source.acquisition_of(item.event.referrer, item.event.query, item.event.hostname, stated)
    agent = useragent.parse(stated.get("user_agent"), stated.get("hints"))
    found = {
        "hostname": item.event.hostname,
        "channel": channel.channel_of(acquired),
        **acquired._asdict(),
        **agent._asdict(),
        **stated,
    }
    return Origin(**{name: value for name, value in found.items() if name in ORIGIN})


def _known(context: Context | None) -> dict[str, Any]:
    if context is None:
        return {}
    return {name: value for name, value in msgspec.structs.asdict(context).items() if value is not None}
