"""From one event to its messages: which template, which channels, which identity."""

from __future__ import annotations

from streams.core.contract import Event
from streams.core.messages import Mode, RenderOrder, Route, content_digest, dispatch_id
from streams.core.reasons import Reason, Rejected
from streams.core.templates import Deliver, Template, Templates


def fan_out(event: Event, templates: Templates, *, mode: Mode, appended_ms: int) -> tuple[RenderOrder, ...] | Rejected:
    """One render order per message, in the template's order of channels."""
    template = templates.for_event(event.type)
    if template is None:
        return Rejected(Reason.TEMPLATE_MISSING, f"no template is registered for {event.type}")
    usable = [channel for channel in template.channels if event.recipient.contacts.get(channel)]
    if not usable:
        return Rejected(Reason.NO_CHANNEL, f"the recipient has none of {', '.join(template.channels)}")
    chosen = usable if template.deliver is Deliver.ALL else usable[:1]
    return tuple(_order(event, template, channel, mode=mode, appended_ms=appended_ms) for channel in chosen)


def _order(event: Event, template: Template, channel: str, *, mode: Mode, appended_ms: int) -> RenderOrder:
    return RenderOrder(
        route=Route(
            dispatch_id=dispatch_id(
                event_id=event.id, recipient_id=event.recipient.id, channel=channel, template=template.name
            ),
            event_id=event.id,
            event_type=event.type,
            event_version=event.version,
            recipient_id=event.recipient.id,
            channel=channel,
            category=template.category,
            template=template.name,
            template_version=template.version,
            content=content_digest(
                event.recipient.contacts[channel],
                event.type,
                event.version,
                event.occurred_at,
                event.not_after_ms,
                event.recipient.locale,
                event.recipient.timezone,
                event.data,
            ),
        ),
        to=event.recipient.contacts[channel],
        mode=mode,
        appended_ms=appended_ms,
        occurred_at=event.occurred_at,
        not_after_ms=event.not_after_ms,
        locale=event.recipient.locale,
        timezone=event.recipient.timezone,
        data=event.data,
    )
