//! What `pack run` tells of a pack.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bp::digest::Digest;
use bp::error::Failure;
use bp::pack::build::Pack;
use bp::pack::layout::Place;
use bp::pack::manifest::Counts;
use bp::pack::plan::FinalVerdict;
use bp::report::{Long, Outcome, fold};
use bp::store::Pushed;
use bp::trust::key::SigningKey;
use serde_json::json;

use crate::output::Output;
use crate::source;

/// Shortfalls, and inputs that failed, that are told on the terminal.
const SHORTFALLS: usize = 5;
/// Runs that are.
const RUNS: usize = 2;

/// What is told of a pack once it has its name.
pub(super) struct Told {
    pack_id: String,
    manifest_sha256: Digest,
    pub(super) verdict: FinalVerdict,
    /// What is not shown.
    open: String,
}

impl Told {
    pub(super) fn of(pack: &Pack) -> Self {
        let Pack { pack_id, manifest_sha256, verdict, annex, .. } = pack;
        let open =
            annex.entries.iter().filter(|entry| entry.facets.iter().any(|facet| !facet.open.is_empty()));
        let (open, all) = (open.count(), annex.entries.len());
        Self {
            pack_id: pack_id.to_string(),
            manifest_sha256: *manifest_sha256,
            verdict: verdict.clone(),
            open: format!("no sign-off, no independent time; Annex IV: {open} of {all} points"),
        }
    }

    /// Without a path, the pack was made and thrown away. `outside` are the folders of payloads that it does not hold.
    pub(super) fn tell(
        &self,
        path: Option<&Path>,
        pushed: Option<&Pushed>,
        key: Option<&SigningKey>,
        outside: &BTreeSet<PathBuf>,
        output: &Output,
    ) -> Result<(), Failure> {
        let key_id = key.map(|key| key.id().to_string());
        if output.json {
            return output.envelope(&json!({
                "ok": self.verdict.verdict == Outcome::Pass,
                "verdict": self.verdict.verdict,
                "pack": path.map(source::shown),
                "pack_id": self.pack_id,
                "manifest_sha256": self.manifest_sha256,
                "key_id": key_id,
                "pushed": pushed.map(|pushed| &pushed.place),
            }));
        }
        let sealed =
            key_id.map_or_else(|| "no seal".to_owned(), |id| format!("sealed by key {}...", &id[..16]));
        let mut text =
            fold(&format!("{}: ", self.verdict.verdict.name()), &self.verdict.sentence(), Long::Break);
        for shortfall in self.verdict.shortfalls.iter().take(SHORTFALLS) {
            text.push_str(&fold("  ", shortfall, Long::Break));
        }
        if let Some(more) = self.verdict.shortfalls.len().checked_sub(SHORTFALLS).filter(|more| *more > 0) {
            let _ = writeln!(text, "  and {more} more: see results/scenario_summary.json");
        }
        let Some(path) = path else {
            text.push_str("\nDry run: a pack was made, and thrown away.");
            output.say(&text);
            return Ok(());
        };
        text.push('\n');
        let mut line =
            |head: &str, what: &str| text.push_str(&fold(&format!("  {head:<8} "), what, Long::Break));
        let Counts { receipts, passed, failed, insufficient } = self.verdict.counts;
        if receipts > 0 {
            line(
                "inputs",
                &format!("{receipts}: {passed} passed, {failed} failed, {insufficient} insufficient"),
            );
            let broken = self.verdict.inputs.iter().filter(|input| input.outcome == Outcome::Fail);
            let mut broken = broken.map(|input| Place::Verdict(input.stem.as_str()).path().to_string());
            let told: Vec<String> = broken.by_ref().take(SHORTFALLS).collect();
            if !told.is_empty() {
                let more = if broken.next().is_some() { ", and more" } else { "" };
                line("failed", &format!("{}{more}; report.html says why", told.join(", ")));
            }
        }
        let steps = &self.verdict.steps;
        if !steps.is_empty() {
            let count = |outcome| steps.iter().filter(|step| step.outcome == outcome).count();
            let [passed, failed, short] = [Outcome::Pass, Outcome::Fail, Outcome::Insufficient].map(count);
            let all = steps.len();
            line("steps", &format!("{all}: {passed} passed, {failed} failed, {short} insufficient"));
        }
        if let Some(tensors) = &self.verdict.tensors {
            let against = tensors.compared.map_or_else(
                || "no reference".to_owned(),
                |compared| format!("{compared} stages against the reference"),
            );
            let (holds, broken) = (tensors.holds, tensors.broken);
            line(
                "tensors",
                &format!("{}: {holds} equations hold, {broken} broken, {against}", tensors.outcome.name()),
            );
        }
        for job in self.verdict.runs.iter().take(RUNS) {
            let id = job.run_id.as_deref().unwrap_or("no id");
            let flagged = if job.flagged { ", and findings speak against it" } else { "" };
            line("run", &format!("{}: {id}, {}{flagged}", job.folder, job.state.name()));
        }
        if let Some(more) = self.verdict.runs.len().checked_sub(RUNS).filter(|more| *more > 0) {
            line("run", &format!("and {more} more: see report.html"));
        }
        line("open", &self.open);
        if let Some(pushed) = pushed {
            line("stored", &pushed.place);
        }
        let outside = outside.iter().fold(String::new(), |mut flags, folder| {
            let _ = write!(flags, " --payload-dir {}", source::word(folder));
            flags
        });
        // What has no seal is refused strictly.
        let strict = if key.is_some() { " --strict" } else { "" };
        let _ = write!(
            text,
            "  pack     {}\n  seal     {sealed}\n  check it with\n    bp pack verify{strict}{outside} {}",
            path.display(),
            source::word(path),
        );
        output.say(&text);
        output.data(format!("{}\n", path.display()).as_bytes())
    }
}
