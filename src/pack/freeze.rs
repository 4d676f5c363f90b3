//! A frozen suite: what was to be shown, and by which criteria, signed before anything ran.
//!
//! A freeze is an in-toto statement in a DSSE envelope. It says that these demands stood at a time, by its signer's word;
//! an input that was not there yet has no digest in it, and is not frozen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::manifest::{ClockSource, Judge, Moment};
use super::plan::{Demand, Stem};
use super::suite::Suite;
use crate::digest::Digest;
use crate::trust::envelope::{Envelope, EnvelopeError};
use crate::trust::key::SignError;
use crate::trust::statement::{Statement, StatementError, Subject};
use crate::trust::timestamp::Token;
use crate::trust::{KeyId, SigningKey, VerifyingKey};

/// The format of what a freeze says.
pub const FORMAT: &str = "bp-suite-freeze/1";
/// The kind of statement that a freeze is.
pub const PREDICATE: &str = "urn:bp:predicate:suite-freeze:1";

/// What a freeze says. Without its signature, a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frozen {
    format: String,
    /// The name of the suite.
    pub suite: String,
    /// The digest of its bytes.
    pub suite_sha256: Digest,
    /// The digest of each input that the suite names; null where it was not there yet.
    pub inputs: BTreeMap<String, Option<Digest>>,
    /// The rules and bounds that decide.
    pub judge: Judge,
    /// When, by the signer's word.
    pub frozen_at: Moment,
    /// Where that time comes from.
    pub frozen_at_source: ClockSource,
}

impl Frozen {
    /// What freezing a suite says, with the digests of the inputs that are there.
    #[must_use]
    pub fn of(
        suite: &Suite,
        inputs: &BTreeMap<String, Digest>,
        judge: Judge,
        (frozen_at, frozen_at_source): (Moment, ClockSource),
    ) -> Self {
        let inputs = suite.inputs().into_keys().map(|path| (path.to_owned(), inputs.get(path).copied()));
        Self {
            format: FORMAT.to_owned(),
            suite: suite.name().to_owned(),
            suite_sha256: suite.sha256(),
            inputs: inputs.collect(),
            judge,
            frozen_at,
            frozen_at_source,
        }
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`SignError`] when the key's holder does not sign.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, SignError> {
        let inputs =
            self.inputs.iter().filter_map(|(path, digest)| Some(Subject::new(path, digest.as_ref()?)));
        let suite = Subject::new(&self.suite, &self.suite_sha256);
        let statement = Statement::new(std::iter::once(suite).chain(inputs).collect(), PREDICATE, self);
        Ok(statement.sign(key)?.to_bytes())
    }

    /// In what a pack differs from what was frozen, in words; nothing where it does not.
    #[must_use]
    pub fn differences(
        &self,
        demand: &Demand,
        judge: &Judge,
        created_at: &Moment,
        sha256: impl Fn(&Stem) -> Option<Digest>,
    ) -> Vec<String> {
        let mut differences = Vec::new();
        let Demand { suite, selection, .. } = demand;
        if self.suite_sha256 != suite.sha256() {
            let (frozen, now) = (self.suite_sha256, suite.sha256());
            differences.push(format!("a suite with digest {frozen} was frozen, this one has {now}"));
        }
        if (&self.judge.rules, self.judge.bounds_policy_sha256) != (&judge.rules, judge.bounds_policy_sha256)
        {
            differences.push("another judge's rules or bounds were frozen".to_owned());
        }
        if self.frozen_at.unix_seconds() > created_at.unix_seconds() {
            let frozen_at = self.frozen_at;
            differences.push(format!("it was frozen at {frozen_at}, after the pack was made"));
        }
        for (path, stem) in suite.selected(selection) {
            let frozen = self.inputs.get(path).copied().flatten();
            if let (Some(frozen), Some(now)) = (frozen, sha256(&stem))
                && frozen != now
            {
                differences.push(format!("input {path}: {frozen} was frozen, {now} was judged"));
            }
        }
        differences
    }

    /// How many inputs were not there yet.
    #[must_use]
    pub fn open_inputs(&self) -> usize {
        self.inputs.values().filter(|digest| digest.is_none()).count()
    }
}

/// Bytes that are no freeze.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreezeError {
    /// No envelope.
    #[error("{0}")]
    Envelope(#[from] EnvelopeError),
    /// No statement, or another.
    #[error("{0}")]
    Statement(#[from] StatementError),
    /// Another format.
    #[error("the format is {0:?}, not \"{FORMAT}\"")]
    Format(String),
    /// A freeze that states other digests as its subject than it says.
    #[error("its subjects are not the suite and the inputs that it names")]
    Subjects,
    /// A signature without our key id.
    #[error("it does not name one key that signed it")]
    NoKey,
}

/// A freeze as it was found. What it says is a claim until [`Freeze::holds`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    envelope: Envelope,
    key_id: KeyId,
    claim: Frozen,
    sha256: Digest,
    token: Option<Token>,
}

impl Freeze {
    /// The freeze in these bytes.
    ///
    /// # Errors
    /// [`FreezeError`] for bytes that are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, FreezeError> {
        let envelope = Envelope::parse(bytes)?;
        let key_id = envelope.key_id().ok_or(FreezeError::NoKey)?;
        let statement = Statement::claimed(&envelope)?;
        let claim: Frozen = statement.predicate(PREDICATE)?;
        if claim.format != FORMAT {
            return Err(FreezeError::Format(claim.format));
        }
        let stated = statement.subjects().iter().map(|subject| (subject.name.as_str(), subject.sha256()));
        let inputs = claim.inputs.iter().filter_map(|(path, digest)| Some((path.as_str(), Some((*digest)?))));
        let said = std::iter::once((claim.suite.as_str(), Some(claim.suite_sha256))).chain(inputs);
        if !stated.eq(said) {
            return Err(FreezeError::Subjects);
        }
        Ok(Self { envelope, key_id, claim, sha256: Digest::of(bytes), token: None })
    }

    /// The same, with a token that lies beside it.
    #[must_use]
    pub fn stamped(self, token: Option<Token>) -> Self {
        Self { token, ..self }
    }

    /// The token that lies beside it. What it says is a claim.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The digest of its bytes: what a token stamps.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        self.sha256
    }

    /// The key that it names. A claim.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// What it says. A claim.
    #[must_use]
    pub fn claim(&self) -> &Frozen {
        &self.claim
    }

    /// Whether this key signed it.
    #[must_use]
    pub fn holds(&self, key: &VerifyingKey) -> bool {
        self.envelope.open(key).is_ok()
    }
}
