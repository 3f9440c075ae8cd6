"""OTLP trace exports as AI calls: from the bytes of a body to the fields of `AICall`. Pure, without I/O."""
