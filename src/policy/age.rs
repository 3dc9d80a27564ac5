//! A maximal age in the configuration: `24h`, `7d`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Ten years; a larger age is a typing error, and seconds stay far from overflow.
const MAX_HOURS: u32 = 10 * 366 * 24;

/// Whole hours or days, written back as they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Age {
    count: u32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Hours,
    Days,
}

impl Age {
    #[must_use]
    pub const fn hours(count: u32) -> Self {
        Self { count, unit: Unit::Hours }
    }

    #[must_use]
    pub const fn days(count: u32) -> Self {
        Self { count, unit: Unit::Days }
    }

    #[must_use]
    pub fn seconds(self) -> i64 {
        let hours = match self.unit {
            Unit::Hours => 1,
            Unit::Days => 24,
        };
        i64::from(self.count) * hours * 3600
    }
}

/// A text that is no age.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an age: {text:?}: expected whole hours or days such as 24h or 7d, at most ten years")]
pub struct MalformedAge {
    pub text: String,
}

impl FromStr for Age {
    type Err = MalformedAge;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || MalformedAge { text: text.chars().take(100).collect() };
        let (digits, unit, limit) = match (text.strip_suffix('h'), text.strip_suffix('d')) {
            (Some(digits), _) => (digits, Unit::Hours, MAX_HOURS),
            (_, Some(digits)) => (digits, Unit::Days, MAX_HOURS / 24),
            (None, None) => return Err(refuse()),
        };
        let canonical = digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()));
        let count: u32 = digits.parse().map_err(|_| refuse())?;
        if canonical && count <= limit { Ok(Self { count, unit }) } else { Err(refuse()) }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Hours => 'h',
            Unit::Days => 'd',
        };
        write!(f, "{}{unit}", self.count)
    }
}

impl TryFrom<String> for Age {
    type Error = MalformedAge;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Age> for String {
    fn from(age: Age) -> Self {
        age.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_round_trip_and_are_seconds() {
        for (text, seconds) in [("24h", 86_400), ("7d", 604_800), ("0h", 0), ("3660d", 316_224_000)] {
            let age: Age = text.parse().unwrap();
            assert_eq!((age.to_string().as_str(), age.seconds()), (text, seconds));
        }
    }

    #[test]
    fn anything_but_whole_hours_or_days_is_refused() {
        for bad in ["", "h", "7", "-1d", "+1d", "1.5h", "07d", "1w", "1 d", "3661d", "99999999999h", "7D"] {
            assert!(bad.parse::<Age>().is_err(), "{bad}");
        }
    }
}
