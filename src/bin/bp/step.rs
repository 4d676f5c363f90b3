//! `step`: sampled steps of a real fine-tune.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bp::error::{self, Failure};
use bp::handle::At;
use bp::report::{Long, fold};
use bp::step::call::Beacon;
use bp::step::commit::Commits;
use bp::step::told::Document;
use bp::step::whole::{self, Shown};
use bp::step::{self, Options, Record, Refusal, Report, Statistical, Verdict, leaf, told};
use serde_json::json;

use crate::Run;
use crate::cli::{Manner, ProfileName, Published, StatName, Step, StepVerify};
use crate::output::Output;
use crate::source;

pub(crate) fn step(command: &Step, output: &Output) -> Run {
    match command {
        Step::Verify(arguments) => verify(arguments, output),
        Step::Chain { dir, payload_dir, manner, published } => {
            chain(dir, payload_dir.as_deref(), *manner, published, output)
        }
        Step::Challenge { commits, beacon, steps, tensors } => {
            challenge(commits, beacon, *steps, *tensors, output)
        }
        Step::Digest { file } => digest(file, output),
    }
}

fn verify(arguments: &StepVerify, output: &Output) -> Run {
    let StepVerify { record: path, payload_dir, prev, manner, published } = arguments;
    let folder = payload_dir.as_deref();
    let commits = commits(published)?;
    let (_, record) = read(path)?;
    let mut report = judged(path, &record, folder, *manner, published, commits.as_ref())?;
    if let Some(prev) = prev {
        let (_, before) = read(prev)?;
        let earlier =
            judged(prev, &before, folder, *manner, &Published { commits: None, beacon: None }, None)?;
        let rows = step::chain::link((&before, &earlier.leaves), (&record, &report.leaves), true);
        report.add(rows);
    }
    if output.json {
        let document = Document::of(&record, &report);
        output.envelope(&json!({ "ok": report.verdict == Verdict::Accepted, "step": document }))?;
    } else {
        output.say(&text(&record, &report, output.verbose));
    }
    Ok(u8::from(report.verdict != Verdict::Accepted))
}

fn text(record: &Record, report: &Report, all: bool) -> String {
    told::lines(record, report, all).iter().map(|(head, text)| fold(head, text, Long::Keep)).collect()
}

fn commits(published: &Published) -> Result<Option<Commits>, Failure> {
    let Some(path) = &published.commits else { return Ok(None) };
    Commits::parse(&source::whole(path)?).map(Some).map_err(|refusal| refused(path, &refusal))
}

fn chain(dir: &Path, folder: Option<&Path>, manner: Manner, published: &Published, output: &Output) -> Run {
    let paths = records(dir)?;
    let mut records = paths
        .iter()
        .map(|path| Ok((path, read(path)?.1)))
        .collect::<Result<Vec<(&PathBuf, Record)>, Failure>>()?;
    records.sort_by_key(|(path, record)| (record.step, *path));
    let commits = commits(published)?;
    let (mut documents, mut accepted, mut neighbours) = (Vec::new(), true, 0_usize);
    let mut before: Option<(Record, Report)> = None;
    for (path, record) in records {
        let mut report = judged(path, &record, folder, manner, published, commits.as_ref())?;
        if let Some((earlier, judged)) = &before {
            neighbours += usize::from(earlier.step + 1 == record.step);
            let rows = step::chain::link((earlier, &judged.leaves), (&record, &report.leaves), false);
            report.add(rows);
        }
        accepted &= report.verdict == Verdict::Accepted;
        if output.json {
            documents.push(Document::of(&record, &report));
        } else if output.verbose || report.verdict != Verdict::Accepted {
            output.say(&text(&record, &report, output.verbose));
        } else {
            let head = format!("step {:>6}  accepted  ", record.step);
            output.say(&fold(&head, &path.display().to_string(), Long::Keep));
        }
        before = Some((record, report));
    }
    let revealed = paths.len();
    let total = commits.as_ref().map(Commits::steps).or_else(|| {
        before.as_ref().and_then(|(record, _)| record.schedule.as_ref().map(|schedule| schedule.total))
    });
    if output.json {
        output.envelope(&json!({
            "ok": accepted,
            "steps": documents,
            "revealed": revealed,
            "neighbours": neighbours,
            "total": total,
            "proves": told::PROVES,
            "does_not_prove": told::LIMITS,
        }))?;
    } else {
        let of = total.map_or_else(|| "a number that is not stated".to_owned(), |total| total.to_string());
        let mut said = fold(
            "revealed: ",
            &format!("{revealed} steps of {of}, {neighbours} of them after a neighbour"),
            Long::Keep,
        );
        said += &fold("proves: ", told::PROVES, Long::Keep);
        said.extend(told::LIMITS.map(|limit| fold("        ", limit, Long::Keep)));
        said += if accepted { "accepted" } else { "NOT ACCEPTED" };
        output.say(&said);
    }
    Ok(u8::from(!accepted))
}

