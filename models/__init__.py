"""Documents and value objects. They import nothing else of this project."""

from models.ai_usage import AIUsage, CallStatus, CostSource, ServiceType
from models.analytics import AI_GENERATION, Analytics
from models.api_key import ApiKey
from models.price_override import PriceOverride, UnitPrices
from models.token_usage import TokenUsage

__all__ = [
    "AI_GENERATION",
    "AIUsage",
    "Analytics",
    "ApiKey",
    "CallStatus",
    "CostSource",
    "PriceOverride",
    "ServiceType",
    "TokenUsage",
    "UnitPrices",
]
