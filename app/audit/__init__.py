"""Who changed what, and when: an entry beside each change, in its transaction."""

from app.audit.acting import act_as, acting_as
from app.audit.recording import record
from models.audit import Actor, AuditEntry, How, Target

__all__ = ["Actor", "AuditEntry", "How", "Target", "act_as", "acting_as", "record"]
