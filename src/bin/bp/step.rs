//! `step`: sampled steps of a real fine-tune.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use bp::error::{self, Failure};
use bp::handle::At;
use bp::report::{Long, fold};
use bp::step::{self, Options, Record, Refusal, Report, Statistical, Verdict, leaf, told};
use serde_json::json;

use crate::Run;
use crate::cli::{Manner, ProfileName, StatName, Step, StepVerify};
use crate::output::Output;
use crate::source;

pub(crate) fn step(command: &Step, output: &Output) -> Run {
    match command {
        Step::Verify(arguments) => verify(arguments, output),
        Step::Digest { file } => digest(file, output),
    }
}

fn verify(arguments: &StepVerify, output: &Output) -> Run {
    let record = read(&arguments.record)?;
    let report = judged(&arguments.record, &record, arguments.payload_dir.as_deref(), arguments.manner)?;
    if output.json {
        let document = told::document(&record, &report);
        output.envelope(&json!({ "ok": report.verdict == Verdict::Accepted, "step": document }))?;
    } else {
        let lines = told::lines(&record, &report, output.verbose);
        output.say(&lines.iter().map(|(head, text)| fold(head, text, Long::Keep)).collect::<String>());
    }
    Ok(u8::from(report.verdict != Verdict::Accepted))
}

/// A record, from its file.
fn read(path: &Path) -> Result<Record, Failure> {
    Record::parse(&source::bytes(path)?).map_err(|refusal| refused(path, &refusal))
}

/// A record judged with its payload, which lies beside it or in a folder that is named.
fn judged(path: &Path, record: &Record, folder: Option<&Path>, manner: Manner) -> Result<Report, Failure> {
    let options = Options {
        bounded: manner.profile == ProfileName::Bounded,
        statistical: match manner.stat {
            StatName::Warn => Statistical::Warn,
            StatName::Reject => Statistical::Reject,
            StatName::Off => Statistical::Off,
        },
        informative_min: manner.informative_min,
    };
    let payload = open(&beside(path, folder, &record.payload.file))?;
    step::judge(record, &payload, &options).map_err(|refusal| refused(path, &refusal))
}

fn beside(record: &Path, folder: Option<&Path>, file: &str) -> PathBuf {
    folder.unwrap_or_else(|| record.parent().unwrap_or(Path::new(""))).join(file)
}

fn open(path: &Path) -> Result<At, Failure> {
    File::open(path).and_then(At::new).map_err(|error| source::failure(path, &error))
}

fn refused(path: &Path, refusal: &Refusal) -> Failure {
    Failure::new(&error::STEP_REFUSED, format!("{}: {refusal}", path.display()))
}

fn digest(path: &Path, output: &Output) -> Run {
    let file = open(path)?;
    let leaves = leaf::of_file(&source::shown(path), &file)
        .map_err(|refusal| Failure::of(&error::STEP_REFUSED, &refusal))?;
    let root = leaf::root(&leaves);
    let sha256 = step::judge::digest(&file).map_err(|error| source::failure(path, &error))?;
    if output.json {
        let rows: Vec<_> = leaves
            .iter()
            .map(|leaf| json!({ "key": leaf.key, "dtype": leaf.dtype, "shape": leaf.shape, "sha256": leaf.digest }))
            .collect();
        output.envelope(&json!({ "ok": true, "sha256": sha256, "leaf_root": root, "leaves": rows }))?;
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
