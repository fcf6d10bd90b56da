"""Rendering: a template and an event's data become the parts of one message. Jinja2, sandboxed and strict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from streams.core import filters
from streams.core.messages import Message, RenderOrder, Source
from streams.core.reasons import Reason, Rejected
from streams.core.templates import Template, Templates

_SINGLE_LINE: Final = frozenset({"subject"})
"""Parts that become a header: whatever their template does, they stay on one line (RFC 5322, section 2.2)."""


class Renderer:
    """All templates, compiled once. HTML parts are autoescaped; an undefined variable is an error."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        sources = {
            _path(template.name, version, channel, part): source
            for template in templates.by_name.values()
            for version, channels in template.sources.items()
            for channel, parts in channels.items()
            for part, source in parts.items()
        }
        self._environment = ImmutableSandboxedEnvironment(
            loader=jinja2.DictLoader(sources),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=jinja2.StrictUndefined,
            keep_trailing_newline=False,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        self._environment.filters |= {"day": filters.day, "moment": filters.moment, "money": filters.money}

    def render(self, order: RenderOrder) -> Message | Rejected:
        """The message that an order asks for, or why there is none."""
        route = order.route
        template = self._templates.by_name.get(route.template)
        parts = template.sources.get(route.template_version, {}).get(route.channel) if template else None
        if template is None or not parts:
            wanted = f"{route.template}@{route.template_version} for {route.channel}"
            return Rejected(Reason.TEMPLATE_MISSING, f"this build has no {wanted}")
        names = {part: _path(route.template, route.template_version, route.channel, part) for part in parts}
        try:
            texts = {part: self._text(part, name, _context(template, order)) for part, name in names.items()}
        except jinja2.TemplateError as error:
            return Rejected(Reason.RENDER_FAILED, f"{route.template}@{route.template_version}: {_describe(error)}")
        except (TypeError, ValueError, ArithmeticError, LookupError) as error:
            # An expression of the template met a value it can't work with: the template's fault, not the program's.
            return Rejected(
                Reason.RENDER_FAILED, f"{route.template}@{route.template_version}: {type(error).__name__} in a template"
            )
        return Message(
            route=route,
            to=order.to,
            mode=order.mode,
            appended_ms=order.appended_ms,
            not_after_ms=order.not_after_ms,
            sender=template.sender,
            parts=texts,
            source=Source(occurred_at=order.occurred_at, locale=order.locale, timezone=order.timezone, data=order.data),
        )

    def _text(self, part: str, name: str, context: Mapping[str, Any]) -> str:
        text = self._environment.get_template(name).render(context).strip()
        return " ".join(text.split()) if part in _SINGLE_LINE else text + "\n"


def _path(template: str, version: str, channel: str, part: str) -> str:
    return f"{template}/{version}/{channel}.{part}"


def _context(template: Template, order: RenderOrder) -> dict[str, Any]:
    return {
        **dict.fromkeys(template.optional),
        **order.data,
        "recipient_id": order.route.recipient_id,
        "occurred_at": order.occurred_at,
    }


def _describe(error: jinja2.TemplateError) -> str:
    """What is wrong, quoting no value: undefined names are the template author's, other messages may hold data."""
    if isinstance(error, jinja2.UndefinedError) and error.message:
        return error.message[:120]
    return type(error).__name__
