//! A check of a part: the digests of the files that the recipient named, and nothing that follows from them.

use std::collections::BTreeMap;

use super::Checker;
use super::source::Task;
use crate::pack::law;
use crate::pack::manifest::{Artifact, Statement};
use crate::pack::only::Only;
use crate::pack::path::PackPath;
use crate::pack::plan::Judging;
use crate::pack::result::How;
use crate::pack::walk::Walk;

impl Checker<'_> {
    /// Reads the sealed files of the part. No verdict is told, computed or recorded: it is one on the whole.
    pub(super) fn part(
        &mut self,
        walk: &Walk,
        statement: &Statement,
        expected: &BTreeMap<PackPath, Artifact>,
        only: &Only,
    ) {
        let part: BTreeMap<PackPath, Artifact> = expected
            .iter()
            .filter(|(path, _)| only.has(path))
            .map(|(path, artifact)| (path.clone(), artifact.clone()))
            .collect();
        if part.is_empty() {
            let globs = only.globs().collect::<Vec<_>>().join(" ");
            self.find(&law::PART_MATCHES_NOTHING, ".", format!("no sealed file matches {globs}"));
        } else {
            let before = self.findings.len();
            let judging = Judging { created_at: statement.created_at, repeats: 1 };
            // Without inputs nothing is judged: of every file it is the digest that counts.
            let task = Task { inputs: BTreeMap::new(), judges_steps: false, judging, same_tool: true };
            let readable = self.readable(walk, &part, &task);
            let outcomes = self.source.sealed(&readable, &task);
            let mut count = 0;
            for ((path, _), outcome) in readable.into_iter().zip(outcomes) {
                match outcome {
                    Ok(_) => count += 1,
                    Err((law, message)) => self.find(law, path.as_str(), message),
                }
            }
            self.done("digests", How::Checked, count, before);
        }
        self.identity(statement, expected, None);
        let (named, all) = (part.len(), expected.len());
        self.skip(format!(
            "of {all} sealed files, {named} were named; the others were not checked, and no verdict was computed again"
        ));
        if self.options.strict {
            self.find(&law::PART_NOT_WHOLE, ".", "the check was held to a part of the pack");
        }
    }
}
