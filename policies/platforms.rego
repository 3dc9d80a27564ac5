# What the index holds: required platforms, size, user, and children that do not belong there.
package countersign.platforms

deny contains reason if {
	some required in input.requirements.platforms
	not required in present
	reason := {
		"code": "platform-missing",
		"message": sprintf("%s has no image for %s", [input.subject.repository, required]),
	}
}

deny contains reason if {
	count(input.images) == 0
	reason := {
		"code": "platform-missing",
		"message": sprintf("%s@%s has no platform image", [input.subject.repository, input.subject.digest]),
	}
}

deny contains reason if {
	some child in input.unsupportedChildren
	reason := {"code": "unsupported-child", "message": sprintf("child %s: %s", [child.digest, child.why])}
}

deny contains reason if {
	input.requirements.maxCompressedSize != null
	some image in input.images
	image.compressedSize > input.requirements.maxCompressedSize
	reason := {
		"code": "image-too-large",
		"message": sprintf("%s is %d bytes compressed, at most %d are allowed", [
			image.platform, image.compressedSize, input.requirements.maxCompressedSize,
		]),
	}
}

deny contains reason if {
	input.requirements.nonRoot
	some image in input.images
	root(image.user)
	reason := {
		"code": "runs-as-root",
		"message": sprintf("%s runs as user %q", [image.platform, image.user]),
	}
}

present contains image.platform if some image in input.images

# "", "root", "0", "00", "+0", each with or without a group: container runtimes parse the number.
root(user) if split(user, ":")[0] in {"", "root", "ContainerAdministrator"}

root(user) if regex.match(`^[+-]?0+$`, split(user, ":")[0])

warn contains reason if {
	false
	reason := {}
}
