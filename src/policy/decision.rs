//! What a policy says: allow or deny. That nobody could decide is an error, never a decision.

use crate::policy::Reason;

/// Reasons and warnings are sorted by code, then message, without duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Allow { warnings: Vec<Reason> },
    Deny { reasons: Vec<Reason>, warnings: Vec<Reason> },
}

impl Decision {
    /// Any reason denies.
    #[must_use]
    pub fn from_reasons(reasons: Vec<Reason>, warnings: Vec<Reason>) -> Self {
        let (reasons, warnings) = (sorted(reasons), sorted(warnings));
        if reasons.is_empty() { Self::Allow { warnings } } else { Self::Deny { reasons, warnings } }
    }

    /// The decision for a release: every image must be allowed.
    #[must_use]
    pub fn all(decisions: impl IntoIterator<Item = Self>) -> Self {
        let (mut reasons, mut warnings) = (Vec::new(), Vec::new());
        for decision in decisions {
            match decision {
                Self::Allow { warnings: more } => warnings.extend(more),
                Self::Deny { reasons: denials, warnings: more } => {
                    reasons.extend(denials);
                    warnings.extend(more);
                }
            }
        }
        Self::from_reasons(reasons, warnings)
    }

    #[must_use]
    pub fn is_allow(&self) -> bool {
        match self {
            Self::Allow { .. } => true,
            Self::Deny { .. } => false,
        }
    }

    /// Why it is denied; empty for allow.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Allow { .. } => &[],
            Self::Deny { reasons, .. } => reasons,
        }
    }

    #[must_use]
    pub fn warnings(&self) -> &[Reason] {
        match self {
            Self::Allow { warnings } | Self::Deny { warnings, .. } => warnings,
        }
    }
}

fn sorted(mut reasons: Vec<Reason>) -> Vec<Reason> {
    reasons.sort_by(|a, b| (a.code.as_str(), &a.message).cmp(&(b.code.as_str(), &b.message)));
    reasons.dedup();
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ReasonCode;

    #[test]
    fn one_denied_image_denies_the_release_and_reasons_are_sorted() {
        let reason = |code, message: &str| Reason::new(code, message);
        let deny = Decision::from_reasons(
            vec![
                reason(ReasonCode::SbomEmpty, "b"),
                reason(ReasonCode::LabelMissing, "a"),
                reason(ReasonCode::SbomEmpty, "b"),
            ],
            vec![],
        );
        let warn = Decision::from_reasons(vec![], vec![reason(ReasonCode::PolicyRule, "w")]);
        let all = Decision::all([warn, deny]);
        assert!(!all.is_allow());
        let codes: Vec<&str> = all.reasons().iter().map(|r| r.code.as_str()).collect();
        assert_eq!((codes, all.warnings().len()), (vec!["label-missing", "sbom-empty"], 1));
        assert!(Decision::all([]).is_allow());
    }
}
