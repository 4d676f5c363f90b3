//! Whether the demands came first.

use super::{Checker, Derived};
use crate::moment::Moment;
use crate::pack::manifest::{ClockSource, Statement};
use crate::pack::plan::{Demand, Stem};
use crate::pack::result::Stamped;
use crate::pack::{FREEZE, FREEZE_TOKEN, Freeze, law};
use crate::trust::{Role, VerifyingKey};

impl Checker<'_> {
    /// Whether the key that a freeze names signed it and was believed then, and what was judged is what was frozen.
    pub(super) fn freeze(&mut self, demand: &Demand, statement: &Statement, derived: &Derived) {
        let Some(freeze) = &demand.freeze else { return };
        let key_id = freeze.key_id();
        let of_seal = self.key.filter(|key| key.id() == *key_id);
        let stamped_at = self.stamped(freeze, statement);
        match of_seal.or_else(|| self.recipient_key(key_id)) {
            None => {
                let message = format!("signed by key {key_id}, which is not at hand");
                self.warn(&law::FREEZE_KEY_UNKNOWN, FREEZE, message);
            }
            Some(key) if !freeze.holds(&key) => {
                self.find(&law::FREEZE_BROKEN, FREEZE, format!("not by key {key_id} over these bytes"));
            }
            Some(key) => {
                if stamped_at.is_none() {
                    self.skip("when the suite was frozen is its signer's word");
                }
                self.believed_then(&key, stamped_at);
            }
        }
        let inputs = &derived.conclusion.verdict.inputs;
        let sha256 = |stem: &Stem| inputs.iter().find(|input| input.stem == *stem).map(|input| input.sha256);
        let (judge, created_at) = (&statement.judge, &statement.created_at);
        for difference in freeze.claim().differences(demand, judge, created_at, sha256) {
            self.find(&law::FREEZE_DIFFERS, FREEZE, difference);
        }
    }

    /// Refuses a key that the list does not believe for the time at which the freeze is known to have been there: a token
    /// is over the signature too, so what it stamps was signed by then.
    fn believed_then(&mut self, key: &VerifyingKey, stamped_at: Option<Moment>) {
        let Some(signer) = self.options.policy.signer(&key.id()) else { return };
        if let Err(error) = signer.believed(Role::Seal, stamped_at.or(self.options.demands.now)) {
            let message = format!("signed by key {}: {error}", key.id());
            self.find(&law::FREEZE_KEY_NOT_BELIEVED, FREEZE, message);
        }
    }

    /// When a freeze was there, by a token that the recipient trusts. Demands come before the run, and the run before the
    /// pack: by whoever says when they were.
    fn stamped(&mut self, freeze: &Freeze, statement: &Statement) -> Option<Moment> {
        let claim = freeze.claim();
        let said = freeze
            .token()
            .and_then(|token| self.said(FREEZE_TOKEN, token, Stamped::Freeze, &freeze.sha256()));
        let began = self.jobs.iter().map(|job| job.began).min();
        if let Some(said) = &said {
            let (earliest, latest) = said.bounds;
            if latest < claim.frozen_at {
                let message = format!("stamped at {}, before it was frozen at {}", said.at, claim.frozen_at);
                self.find(&law::TIME_ORDER, FREEZE_TOKEN, message);
            }
            if earliest > statement.created_at {
                let message =
                    format!("stamped at {}, after the pack was made at {}", said.at, statement.created_at);
                self.find(&law::TIME_ORDER, FREEZE_TOKEN, message);
            }
            if let Some(began) = began.filter(|began| earliest > *began) {
                let message = format!("stamped at {}, after the job began at {began}", said.at);
                self.find(&law::TIME_ORDER, FREEZE_TOKEN, message);
            }
        }
        // A time that was given by hand is not one of the clock that the job was seen by.
        let by_clock = claim.frozen_at_source == ClockSource::SystemClock;
        if let Some(began) = began.filter(|began| by_clock && claim.frozen_at > *began) {
            let message = format!("frozen at {}, after the job began at {began}", claim.frozen_at);
            self.find(&law::TIME_ORDER, FREEZE, message);
        }
        said.filter(|said| said.trusted_by.is_some()).map(|said| said.at)
    }
}
