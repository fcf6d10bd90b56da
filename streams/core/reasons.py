"""The closed sets: why something was refused, and where. They are metric labels and dead-letter headers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The step of the pipeline that gave a record up."""

    INGEST = "ingest"
    RENDER = "render"
    DISPATCH = "dispatch"


class Reason(StrEnum):
    """Why a record became a dead letter. Stable: producers and alerts match on these words."""

    TOKEN_MISSING = "token_missing"
    TOKEN_MALFORMED = "token_malformed"
    TOKEN_TOO_LARGE = "token_too_large"
    TOKEN_TYPE = "token_type"
    TOKEN_ALG = "token_alg"
    TOKEN_UNKNOWN_KEY = "token_unknown_key"
    TOKEN_SIGNATURE = "token_signature"
    TOKEN_ISSUER = "token_issuer"
    TOKEN_TOPIC = "token_topic"
    TOKEN_AUDIENCE = "token_audience"
    TOKEN_ROLE = "token_role"
    TOKEN_CLAIMS = "token_claims"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_NOT_YET_VALID = "token_not_yet_valid"
    EVENT_TYPE_UNKNOWN = "event_type_unknown"
    SCHEMA_VERSION_UNKNOWN = "schema_version_unknown"
    SCHEMA_VIOLATION = "schema_violation"
    RECIPIENT_INVALID = "recipient_invalid"
    NO_CHANNEL = "no_channel"
    TEMPLATE_MISSING = "template_missing"
    RENDER_FAILED = "render_failed"
    PROVIDER_REFUSED = "provider_refused"
    PROVIDER_GAVE_UP = "provider_gave_up"
    OUTCOME_UNKNOWN = "outcome_unknown"
    ID_CONFLICT = "id_conflict"
    INTERNAL_ERROR = "internal_error"


class Suppression(StrEnum):
    """Why a message ended without being sent although nothing failed."""

    UNSUBSCRIBED = "unsubscribed"
    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    STOP = "stop"
    INVALID_CONTACT = "invalid_contact"
    OPERATOR = "operator"
    PROMO_DISABLED = "promo_disabled"
    RECALLED = "recalled"


@dataclass(frozen=True, slots=True)
class Rejected:
    """An expected failure, as a value.

    ``detail`` is one sentence for the person who reads the dead letter. It never holds a token, an address or a body.
    """

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """No verdict yet: the record waits until ``issuer``'s key set was fetched again. It asks for ``kid``."""

    issuer: str
    kid: str
