//! `pack run`: judge, then write one sealed folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bp::error::{self, Failure};
use bp::handle::Files;
use bp::pack::build::{self, GivenPaper, Stage};
use bp::pack::layout::{Folder, MAX_RUNS};
use bp::pack::manifest::{ClockSource, Judge, Moment, Producer, Subject};
use bp::pack::plan::{Demand, Evidence, Judging, Terms};
use bp::pack::{LEDGER, MANIFEST, PackPath};
use bp::report::Outcome;
use bp::run;
use bp::run::Job;
use bp::tensor::index;
use bp::trust::key::SigningKey;
use rayon::prelude::*;

use super::inputs::{self, Demanded, Input};
use super::job::{self, Kept, Watched};
use super::stores::Target;
use super::told::Told;
use super::{papers, secrets, steps};
use crate::cli::PackRun;
use crate::failure::Coded;
use crate::output::Output;
use crate::{Run, clock, source, trust};

pub(super) fn run(arguments: &PackRun, output: &Output) -> Run {
    let (key, said) = if arguments.unsigned {
        (None, None)
    } else {
        let (made_at, _) = clock::moment(arguments.created_at.as_deref())?;
        let (key, said) = trust::signing_key(arguments.key.as_deref(), &made_at)?;
        (Some(key), said)
    };
    if let Some(said) = said {
        output.say(&said);
        output.say("");
    }
    if let Some(name) = &arguments.name {
        build::free(&arguments.out, name).map_err(Coded::failure)?;
    }
    within_reason(arguments)?;
    let target = arguments.push.as_deref().map(Target::open).transpose()?;
    // Before the training command: what cannot be packed, or not there, is said before it has run for a day.
    let papers = papers::given(arguments, output)?;
    drop(Stage::open(&arguments.out).map_err(Coded::failure)?);
    let given = crate::run::given(&arguments.said);
    let (watched, kept) = ran(arguments, given.names, output)?.unzip();
    let exit_code = watched.as_ref().map_or(0, |watched| watched.exit_code);
    let packed = pack(arguments, watched, &papers, key.as_ref(), target.as_ref(), output);
    let kept = kept.flatten();
    if let (Err(_), Some(_)) = (&packed, &kept) {
        output.mark(
            "[KEPT]",
            "what the command did: the same line with --resume packs it, and does not run it again",
        );
    }
    let (status, unstored) = packed?;
    if let Some(kept) = kept.filter(|_| !arguments.dry_run) {
        kept.packed();
    }
    let status = unstored.map_or(status, |failure| output.failure(&failure));
    // What a shell shows of a status is its last byte.
    Ok(if exit_code == 0 { status } else { u8::try_from(exit_code & 0xff).unwrap_or(1).max(1) })
}

/// Refuses what would have no effect, and a pack within a pack, which would break the outer one.
fn within_reason(arguments: &PackRun) -> Result<(), Failure> {
    let PackRun { said, .. } = arguments;
    let of_runs = said.run_id.is_some() || said.kind.is_some() || !said.dataset.is_empty() || said.alive;
    let idle = [
        (arguments.suite.is_none() && arguments.freeze.is_some(), "--freeze", "--suite FILE"),
        (arguments.suite.is_none() && arguments.scenario.is_some(), "--scenario", "--suite FILE"),
        (arguments.run.is_empty() && of_runs, "--run-id, --run-kind, --dataset or --alive", "--run DIR"),
        (arguments.command.is_empty() && arguments.resume, "--resume", "-- COMMAND"),
    ];
    if let Some((_, flag, needed)) = idle.iter().find(|(is_idle, ..)| *is_idle) {
        return Err(Failure::new(&error::INVALID_FLAG, format!("{flag} means nothing without {needed}")));
    }
    if !arguments.command.is_empty() && said.exit_code.is_some() {
        let message = "--exit-code is that of a job that has ended: after -- COMMAND it is the command's own";
        return Err(Failure::new(&error::INVALID_FLAG, message));
    }
    // As far as the folder is there: what is still to be made lies in it.
    let out = std::path::absolute(&arguments.out).map_err(|error| source::failure(&arguments.out, &error))?;
    let there = out.ancestors().find_map(|folder| folder.canonicalize().ok());
    let outer = there.iter().flat_map(|folder| folder.ancestors());
    match outer.into_iter().find(|folder| folder.join(MANIFEST).is_file() && folder.join(LEDGER).is_file()) {
        None => Ok(()),
        Some(pack) => {
            let (out, pack) = (arguments.out.display(), pack.display());
            let message = format!("--out {out} lies in {pack}, which is a pack");
            Err(Failure::new(&error::INVALID_FLAG, message).hint("name a folder outside of every pack"))
        }
    }
}

