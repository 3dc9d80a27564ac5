//! One point of the matrix: a release with one event at one request, and all that must hold afterwards.

use std::time::Duration;

use countersign_sandbox::registry::{Fault, Place, RetryAfter, When};

use super::site::{Site, Standing, promotion};

/// Faults for single requests, in the order in which the requests get them.
pub(super) fn fault_classes() -> Vec<(&'static str, Fault)> {
    vec![
        ("500", Fault::Status(500)),
        ("503", Fault::Status(503)),
        ("429 with seconds", Fault::RateLimited(RetryAfter::Seconds(1))),
        ("429 in words", Fault::RateLimited(RetryAfter::Milliseconds(12.5))),
        ("secondary rate limit", Fault::SecondaryRateLimit),
        ("401", Fault::Status(401)),
        ("403", Fault::Status(403)),
        ("405", Fault::Status(405)),
        ("reset", Fault::Reset),
        ("close", Fault::Close),
        ("wrong bytes", Fault::WrongBytes),
        ("cut short", Fault::TruncatedBody),
        ("endless", Fault::EndlessBody),
        ("slow", Fault::Delay(Duration::from_secs(1))),
        ("redirect", Fault::Redirect(307, "http://127.0.0.1:1/elsewhere".to_owned())),
    ]
}

/// What happens to one request of one run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    Kill(Place),
    /// By number in [`fault_classes`].
    Fault(usize, Place),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) number: u64,
    pub(super) event: Event,
    /// Whether a third run is looked at, which must write nothing.
    pub(super) third_run: bool,
}

/// What a point that held saw.
#[derive(Debug)]
pub(super) enum Seen {
    /// The run ended before this request.
    NoSuchRequest,
    /// Exit code of a broken run, and how many tags were visible after the event.
    Tags { code: Option<i32>, tags: u64 },
}

impl Point {
    pub(super) async fn run(self, site: &Site, whole: &Standing) -> Result<Seen, String> {
        let candidates = site.prepare().await;
        let code = match self.event {
            Event::Kill(place) => {
                let arguments = promotion(&candidates);
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                if !site.gateway.kill_at(&arguments, When::request(self.number), place).await {
                    return Ok(Seen::NoSuchRequest);
                }
                None
            }
            Event::Fault(class, place) => Some(self.broken(site, &candidates, class, place).await?),
        };
        let tags = site.visible_tags_verify(&candidates).await?;
        let run = site.promote(&candidates).await;
        if run.code != 0 {
            return Err(format!("the rerun: {run}"));
        }
        let found = site.standing(&candidates).await;
        if found != *whole {
            return Err(format!("other tags or attestations than without: {found:#?}\nexpected: {whole:#?}"));
        }
        if self.third_run {
            third_run(site, &candidates).await?;
        }
        Ok(Seen::Tags { code, tags })
    }

    async fn broken(self, site: &Site, candidates: &[String], class: usize, place: Place) -> Result<i32, String> {
        let faults = site.gateway.registry.faults();
        faults.add(When::request(self.number), place, fault_classes()[class].1.clone());
        let run = site.promote(candidates).await;
        faults.clear_faults();
        // Done, or an outcome that says what was wrong; never a bug (1), a complaint about usage (2) or a denial (3).
        if [0, 4, 5, 6, 7, 8].contains(&run.code) { Ok(run.code) } else { Err(format!("the broken run: {run}")) }
    }
}

async fn third_run(site: &Site, candidates: &[String]) -> Result<(), String> {
    site.gateway.registry.clear_log();
    let again = site.promote(candidates).await;
    let writes = site.gateway.writes();
    if again.code != 0 || again.json()["state"] != "unchanged" || !writes.is_empty() {
        return Err(format!("a third run wrote {writes:?}: {again}"));
    }
    Ok(())
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.event {
            Event::Kill(place) => write!(f, "request {}, killed {place:?}", self.number),
            Event::Fault(class, place) => {
                write!(f, "request {}, {} {place:?}", self.number, fault_classes()[class].0)
            }
        }
    }
}
