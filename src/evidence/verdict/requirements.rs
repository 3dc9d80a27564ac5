//! Which predicate types are required, and which node has to carry them.

use std::collections::BTreeSet;

use crate::evidence::PredicateType;
use crate::evidence::verdict::NodeKind;

/// May a verified index vouch for children without a signature or VSA of their own?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChildrenRule {
    /// Yes, with reason `covered-by-index`.
    Covered,
    /// No, as read-back and `resolve` want it.
    Signed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirements {
    pub types: BTreeSet<PredicateType>,
    pub children: ChildrenRule,
}

impl Requirements {
    /// A signature alone: what `verify` asks for without a configuration.
    #[must_use]
    pub fn signature() -> Self {
        Self { types: BTreeSet::from([PredicateType::SIGNATURE]), children: ChildrenRule::Covered }
    }

    /// Everything `promote` writes for a digest of this kind, on the children themselves too.
    #[must_use]
    pub fn of_promote(kind: NodeKind) -> Self {
        let mut types = BTreeSet::from([PredicateType::SIGNATURE, PredicateType::VSA, PredicateType::PROMOTION]);
        match kind {
            NodeKind::Index | NodeKind::Image => types.extend([PredicateType::CYCLONEDX, PredicateType::VULNERABILITY]),
            NodeKind::Artifact => {}
        }
        Self { types, children: ChildrenRule::Signed }
    }

    /// What a child must carry, coverage by the index not considered.
    #[must_use]
    pub fn of_child(&self, kind: NodeKind) -> Vec<PredicateType> {
        let on_child = |t: &&PredicateType| match **t {
            PredicateType::SIGNATURE | PredicateType::VSA => true,
            PredicateType::CYCLONEDX | PredicateType::VULNERABILITY => kind == NodeKind::Image,
            // Provenance stands on either and is judged with the root; records and everything else are the root's.
            _ => false,
        };
        self.types.iter().filter(on_child).cloned().collect()
    }

    /// What the asked-for digest must carry; a single manifest carries everything.
    #[must_use]
    pub fn of_root(&self, kind: NodeKind) -> Vec<PredicateType> {
        let on_images = |t: &PredicateType| matches!(*t, PredicateType::CYCLONEDX | PredicateType::VULNERABILITY);
        self.types.iter().filter(|t| kind != NodeKind::Index || !on_images(t)).cloned().collect()
    }

    /// Signature and VSA of an index speak for its children, SBOM and vulnerability report never do.
    pub(super) fn may_be_covered(&self, predicate_type: &PredicateType) -> bool {
        self.children == ChildrenRule::Covered
            && matches!(*predicate_type, PredicateType::SIGNATURE | PredicateType::VSA)
    }
}
