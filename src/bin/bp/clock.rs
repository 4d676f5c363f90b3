//! Time: an argument first, then `SOURCE_DATE_EPOCH`, then the system's clock.

use bp::error::{self, Failure};
use bp::pack::manifest::{ClockSource, Moment};

/// The time of a run, and where it came from.
pub(crate) fn moment(argument: Option<&str>) -> Result<(Moment, ClockSource), Failure> {
    if let Some(text) = argument {
        let moment = text.parse().map_err(|_| {
            Failure::new(&error::INVALID_TIME, format!("{text:?} is not an RFC 3339 time in UTC"))
        })?;
        return Ok((moment, ClockSource::Argument));
    }
    if let Some(value) = crate::source::variable("SOURCE_DATE_EPOCH") {
        let moment = value
            .to_str()
            .and_then(|text| text.parse().ok())
            .and_then(Moment::from_unix_seconds)
            .ok_or_else(|| {
                Failure::new(&error::INVALID_TIME, "SOURCE_DATE_EPOCH is not a number of seconds")
            })?;
        return Ok((moment, ClockSource::SourceDateEpoch));
    }
    Ok((now()?, ClockSource::SystemClock))
}

/// The system's clock, in whole seconds.
pub(crate) fn now() -> Result<Moment, Failure> {
    #[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.ok()
        .and_then(|elapsed| i64::try_from(elapsed.as_secs()).ok())
        .and_then(Moment::from_unix_seconds)
        .ok_or_else(|| Failure::new(&error::INVALID_TIME, "the system's clock stands before 1970"))
}
