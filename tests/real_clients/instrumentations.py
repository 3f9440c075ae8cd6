"""Instrumentations of the `openai` package. Whoever only names them loads neither them nor the package."""

MODULES = {
    "openai-v2": "opentelemetry.instrumentation.openai_v2",
    "openai-v2, latest conventions, with content": "opentelemetry.instrumentation.openai_v2",
    "openllmetry": "opentelemetry.instrumentation.openai",
    "OpenInference": "openinference.instrumentation.openai",
}
"""Who instruments the `openai` package; none of them by hand."""
