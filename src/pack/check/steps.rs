//! Sampled steps of an optimizer: judged again with the payloads that are there, in the pack or where the recipient has
//! them. Without its payload the verdict on a step is the maker's word, and said to be.

use std::collections::BTreeMap;

use super::Checker;
use super::derive::Unkept;
use super::source::Kept;
use crate::digest::Digest;
use crate::handle::At;
use crate::pack::files::{Files, Sealed};
use crate::pack::law;
use crate::pack::layout::Place;
use crate::pack::manifest::Artifact;
use crate::pack::path::PackPath;
use crate::pack::plan::{self, Evidence, SampledStep, Stem};
use crate::pack::walk::Refusal;
use crate::step::call::{Call, Published};
use crate::step::commit::Commits;
use crate::step::{self, Record, whole};

/// The payloads of a step.
enum Payloads {
    /// All that its record names, main first; and those of them that the pack holds.
    There(Vec<At>, Files),
    /// One is not there: where it was looked for, in words.
    Absent(String),
}

impl Checker<'_> {
    /// Takes the sampled steps as they are stored, and judges each.
    pub(super) fn steps(
        &mut self,
        evidence: &mut Evidence,
        expected: &BTreeMap<PackPath, Artifact>,
        kept: &BTreeMap<PackPath, Kept>,
    ) {
        self.published(evidence, kept);
        for (path, (_, bytes)) in kept {
            let Some(Place::StepRecord(stem)) = Place::of(path) else { continue };
            // Under a name that no step gets there is no step: the file is unaccounted for.
            let Ok(stem) = stem.parse::<Stem>() else { continue };
            match self.step(path, stem, bytes, expected, kept, evidence.published()) {
                Ok(sampled) => evidence.step(sampled),
                Err((law, message)) => self.find(law, path.as_str(), message),
            }
        }
    }

    /// Takes what was published of a run of steps.
    fn published(&mut self, evidence: &mut Evidence, kept: &BTreeMap<PackPath, Kept>) {
        let [commits, call] = [Place::StepCommits, Place::StepChallenge].map(|place| (place, place.path()));
        let of = |path: &PackPath| kept.get(path);
        let Some((commits_sha256, bytes)) = of(&commits.1) else {
            if of(&call.1).is_some() {
                let message = "nothing that it could ask about was committed to";
                self.find(&law::STEP_UNSOUND, call.1.as_str(), message);
            }
            return;
        };
        let mut files = Files::default();
        let mut note = |(place, path): (Place<'_>, PackPath), sha256: Digest, bytes: &[u8]| {
            files.note(path, Sealed { size_bytes: bytes.len() as u64, sha256, role: place.role() });
        };
        let unsound = |checker: &mut Self, path: &PackPath, refusal: &step::Refusal| {
            checker.find(&law::STEP_UNSOUND, path.as_str(), refusal.to_string());
        };
        let commitments = match Commits::parse(bytes) {
            Ok(commitments) => commitments,
            Err(refusal) => return unsound(self, &commits.1, &refusal),
        };
        let asked = match of(&call.1).map(|(sha256, bytes)| (sha256, bytes, Call::parse(bytes))) {
            None => None,
            Some((sha256, bytes, Ok(asked))) => {
                note(call, *sha256, bytes);
                Some(asked)
            }
            Some((_, _, Err(refusal))) => return unsound(self, &call.1, &refusal),
        };
        note(commits, *commits_sha256, bytes);
        self.skip(format!(
            "that the commitments to steps (chain {}) were published before {} is the maker's word: name both as you know them, --expect-chain and --expect-beacon",
            commitments.last(),
            asked.as_ref().map_or_else(
                || "anybody knew which steps are shown".to_owned(),
                |asked| format!("beacon {} was known", asked.beacon)
            )
        ));
        evidence.publish(Published { commits: commitments, call: asked }, files);
    }

    fn step(
        &mut self,
        path: &PackPath,
        stem: Stem,
        bytes: &[u8],
        expected: &BTreeMap<PackPath, Artifact>,
        kept: &BTreeMap<PackPath, Kept>,
        published: Option<&Published>,
    ) -> Result<SampledStep, Refusal> {
        let unsound = |message: String| (&law::STEP_UNSOUND, message);
        let record = Record::parse(bytes).map_err(|refusal| unsound(refusal.to_string()))?;
        match self.payloads(&record, expected, kept)? {
            Payloads::There(shown, inside) => {
                let shown = whole::Shown::of(&record, &shown[0], shown.get(1), published);
                let report = whole::judge(&record, &shown, &step::Options::default())
                    .map_err(|refusal| unsound(refusal.to_string()))?;
                let Ok(sampled) = SampledStep::judged(stem, bytes, record, &report, inside, &Unkept);
                Ok(sampled)
            }
            Payloads::Absent(place) => {
                let verdict = Place::StepVerdict(stem.as_str()).path();
                let (_, verdict) = kept
                    .get(&verdict)
                    .ok_or_else(|| unsound("neither its payload nor its verdict is there".to_owned()))?;
                let sampled = SampledStep::recorded(stem, bytes, record, verdict, published)
                    .map_err(|error| unsound(error.to_string()))?;
                self.steps_recorded = true;
                let message = format!("{place}: its verdict is the maker's word");
                self.warn(&law::STEP_PAYLOAD_ABSENT, path.as_str(), message);
                Ok(sampled)
            }
        }
    }

    fn payloads(
        &mut self,
        record: &Record,
        expected: &BTreeMap<PackPath, Artifact>,
        kept: &BTreeMap<PackPath, Kept>,
    ) -> Result<Payloads, Refusal> {
        let place = |sha256: Digest| Place::StepPayload(sha256).path();
        let named: Vec<(&str, Digest)> = plan::payloads(record).collect();
        let mut files = Files::default();
        let mut shown = Vec::with_capacity(named.len());
        if named.iter().all(|(_, sha256)| expected.contains_key(&place(*sha256))) {
            for (_, sha256) in named {
                let path = place(sha256);
                let (Some(artifact), Some((digest, _))) = (expected.get(&path), kept.get(&path)) else {
                    return Err((&law::FILE_UNREADABLE, format!("{path} was not read")));
                };
                let role = Place::StepPayload(sha256).role();
                shown.push(self.source.payload(&path)?);
                files.note(path, Sealed { size_bytes: artifact.size_bytes, sha256: *digest, role });
            }
            return Ok(Payloads::There(shown, files));
        }
        for (file, sha256) in named {
            match self.given(file, sha256) {
                Ok(payload) => shown.push(payload),
                Err(place) => return Ok(Payloads::Absent(place)),
            }
        }
        Ok(Payloads::There(shown, files))
    }

    /// A payload that the recipient has: the file of its name that has its digest.
    fn given(&self, file: &str, sha256: Digest) -> Result<At, String> {
        let mut other = None;
        for dir in &self.options.payload_dirs {
            let path = dir.join(file);
            let Ok(payload) = At::path(&path) else { continue };
            match crate::tensor::digest(&payload) {
                Ok(digest) if digest == sha256 => return Ok(payload),
                Ok(digest) => other = Some(format!("the {file} that was given has the digest {digest}")),
                Err(error) => other = Some(format!("the {file} that was given: {error}")),
            }
        }
        Err(other.unwrap_or_else(|| format!("its payload {file} is not in the pack, and was not given")))
    }
}