/// What the training command did, where there is one: in this run, or, to resume, in one whose pack was not finished.
fn ran(
    arguments: &PackRun,
    names: run::Names,
    output: &Output,
) -> Result<Option<(Watched, Option<Kept>)>, Failure> {
    let command = arguments.command.as_slice();
    if command.is_empty() {
        return Ok(None);
    }
    if !arguments.resume {
        let watched = job::watch(command, names)?;
        let kept = Kept::keep(&arguments.out, &watched).map_err(|error| {
            let out = arguments.out.display();
            output.mark("[WARN]", &format!("{out}: {error}; --resume will not find this run"));
        });
        return Ok(Some((watched, kept.ok())));
    }
    let Some((watched, kept)) = Kept::find(&arguments.out, command, names)? else {
        let message = format!("{}: nothing is kept there of a run of this command", arguments.out.display());
        return Err(Failure::new(&error::ENOENT, message)
            .hint("give the command, --out and --show-names as they were, or leave out --resume to run it"));
    };
    let Job { started_at, ended_at, .. } = &watched.job;
    let status = watched.exit_code;
    output.mark(
        "[KEPT]",
        &format!(
            "the command ran from {started_at} to {ended_at} with exit status {status}; it is not run again"
        ),
    );
    Ok(Some((watched, Some(kept))))
}

/// Packs what there is to pack, the training command having ended. Answers the status, and why the pack, which is there,
/// is not in the store.
fn pack(
    arguments: &PackRun,
    watched: Option<Watched>,
    papers: &BTreeMap<PackPath, GivenPaper>,
    key: Option<&SigningKey>,
    target: Option<&Target>,
    output: &Output,
) -> Result<(u8, Option<Failure>), Failure> {
    let (created_at, created_at_source) = dated(arguments, watched.as_ref())?;
    let demanded = match &arguments.suite {
        Some(file) => {
            let demanded = inputs::demanded(file, arguments.scenario.as_deref(), arguments.repeats)?;
            Some(demanded.frozen(arguments.freeze.as_deref())?)
        }
        None => None,
    };
    let reading = output.progress("reading what the job left", None);
    let runs = runs(arguments, watched)?;
    drop(reading);
    let samples = steps::find(&arguments.steps)?;
    let inputs = match &demanded {
        Some(demanded) => demanded.inputs.clone(),
        None if arguments.inputs.is_empty()
            && !(runs.is_empty() && samples.is_empty() && arguments.tensors.is_none()) =>
        {
            Vec::new()
        }
        None => inputs::find(&arguments.inputs)?,
    };
    for (path, reason) in demanded.iter().flat_map(|demanded| &demanded.missing) {
        output.mark("[WARN]", &format!("{path}: {reason}; its scenarios count as not as expected"));
    }
    let terms = Terms {
        created_at,
        created_at_source,
        producer: Producer::this(),
        judge: Judge::this(),
        subject: Subject::default(),
    };
    let stage = Stage::open(&arguments.out).map_err(Coded::failure)?;
    let mut evidence = Evidence::default();
    for (index, left) in runs.iter().enumerate() {
        stage.run(&mut evidence, &Folder::name(index), left).map_err(Coded::failure)?;
    }
    let judging = Judging { created_at, repeats: arguments.repeats };
    let progress = output.progress("judging", Some(inputs.len()));
    let take = |input: &Input| {
        let (kind, bytes) = input.read()?;
        secrets::none_in_record(&input.name, &bytes)?;
        let taken = stage.take(input.stem.clone(), kind, &bytes, judging);
        progress.one();
        taken.map_err(Coded::failure)
    };
    for assessed in inputs.par_iter().map(take).collect::<Result<Vec<_>, _>>()? {
        evidence.add(assessed);
    }
    drop(progress);
    let first = first_name(
        demanded
            .as_ref()
            .map(|demanded| demanded.demand.suite.name())
            .or(inputs.first().map(|input| input.name.as_str()))
            .or(runs.first().map(|_| "run"))
            .or(samples.first().map(|_| "steps"))
            .or(arguments.tensors.as_ref().map(|_| "tensors")),
    );
    steps::publish(arguments, &stage, &mut evidence)?;
    let outside = steps::take(samples, arguments, &stage, &mut evidence, output)?;
    captures(arguments, &stage, &mut evidence)?;
    if let Some(Demanded { bytes, freeze, demand, .. }) = demanded {
        kept_to(&demand, &terms, &evidence)?;
        let selection = demand.selection.to_bytes();
        let frozen = freeze.as_ref().map(|(freeze, token)| (freeze.as_slice(), token.as_deref()));
        let files = stage.demand(&bytes, &selection, frozen).map_err(Coded::failure)?;
        evidence.demand(demand, files);
    }
    if !papers.is_empty() {
        evidence.papers(stage.papers(papers).map_err(Coded::failure)?);
    }
    let sealing = output.progress("sealing", None);
    let pack = stage.seal(evidence, &terms, key).map_err(Coded::failure)?;
    drop(sealing);
    let name = arguments.name.clone().unwrap_or_else(|| {
        let time: String = created_at.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{first}-{time}-{}", &pack.pack_id.to_string()[..8])
    });
    let told = Told::of(&pack);
    let status = u8::from(told.verdict.verdict != Outcome::Pass);
    if arguments.dry_run {
        build::free(&arguments.out, &name).map_err(Coded::failure)?;
        told.tell(None, None, key, &outside, output)?;
        return Ok((status, None));
    }
    let path = pack.publish(&name).map_err(Coded::failure)?;
    let pushed = target.map(|target| target.push(&path, key, None, output)).transpose();
    let (pushed, unstored) = match pushed {
        Ok(pushed) => (pushed, None),
        Err(failure) => {
            let path = path.display();
            let hint = format!("the pack is whole, in {path}; `bp pack push {path} URL` stores it");
            (None, Some(failure.hint(hint)))
        }
    };
    // One envelope: that of what went wrong, where something did.
    if !(output.json && unstored.is_some()) {
        told.tell(Some(&path), pushed.as_ref(), key, &outside, output)?;
    }
    Ok((status, unstored))
}

