package countersign.platforms_test

import data.countersign.platforms

document(requirements, image) := {
	"subject": {"repository": "r.example.com/a", "digest": "sha256:0"},
	"requirements": object.union({"platforms": [], "maxCompressedSize": null, "nonRoot": false}, requirements),
	"images": [object.union({"platform": "linux/amd64", "user": "", "compressedSize": 10}, image)],
	"unsupportedChildren": [],
}

codes := {reason.code | some reason in platforms.deny}

test_nothing_required if count(platforms.deny) == 0 with input as document({}, {})

test_platform_missing if codes == {"platform-missing"} with input as document({"platforms": ["linux/arm64"]}, {})

test_platform_present if count(platforms.deny) == 0 with input as document({"platforms": ["linux/amd64"]}, {})

test_too_large if codes == {"image-too-large"} with input as document({"maxCompressedSize": 9}, {})

test_just_fits if count(platforms.deny) == 0 with input as document({"maxCompressedSize": 10}, {})

test_root if {
	every user in ["", "root", "0", "0:0", "root:staff", "000", "-0"] {
		codes == {"runs-as-root"} with input as document({"nonRoot": true}, {"user": user})
	}
}

test_not_root if {
	every user in ["1000", "app", "1:0", "10"] {
		count(platforms.deny) == 0 with input as document({"nonRoot": true}, {"user": user})
	}
}

test_unsupported_child if {
	codes == {"unsupported-child"} with input as object.union(
		document({}, {}),
		{"unsupportedChildren": [{"digest": "sha256:1", "why": "platform twice"}]},
	)
}
