//! Versions, tag plans, approvals, records.
