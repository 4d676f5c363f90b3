//! What can be found of a run: one row each, the only place where a finding's code comes from.

use crate::law::laws;

/// What a finding means for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It speaks against the run, or against what its files say of it.
    Flag,
    /// A reader should know it.
    Note,
}

laws! {
    // Files.
    RUN_NOT_JSON Flag
    "A file that is named .json is JSON."
    "It holds a bare NaN or Infinity, or is cut. It is kept as found; only what can be read of it without guessing is used."
    "Look at the line that the message names; NaN among losses or gradients means that training diverged."

    RUN_FILE_NOT_TAKEN Flag
    "Every file of the run is kept or recorded."
    "It cannot be read, changed while it was read, or is beyond a limit."
    "Run again once nothing writes to the directory."

    RUN_NAME_NOT_HELD Note
    "Every name in the directory is that of a file that a pack can hold."
    "It is a socket, a FIFO or a device, or its name has a backslash or the like, or differs from another in case or spelling alone."
    "Rename the file if it belongs to the run, then pack it again."

    RUN_LINK_NOT_FOLLOWED Note
    "The directory holds no links."
    "Where a link leads can change without the run changing, so it is not followed."
    "Copy what it leads to into the directory if it belongs to the run."

    RUN_TEXT_NOT_KEPT Flag
    "Text that tells of the run is kept whole."
    "It is too large to keep, or not UTF-8, so it is recorded by its digest and says nothing here."
    "Raise the limit if you need it."

    RUN_SAVE_UNFINISHED Flag
    "No save is in progress."
    "A file or folder of a save that did not finish lies there; it is not evidence of a result."
    "Wait for the job to end, or remove what a crash left."

    RUN_BACKUP_ONLY Flag
    "A saved folder is in its place."
    "A save was interrupted after the old folder was moved away: the backup is the only copy."
    "Rename the backup to its place, then run again."

    // The history.
    RUN_HISTORY_UNREADABLE Flag
    "The run history is an array of runs, each with its id."
    "An entry or the whole file is not what the trainer writes; it is passed over, not repaired."
    "Look at the file; restore it from a backup."

    RUN_SEVERAL Note
    "The directory holds one run."
    "Several runs left their traces; the record is about the one that the message names."
    "Name another with --run-id."

    RUN_ID_UNKNOWN Flag
    "The run that was asked for is there."
    "No run has that id, or several begin with it."
    "Give an id that the record lists, in full."

    RUN_ID_CONTRADICTION Flag
    "Files of one run name one run id."
    "Parts of different runs lie in one directory, as after a restart into the same place."
    "Find out which run each part comes from before you rely on any of them."

    RUN_SHARED_DIRECTORY Note
    "Each run has a directory of its own."
    "Later runs wrote into the same directory: files of the earlier ones may be gone or replaced."
    "Give each run its own output directory."

    RUN_TOUCHED_LATER Note
    "A row of the history is as the training job left it."
    "An evaluation rewrote the row: its completion time and status are those of the evaluation."
    "Pack a run before evaluating it."

    RUN_PATH_DANGLING Note
    "Paths that the files name exist."
    "The directory was moved or pruned since; what lay there cannot be shown."
    "Pack a run before pruning it."

    // The outcome.
    RUN_STALE Flag
    "A run that began has an end."
    "Its files say that it runs, and nothing shows it alive: it was killed, or is still running."
    "If it runs, pack it when it ends, or say so with --alive."

    RUN_STATUS_CONTRADICTION Flag
    "Everything that tells how the run ended tells the same."
    "A status disagrees with another field, or with the exit status."
    "Believe the worse of the two until you know better."

    RUN_STATUS_UNKNOWN Flag
    "The recorded status is one that the trainer writes."
    "It is another word, so nothing follows from it."
    "Look at the file."

    RUN_WEIGHTS_NOT_FINITE Flag
    "Every weight is a finite number."
    "Weights are NaN or infinite: the model is not usable, whatever the status says."
    "Train again with a smaller learning rate; do not release these weights."

    RUN_WEIGHTS_MALFORMED Flag
    "Every safetensors file keeps to its format."
    "It is cut, or its header lies about what it holds. Its tensors are not counted."
    "Save the weights again; treat their maker with suspicion if they are not yours."

    RUN_WEIGHTS_NOT_READ Note
    "Every safetensors file is read."
    "It holds a type, or a header of a size, that is not read here: nothing is known of its values."
    "Use a version of bp that knows it."

    RUN_WEIGHTS_MISSING Flag
    "A completed run left weights."
    "No file of weights is in the directory."
    "Look for them elsewhere, and pack the directory that holds them."

    RUN_LOG_NOT_FINITE Flag
    "Every logged number is finite."
    "A loss, a gradient norm or another logged number is NaN or infinite: training diverged."
    "Do not rely on averages over this run."

    // What the files say of each other.
    RUN_STEPS_CONTRADICTION Flag
    "The history and the trainer's state count the same steps."
    "One of them is from another run, or was edited."
    "Find out which."

    RUN_LOSS_CONTRADICTION Flag
    "The losses of the history are those that the trainer logged."
    "One of them is from another run, or was edited."
    "Find out which."

    RUN_CONFIG_CONTRADICTION Flag
    "The adapter has the rank, alpha and dropout that the history records."
    "The adapter is from another run, or a record was edited."
    "Believe the artifact, not the history."

    RUN_MODE_NOT_RECORDED Note
    "The history tells whether an adapter or the full model was trained."
    "It records adapter settings, and the directory holds a full model: the settings say nothing about it."
    "Believe the artifact, not the history."

    RUN_CHECKPOINT_TORN Flag
    "Every checkpoint is whole."
    "A file that every checkpoint has is missing or cut: writing it was interrupted."
    "Do not resume from it."

    RUN_MERGE_SCALE Flag
    "Each merge is scaled by one over the square root of its run's number."
    "The scale is another than the strategy gives."
    "Look at the merge configuration."

    RUN_MERGE_CHAIN Flag
    "Each merge begins with the norm that the one before it ended with."
    "A merge is missing, or is from another run."
    "Look at the merge histories of all runs."

    RUN_MERGE_CONTRADICTION Flag
    "The merge history and the run history tell the same merges."
    "One of them is from another run, or was edited."
    "Find out which."

    RUN_DATASET_CONTRADICTION Flag
    "The data set given is the one that the trainer recorded."
    "Its digest begins otherwise: the run was trained on other bytes."
    "Give the file that the run was trained on."

    RUN_DATASET_NOT_GIVEN Note
    "The data set that the trainer recorded is given."
    "The trainer keeps the first 16 digits of its digest, or none; nothing here shows which bytes they were."
    "Give the file with --dataset."

    RUN_CARD_PLACEHOLDER Note
    "A model card says something."
    "It holds the placeholders of its template: it tells nothing about this model."
    "Write the card."
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_found_and_of_one_family() {
        let codes: BTreeSet<_> = LAWS.iter().map(|law| law.code).collect();
        assert_eq!(codes.len(), LAWS.len());
        assert!(LAWS.iter().all(|row| law(row.code) == Some(row) && row.code.starts_with("RUN_")));
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
