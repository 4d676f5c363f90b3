//! What checking a pack came to, as plain text of 80 columns.

use crate::pack::result::{Check, Finding, How, SignerStatus, VerifyResult};
use crate::report::Outcome;

const WIDTH: usize = 80;

/// The text. Its last line is the verdict sentence.
#[must_use]
pub fn render(result: &VerifyResult) -> String {
    let mut lines = Lines::default();
    if let Some(pack) = &result.pack {
        lines.wrap("pack     ", &pack.id.to_string());
        lines.wrap("manifest ", &pack.manifest_sha256.to_string());
        lines.wrap("created  ", &format!("{} (the maker's word)", pack.created_at));
    }
    lines.wrap("signer   ", &signer(result));
    let how = if result.verdict_how == How::Recomputed { "computed again here" } else { "the pack's word" };
    if let Some(verdict) = result.verdict {
        lines.wrap("verdict  ", &format!("{} ({how})", verdict.name()));
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

fn signer(result: &VerifyResult) -> String {
    let status = match result.signer.status {
        SignerStatus::Pinned => "named by you",
        SignerStatus::Unpinned => "not named by you",
        SignerStatus::Unsigned => return "none: the pack is not sealed".to_owned(),
        SignerStatus::Unverified => "the seal does not hold, or was not checked",
    };
    let name =
        result.signer.name.as_ref().map_or_else(String::new, |name| format!("{} ", name.escape_debug()));
    let key = result.signer.key_id.map_or_else(|| "unknown".to_owned(), |key_id| key_id.to_string());
    format!("{name}{key} ({status})")
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

fn sentence(result: &VerifyResult) -> String {
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

    /// Lines of at most [`WIDTH`] characters, each after the first indented as far as `head` is wide.
    fn wrap(&mut self, head: &str, text: &str) {
        let indent = head.chars().count();
        let room = WIDTH - indent;
        let mut line = head.to_owned();
        let mut length = 0;
        for word in text.split(' ') {
            let mut word: Vec<char> = word.chars().collect();
            if length > 0 && length + 1 + word.len() > room {
                self.end(&mut line, indent);
                length = 0;
            } else if length > 0 || line.len() > head.len() {
                line.push(' ');
                length += 1;
            }
            while length + word.len() > room {
                line.extend(word.drain(..room - length));
                self.end(&mut line, indent);
                length = 0;
            }
            line.extend(&word);
            length += word.len();
        }
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    fn end(&mut self, line: &mut String, indent: usize) {
        self.0.push_str(line.trim_end());
        self.0.push('\n');
        *line = " ".repeat(indent);
    }
}
