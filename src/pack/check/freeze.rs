//! The freeze of a suite: who signed it, and whether the pack holds what was frozen.

use super::{Checker, Derived};
use crate::pack::manifest::Statement;
use crate::pack::plan::{Demand, Stem};
use crate::pack::{FREEZE, law};

impl Checker<'_> {
    /// Whether the key that a freeze names signed it, and what was judged is what was frozen.
    pub(super) fn freeze(&mut self, demand: &Demand, statement: &Statement, derived: &Derived) {
        let Some(freeze) = &demand.freeze else { return };
        let key_id = freeze.key_id();
        let of_seal = self.key.filter(|key| key.id() == *key_id);
        match of_seal.or_else(|| self.recipient_key(key_id)) {
            None => {
                let message = format!("signed by key {key_id}, which is not at hand");
                self.warn(&law::FREEZE_KEY_UNKNOWN, FREEZE, message);
            }
            Some(key) if !freeze.holds(&key) => {
                self.find(&law::FREEZE_BROKEN, FREEZE, format!("not by key {key_id} over these bytes"));
            }
            Some(_) => self.skip("when the suite was frozen is its signer's word"),
        }
        let inputs = &derived.conclusion.verdict.inputs;
        let sha256 = |stem: &Stem| inputs.iter().find(|input| input.stem == *stem).map(|input| input.sha256);
        let (judge, created_at) = (&statement.judge, &statement.created_at);
        for difference in freeze.claim().differences(demand, judge, created_at, sha256) {
            self.find(&law::FREEZE_DIFFERS, FREEZE, difference);
        }
    }
}
