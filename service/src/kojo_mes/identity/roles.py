"""Job roles (design, section 9)."""

from __future__ import annotations

from enum import StrEnum


class JobRole(StrEnum):
    OPERATOR = "operator"
    LINE_LEADER = "line_leader"
    MAINTENANCE = "maintenance"
    QUALITY_INSPECTOR = "quality_inspector"
    QUALITY_MANAGER = "quality_manager"
    MANUFACTURING_LEAD = "manufacturing_lead"
    DEVOPS_LEAD = "devops_lead"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"  # of accounts; has no business write