/// When the pack is made. A clock that was set back since the command ended is not followed: a pack comes after what it shows.
fn dated(arguments: &PackRun, watched: Option<&Watched>) -> Result<(Moment, ClockSource), Failure> {
    let (now, source) = clock::moment(arguments.created_at.as_deref())?;
    let ended = watched.and_then(|watched| watched.job.ended_at.parse().ok());
    let ended = ended.filter(|_| source == ClockSource::SystemClock);
    Ok((ended.map_or(now, |ended| now.max(ended)), source))
}

/// Refuses what is not as it was frozen: a pack of it would be one that contradicts itself.
fn kept_to(demand: &Demand, terms: &Terms, evidence: &Evidence) -> Result<(), Failure> {
    let Some(freeze) = &demand.freeze else { return Ok(()) };
    let claim = freeze.claim();
    let mut differences =
        claim.differences(demand, &terms.judge, &terms.created_at, |stem| evidence.input(stem));
    let stamped = freeze.token().and_then(|token| token.claim(&freeze.sha256()).ok());
    if let Some(stamped) = stamped.filter(|stamped| stamped.bounds().0 > terms.created_at) {
        differences.push(format!("its token is of {}, after the pack is made", stamped.at));
    }
    match differences.as_slice() {
        [] => Ok(()),
        all => {
            let hint = "leave out --freeze to pack it as a suite that was not frozen";
            Err(Failure::new(&error::SUITE_INVALID, format!("not as it was frozen: {}", all.join("; ")))
                .hint(hint))
        }
    }
}

/// What training jobs left, one for each folder that was named; a command without a folder is one too.
fn runs(arguments: &PackRun, watched: Option<Watched>) -> Result<Vec<run::Evidence>, Failure> {
    let mut runs = Vec::new();
    for dir in &arguments.run {
        runs.push(crate::run::collect(dir, &arguments.said)?);
    }
    let said = arguments.said.exit_code.is_some() || watched.is_some();
    if runs.is_empty() && said {
        runs.push(run::Evidence { given: crate::run::given(&arguments.said), ..run::Evidence::default() });
    }
    if let (Some(first), Some(Watched { job, exit_code, log })) = (runs.first_mut(), watched) {
        first.given.job = Some(job);
        first.given.exit_code = Some(exit_code);
        first.log = log;
    }
    if runs.len() > MAX_RUNS {
        let message = format!("{} runs are more than the {MAX_RUNS} that a pack holds", runs.len());
        return Err(Failure::new(&error::INVALID_FLAG, message));
    }
    if arguments.redact {
        return Ok(runs.into_iter().map(run::Evidence::redact).collect());
    }
    let leaks: Vec<run::Leak> = runs.iter().flat_map(run::Evidence::leaks).collect();
    secrets::none(leaks.iter().map(|leak| (leak.path.as_str(), leak.secret.clone())))?;
    Ok(runs)
}

/// The name of the suite, or the first input's without its extension, as far as it is plain.
fn first_name(name: Option<&str>) -> String {
    let name = name.unwrap_or("empty");
    let stem = name.split('.').next().unwrap_or(name);
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' };
    let name: String = stem.chars().map(plain).take(60).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "pack".to_owned() } else { name.to_owned() }
}

/// Takes captured tensors into the pack, where they were named.
fn captures(arguments: &PackRun, stage: &Stage, evidence: &mut Evidence) -> Result<(), Failure> {
    let Some(subject) = &arguments.tensors else { return Ok(()) };
    let files = |dir: &PathBuf| {
        let index = dir.join(index::NAME);
        let bytes = source::whole(&index)?;
        secrets::none_in_record(&source::shown(&index), &bytes)?;
        Files::below(dir).map_err(|error| source::failure(dir, &error))
    };
    let reference = arguments.tensors_reference.as_ref().map(files).transpose()?;
    let taken = stage.captures(evidence, &files(subject)?, reference.as_ref());
    taken.map_err(Coded::failure)
}
