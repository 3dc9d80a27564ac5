package countersign.provenance_test

import data.countersign.provenance

document(require, found) := {
	"subject": {"repository": "r.example.com/a", "digest": "sha256:0"},
	"settings": {"provenance": {"require": require, "builders": []}},
	"provenance": found,
}

codes := {reason.code | some reason in provenance.deny}

nothing := {"verified": false, "attestations": []}

foreign := {"verified": false, "attestations": [{
	"subject": "sha256:0",
	"refusals": [{"code": "provenance-commit", "message": "source commit: expected a, found b"}],
}]}

test_not_required if count(provenance.deny) == 0 with input as document(false, nothing)

test_required_and_there if {
	count(provenance.deny) == 0 with input as document(true, object.union(foreign, {"verified": true}))
}

test_missing if codes == {"provenance-missing"} with input as document(true, nothing)

test_what_does_not_count_says_why if {
	codes == {"provenance-missing", "provenance-commit"} with input as document(true, foreign)
}
