//! Until when a trust root can vouch for anything new.

use jiff::Timestamp;
use sigstore_types::TimeRange;

use crate::evidence::TrustRoot;

impl TrustRoot {
    /// When the last certificate authority, log or timestamp authority of some kind ends, and with it every signature
    /// made from then on; `None` where nothing has an end. Kinds that the root never had do not count.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        let root = self.root();
        let authorities = root.certificate_authorities.iter().zip(self.chain_ends());
        let authorities = authorities.map(|(authority, chain)| earliest(end(authority.valid_for.as_ref()), chain));
        let logs = root.tlogs.iter().map(|log| end(log.public_key.valid_for.as_ref()));
        let ct_logs = root.ctlogs.iter().map(|log| end(log.public_key.valid_for.as_ref()));
        let clocks = root.timestamp_authorities.iter().map(|authority| end(authority.valid_for.as_ref()));
        [last(authorities), last(logs), last(ct_logs), last(clocks)].into_iter().flatten().min()
    }
}

fn end(window: Option<&TimeRange>) -> Option<Timestamp> {
    window.and_then(|window| window.end)
}

/// The earlier of two ends, where `None` is never.
fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

/// The latest end of one kind; `None` if one of them never ends, or there are none.
fn last(ends: impl Iterator<Item = Option<Timestamp>>) -> Option<Timestamp> {
    ends.collect::<Option<Vec<_>>>()?.into_iter().max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_ends_with_its_last_member_and_never_if_one_has_no_end() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let (early, late) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        assert_eq!(last([early, late].into_iter()), late);
        assert_eq!(last([early, None].into_iter()), None);
        assert_eq!(last(std::iter::empty()), None);
        assert_eq!((earliest(early, None), earliest(None, late), earliest(late, early)), (early, late, early));
    }
}
