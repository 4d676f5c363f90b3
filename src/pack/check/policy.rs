//! What the recipient demands of this pack beyond the laws of all packs.

use std::collections::BTreeMap;

use super::Checker;
use super::additions::Counted;
use crate::digest::Digest;
use crate::moment::Moment;
use crate::pack::law;
use crate::pack::layout::Place;
use crate::pack::manifest::{Artifact, PackId, Statement};
use crate::pack::path::PackPath;
use crate::pack::result::How;
use crate::pack::{MANIFEST, STEP_CHALLENGE};
use crate::step::call::Beacon;
use crate::trust::KeyId;
use crate::trust::p256::CoVerifyingKey;
use crate::trust::timestamp::Anchor;

/// A pack, as the recipient names it: by the name in its manifest, or by the digest of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// The name.
    Id(PackId),
    /// The digest of the manifest: no other pack has it.
    Manifest(Digest),
}

/// What the recipient demands, for this check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demands {
    /// What time it is: keys and packs have an age.
    pub now: Option<Moment>,
    /// The one pack that is meant.
    pub pack: Option<Expected>,
    /// The manifest digest of the pack that it is to follow.
    pub parent: Option<Digest>,
    /// Artifacts that the pack is to be about.
    pub subjects: Vec<Digest>,
    /// Receipts, sidecars or data sets that it is to rest on.
    pub inputs: Vec<Digest>,
    /// The beacon that its sampled steps are to answer.
    pub beacon: Option<Beacon>,
    /// The chain of commitments that they are to answer over, as it was published.
    pub chain: Option<Digest>,
    /// How many steps the beacon is to ask for at least.
    pub challenge_steps: Option<u64>,
    /// How many tensors, and modules, of each.
    pub challenge_tensors: Option<u64>,
    /// How old it may be, in seconds.
    pub max_age_seconds: Option<u64>,
    /// The oldest judge whose verdict is taken.
    pub minimum_judge: Option<semver::Version>,
    /// Certificates of time-stamping authorities, beside those on the recipient's list.
    pub authorities: Vec<Anchor>,
    /// P-256 keys whose co-signatures are known to the recipient.
    pub co_signers: Vec<CoVerifyingKey>,
    /// The latest time by which the pack has to have been there, as a trusted token says.
    pub stamped_by: Option<Moment>,
    /// The key under which the one who checks will sign what came of it.
    pub verifier: Option<KeyId>,
}

