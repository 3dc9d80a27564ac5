//! What the points of one registry came to.

use std::collections::BTreeMap;

use countersign_sandbox::registry::Place;

use super::point::{Event, Point, Seen};

pub(super) const HEAD: [&str; 2] = [
    "| registry | requests of a release | killed before + after | broken (exit codes) | tags seen on the way | third runs | time |",
    "|---|---|---|---|---|---|---|",
];

#[derive(Debug, Default)]
pub(super) struct Tally {
    requests: u64,
    pub(super) killed: [u64; 2],
    pub(super) broken: u64,
    tags_seen: u64,
    third_runs: u64,
    coded: BTreeMap<i32, u64>,
    pub(super) failures: Vec<String>,
}

impl Tally {
    pub(super) fn of(requests: u64) -> Self {
        Self { requests, ..Self::default() }
    }

    /// `late`: a release may end before this request.
    pub(super) fn count(&mut self, registry: &str, point: Point, ended: Result<Seen, String>, late: bool) {
        match ended {
            Ok(Seen::NoSuchRequest) if late => {}
            Ok(Seen::NoSuchRequest) => self.failures.push(format!("{registry}: {point}: it never came")),
            Ok(Seen::Tags { code, tags }) => {
                match point.event {
                    Event::Kill(place) => self.killed[usize::from(place == Place::After)] += 1,
                    Event::Fault(..) => self.broken += 1,
                }
                if let Some(code) = code {
                    *self.coded.entry(code).or_default() += 1;
                }
                self.tags_seen += tags;
                self.third_runs += u64::from(point.third_run);
            }
            Err(failure) => {
                let failure = format!("{registry}: {point}: {failure}");
                eprintln!("{failure}");
                self.failures.push(failure);
            }
        }
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.killed = [self.killed[0] + other.killed[0], self.killed[1] + other.killed[1]];
        self.broken += other.broken;
        self.tags_seen += other.tags_seen;
        self.third_runs += other.third_runs;
        for (code, count) in other.coded {
            *self.coded.entry(code).or_default() += count;
        }
        self.failures.extend(other.failures);
        self
    }

    pub(super) fn row(&self, name: &str, seconds: u64) -> String {
        let codes: Vec<String> = self.coded.iter().map(|(code, count)| format!("{count}× {code}")).collect();
        format!(
            "| {name} | {} | {} + {} | {} ({}) | {} | {} | {seconds} s |",
            self.requests,
            self.killed[0],
            self.killed[1],
            self.broken,
            codes.join(", "),
            self.tags_seen,
            self.third_runs,
        )
    }
}
