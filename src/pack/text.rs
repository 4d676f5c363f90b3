//! What checking a pack came to, as plain text of 80 columns.

use std::fmt::Write as _;

use crate::annex::model;
use crate::pack::attestation::TestResult;
use crate::pack::result::{
    ChallengeFacts, Check, Finding, How, Scope, SignerStatus, Stamped, Standing, VerifyResult,
};
use crate::report::{Long, Outcome, fold};
use crate::trust::KeyId;

/// The text. Its last line is the verdict sentence.
#[must_use]
pub fn render(result: &VerifyResult) -> String {
    let mut lines = Lines::default();
    if let Some(pack) = &result.pack {
        lines.wrap("pack     ", &pack.id.to_string());
        lines.wrap("manifest ", &pack.manifest_sha256.to_string());
        lines.wrap("created  ", &format!("{} (the maker's word)", pack.created_at));
    }
    let (signer, key) = signer(result);
    lines.wrap("signer   ", &signer);
    if let Some(key) = key {
        lines.wrap("         ", &format!("key {key}"));
    }
    let how = if result.verdict_how == How::Recomputed { "computed again here" } else { "the pack's word" };
    if let Some(verdict) = result.verdict {
        lines.wrap("verdict  ", &format!("{} ({how})", verdict.name()));
    }
    if let Some(challenge) = &result.challenge {
        lines.wrap("challenge ", &challenged(challenge));
    }
    signatures(&mut lines, result);
    stamps(&mut lines, result);
    if let Some(annex) = &result.annex {
        let model::Counts { evidenced, partial, declared, missing, not_applicable } = annex.units;
        let units = format!(
            "of 23 points {evidenced} evidenced, {partial} partial, {declared} declared, {missing} missing, {not_applicable} not applicable; {} items open, {} sign-offs count",
            annex.open, annex.signoffs
        );
        lines.wrap("annex IV ", &units);
    }
    lines.blank();
    for check in &result.checks {
        lines.wrap("", &check_line(check));
    }
    for (title, findings) in [("findings", &result.findings), ("warnings", &result.warnings)] {
        if !findings.is_empty() {
            lines.blank();
            lines.wrap("", title);
            for finding in findings {
                lines.finding(finding);
            }
        }
    }
    if !result.not_checked.is_empty() {
        lines.blank();
        lines.wrap("", "not checked");
        for sentence in &result.not_checked {
            lines.wrap("  ", sentence);
        }
    }
    lines.blank();
    lines.wrap("", &sentence(result));
    lines.0
}

/// What a beacon asks for, and what is there of it.
fn challenged(challenge: &ChallengeFacts) -> String {
    let ChallengeFacts { run, committed, revealed, steps, unasked, beacon, .. } = challenge;
    let mut text = format!(
        "beacon {beacon} asks for {} of {committed} steps of {}; {revealed} are shown",
        steps.len(),
        run.escape_debug()
    );
    for (standing, word) in [
        (Standing::Recomputed, "judged again here"),
        (Standing::Recorded, "recorded"),
        (Standing::Partial, "not shown whole"),
        (Standing::Missing, "MISSING"),
    ] {
        let found = steps.iter().filter(|step| step.standing == standing).map(|step| step.step);
        told_steps(&mut text, word, &found.collect::<Vec<_>>());
    }
    told_steps(&mut text, "not asked for", unasked);
    text
}

fn told_steps(text: &mut String, word: &str, steps: &[u64]) {
    const TOLD: usize = 12;
    if steps.is_empty() {
        return;
    }
    let told: Vec<String> = steps.iter().take(TOLD).map(u64::to_string).collect();
    let _ = write!(text, "; {word} {}", told.join(" "));
    if let Some(more) = steps.len().checked_sub(TOLD).filter(|more| *more > 0) {
        let _ = write!(text, " and {more} more");
    }
}

/// Who signed what: the seal, what programs found, and persons, each under its own title.
#[must_use]
pub fn who_signed(result: &VerifyResult) -> String {
    let mut lines = Lines::default();
    lines.wrap("", "seal (the key of an organisation or a machine; it binds the bytes, and no person)");
    let (signer, key) = signer(result);
    lines.wrap("  ", &signer);
    if let Some(key) = key {
        lines.wrap("    ", &format!("key {key}"));
    }
    signatures(&mut lines, result);
    stamps(&mut lines, result);
    if result.sign_offs.is_empty() {
        lines.blank();
        lines.wrap("", "sign-offs: none. No person has signed this pack.");
    }
    for finding in &result.findings {
        lines.finding(finding);
    }
    lines.0
}

