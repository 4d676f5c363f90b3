//! What `pack run --steps` is given: records of sampled steps, and their payloads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bp::error::{self, Failure};
use bp::pack::build::{GivenStep, Stage};
use bp::pack::plan::{Evidence, Stem};
use bp::step::Record;
use bp::step::call::Call;
use bp::tensor::Bytes;

use super::secrets;
use crate::cli::{PackRun, Published};
use crate::failure::Coded;
use crate::output::Output;
use crate::{source, step};

/// A sampled step that was named.
#[derive(Debug)]
pub(super) struct Sample {
    path: PathBuf,
    bytes: Vec<u8>,
    record: Record,
}

/// Every record that these arguments name, in an order that is not that of the arguments.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<Sample>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let records = if path.is_dir() { step::records(path)? } else { vec![path.clone()] };
        for path in records {
            let (bytes, record) = step::read(&path)?;
            found.push(Sample { path, bytes, record });
        }
    }
    found.sort_by(|one, other| {
        let key = |sample: &Sample| (sample.record.run.clone(), sample.record.step, sample.path.clone());
        key(one).cmp(&key(other))
    });
    for pair in found.windows(2) {
        if let [one, other] = pair
            && (&one.record.run, one.record.step) == (&other.record.run, other.record.step)
        {
            let (step, run) = (other.record.step, &other.record.run);
            let message = format!(
                "{} and {} are both step {step} of {run:?}",
                one.path.display(),
                other.path.display()
            );
            return Err(Failure::new(&error::STEP_REFUSED, message));
        }
    }
    Ok(found)
}

/// Writes what was published of a run of steps into the pack: commitments, and how a challenge over them is drawn.
pub(super) fn publish(arguments: &PackRun, stage: &Stage, evidence: &mut Evidence) -> Result<(), Failure> {
    let Published { commits, beacon } = &arguments.published;
    let Some(path) = commits else {
        return match beacon {
            None => Ok(()),
            Some(_) => Err(invalid("--beacon asks about steps that were committed to: give --commits FILE")),
        };
    };
    if arguments.steps.is_empty() {
        return Err(invalid("--commits is about sampled steps: give --steps DIR"));
    }
    let call = match (beacon, arguments.challenge_steps) {
        (None, _) => None,
        (Some(_), None) => {
            return Err(invalid("--beacon asks for a number of steps: give --challenge-steps N"));
        }
        (Some(beacon), Some(steps)) => Some(Call {
            beacon: beacon.clone(),
            steps,
            tensors: usize::try_from(arguments.challenge_tensors).unwrap_or(usize::MAX),
        }),
    };
    let bytes = source::whole(path)?;
    secrets::none_in_record(&source::shown(path), &bytes)?;
    stage.published(evidence, &bytes, call.as_ref()).map_err(Coded::failure)
}

fn invalid(message: &str) -> Failure {
    Failure::new(&error::INVALID_FLAG, message.to_owned())
}

/// Judges the steps and writes them into the pack. Answers the folders of payloads that stay outside.
pub(super) fn take(
    samples: Vec<Sample>,
    arguments: &PackRun,
    stage: &Stage,
    evidence: &mut Evidence,
    output: &Output,
) -> Result<BTreeSet<PathBuf>, Failure> {
    let mut outside = BTreeSet::new();
    let progress = output.progress("judging steps", Some(samples.len()));
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names: Vec<String> = samples.iter().map(|sample| name(&sample.path)).collect();
    let stems = Stem::all(names.iter().map(String::as_str));
    for (stem, Sample { path, bytes, record }) in stems.into_iter().zip(samples) {
        secrets::none_in_record(&source::shown(&path), &bytes)?;
        let (payload, linear) = step::payloads(&path, &record, arguments.payload_dir.as_deref())?;
        let more = linear.as_ref().map_or(0, Bytes::size_bytes);
        let inside = payload.size_bytes().saturating_add(more) <= arguments.payload_limit;
        if !inside {
            let own = bp::persist::parent_of(&path);
            outside.insert(arguments.payload_dir.as_deref().unwrap_or(own).to_owned());
        }
        let given = GivenStep { bytes, record, payload, linear, inside };
        stage.step(evidence, stem, given).map_err(Coded::failure)?;
        progress.one();
    }
    Ok(outside)
}
