"""The audit trail: sealed, searched, exported, checked."""
