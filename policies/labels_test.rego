package countersign.labels_test

import data.countersign.labels

version := "org.opencontainers.image.version"

revision := "org.opencontainers.image.revision"

origin := "org.opencontainers.image.source"

document(required, present) := {
	"requirements": {"labels": required},
	"release": {"version": "1.2.3", "commit": "abc", "sourceRepository": "https://github.com/a/b"},
	"images": [{"platform": "linux/amd64", "labels": present}],
}

codes := {reason.code | some reason in labels.deny}

test_labels_that_are_not_required_may_say_anything if count(labels.deny) == 0 with input as document([], {version: "9"})

test_missing if codes == {"label-missing"} with input as document(["x"], {})

test_empty_is_missing if codes == {"label-missing"} with input as document([version], {version: ""})

test_agreeing if {
	present := {version: "v1.2.3", revision: "abc", origin: "https://github.com/A/B.git"}
	count(labels.deny) == 0 with input as document([version, revision, origin], present)
}

test_contradicting if {
	every label in [version, revision, origin] {
		codes == {"label-mismatch"} with input as document([label], {label: "other"})
	}
}

test_a_build_without_version_has_nothing_to_agree_with if {
	count(labels.deny) == 0 with input as object.union(document([version], {version: "main"}), {"release": {"version": null}})
}
