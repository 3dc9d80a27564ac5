# Build provenance by a listed builder, about the released repository, commit and ref.
# Whether it counts was verified before; provenance that could not be looked for never comes here.
package countersign.provenance

deny contains reason if {
	required
	reason := {
		"code": "provenance-missing",
		"message": sprintf("%s@%s has no build provenance that counts", [input.subject.repository, input.subject.digest]),
	}
}

# Why what is there does not count.
deny contains reason if {
	required
	some attestation in input.provenance.attestations
	some refusal in attestation.refusals
	reason := {
		"code": refusal.code,
		"message": sprintf("provenance of %s: %s", [attestation.subject, refusal.message]),
	}
}

required if {
	input.settings.provenance.require
	not input.provenance.verified
}

warn contains reason if {
	false
	reason := {}
}
