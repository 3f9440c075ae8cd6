"""Product events: what an application reports beside its AI calls. They have no twin, and no price."""
