"""Error messages without secrets: providers quote keys, headers, addresses and URLs in what they answer.

Every pattern takes time linear in the text, even on hostile input: a match can only start where a name, a
prefix or a run of characters does, and runs are taken whole (`++`), never tried again in parts.
"""

import re

MAX_CHARACTERS = 500
REDACTED = "[redacted]"
ELLIPSIS = "…"

_PRIVATE_KEYS = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}KEY-----|\Z)", re.DOTALL)

_NAMES = r"""
    api[ _-]?key | access[ _-]?key(?:[ _-]?id)? | secret(?:[ _-]?(?:access[ _-]?)?key)? | private[ _-]?key
  | (?<!max_)(?<!max-)token | password | passwd | passphrase | pwd | authorization | credentials? | signature | sig
"""
# in camel case a name may follow another word
_CAMEL_NAMES = r"(?<!max)Token | ApiKey | AccessKey | SecretKey | Secret | Password"
_SEPARATOR = r"""(?:\\?["'])? \s*+ (?: => | := | [:=] | %3[AD] ) \s*+ \\?"""
_SCHEME = r"(?i: (?:bearer|basic|token|apikey) \s++ )"
_LOOKS_RANDOM = r"""(?= ["']? [^\s"'&…]{8} ) (?= ["']? [A-Za-z_-]*+ [0-9] )"""
_PAIRS = re.compile(
    rf"""
    (?P<name>
        (?: (?<![A-Za-z0-9]) (?i: {_NAMES} ) | (?<=[a-z0-9]) (?: {_CAMEL_NAMES} ) ) {_SEPARATOR}
      # a key alone may be that of anything: with a colon its value must look like a secret
      | (?: (?<![A-Za-z0-9]) (?i: key ) | (?<=[a-z0-9]) Key ) (?: = | {_SEPARATOR} {_LOOKS_RANDOM} )
    )
    (?: (?P<quote>["']) (?: (?!(?P=quote)) [^\n…] )*+ (?P<closing>(?P=quote)?) | {_SCHEME}? [^\s&"'<>…]++ )
    """,
    re.VERBOSE,
)
_COOKIES = re.compile(r"""(?i)(?P<name>(?<![a-z0-9])(?:set-)?cookie["']?\s*+:\s*+["']?)[^\n"'…]++""")

# everything before the last @ of the authority; or a password that was not encoded and holds a slash
_URL_USERS = re.compile(r"(?<=://)(?:[^\s/?#…]*@|[^\s:/?#@…]{1,100}+:(?!\d+(?:/|$))[^\s@…]{1,200}+@)")

# words such as "Bearer authentication" stay: a credential has a digit, a sign, or a capital after a small letter
_SCHEMES = re.compile(r"(?P<name>\b(?i:bearer|basic)\s++)(?=[A-Za-z.-]*?(?:[a-z][A-Z]|[0-9+/=~_*]))[\w.~+/*=-]{6,}+")

_JSON_TOKENS = re.compile(r"(?<![\w-])eyJ[\w*-]{10,}+(?:\.[\w*-]++){0,4}")

_PREFIXES = r"""
    sk-(?=[\w*.…-]{6}) | [srp]k_(?:live|test)_(?=[\w*]{8}) | whsec_(?=\w{16})
  | AIza(?=[\w*-]{8}) | ya29\.(?=[\w-]{16})
  | (?:gsk|hf|r8|fw|npm|jina)_(?=[A-Za-z0-9]{16}) | tm_(?=[\w-]{16}) | gh[pousr]_(?=\w{16}) | github_pat_(?=\w{16})
  | glpat-(?=[\w-]{16}) | xox[a-z]-(?=[\w-]{8}) | xapp-(?=[\w-]{8}) | (?:AKIA|ASIA)(?=[A-Z0-9]{12})
  | (?:xai|pplx|csk|nvapi|pypi)-(?=[A-Za-z0-9]{16}) | lsv2_(?=\w{16}) | SG\.(?=[\w-]{16})
"""
# as error messages print a key: the first and last characters, with stars between them
_STARRED = (
    r"(?:sk-|AIza|(?:gsk|hf|r8|tm|gh[pousr]|github_pat|[srp]k_live)_|xox[a-z]-|(?:xai|pplx)-|AKIA)(?=[\w-]{0,80}\*)"
)
_KEYS = re.compile(rf"(?<![A-Za-z0-9]) (?: {_PREFIXES} | {_STARRED} ) [\w*-]*+ (?: (?:\.++|…) [\w*-]++ )?", re.VERBOSE)

_EMAILS = re.compile(r"(?<![\w.+-])[\w.+-]++(?:@|%40)(?:[\w-]++\.)+[^\W\d_][\w-]++")

# pairs come first: their values are taken whole, whatever they hold
_RULES = (
    (_PRIVATE_KEYS, REDACTED),
    (_COOKIES, rf"\g<name>{REDACTED}"),
    (_PAIRS, rf"\g<name>\g<quote>{REDACTED}\g<closing>"),
    (_URL_USERS, f"{REDACTED}@"),
    (_SCHEMES, rf"\g<name>{REDACTED}"),
    (_JSON_TOKENS, REDACTED),
    (_KEYS, REDACTED),
    (_EMAILS, REDACTED),
)


def redacted(text: str) -> str:
    """`text` with keys, tokens, passwords and e-mail addresses replaced, and no longer than 500 characters.

    It is cut last, so that no secret loses the part that it is known by. Redacting a redacted text changes nothing.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + ELLIPSIS
