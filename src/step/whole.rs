//! A step judged with everything of it that is at hand: its payload, the payload of its modules, what was published.

use super::call::Published;
use super::commit::{self, Commits};
use super::judge::{self, Options, Report};
use super::linear;
use super::record::{Record, Refusal};
use crate::tensor::Bytes;

/// What is at hand of a step beside its record.
#[derive(Debug)]
pub struct Shown<'a, B: ?Sized> {
    /// Its payload.
    pub payload: &'a B,
    /// The payload of its modules, where the record has one.
    pub linear: Option<&'a B>,
    /// A public random number of a later time: signs of the checks of gradients are drawn from it.
    pub beacon: Option<&'a [u8]>,
    /// What was published of the run.
    pub commits: Option<&'a Commits>,
}

impl<'a, B: ?Sized> Shown<'a, B> {
    /// The payloads, and nothing that was published.
    #[must_use]
    pub const fn alone(payload: &'a B, linear: Option<&'a B>) -> Self {
        Self { payload, linear, beacon: None, commits: None }
    }

    /// The payloads, and what was published of the run, where the step is one of it.
    #[must_use]
    pub fn of(
        record: &Record,
        payload: &'a B,
        linear: Option<&'a B>,
        published: Option<&'a Published>,
    ) -> Self {
        let published = published.filter(|published| published.is_of(record));
        Self {
            payload,
            linear,
            beacon: published.and_then(Published::beacon),
            commits: published.map(|published| &published.commits),
        }
    }
}

/// Judges a step by every rule that needs no other step.
///
/// # Errors
/// [`Refusal`] where a payload is missing, breaks its format, does not fit the record or cannot be read.
pub fn judge<B: Bytes + ?Sized>(
    record: &Record,
    shown: &Shown<'_, B>,
    options: &Options,
) -> Result<Report, Refusal> {
    let mut report = judge::judge(record, shown.payload, options)?;
    if let Some(linear) = &record.linear_payload {
        let Some(modules) = shown.linear else {
            return Err(Refusal::Payload { file: linear.file.clone(), reason: "it is not there".to_owned() });
        };
        report.add(linear::judge(
            record,
            &report,
            shown.payload,
            modules,
            shown.beacon,
            options.statistical,
        )?);
    }
    if record.commit.is_some() {
        report.add([commit::included(record, &report.leaves)]);
    }
    if let Some(commits) = shown.commits {
        report.add([commits.holds(record, &report.leaves)]);
    }
    Ok(report)
}
