"""What OpenAPI has no words for, for schemathesis: requests are made to keep what the description says in prose."""

import base64
import binascii
import http.client
import re

import schemathesis
from schemathesis.core import NOT_SET

# A CloudEvent in binary mode is told by fields that stand all together, and only with them any media type is taken.
BINARY = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/schemathesis",
    "ce-type": "example",
    "ce-channels": "a",
}
# Types and values of all parameters together, a named filter being one.
MOST_TERMS = 16
# The parameters that they are in.
TERMS = {
    "GET /api/v1/events": ["attributes", "types", "filter"],
    "GET /api/feeds/{user}": ["agents", "kinds"],
}


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.method.upper() == "GET" and case.body is not NOT_SET:
        # Another method for a resource that takes content: one that has none is refused for the content first.
        case.body = NOT_SET
    if case.operation.label == "POST /api/v1/events":
        keep_modes_apart(case)
    if case.operation.label == "GET /connections" and case.query is not None and "channel" in case.query:
        # One of the two may be given.
        case.query.pop("subject", None)
    keep_terms_few(case, TERMS.get(case.operation.label, []))


def keep_modes_apart(case):
    fields = case.headers if case.headers is not None else {}
    if case.media_type == "text/plain":
        for name, value in BINARY.items():
            fields.setdefault(name, value)
    else:
        for name in BINARY:
            fields.pop(name, None)
    case.headers = fields
    for event in case.body if isinstance(case.body, list) else [case.body]:
        if isinstance(event, dict) and "data_base64" in event and not is_text(event["data_base64"]):
            event["data_base64"] = "YQ=="


def is_text(encoded):
    """Whether it isn't base64 at all, which is for the gateway to refuse, or that of UTF-8."""
    try:
        base64.b64decode(encoded, validate=True).decode()
    except UnicodeDecodeError:
        return False
    except (binascii.Error, TypeError, ValueError):
        pass
    return True


def keep_terms_few(case, names):
    query = case.query if case.query is not None else {}
    for name in names:
        if sum(terms(query.get(name)) for name in names) > MOST_TERMS:
            query.pop(name, None)
    case.query = query


def terms(value):
    if isinstance(value, dict):
        return sum(terms(value) for value in value.values())
    return re.sub(r"\\.", "", value).count(",") + 1 if isinstance(value, str) else 0


# What was upgraded carries no further requests.
_check_close = http.client.HTTPResponse._check_close
http.client.HTTPResponse._check_close = lambda self: self.status == 101 or _check_close(self)
