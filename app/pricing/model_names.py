"""The names of a model in price lists, out of the paths and ids that APIs, clouds and libraries know it by."""

import re
from collections.abc import Iterator
from typing import NamedTuple

AWS, GOOGLE = "aws", "google"


class Spelled(NamedTuple):
    """A model's name without the path that it was reported with."""

    model: str
    seller: str | None = None
    """Who alone has names of this form. It is for the price list to say whether the model is one of theirs."""
    region: str | None = None
    """Where the call was answered, if the path says it."""


_REGIONS = "us|eu|apac|ap|au|jp|ca|in|sa|uk|me|af|il|mx"
_MAKERS = (
    "ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen"
    "|stability|twelvelabs|writer|zai"
)
_BEDROCK_ID = rf"(?P<model>(?:(?:{_REGIONS}|global|us-gov)\.)?(?:{_MAKERS})\.[a-z0-9][\w.:-]*)"
_GEOGRAPHY = re.compile(rf"(?:{_REGIONS})\.(?=[a-z0-9]+\.)")
"""Of a Bedrock inference profile. All of one model have one price; `global.` and `us-gov.` have others."""

_PUBLISHED = r"publishers/[^/]+/models/(?P<model>[^/]+)"
_BEDROCK_ARN = r"arn:aws[a-z-]*:bedrock:[a-z0-9-]*:\d*:(?:inference-profile|foundation-model)/(?P<model>[^/]+)"

_FORMS: tuple[tuple[re.Pattern[str], str | None], ...] = (
    (re.compile(_BEDROCK_ARN), AWS),
    (re.compile(_BEDROCK_ID), AWS),
    (re.compile(rf"(?:aws|amazon-bedrock|bedrock(?:_\w+)?)/(?:[^/]+/)*{_BEDROCK_ID}"), AWS),  # as LiteLLM has them
    (
        re.compile(rf"(?:/*aiplatform\.googleapis\.com/)?projects/[^/]+/locations/(?P<region>[^/]+)/{_PUBLISHED}"),
        GOOGLE,
    ),
    (re.compile(_PUBLISHED), GOOGLE),
    (re.compile(r"models/(?P<model>[^/]+)"), None),
)
"""Each form: a pattern for the whole name in lower case, and whose it is."""

# a date is written `-20250514` everywhere else
_VERTEX_VERSION = re.compile(r"(?P<model>(?:claude|gemini|text-?embedding)-[^/@]+)@(?P<version>\d{8}|default|latest)")
_VENDOR = re.compile(r"(?P<vendor>[a-z][a-z0-9._ -]*)[/:](?P<model>.+)")
_GOV_CLOUD = re.compile(r"(?:^|/)us-gov\.|arn:aws-us-gov:|(?:^|/)us-gov-(?:east|west)-\d/")


def spell(model: str) -> Spelled:
    """What of a model's name, in lower case, is the name itself."""
    for form, seller in _FORMS:
        if found := form.fullmatch(model):
            named = found.groupdict()
            inner = _at_version(named["model"])
            return Spelled(inner.model if inner else named["model"], seller, named.get("region"))
    return _at_version(model) or Spelled(model)


def is_gov_cloud(model: str) -> bool:
    """Whether this is a Bedrock id of AWS GovCloud, which asks other prices than AWS elsewhere."""
    return _GOV_CLOUD.search(model) is not None


def _at_version(model: str) -> Spelled | None:
    found = _VERTEX_VERSION.fullmatch(model)
    if found is None:
        return None
    name, version = found["model"], found["version"]
    return Spelled(f"{name}-{version}" if version.isdecimal() else name, GOOGLE)


def vendor_of(model: str) -> tuple[str, str] | None:
    """The parts of `vendor/model` or `vendor:model`; whether that is a vendor is for the names of sellers to say."""
    found = _VENDOR.fullmatch(model)
    return (found["vendor"], found["model"]) if found else None


def spellings(model: str, seller: str) -> Iterator[str]:
    """The names under which the list of `seller` may have `model` (in lower case), the likeliest first."""
    spelled = spell(model).model
    yield model
    if spelled != model:
        yield spelled
    if seller == AWS:
        last = spelled.rpartition("/")[2]  # LiteLLM: converse/ID, us-west-2/ID
        yield last
        yield _GEOGRAPHY.sub("", last, count=1)