/// What was signed beside the seal. An attestation is a program's run, a sign-off a person's word: each under its own title.
fn signatures(lines: &mut Lines, result: &VerifyResult) {
    let key = |listed: &Option<String>, believed: bool, key_id: &KeyId| match (listed, believed) {
        (Some(name), true) => format!("key of {} (on your trust list)", name.escape_debug()),
        (Some(name), false) => format!("key of {}, not believed here", name.escape_debug()),
        (None, _) => format!("key {key_id}, not on your trust list: counts for nothing"),
    };
    if !result.attestations.is_empty() {
        lines.blank();
        lines.wrap("", "attestations (what a program found, signed by whoever ran it; not a person's word)");
        for said in &result.attestations {
            let word = match said.result {
                TestResult::Passed => "passed",
                TestResult::Warned => "warned",
                TestResult::Failed => "failed",
            };
            let strict = if said.strict { "strict check" } else { "check" };
            let text = format!("{word}, a {strict} by {} at {}", said.verifier, said.verified_at);
            lines.wrap("  ", &text);
            lines.wrap("    ", &key(&said.listed, said.believed, &said.key_id));
        }
    }
    if !result.sign_offs.is_empty() {
        lines.blank();
        lines.wrap("", "sign-offs (persons, by their own word and clock)");
        for said in &result.sign_offs {
            let whom = said.on_behalf_of.as_ref().map(|whom| format!(", for {whom}")).unwrap_or_default();
            let text =
                format!("{}: {} ({}){whom}, {}", said.act.name(), said.name, said.function, said.signed_at);
            lines.wrap("  ", &text);
            lines.wrap("    ", &key(&said.listed, said.believed, &said.key_id));
            if said.developer_of_run {
                lines.wrap("    ", "developed what this pack is about, by their own word");
            }
            if !said.scope.is_empty() {
                lines.wrap("    scope ", &said.scope.join(", "));
            }
        }
    }
}

/// When the pack, and what was demanded of it, were there, as authorities say.
fn stamps(lines: &mut Lines, result: &VerifyResult) {
    if result.timestamps.is_empty() {
        return;
    }
    lines.blank();
    lines.wrap("", "time stamps (an authority's word that the bytes were there at a time)");
    for said in &result.timestamps {
        let of = match said.of {
            Stamped::Manifest => "the pack",
            Stamped::Freeze => "the freeze of its suite",
        };
        let text = match &said.trusted_by {
            Some(name) => {
                format!("{of}: {} by {}, for which {} vouches", said.at, said.authority, name.escape_debug())
            }
            None => format!("{of}: unverified, says {} by {}", said.at, said.authority),
        };
        lines.wrap("  ", &text);
    }
}

/// Who sealed the pack, as far as the recipient can tell, and the key id.
fn signer(result: &VerifyResult) -> (String, Option<String>) {
    let key_id = result.signer.key_id.map(|key_id| key_id.to_string());
    let name = result.signer.name.as_ref().map(|name| name.escape_debug());
    let text = match (result.signer.status, name) {
        (SignerStatus::Pinned, Some(name)) => format!("{name} (on your trust list)"),
        (SignerStatus::Pinned, None) => "the one that you named".to_owned(),
        (SignerStatus::Unpinned, _) => "not one that you named".to_owned(),
        (SignerStatus::Unsigned, _) => return ("none: the pack is not sealed".to_owned(), None),
        (SignerStatus::Unverified, _) => "unknown: the seal does not hold, or was not checked".to_owned(),
    };
    (text, key_id)
}

fn check_line(check: &Check) -> String {
    let mark = match check.ok {
        Some(true) => "holds",
        Some(false) => "broken",
        None => "-",
    };
    let how = match check.how {
        How::Recomputed => "recomputed",
        How::Checked => "checked",
        How::Recorded => "recorded",
        How::NotChecked => "not checked",
    };
    format!("{:<10} {mark:<7} {how:<11} {:>7}", check.name, check.count)
}

/// What the check came to, in one sentence. Of a part it never says that anything passed.
#[must_use]
pub fn sentence(result: &VerifyResult) -> String {
    if result.scope == Scope::Partial {
        return partial(result);
    }
    let verdict = result.verdict.map_or("none", Outcome::name);
    if result.proof_grade {
        return "PASS, proof grade: every law holds, and the signer is one that you named.".to_owned();
    }
    let count = result.findings.len();
    match (result.exit_code(), result.strict) {
        (0, true) => format!("Every law holds; the verdict of the pack is {verdict}."),
        (0, false) => format!("Every law that was put holds; the verdict is {verdict}. Not a strict check."),
        (1, _) => format!("Refused: {count} finding{}.", if count == 1 { "" } else { "s" }),
        _ => "Not judged: part of the pack was not read.".to_owned(),
    }
}

fn partial(result: &VerifyResult) -> String {
    let read = result.checks.iter().find(|check| check.name == "digests").map_or(0, |check| check.count);
    let files = result.checks.iter().find(|check| check.name == "files").map_or(0, |check| check.count);
    match result.findings.len() {
        0 => format!("PARTIAL: {read} of {files} sealed files have their digests; the rest was not checked."),
        1 => "PARTIAL, and refused: 1 finding.".to_owned(),
        count => format!("PARTIAL, and refused: {count} findings."),
    }
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn blank(&mut self) {
        self.0.push('\n');
    }

    fn finding(&mut self, finding: &Finding) {
        self.wrap("  ", &format!("{} {}", finding.law.code, finding.path));
        self.wrap("    ", &finding.message);
    }

    fn wrap(&mut self, head: &str, text: &str) {
        self.0.push_str(&fold(head, text, Long::Break));
    }
}
