"""What is stored about the person behind a call: nothing, unless the settings say so, and never secrets or prompts."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from app.ledger.redaction import redacted
from models.call import AICall

MAX_USER_AGENT = 256
PERSONAL = frozenset({"ip_address", "user_agent", "error_message", "input_text", "output_text"})
"""Fields of `AICall` that may contain personal data."""
# the last 8 of 32 bits, and the last 80 of 128: /24 and /48
_IPV4_HOST_BITS = 8
_IPV6_HOST_BITS = 80


@dataclass(frozen=True, slots=True)
class Privacy:
    """The settings, applied to every call from every ingest channel."""

    store_ip_address: bool = False
    store_user_agent: bool = False

    def stripped(self, call: AICall) -> AICall:
        """`call` as it may be stored. One without personal data, as most are, is returned unchanged."""
        if not call.model_fields_set & PERSONAL:
            return call
        address, agent, message = call.ip_address, call.user_agent, call.error_message
        kept = {
            "ip_address": network_of(address) if self.store_ip_address and address is not None else None,
            "user_agent": agent[:MAX_USER_AGENT] if self.store_user_agent and agent is not None else None,
            "error_message": message and redacted(message),
            "input_text": None,
            "output_text": None,
        }
        return call.model_copy(update=kept)


def network_of(text: str) -> str | None:
    """The network of an IP address: IPv4 to /24, as `203.0.113.0`, IPv6 to /48. None for anything else."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # both contain a whole IPv4 address, and 6to4 has it within the first 48 bits
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None:
            return str(IPv6Address(int(address) >> _IPV6_HOST_BITS << _IPV6_HOST_BITS))
        address = inner
    return str(IPv4Address(int(address) >> _IPV4_HOST_BITS << _IPV4_HOST_BITS))
