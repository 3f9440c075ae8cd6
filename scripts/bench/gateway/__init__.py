"""Gateways side by side, in front of one stand-in for a provider: ours, LiteLLM's, TensorZero's."""
