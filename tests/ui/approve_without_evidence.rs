//! A plan and a record are no evidence.

use countersign::identity::ExpectedIdentities;
use countersign::promotion::{Approval, ApprovalError, Candidate, Record, ReleasePlan, approve};

fn skip(
    candidate: &Candidate,
    plan: &ReleasePlan,
    record: Record,
    expected: &ExpectedIdentities,
) -> Result<Approval, ApprovalError> {
    approve(candidate, plan, &[record], expected)
}

fn main() {}
