"""The matrix of operations and roles, as data. What isn't here is denied."""

from __future__ import annotations

from kojo_mes.identity.roles import JobRole
from kojo_mes.kit.security import Permission
from kojo_mes.kit.settings import Role

OPERATOR = JobRole.OPERATOR
LINE_LEADER = JobRole.LINE_LEADER
MAINTENANCE = JobRole.MAINTENANCE
INSPECTOR = JobRole.QUALITY_INSPECTOR
QUALITY = JobRole.QUALITY_MANAGER
MANUFACTURING = JobRole.MANUFACTURING_LEAD
DEVOPS = JobRole.DEVOPS_LEAD
AUDITOR = JobRole.AUDITOR
ADMINISTRATOR = JobRole.ADMINISTRATOR
EVERYBODY = frozenset(JobRole)

# roles that need a valid qualification to be usable (11.10(i)); who only reads or keeps accounts needs none
QUALIFIED = EVERYBODY - {AUDITOR, ADMINISTRATOR}

# a row an operation; each domain keeps its own rows together
OPERATIONS: dict[Permission, frozenset[JobRole]] = {
    # people and devices
    Permission.PEOPLE_READ: frozenset({LINE_LEADER, QUALITY, MANUFACTURING, AUDITOR, ADMINISTRATOR}),
    Permission.PEOPLE_KEEP: frozenset({ADMINISTRATOR}),
    Permission.ROLES_GRANT: frozenset({ADMINISTRATOR}),
    Permission.IDENTITY_PROVE: frozenset({LINE_LEADER, QUALITY, MANUFACTURING}),
    Permission.QUALIFICATIONS_KEEP: frozenset({QUALITY, MANUFACTURING}),
    Permission.DEVICES_READ: frozenset({MAINTENANCE, DEVOPS, AUDITOR, ADMINISTRATOR}),
    Permission.DEVICES_KEEP: frozenset({ADMINISTRATOR}),
    Permission.DEVICES_TUNE: frozenset({MAINTENANCE}),  # which readings are taken is the plant's business
    # lines and readings
    Permission.LINES_READ: EVERYBODY,
    Permission.READINGS_READ: EVERYBODY,
    Permission.READINGS_SEND: frozenset(),  # machines only
    Permission.LIVE_READ: EVERYBODY,
    # performance: calendar, states, counts, OEE
    Permission.PRODUCTS_READ: EVERYBODY,
    Permission.PRODUCTS_DEFINE: frozenset({MANUFACTURING}),
    Permission.SHIFTS_READ: EVERYBODY,
    Permission.SHIFTS_PLAN: frozenset({LINE_LEADER, MANUFACTURING}),
    Permission.LINE_STATES_READ: EVERYBODY,
    Permission.LINE_STATES_RECORD: frozenset({OPERATOR, LINE_LEADER, MAINTENANCE}),
    Permission.LINE_STATES_RECLASSIFY: frozenset({LINE_LEADER, MANUFACTURING}),
    Permission.LINE_STATES_DEFINE: frozenset({MANUFACTURING}),
    Permission.PRODUCTION_READ: EVERYBODY,
    Permission.PRODUCTION_COUNT: frozenset({OPERATOR, LINE_LEADER}),
    Permission.PRODUCTION_CORRECT: frozenset({LINE_LEADER, QUALITY, MANUFACTURING}),
    Permission.OEE_READ: EVERYBODY,
    Permission.OEE_ROLL_UP: frozenset({LINE_LEADER, MANUFACTURING}),
    # audit
    Permission.AUDIT_READ: frozenset({QUALITY, MANUFACTURING, DEVOPS, AUDITOR}),
    Permission.AUDIT_EXPORT: frozenset({QUALITY, AUDITOR}),
    Permission.AUDIT_IMPORT: frozenset(),  # the control node's journal
    Permission.SEALS_READ: frozenset({QUALITY, MANUFACTURING, DEVOPS, AUDITOR}),
    Permission.JOURNALS_READ: frozenset({QUALITY, MANUFACTURING, DEVOPS, AUDITOR}),
    Permission.ARCHIVES_READ: frozenset({QUALITY, AUDITOR}),
    # signatures and changes
    Permission.SIGNATURES_READ: EVERYBODY,
    Permission.CHANGES_READ: EVERYBODY,
    Permission.CHANGES_REQUEST: frozenset({LINE_LEADER, MAINTENANCE, QUALITY, MANUFACTURING, DEVOPS}),
    Permission.CHANGES_DECIDE: frozenset({QUALITY, MANUFACTURING, DEVOPS}),
    Permission.CHANGES_BREAK_GLASS: frozenset({QUALITY, MANUFACTURING, DEVOPS}),
    Permission.CHANGES_REVIEW: frozenset({QUALITY, MANUFACTURING, DEVOPS}),
    Permission.CHANGES_AUTHORISATION: frozenset({QUALITY, MANUFACTURING, DEVOPS, AUDITOR}),
    Permission.CHANGES_USE: frozenset(),  # the change gate's
    # orders and traceability
    Permission.ORDERS_READ: EVERYBODY,
    Permission.ORDERS_PLAN: frozenset({MANUFACTURING}),
    Permission.ORDERS_EXECUTE: frozenset({OPERATOR, LINE_LEADER, MANUFACTURING}),
    Permission.TRACEABILITY_READ: EVERYBODY,
    Permission.TRACEABILITY_BOOK: frozenset({OPERATOR, LINE_LEADER, MANUFACTURING}),
    Permission.TRACEABILITY_SHIP: frozenset({LINE_LEADER, MANUFACTURING}),
    Permission.TRACEABILITY_REVIEW: frozenset({INSPECTOR, QUALITY}),
    Permission.TRACEABILITY_RELEASE: frozenset({QUALITY}),
    # quality: what signs dispositions is migration 0007's too
    Permission.QUALITY_READ: EVERYBODY,
    Permission.QUALITY_DEFINE: frozenset({INSPECTOR, QUALITY}),
    Permission.QUALITY_APPROVE: frozenset({QUALITY}),
    Permission.QUALITY_CALIBRATE: frozenset({MAINTENANCE, INSPECTOR, QUALITY}),
    Permission.QUALITY_CHECK: frozenset({OPERATOR, LINE_LEADER, INSPECTOR, QUALITY}),
    Permission.QUALITY_FREEZE_LIMITS: frozenset({QUALITY}),
    Permission.NONCONFORMANCES_REPORT: frozenset(
        {OPERATOR, LINE_LEADER, MAINTENANCE, INSPECTOR, QUALITY, MANUFACTURING}
    ),
    Permission.NONCONFORMANCES_REVIEW: frozenset({INSPECTOR, QUALITY}),
    Permission.NONCONFORMANCES_DISPOSE: frozenset({QUALITY, MANUFACTURING}),
    Permission.NONCONFORMANCES_CONCEDE: frozenset({QUALITY}),
    Permission.NONCONFORMANCES_REWORK: frozenset({QUALITY, MANUFACTURING}),
    Permission.NONCONFORMANCES_SCRAP: frozenset({QUALITY, MANUFACTURING}),
    Permission.NONCONFORMANCES_RETURN: frozenset({QUALITY}),
    Permission.NONCONFORMANCES_CLOSE: frozenset({QUALITY}),
    Permission.HOLDS_PLACE: frozenset({LINE_LEADER, INSPECTOR, QUALITY}),
    Permission.HOLDS_RELEASE: frozenset({QUALITY}),
    Permission.CAPA_KEEP: frozenset({QUALITY}),
    Permission.CAPA_IMPLEMENT: frozenset({LINE_LEADER, MAINTENANCE, INSPECTOR, QUALITY, MANUFACTURING, DEVOPS}),
    Permission.CAPA_VERIFY: frozenset({INSPECTOR, QUALITY}),
}

ALLOWED: dict[JobRole, frozenset[Permission]] = {
    role: frozenset(permission for permission, roles in OPERATIONS.items() if role in roles) for role in JobRole
}

# what machines may: devices of the plant, and the API keys of the settings
MACHINES: dict[Role, frozenset[Permission]] = {
    Role.DEVICE: frozenset(
        {
            Permission.LINES_READ,
            Permission.READINGS_READ,
            Permission.READINGS_SEND,
            Permission.LINE_STATES_RECORD,
            Permission.PRODUCTION_COUNT,
        }
    ),
    Role.OPERATOR: frozenset({Permission.LINES_READ, Permission.READINGS_READ}),
    Role.JOURNAL: frozenset({Permission.AUDIT_IMPORT}),
    Role.GATE: frozenset({Permission.CHANGES_AUTHORISATION, Permission.CHANGES_USE}),
    Role.ESCROW: frozenset({Permission.SEALS_READ, Permission.JOURNALS_READ, Permission.ARCHIVES_READ}),
}