impl Checker<'_> {
    /// Holds the pack against what the recipient demands.
    pub(super) fn demands(
        &mut self,
        statement: &Statement,
        expected: &BTreeMap<PackPath, Artifact>,
        counted: &Counted,
    ) {
        let before = self.findings.len();
        let demands = self.options.demands.clone();
        let requires = self.options.policy.requires().clone();
        let mut count = 0;
        if let Some(parent) = demands.parent {
            count += 1;
            if statement.parent_manifest_sha256 != Some(parent) {
                let stated = statement.parent_manifest_sha256;
                let stated =
                    stated.map_or_else(|| "no pack".to_owned(), |digest| format!("manifest {digest}"));
                let message = format!("it follows {stated}, you named manifest {parent}");
                self.find(&law::PARENT_NOT_EXPECTED, MANIFEST, message);
            }
        }
        if let Some(pack) = &demands.pack {
            count += 1;
            let manifest = self.pack.as_ref().map(|pack| pack.manifest_sha256);
            let (holds, wanted) = match pack {
                Expected::Id(id) => (statement.pack_id == *id, id.to_string()),
                Expected::Manifest(digest) => (manifest == Some(*digest), digest.to_string()),
            };
            if !holds {
                let message = format!("you named {wanted}, this is {}", statement.pack_id);
                self.find(&law::PACK_NOT_EXPECTED, MANIFEST, message);
            }
        }
        if let Some(verifier) = demands.verifier {
            count += 1;
            if self.signer.key_id == Some(verifier) {
                let message =
                    format!("key {verifier} sealed the pack, and is to sign what checking it came to");
                self.warn(&law::SIGNERS_SHARE_A_KEY, ".", message);
            }
        }
        for subject in &demands.subjects {
            count += 1;
            if !statement.subject.artifacts.iter().any(|artifact| artifact.sha256 == *subject) {
                let message = format!("it is not about {subject}");
                self.find(&law::SUBJECT_NOT_EXPECTED, MANIFEST, message);
            }
        }
        for input in &demands.inputs {
            count += 1;
            let rests = |(path, artifact): (&PackPath, &Artifact)| {
                artifact.sha256 == *input
                    && matches!(Place::of(path), Some(Place::Receipt(_) | Place::Sidecar(_)))
            };
            if !expected.iter().any(rests) && !self.datasets.contains(input) {
                let message = format!("no receipt, sidecar or data set of it is {input}");
                self.find(&law::INPUT_NOT_EXPECTED, MANIFEST, message);
            }
        }
        count += self.asked(&demands);
        let days = requires.max_age_days.map(|days| u64::from(days) * 86_400);
        if let Some(limit) = [demands.max_age_seconds, days].into_iter().flatten().min() {
            count += 1;
            self.age(statement, limit);
        }
        for minimum in [&demands.minimum_judge, &requires.minimum_judge].into_iter().flatten() {
            count += 1;
            self.judged_by(statement, minimum);
        }
        for (kind, wanted, found) in [
            ("attestations by other listed verifiers", requires.verifiers, counted.verifiers.len()),
            ("sign-offs by other listed persons", requires.signoffs, counted.persons.len()),
            ("time stamps of authorities that you named", requires.timestamps, counted.authorities.len()),
        ] {
            if wanted > 0 {
                count += 1;
            }
            if (found as u64) < u64::from(wanted) {
                let message = format!("{found} {kind}; your policy asks for {wanted}");
                self.find(&law::POLICY_THRESHOLD, ".", message);
            }
        }
        for predicate in &requires.predicates {
            count += 1;
            if !counted.predicates.contains(predicate.as_str()) {
                let message = format!("no statement of type {predicate:?} by a key that you believe");
                self.find(&law::POLICY_PREDICATE, ".", message);
            }
        }
        count += self.stamped_in_time(statement, counted);
        if count > 0 {
            self.done("policy", How::Checked, count, before);
        }
    }

    /// Holds the time stamps against the latest times that are demanded. Answers how many are.
    fn stamped_in_time(&mut self, statement: &Statement, counted: &Counted) -> u64 {
        let mut count = 0;
        let mut latest: Vec<Moment> = self.options.demands.stamped_by.into_iter().collect();
        if let Some(days) = self.options.policy.requires().timestamp_within_days {
            let made = statement.created_at;
            if let Some(within) = Moment::from_unix_seconds(made.unix_seconds() + i64::from(days) * 86_400) {
                latest.push(within);
            } else {
                // A time at the end of all times is the maker's word, and switches no demand off.
                count += 1;
                let message = format!("made at {made}, by its own word: no time is {days} days after that");
                self.find(&law::TIMESTAMP_TOO_LATE, ".", message);
            }
        }
        for latest in latest {
            count += 1;
            if counted.stamped_at.is_none_or(|at| at > latest) {
                let found = counted.stamped_at;
                let found =
                    found.map_or_else(|| "no trusted token".to_owned(), |at| format!("stamped at {at}"));
                self.find(&law::TIMESTAMP_TOO_LATE, ".", format!("{found}; {latest} is the latest"));
            }
        }
        count
    }

    fn judged_by(&mut self, statement: &Statement, minimum: &semver::Version) {
        let judge = &statement.judge;
        if !semver::Version::parse(&judge.version).is_ok_and(|version| version >= *minimum) {
            let message = format!("judged by {} {}, {minimum} is the least", judge.name, judge.version);
            self.find(&law::JUDGE_TOO_OLD, MANIFEST, message);
        }
    }

    /// Holds the challenge that the pack answers against the one that the recipient knows. Answers how much was demanded.
    fn asked(&mut self, demands: &Demands) -> u64 {
        let Demands { beacon, chain, challenge_steps, challenge_tensors, .. } = demands;
        let drawn = self.challenge.as_ref().map(|facts| facts.drawn);
        let (stated, over) = self
            .challenge
            .as_ref()
            .map_or((None, None), |facts| (Some(facts.beacon.clone()), Some(facts.chain)));
        let nothing = || "no challenge that was derived again".to_owned();
        let mut message = Vec::new();
        if let Some(beacon) =
            beacon.as_ref().map(Beacon::to_string).filter(|beacon| stated.as_ref() != Some(beacon))
        {
            let stated = stated.map_or_else(nothing, |stated| format!("beacon {stated}"));
            message.push(format!("it answers {stated}, you named {beacon}"));
        }
        if let Some(chain) = (*chain).filter(|chain| over != Some(*chain)) {
            let over = over.map_or_else(nothing, |over| format!("one over the chain {over}"));
            message.push(format!("it answers {over}, you named {chain}"));
        }
        let numbers = [
            ("steps", challenge_steps, drawn.map(|drawn| drawn.0)),
            ("tensors", challenge_tensors, drawn.map(|drawn| drawn.1)),
        ];
        for (what, wanted, drawn) in numbers {
            if let Some(wanted) = wanted.filter(|wanted| drawn.is_none_or(|drawn| drawn < *wanted)) {
                let drawn = drawn.map_or_else(nothing, |drawn| format!("one for {drawn} {what}"));
                message.push(format!("it answers {drawn}, you asked for {wanted}"));
            }
        }
        if !message.is_empty() {
            self.find(&law::CHALLENGE_NOT_EXPECTED, STEP_CHALLENGE, message.join("; "));
        }
        [beacon.is_some(), chain.is_some(), challenge_steps.is_some(), challenge_tensors.is_some()]
            .map(u64::from)
            .iter()
            .sum()
    }

    fn age(&mut self, statement: &Statement, limit: u64) {
        let Some(now) = self.options.demands.now else {
            self.find(&law::PACK_TOO_OLD, MANIFEST, "what time it is was not said, so its age is not known");
            return;
        };
        let age = now.unix_seconds() - statement.created_at.unix_seconds();
        match u64::try_from(age) {
            Ok(age) if age <= limit => {}
            Ok(age) => {
                let message =
                    format!("made at {}, {age} seconds ago; {limit} is the most", statement.created_at);
                self.find(&law::PACK_TOO_OLD, MANIFEST, message);
            }
            // By its own word from the future: the word is worth nothing as an age.
            Err(_) => {
                let message = format!("made at {}, and it is {now} now", statement.created_at);
                self.find(&law::PACK_TOO_OLD, MANIFEST, message);
            }
        }
    }
}
