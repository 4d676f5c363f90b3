//! The laws of a pack: one row each, the only place where a finding's code comes from.

use crate::law::laws;

/// What a broken law means for the judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The pack is not what it should be.
    Broken,
    /// The pack cannot be judged: something was not read.
    CannotJudge,
}

laws! {
    // Structure.
    SYMLINK Broken
    "A pack holds no symbolic link."
    "The name leads elsewhere: what it shows can change without the pack changing. It is not followed."
    "Get the pack again; copy with links resolved only if you trust where they lead."

    HARD_LINK Broken
    "Every file of a pack has one name."
    "The file has another name outside, through which it can be changed. It is not read."
    "Copy the pack, so that its files are its own, and check the copy."

    SPECIAL_FILE Broken
    "A pack holds regular files and directories only."
    "A FIFO, socket or device answers differently to each reader. It is not opened."
    "Get the pack again from its maker."

    FILE_MODE Broken
    "No file or directory of a pack is setuid, setgid (files) or world-writable."
    "Anyone on the machine could change it, or run it with another's rights."
    "Find out who changed the mode; then `chmod -R u=rwX,go=rX PACK`."

    DIRECTORY_EMPTY Broken
    "Every directory of a pack holds a file."
    "No seal covers an empty directory, so its name is not vouched for by anyone."
    "Get the pack again from its maker."

    FILE_NAME_UNSAFE Broken
    "Every name is UTF-8 in NFC without control characters or backslashes, and no component is over 255 bytes."
    "Such a name can hide from, or mislead, tools and readers."
    "Get the pack again from its maker."

    FILE_NAME_CASE_TWIN Broken
    "No two names are equal where case is ignored."
    "On some systems one of the two files replaces the other."
    "Get the pack again from its maker."

    FILE_CHANGED Broken
    "No file changes while it is checked."
    "What was looked at and what was read are not the same."
    "Make sure nothing writes to the pack, and check again."

    FILE_UNREADABLE CannotJudge
    "Every file can be read."
    "The system refused, so this file is not checked."
    "Look at the permissions and the disk, and check again."

    LIMIT_EXCEEDED CannotJudge
    "A pack stays within the limits of the one who checks it."
    "What lies beyond the limit is not checked."
    "Raise it if you expect a pack this large: --max-files, --max-file-bytes, --max-total-bytes."

    // Archives.
    ARCHIVE_MALFORMED Broken
    "An archive is one gzip member or zstd frame that holds ustar headers and what they announce."
    "What programs make of such bytes differs between them. Nothing after that place is read."
    "Get the archive again; `bp pack archive` and `tar --format=ustar` write what is read here."

    ARCHIVE_CUT Broken
    "An archive ends with two blocks of zeros."
    "Its end is missing: it was not transferred whole."
    "Get the archive again."

    ARCHIVE_ORDER Broken
    "An archive begins with manifest.json, and a seal comes second."
    "Whoever reads it as it streams by could not hold the files before the manifest against anything."
    "Extract it with tar, look at what it holds, and let `bp pack archive` make it anew."

    ARCHIVE_PATH_TWICE Broken
    "An archive names a path once."
    "Which of the two a program keeps differs between programs."
    "Get the archive again; treat its maker's tools with suspicion."

    ARCHIVE_SPARSE Broken
    "No file of an archive has holes."
    "A few bytes can stand for more than a disk holds. It is not read."
    "Get the archive again; `bp pack archive` writes files as they are."

    ARCHIVE_EXTENSION Broken
    "The only extension in an archive is a path that no ustar header holds."
    "Extensions change what headers say, and programs differ in which they follow. Nothing after it is read."
    "Get the archive again; `bp pack archive` and `tar --format=ustar` write none."

    ARCHIVE_TRAILING_DATA Broken
    "Nothing but zeros lies between the files of an archive, and nothing after its end."
    "Bytes that no entry announces can carry what nobody sealed."
    "Get the archive again."

    ARCHIVE_BOMB Broken
    "An archive unfolds to no more than 5,000 times its length, once it is over 64 MiB."
    "It is made to fill memory or a disk. It is not read on."
    "Do not unpack it; ask its maker what it is."

    // Manifest.
    MANIFEST_MISSING Broken
    "A pack has a manifest.json."
    "Without it nothing says what the pack should hold."
    "Get the pack again from its maker."

    MANIFEST_NOT_STRICT_JSON Broken
    "The manifest is one strict JSON value: no key repeats, nothing follows it."
    "Two readers could take it to say two things."
    "Get the pack again from its maker."

    MANIFEST_FORMAT Broken
    "The manifest's format is bp-pack/1."
    "It is another document, or one of another version."
    "Use a version of bp that reads this format."

    MANIFEST_SHAPE Broken
    "The manifest has exactly the members of its schema."
    "A member is missing, unknown or of the wrong kind."
    "Get the pack again from its maker."

    MANIFEST_NOT_CANONICAL Broken
    "The manifest is canonical JSON (RFC 8785)."
    "It says what it said in other bytes: it was written by something else than what makes packs."
    "Get the pack again from its maker."

    MANIFEST_ARTIFACTS_UNSOUND Broken
    "The manifest lists each sealed file once, sorted by path, and none of the three root files."
    "A list that repeats or reorders can be read in two ways."
    "Get the pack again from its maker."

    // Seal and signer.
    PACK_UNSIGNED Broken
    "A pack is sealed."
    "Nothing shows who made it, or that it was not changed since."
    "Ask its maker for a sealed pack."

    SEAL_MISSING Broken
    "A manifest that names a key has its seal beside it."
    "The seal was taken away."
    "Get the pack again from its maker."

    SEAL_UNDECLARED Broken
    "A seal lies only beside a manifest that names its key."
    "The manifest says that the pack is not sealed, yet something calls itself its seal."
    "Get the pack again from its maker."

    SEAL_LENGTH Broken
    "A seal is 64 bytes long."
    "It is cut, or is something else."
    "Get the pack again from its maker."

    SEAL_BROKEN Broken
    "The seal is the named key's signature over the exact bytes of manifest.json."
    "The manifest, or the seal, was changed after sealing, or the key never sealed it."
    "Do not rely on anything the pack says; get it again from its maker."

    SEAL_BY_OTHER_KEY Broken
    "The seal is by the key that the manifest names."
    "It holds, but for another key than the manifest claims."
    "Do not rely on anything the pack says; get it again from its maker."

    SEAL_KEY_UNKNOWN Broken
    "The public key of the seal is at hand."
    "Neither you nor the pack has the key that the manifest names, so the seal is not checked."
    "Give the signer's public key with --signer KEY.pem."

    SIGNER_NOT_GIVEN Broken
    "Strict verification knows from the recipient whom to believe."
    "The seal holds, but a key that only the pack vouches for is not trust."
    "Give --signer KEY.pem or its key id, from a source other than the pack, or keep a trust list."

    SIGNER_NOT_PINNED Broken
    "The pack is sealed by a signer that the recipient named."
    "Someone else sealed it."
    "Compare the key ids; if the signer has a new key, get it from them by another way."

    SIGNER_UNPINNED Broken
    "The signer is known to the recipient."
    "The seal holds under a key that only the pack vouches for: anyone can make one."
    "Give --signer KEY.pem or its key id, from a source other than the pack."

    SIGNER_FILE_MISMATCH Broken
    "signer.pub.pem holds the key that the manifest names, in its one spelling."
    "The key beside the pack is not the one that sealed it."
    "Get the pack again from its maker."

    // Ledger.
    LEDGER_MISSING Broken
    "A pack has a checksums.sha256."
    "Without it the pack cannot be checked without bp."
    "Get the pack again from its maker."

    LEDGER_DIGEST_MISMATCH Broken
    "The ledger has the digest that the manifest states."
    "The ledger was changed after sealing; files are held against the manifest's own list instead."
    "Get the pack again from its maker."

    LEDGER_LINE_MALFORMED Broken
    "Every line of the ledger is 64 lower-case hexadecimal digits, two spaces and a path."
    "A line that some tools skip and others count can hide a file."
    "Get the pack again from its maker."

    LEDGER_PATH_UNSAFE Broken
    "Every path of the ledger stays within the pack."
    "The path is absolute, climbs with `..`, or is spelt in a way that misleads. It is not opened."
    "Get the pack again; treat its maker's tools with suspicion."

    LEDGER_PATH_TWICE Broken
    "The ledger lists a path once."
    "Two lines for one file can contradict each other."
    "Get the pack again from its maker."

    LEDGER_UNSORTED Broken
    "The ledger is sorted by the bytes of its paths."
    "It was not written by what makes packs."
    "Get the pack again from its maker."

    LEDGER_CASE_TWIN Broken
    "No two paths of the ledger are equal where case is ignored."
    "On some systems one of the two files replaces the other."
    "Get the pack again from its maker."

    LEDGER_NO_FINAL_NEWLINE Broken
    "The ledger's last line ends."
    "It is cut, or was not written by what makes packs."
    "Get the pack again from its maker."

    LEDGER_ARTIFACTS_DIFFER Broken
    "The ledger and the manifest list the same files with the same digests."
    "Those who check with sha256sum and those who check with bp would check different files."
    "Get the pack again; its maker's tools are broken or hostile."

    // Files.
    FILE_MISSING Broken
    "Every sealed file is there."
    "It was taken away after sealing."
    "Get the pack again from its maker."

    FILE_UNEXPECTED Broken
    "Every file there is sealed."
    "It was added after sealing; nobody vouches for it. It is not read."
    "Remove it if you know what it is, or get the pack again."

    FILE_SIZE_MISMATCH Broken
    "Every file has the size that the manifest states."
    "It was changed after sealing. It is not read."
    "Get the pack again from its maker."

    FILE_DIGEST_MISMATCH Broken
    "Every file has the digest that the manifest states."
    "It was changed after sealing."
    "Get the pack again from its maker."

    // What follows from the evidence.
    RECEIPT_NOT_REDERIVED Broken
    "A receipt that was imported is what its sidecar gives."
    "The receipt was edited, or imported from something else, before sealing."
    "Believe the sidecar, not the receipt; ask the maker."

    VERDICT_NOT_REDERIVED Broken
    "The verdict on each input is the one that judging it gives."
    "The stored verdict was edited before sealing, or was made by another judge than stated."
    "Believe the verdict computed here; ask the maker."

    RUN_NOT_REDERIVED Broken
    "The record of a run is what its stored evidence gives."
    "Status, losses or settings of the run were edited before sealing."
    "Rely on what this check derives; ask the maker for a pack that says the same."

    RUN_EVIDENCE_UNSOUND Broken
    "The evidence of a run has all its parts, and no other."
    "What the run was cannot be derived from it."
    "Get the pack again from its maker."

    STEP_NOT_REDERIVED Broken
    "The verdict on each sampled step, and what they come to together, are what records and payloads give."
    "Someone changed it, or it was made by another judge."
    "Judge the step itself: `bp step verify`."

    STEP_UNSOUND Broken
    "Each record of a sampled step can be judged, and a verdict that cannot be derived again fits its record."
    "What a sampled step shows cannot be said."
    "Get the pack again from its maker."

    TENSORS_NOT_REDERIVED Broken
    "What captured tensors come to is what the captures give."
    "Someone changed it, or it was made by another judge."
    "Compare the captures themselves: `bp tensor diff`, `bp tensor check`."

    TENSORS_UNSOUND Broken
    "A capture in the pack is whole, and what its index says."
    "What the captured tensors show cannot be said."
    "Get the pack again from its maker."

    STEP_PAYLOAD_ABSENT CannotJudge
    "The tensors of each sampled step are there, in the pack or beside it."
    "Without them the verdict on the step is the maker's word."
    "Get the payload from the maker, and name its folder: `--payload-dir DIR`."

    MANIFEST_SUBJECT_MISMATCH Broken
    "The manifest is about the run and the weights that the evidence shows."
    "Whoever reads the manifest alone takes the pack to be about something else."
    "Rely on the run's record, or ask the maker for a pack that says the same."

    RESULT_NOT_REDERIVED Broken
    "The results are what the verdicts add up to."
    "A summary says something else than the evidence."
    "Believe the result computed here; ask the maker."

    ANNEX_PAPERS_UNSOUND Broken
    "What people put beside the evidence can be read: the provider's file, and what is known of the pack before."
    "What they say cannot be told, so the answer to Annex IV follows without it."
    "Ask the maker for a pack with sound files under annex/."

    ANNEX_NOT_REDERIVED Broken
    "The answer to Annex IV and its renderings are what the evidence, the provider's file and the catalogue give."
    "A status, a statement or a page of it was edited before sealing."
    "Rely on the answer that `bp annex check PACK` derives; ask the maker."

    ANNEX_FACET_MISSING Broken
    "The answer to Annex IV has every clause of the catalogue, in order, and prints each with what is open in it."
    "Something that is open could be overlooked."
    "Rely on the answer that `bp annex check PACK` derives; ask the maker."

    ANNEX_EVIDENCE_DANGLING Broken
    "Every file that the answer to Annex IV names lies in the pack, with the digest that is named."
    "A claim rests on a file that is not there, or is another."
    "Do not rely on the claim; ask the maker."

    ANNEX_BANNED_WORD Broken
    "No rendering of the answer to Annex IV uses a word that judges, unless someone outside is quoted with it."
    "A pack shows evidence; whether the law is kept is for others to say."
    "Ask the maker for a pack with other templates."

    ANNEX_TEMPLATE_BROKEN Broken
    "The templates of a pack render, within what a template may use."
    "The pages of the answer to Annex IV cannot be derived from it."
    "Ask the maker for a pack with other templates."

    MANIFEST_ANNEX_MISMATCH Broken
    "The manifest names the catalogue and the templates by which the answer to Annex IV follows."
    "A template was changed, or the answer is to another catalogue than stated."
    "Ask the maker which templates are theirs."

    MANIFEST_PARENT_MISMATCH Broken
    "The manifest names the pack before it that the answer to Annex IV compares with, and none when there is none."
    "Whoever reads the manifest alone takes the pack to follow another."
    "Ask the maker which pack came before."

    CONTRACTS_NOT_REDERIVED Broken
    "contracts.json is what the program that made the pack carries."
    "The pack claims promises that its maker never made, or leaves some out."
    "Get the pack again from its maker."

    PAGE_NOT_REDERIVED Broken
    "README.md and report.html are what the evidence gives."
    "Its text was edited before sealing."
    "Do not rely on its text; ask the maker."

    FILE_NOT_SEALED Broken
    "Everything that follows from the evidence is in the pack."
    "A verdict or summary that must be there was left out before sealing."
    "Ask the maker for a whole pack."

    FILE_UNACCOUNTED Broken
    "Every sealed file is evidence, or follows from it."
    "The signer vouches for it, yet nothing in the layout says what it is."
    "Ask the maker what it is; use a version of bp that knows this layout."

    PACK_ID_MISMATCH Broken
    "The pack id is the one that the sealed files give."
    "The id was taken from another pack, or invented."
    "Ask the maker."

    MANIFEST_VERDICT_MISMATCH Broken
    "The manifest's verdict and counts are what the evidence comes to."
    "The manifest claims another outcome than the evidence gives."
    "Believe the verdict computed here; ask the maker."

    MANIFEST_SUITE_MISMATCH Broken
    "The manifest names the suite that lies in the pack, and none when there is none."
    "Whoever reads the manifest alone takes the pack for an answer to other demands."
    "Rely on the suite in the pack, or ask its maker for a pack that says what it answers to."

    SUITE_UNSOUND Broken
    "A suite in a pack is one that demands something, with the selection that was judged beside it."
    "What the inputs were to come to cannot be read, so no verdict follows from them."
    "Get the pack again from its maker; `bp pack suite check` says what is wrong with a suite."

    FREEZE_UNSOUND Broken
    "A freeze in a pack is a signed statement of one suite, its inputs and its criteria."
    "That the demands came first cannot be read from it, so no verdict follows from them."
    "Get the pack again from its maker; `bp pack suite freeze` makes such a statement."

    FREEZE_BROKEN Broken
    "The freeze is signed by the key that it names."
    "It was changed after it was signed, or the key never signed it: nothing shows that the demands came first."
    "Do not rely on the suite as one that came before the job; ask its maker."

    FREEZE_KEY_UNKNOWN Broken
    "The public key of the freeze is at hand."
    "It is neither the key of the seal nor one that you named, so its signature is not checked."
    "Give the key with --signer KEY.pem, beside that of the seal."

    FREEZE_KEY_NOT_BELIEVED Broken
    "A suite is frozen by a key that was believed then: at the time that a trusted token says, else at the time of the check."
    "Your trust list does not believe the key, and the signer's own word on when it signed shows nothing."
    "Do not rely on the suite as one that came before the job, unless a token that you trust is older than the revocation."

    FREEZE_DIFFERS Broken
    "A pack that names a freeze holds the suite, the inputs and the criteria that were frozen, and was made after it."
    "What was judged is not what was to be judged before the job ran."
    "Compare the two suites; ask the maker why they differ."

    MANIFEST_JUDGE_MISMATCH Broken
    "A judge of this version has this version's rules and policy."
    "The manifest names our version with another set of rules or bounds."
    "Ask the maker what judged it."

    MANIFEST_ARTIFACT_MISDESCRIBED Broken
    "The role and media type of each file are those of its place."
    "The manifest calls a file something that it is not."
    "Ask the maker."

    PART_MATCHES_NOTHING CannotJudge
    "A part that is to be checked holds a sealed file."
    "No sealed file has a path that the globs match, so nothing was compared."
    "Name another part: `bp pack show PACK` lists the paths."

    PART_NOT_WHOLE Broken
    "Strict verification looks at the whole pack."
    "The check was held to a part; what lies outside it was not read, and no verdict was computed again."
    "Leave out --only, or --strict."

    // Beside the seal.
    SIGNER_REVOKED Broken
    "No key seals that the recipient has revoked."
    "Your trust list says that this key is not to be believed any more."
    "Ask the maker for a pack sealed by another key."

    SIGNER_NOT_VALID Broken
    "A key seals only within the time for which it is believed."
    "Your trust list believes this key for another time, or what time it is was not said."
    "Ask the maker for a pack sealed by a key that is valid."

    SIGNER_IN_ANOTHER_ROLE Broken
    "A pack is sealed by a key that is listed for sealing."
    "Your trust list has this key for something else."
    "Ask the maker which key seals."

    ADDITION_UNSOUND Broken
    "What was added is one statement in one canonical DSSE envelope, with one signature by the key that it names."
    "Somebody put something else there, or wrote it again in another way."
    "Remove the file, or get it again from whoever signed it."

    ADDITION_SIGNATURE_BROKEN Broken
    "The signature of each added statement holds."
    "What it says is not what was signed."
    "Remove the file, or get it again from whoever signed it."

    ADDITION_OF_ANOTHER_PACK Broken
    "Each added statement names this pack, and files that were sealed in it."
    "It was signed for something else."
    "Remove it; it belongs to the pack that it names."

    ADDITION_BY_UNKNOWN_KEY Broken
    "Each added statement is signed by a key on the recipient's list; a co-signature by one that is named for the check."
    "Anyone can sign and add a statement; this one counts for nothing."
    "`bp trust add` the key (`--co-signer` for P-256) once you know whose it is, or remove the file."

    ADDITION_KEY_NOT_BELIEVED Broken
    "A listed key signs in its role, in its time, and unless it is revoked."
    "Your list has the key, and not for this."
    "Ask whoever signed for a statement by a key that is believed."

    TIMESTAMP_UNSOUND Broken
    "A time stamp is one RFC 3161 token in DER, under the digest of its bytes, with nothing before or after it."
    "What lies there is another thing, or was changed since it was put there."
    "Remove the file, or get the token again: `bp timestamp request`, then `attach`."

    TIMESTAMP_OF_OTHER_BYTES Broken
    "A token stamps what it lies beside: the manifest, or the freeze of the suite."
    "It shows when something else was there."
    "Remove it; it belongs to the bytes that it names."

    TIMESTAMP_BROKEN Broken
    "A token holds: its signature, the certificate that it names, the purpose of the key, and its validity at that time."
    "What it says of a time was not signed by a key that may say so."
    "Remove the file, or get a token again."

    TIMESTAMP_UNTRUSTED Broken
    "A certificate that the recipient named vouches for the key of each token."
    "The token holds, and anybody can make one: its time is not verified, and counts for nothing."
    "Give the root of the authority with --tsa-root FILE, from a source other than the pack, or put it on your trust list."

    TIMESTAMP_TOO_LATE Broken
    "The pack was stamped within the time that the recipient demands."
    "Between the time that it claims and the time that an authority vouches for, there was room to make it."
    "Ask for a pack that was stamped when it was made."

    ADDITION_FILE_MISMATCH Broken
    "Each file beside a sign-off is named by one, by its digest, and is there."
    "It is not what was signed for."
    "Remove it, or get the sign-off again with its files."

    ATTESTATION_CONTRADICTED Broken
    "An attested verdict is the one that the evidence gives."
    "Whoever attested saw another verdict than the one computed here."
    "Ask them; believe what is computed from the evidence."

    SIGNERS_SHARE_A_KEY Broken
    "Whoever seals, verifies and signs off does so under a key of their own."
    "A seal that vouches for itself is one signature and not two."
    "Have the pack checked, or signed off, under another key."

    SIGNOFF_REJECTS Broken
    "No sign-off rejects what the pack shows."
    "A person looked and said no."
    "Read the sign-off."

    TIME_ORDER Broken
    "What is signed was there before it was signed."
    "By the words of those who signed, the order of times is impossible."
    "Ask whose clock was wrong."

    PARENT_NOT_EXPECTED Broken
    "The pack follows the one that the recipient named."
    "It names another pack before it, or none: it belongs to another lineage, or its history was cut."
    "Ask the maker which pack came before."

    CHALLENGE_NOT_EXPECTED Broken
    "The sampled steps answer the beacon, and the commitments, that the recipient named."
    "Whoever chooses the beacon, or commits after it is known, chooses the steps that are shown."
    "Ask the maker for the steps that your beacon asks for, over the commitments as they were published."

    PACK_NOT_EXPECTED Broken
    "The pack is the one that the recipient named."
    "It may be an honest pack, and it is another one."
    "Get the pack that you asked for."

    SUBJECT_NOT_EXPECTED Broken
    "The pack is about each artifact that the recipient named."
    "What it shows was shown of something else."
    "Get the pack for your artifact, or ask why it differs."

    INPUT_NOT_EXPECTED Broken
    "The pack rests on each input that the recipient named."
    "It rests on something else."
    "Ask the maker what it rests on."

    PACK_TOO_OLD Broken
    "The pack is no older than the recipient allows, by its own word."
    "It may have been followed by another."
    "Ask for a new pack."

    JUDGE_TOO_OLD Broken
    "The verdict is by a judge that is new enough for the recipient."
    "Later judges may have learnt to see more."
    "Ask for a pack by a later version."

    POLICY_THRESHOLD Broken
    "There are as many attestations, sign-offs and time stamps as the recipient's policy asks for."
    "Too few of those whom you believe have signed."
    "`bp signoff list` shows who has."

    POLICY_PREDICATE Broken
    "There is each kind of statement that the recipient's policy asks for."
    "Nobody whom you believe has stated it."
    "Ask for it."

    VERDICT_NOT_PASS Broken
    "In strict verification the verdict is PASS."
    "The pack is evidence of a check that did not pass."
    "Read results/final_verdict.txt; --allow-fail-verdict checks such a pack as evidence."
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_found() {
        let codes: BTreeSet<_> = LAWS.iter().map(|law| law.code).collect();
        assert_eq!(codes.len(), LAWS.len());
        assert!(LAWS.iter().all(|row| law(row.code) == Some(row)));
        assert_eq!(law("NONE"), None);
    }

    #[test]
    fn every_row_says_something_in_sentences() {
        for law in LAWS {
            for text in [law.title, law.meaning, law.remedy] {
                assert!(text.ends_with('.') && text.len() > 10, "{}: {text}", law.code);
            }
        }
    }
}
