//! `pack run`: judge, then write one sealed folder.

use std::fmt::Write as _;
use std::path::Path;

use bp::digest::Digest;
use bp::error::{self, Failure};
use bp::pack::build::{self, BuildError, Pack, Stage};
use bp::pack::manifest::Subject;
use bp::pack::plan::{Evidence, FinalVerdict, Judging, Terms};
use bp::report::{Long, Outcome, fold};
use bp::trust::key::SigningKey;
use rayon::prelude::*;
use serde_json::json;

use super::inputs::{self, Demanded, Input};
use super::{judge, producer};
use crate::cli::PackRun;
use crate::output::Output;
use crate::{Run, clock, source, trust};

/// Scenarios not as expected that are told on the terminal.
const TOLD: usize = 5;

pub(super) fn run(arguments: &PackRun, output: &Output) -> Run {
    let (created_at, created_at_source) = clock::moment(arguments.created_at.as_deref())?;
    let demanded = match &arguments.suite {
        Some(file) => Some(inputs::demanded(file, arguments.scenario.as_deref(), arguments.repeats)?),
        None => None,
    };
    let inputs = match &demanded {
        Some(demanded) => demanded.inputs.clone(),
        None => inputs::find(&arguments.inputs)?,
    };
    for (path, reason) in demanded.iter().flat_map(|demanded| &demanded.missing) {
        output.say(&format!("[WARN] {path}: {reason}; its scenarios count as not as expected"));
    }
    let (key, said) = if arguments.unsigned {
        (None, None)
    } else {
        let (key, said) = trust::signing_key(arguments.key.as_deref(), &created_at)?;
        (Some(key), said)
    };
    if let Some(said) = said {
        output.say(&said);
        output.say("");
    }
    let first = first_name(
        demanded
            .as_ref()
            .map(|demanded| demanded.demand.suite.name())
            .or(inputs.first().map(|input| input.name.as_str())),
    );
    let terms = Terms {
        created_at,
        created_at_source,
        producer: producer(),
        judge: judge(),
        subject: Subject { run_id: None, run_name: None, artifacts: Vec::new() },
        parent_manifest_sha256: None,
    };
    if let Some(name) = &arguments.name {
        build::free(&arguments.out, name).map_err(|error| failure(&error))?;
    }
    let stage = Stage::open(&arguments.out).map_err(|error| failure(&error))?;
    let judging = Judging { created_at, repeats: arguments.repeats };
    let take = |input: &Input| {
        let (kind, bytes) = input.read()?;
        stage.take(input.stem.clone(), kind, &bytes, judging).map_err(|error| failure(&error))
    };
    let mut evidence = Evidence::default();
    for assessed in inputs.par_iter().map(take).collect::<Result<Vec<_>, _>>()? {
        evidence.add(assessed);
    }
    if let Some(Demanded { bytes, demand, .. }) = demanded {
        let files = stage.demand(&bytes, &demand.selection.to_bytes()).map_err(|error| failure(&error))?;
        evidence.demand(demand, files);
    }
    let pack = stage.seal(evidence, &terms, key.as_ref()).map_err(|error| failure(&error))?;
    let name = arguments.name.clone().unwrap_or_else(|| {
        let time: String = created_at.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{first}-{time}-{}", &pack.pack_id.to_string()[..8])
    });
    let facts = Facts::of(&pack);
    let path = pack.publish(&name).map_err(|error| failure(&error))?;
    facts.tell(&path, key.as_ref(), output)?;
    Ok(u8::from(facts.verdict.verdict != Outcome::Pass))
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

fn failure(error: &BuildError) -> Failure {
    let code = match error {
        BuildError::Exists { .. } => &error::PACK_EXISTS,
        BuildError::Name { .. } => &error::INVALID_FLAG,
        BuildError::Io { .. } => &error::PACK_NOT_WRITTEN,
    };
    Failure::of(code, error)
}

/// What is told of a pack once it has its name.
struct Facts {
    pack_id: String,
    manifest_sha256: Digest,
    verdict: FinalVerdict,
}

impl Facts {
    fn of(pack: &Pack) -> Self {
        let Pack { pack_id, manifest_sha256, verdict, .. } = pack;
        Self { pack_id: pack_id.to_string(), manifest_sha256: *manifest_sha256, verdict: verdict.clone() }
    }

    fn tell(&self, path: &Path, key: Option<&SigningKey>, output: &Output) -> Result<(), Failure> {
        let key_id = key.map(|key| key.id().to_string());
        if output.json {
            return output.envelope(&json!({
                "ok": self.verdict.verdict == Outcome::Pass,
                "verdict": self.verdict.verdict,
                "pack": source::shown(path),
                "pack_id": self.pack_id,
                "manifest_sha256": self.manifest_sha256,
                "key_id": key_id,
            }));
        }
        let sealed =
            key_id.map_or_else(|| "no seal".to_owned(), |id| format!("sealed by key {}...", &id[..16]));
        let mut text =
            fold(&format!("{}: ", self.verdict.verdict.name()), &self.verdict.sentence(), Long::Break);
        for shortfall in self.verdict.shortfalls.iter().take(TOLD) {
            text.push_str(&fold("  ", shortfall, Long::Break));
        }
        if let Some(more) = self.verdict.shortfalls.len().checked_sub(TOLD).filter(|more| *more > 0) {
            let _ = writeln!(text, "  and {more} more: see results/scenario_summary.json");
        }
        let path = path.display();
        let _ = write!(
            text,
            "\n  pack     {path}\n  seal     {sealed}\n  check it with\n    bp pack verify --strict {path}"
        );
        output.say(&text);
        output.data(format!("{path}\n").as_bytes())
    }
}
