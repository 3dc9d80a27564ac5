//! Evidence of a whole tree, complete and verified: what `promotion::approve` asks for.

use jiff::Timestamp;
use serde_json::Value;

use crate::evidence::verdict::{NodeEvidence, NodeKind, Requirements, TreeVerdict, Verdict, judge};
use crate::evidence::{PredicateType, Statement, Verified};
use crate::identity::{IdentityRole, SignerIdentity};
use crate::oci::{Digest, DigestReference};
use crate::policy::{Reason, ReasonCode};

/// Everything `promote` writes was found on every node of the tree and verified. Made only by [`VerifiedEvidence::gather`],
/// whose input can only come from [`crate::evidence::verify()`]; there is no other constructor and no serde path.
#[derive(Debug, Clone)]
pub struct VerifiedEvidence {
    reference: DigestReference,
    records: Vec<RecordEvidence>,
    tree: TreeVerdict,
}

/// A verified promotion record on the released digest. Several releases may share a digest.
#[derive(Debug, Clone)]
pub struct RecordEvidence {
    statement: Verified<Statement>,
}

impl RecordEvidence {
    /// What the record says; `promotion::record` reads it.
    #[must_use]
    pub fn predicate(&self) -> &Value {
        &self.statement.content().predicate
    }

    /// The statement as it was verified.
    #[must_use]
    pub fn statement(&self) -> &Verified<Statement> {
        &self.statement
    }

    #[must_use]
    pub fn signer(&self) -> &SignerIdentity {
        self.statement.signer()
    }

    #[must_use]
    pub fn roles(&self) -> &[IdentityRole] {
        self.statement.roles()
    }

    #[must_use]
    pub fn payload_digest(&self) -> &Digest {
        self.statement.payload_digest()
    }

    /// The earliest trusted time.
    #[must_use]
    pub fn logged_at(&self) -> Timestamp {
        self.statement.logged_at()
    }
}

impl VerifiedEvidence {
    /// Judges the tree by everything `promote` writes, on the children themselves too; anything less comes back as the
    /// verdict that says what is missing.
    pub fn gather(
        reference: DigestReference,
        root: NodeEvidence,
        descendants: Vec<NodeEvidence>,
    ) -> Result<Self, Box<TreeVerdict>> {
        let required = Requirements::of_promote(root.kind());
        let found = root.digest().clone();
        let tree = judge(root, descendants, &required);
        if found != reference.digest {
            let message = format!("evidence of {found} was given for {}", reference.digest);
            return Err(Box::new(tree.refuted(Reason::new(ReasonCode::DigestMismatch, message))));
        }
        if tree.verdict() != Verdict::Verified {
            return Err(Box::new(tree));
        }
        let on_root = tree.nodes().first().into_iter().flat_map(|node| node.attestations());
        let statements = on_root.filter_map(|attestation| attestation.statement());
        let records = statements.filter(|statement| *statement.predicate_type() == PredicateType::PROMOTION);
        let mut records: Vec<_> = records.map(|statement| RecordEvidence { statement: statement.clone() }).collect();
        records.sort_by_key(RecordEvidence::logged_at);
        Ok(Self { reference, records, tree })
    }

    #[must_use]
    pub fn reference(&self) -> &DigestReference {
        &self.reference
    }

    #[must_use]
    pub fn kind(&self) -> NodeKind {
        self.tree.nodes().first().map_or(NodeKind::Artifact, |node| node.kind())
    }

    /// Verified promotion records, oldest first; never empty. Which of them authorises what is `promotion`'s to decide.
    #[must_use]
    pub fn records(&self) -> &[RecordEvidence] {
        &self.records
    }

    /// The verdict it was made from, for reports.
    #[must_use]
    pub fn tree(&self) -> &TreeVerdict {
        &self.tree
    }

    /// Every verified statement of the tree with the node it is about.
    pub fn statements(&self) -> impl Iterator<Item = (&Digest, &Verified<Statement>)> {
        self.tree.nodes().iter().flat_map(|node| {
            let statements = node.attestations().iter().filter_map(|attestation| attestation.statement());
            statements.map(|statement| (node.digest(), statement))
        })
    }
}