fn challenge(path: &Path, beacon: &Beacon, steps: u64, tensors: usize, output: &Output) -> Run {
    let commits = Commits::parse(&source::whole(path)?).map_err(|refusal| refused(path, &refusal))?;
    let challenge = commits.challenge(beacon.as_bytes(), steps, tensors);
    if output.json {
        let rows: Vec<_> = challenge
            .steps
            .iter()
            .map(|asked| json!({ "step": asked.step, "tensors": asked.tensors, "modules": asked.modules }))
            .collect();
        output.envelope(&json!({
            "ok": true, "seed": challenge.seed, "chain": commits.last(), "total": commits.steps(), "steps": rows,
        }))?;
        return Ok(0);
    }
    let mut text = format!("chain {}\nseed  {}\n", commits.last(), challenge.seed);
    for asked in &challenge.steps {
        let names: Vec<&str> = asked.tensors.iter().chain(&asked.modules).map(String::as_str).collect();
        text += &fold(&format!("step {:>6}  ", asked.step), &names.join(" "), Long::Keep);
    }
    output.data(text.as_bytes())?;
    Ok(0)
}

/// The records of a folder: every file of it that ends in .json, by name.
pub(crate) fn records(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| source::failure(dir, &error);
    let mut paths = Vec::new();
    for entry in bp::persist::entries(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        let message = format!("{}: no record of a step lies there", dir.display());
        return Err(Failure::new(&error::STEP_REFUSED, message));
    }
    Ok(paths)
}

/// A record, from its file: its bytes, and what they say.
pub(crate) fn read(path: &Path) -> Result<(Vec<u8>, Record), Failure> {
    let bytes = source::bytes(path)?;
    let record = Record::parse(&bytes).map_err(|refusal| refused(path, &refusal))?;
    Ok((bytes, record))
}

/// The payloads of a record, which lie beside it or in a folder that is named: its own, and that of its modules.
pub(crate) fn payloads(
    path: &Path,
    record: &Record,
    folder: Option<&Path>,
) -> Result<(At, Option<At>), Failure> {
    let folder = folder.unwrap_or_else(|| path.parent().unwrap_or(Path::new("")));
    let linear = record.linear_payload.as_ref().map(|linear| open(&folder.join(&linear.file)));
    Ok((open(&folder.join(&record.payload.file))?, linear.transpose()?))
}

/// A record judged with its payload, which lies beside it or in a folder that is named.
fn judged(
    path: &Path,
    record: &Record,
    folder: Option<&Path>,
    manner: Manner,
    published: &Published,
    commits: Option<&Commits>,
) -> Result<Report, Failure> {
    let options = Options {
        bounded: manner.profile == ProfileName::Bounded,
        statistical: match manner.stat {
            StatName::Warn => Statistical::Warn,
            StatName::Reject => Statistical::Reject,
            StatName::Off => Statistical::Off,
        },
        informative_min: manner.informative_min,
    };
    let (payload, linear) = payloads(path, record, folder)?;
    let shown = Shown {
        payload: &payload,
        linear: linear.as_ref(),
        beacon: published.beacon.as_ref().map(Beacon::as_bytes),
        commits,
    };
    whole::judge(record, &shown, &options).map_err(|refusal| refused(path, &refusal))
}

fn open(path: &Path) -> Result<At, Failure> {
    At::path(path).map_err(|error| source::failure(path, &error))
}

fn refused(path: &Path, refusal: &Refusal) -> Failure {
    Failure::new(&error::STEP_REFUSED, format!("{}: {refusal}", path.display()))
}

fn digest(path: &Path, output: &Output) -> Run {
    let file = open(path)?;
    let leaves = leaf::of_file(&source::shown(path), &file)
        .map_err(|refusal| Failure::of(&error::STEP_REFUSED, &refusal))?;
    let root = leaf::root(&leaves);
    let sha256 = bp::tensor::digest(&file).map_err(|error| source::failure(path, &error))?;
    if output.json {
        output.envelope(&json!({ "ok": true, "sha256": sha256, "leaf_root": root, "leaves": leaves }))?;
        return Ok(0);
    }
    let mut text = String::new();
    if output.verbose {
        for leaf in &leaves {
            let _ = writeln!(text, "{}  {} {} {:?}", leaf.digest, leaf.key, leaf.dtype, leaf.shape);
        }
    }
    let _ = writeln!(text, "{sha256}  sha256\n{root}  leaf_root");
    output.data(text.as_bytes())?;
    Ok(0)
}
