package countersign.scan_test

import data.countersign.scan

document(age, database_age) := {
	"settings": {"maxAgeSeconds": 100, "maxDatabaseAgeSeconds": 10},
	"images": [{"platform": "linux/amd64", "scan": {
		"finishedAt": "t", "ageSeconds": age, "databaseUpdatedAt": "t", "databaseAgeSeconds": database_age,
	}}],
}

codes := {reason.code | some reason in scan.deny}

test_fresh_enough if count(scan.deny) == 0 with input as document(100, 10)

test_old_scan if codes == {"scan-too-old"} with input as document(101, 0)

test_old_database if codes == {"database-too-old"} with input as document(0, 11)

test_small_clock_differences_are_tolerated if count(scan.deny) == 0 with input as document(-300, -300)

test_the_future_is_denied if {
	codes == {"time-in-future"} with input as document(-301, 0)
	codes == {"time-in-future"} with input as document(0, -301)
}
