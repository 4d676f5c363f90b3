//! What is demanded of contracts: one row each, the only place where a finding's code comes from.

use crate::law::laws;

/// What a finding means for the judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The contract claims what does not hold, or cannot be held to anything.
    Broken,
    /// It holds, and says less than it could.
    Told,
}

laws! {
    // The document.
    SCHEMA "BPC-001" Broken
    "A contract is strict JSON and keeps its schema, which knows every key."
    "A key that nobody reads promises nothing."
    "Mend the place that the message names; schemas/contract.v1.schema.json has every key."

    NAME "BPC-002" Broken
    "A contract is named as its file, and no falsifier has the id of another."
    "Two promises would answer to one name."
    "Rename one of them; ids are never used again."

    REPEATED_KEY "BPC-003" Broken
    "No key stands twice in one object."
    "Readers differ in which of the two they keep."
    "Remove one of them."

    VERSION "BPC-004" Broken
    "The version is a semantic version, and the first entry of the changelog is about it."
    "Nobody could say what changed."
    "Write the changelog's entry for this version, on top."

    REFERENCE "BPC-005" Broken
    "Every path that a contract refers to is there."
    "It rests on something that is gone."
    "Mend the path, or remove the reference."

    DEPENDENCY "BPC-006" Broken
    "A contract depends on contracts that exist, and not on itself by any road."
    "What it builds on is not there, or is itself."
    "Mend depends_on."

    BINDING "BPC-007" Broken
    "A falsifier is bound to obligations of its contract, each of these to an equation, and each to a falsifier."
    "A promise is made that nothing could show to be broken, or something is tested that was not promised."
    "Mend binds_to, or add the falsifier that is missing."

    PLACEHOLDER "BPC-008" Broken
    "No text is empty or stands for one that is to come."
    "What is not written yet promises nothing."
    "Write it, or leave the promise out."

    NOT_APPLICABLE "BPC-009" Broken
    "An obligation that does not apply has a reason and an owner, and one that applies has neither."
    "An exception without a reason is a gap."
    "Give na_reason and na_owner, or remove them."

    // What shows it.
    UNBOUND "BPC-010" Broken
    "A falsifier above PROPOSED is bound to a test or a replay."
    "Its level is a word."
    "Bind it, or lower its level."

    TEST_MISSING "BPC-011" Broken
    "Every bound test is in the inventory, by its exact path."
    "The test was renamed or removed, or never was."
    "Mend the binding's path."

    TEST_TWICE "BPC-012" Broken
    "Every bound test is in the inventory once."
    "Which of them shows it cannot be told."
    "Rename one of them."

    REPLAY "BPC-013" Broken
    "Every fixture is there with its digest, and its replay ends with the status and the code that are promised."
    "What is to be rejected is not, or is for another reason; or the fixture is not the one that was meant."
    "Look at what the replay came to: the promise or the program is wrong."

    TEST_NOT_PASSED "BPC-014" Broken
    "Every bound test ran once and passed: none failed, was ignored or is missing from the results."
    "A test that did not run shows nothing."
    "Run the whole of the tests, and mend what failed."

    TEST_LINE "BPC-015" Broken
    "The line that people read is the command of the first bound test."
    "Whoever follows the line runs something else than what is bound."
    "Write the line that the message gives."

    // Levels.
    CLAIMED_ABOVE "BPC-020" Broken
    "No falsifier claims a level above the one that is derived."
    "The file says more than was shown."
    "Lower the claim, or bring the evidence."

    CLAIMED_BELOW "BPC-021" Told
    "A falsifier claims the level that is derived."
    "More was shown than the file says."
    "Raise the claim, with a new version."

    EVIDENCE "BPC-022" Broken
    "Every record of evidence, and every file that it names, is there with its digest and size."
    "What was recorded has changed since, so it shows nothing."
    "Record it anew with scripts/evidence."

    HISTORY "BPC-023" Broken
    "Evidence was made from a commit in the history of this one."
    "It is evidence about another program."
    "Record it anew from a commit that is kept."

    ORACLE "BPC-024" Broken
    "DISCHARGED rests on an independent oracle that agrees in every case, or on equal bytes from two machines."
    "Nobody but the program itself confirmed it."
    "Record the comparison with scripts/evidence, or lower the claim."

    BELOW_REQUIRED "BPC-025" Broken
    "A falsifier below the level that is required says what it waits for."
    "The gap is not explained."
    "Say it in blocked_on."

    // The set.
    ADOPTED_TOO_EARLY "BPC-030" Broken
    "An ACTIVE contract has an audit in its changelog, and every falsifier that blocks a release is where it has to be."
    "It was adopted before it was shown to hold."
    "Set its status to PROPOSED until it is."

    LEVEL_FELL "BPC-031" Broken
    "No level is below the locked one without a recorded reason."
    "What was shown once is not any more, and nobody says why."
    "Add an entry to demotions, or bring the evidence back."

    PROMISE_DROPPED "BPC-032" Broken
    "No locked contract or falsifier disappears without a recorded reason."
    "A promise was dropped silently."
    "Add an entry to retired, or set the contract to RETIRED."

    UNPROMISED "BPC-033" Broken
    "Every rule, law of packs and format of documents is covered by a falsifier, and nothing else is."
    "The program does something that no contract speaks of, or a contract speaks of something that is not there."
    "Name it in covers of the falsifier whose tests show it."

    WORD "BPC-034" Broken
    "A contract is about what the program does, and uses no word that judges systems or their makers."
    "It would promise what no program can."
    "Say what is computed and compared."

    NOT_LOCKED "BPC-035" Broken
    "What changed since the lock has a new version, and every contract is locked."
    "A promise changed under its old version."
    "Raise the version as `bp contract diff` proposes, then `bp contract lock`."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_are_found_and_rows_are_sentences() {
        assert!(LAWS.windows(2).all(|pair| pair[0].code < pair[1].code));
        for row in LAWS {
            assert_eq!(law(row.code), Some(*row));
            for text in [row.title, row.meaning, row.remedy] {
                assert!(text.ends_with('.') && text.len() > 10, "{}: {text}", row.code);
            }
        }
        assert_eq!(law("BPC-000"), None);
    }
}
