//! Points in time: RFC 3339 in UTC, in one spelling.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, RFC 3339 in UTC with `Z`. `Display` and `FromStr` are inverse: one spelling is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(jiff::Timestamp);

/// Text that is no time in the one spelling that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time in UTC, as 2026-01-31T12:00:00Z")]
pub struct InvalidMoment;

impl Moment {
    /// The moment so many seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        let moment = jiff::Timestamp::from_second(seconds).ok().map(Self)?;
        moment.has_four_digit_year().then_some(moment)
    }

    /// RFC 3339 knows the years 0000 to 9999 only.
    fn has_four_digit_year(self) -> bool {
        self.to_string().as_bytes().get(4) == Some(&b'-')
    }

    /// The same as a time to reckon with.
    #[must_use]
    pub const fn timestamp(&self) -> jiff::Timestamp {
        self.0
    }

    /// The moment so many microseconds before; the first that there is where that lies beyond.
    #[must_use]
    pub fn earlier_by(self, microseconds: u64) -> Self {
        self.moved(i64::try_from(microseconds).unwrap_or(i64::MAX).checked_neg(), jiff::Timestamp::MIN)
    }

    /// The moment so many microseconds after; the last that there is where that lies beyond.
    #[must_use]
    pub fn later_by(self, microseconds: u64) -> Self {
        self.moved(i64::try_from(microseconds).ok(), jiff::Timestamp::MAX)
    }

    fn moved(self, microseconds: Option<i64>, else_at: jiff::Timestamp) -> Self {
        let by = microseconds.map(jiff::SignedDuration::from_micros);
        let moved = by.and_then(|by| self.0.checked_add(by).ok());
        Self(moved.unwrap_or(else_at))
    }

    /// The seconds since 1970-01-01T00:00:00Z, fractions cut.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        self.0.as_second()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        let moment: Self = text.parse().map(Self).map_err(|_| InvalidMoment)?;
        if moment.to_string() == text && moment.has_four_digit_year() {
            Ok(moment)
        } else {
            Err(InvalidMoment)
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_of_a_time_is_accepted() {
        for text in ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.25Z", "1969-12-31T23:59:59Z"] {
            assert_eq!(text.parse::<Moment>().unwrap().to_string(), text);
        }
        for text in [
            "2026-01-31T12:00:00+00:00",
            "2026-01-31t12:00:00z",
            "2026-01-31T12:00:00.250Z",
            "2026-01-31",
            "",
        ] {
            assert_eq!(text.parse::<Moment>(), Err(InvalidMoment), "{text}");
        }
        assert_eq!("-000001-01-01T00:00:00Z".parse::<Moment>(), Err(InvalidMoment));
        assert_eq!(Moment::from_unix_seconds(-100_000_000_000), None);
        assert_eq!(Moment::from_unix_seconds(0).unwrap().to_string(), "1970-01-01T00:00:00Z");
    }
}
