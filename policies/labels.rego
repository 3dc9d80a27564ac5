# Required labels are present, and those that name the release agree with it.
package countersign.labels

version_label := "org.opencontainers.image.version"

revision_label := "org.opencontainers.image.revision"

source_label := "org.opencontainers.image.source"

deny contains reason if {
	some image in input.images
	some label in input.requirements.labels
	object.get(image.labels, label, "") == ""
	reason := {
		"code": "label-missing",
		"message": sprintf("%s has no label %s", [image.platform, label]),
	}
}

deny contains reason if {
	some image in input.images
	some label, expected in required_values
	found := object.get(image.labels, label, "")
	found != ""
	canonical(label, found) != canonical(label, expected)
	reason := {
		"code": "label-mismatch",
		"message": sprintf("label %s of %s is %q, the release says %q", [label, image.platform, found, expected]),
	}
}

required_values[version_label] := input.release.version if {
	version_label in input.requirements.labels
	input.release.version != null
}

required_values[revision_label] := input.release.commit if revision_label in input.requirements.labels

required_values[source_label] := input.release.sourceRepository if {
	source_label in input.requirements.labels
	input.release.sourceRepository != null
}

canonical(label, value) := trim_prefix(value, "v") if label == version_label

canonical(label, value) := value if label == revision_label

# GitHub compares owner and repository without case, and takes the address with and without .git.
canonical(label, value) := trim_suffix(trim_suffix(lower(value), "/"), ".git") if label == source_label

warn contains reason if {
	false
	reason := {}
}
