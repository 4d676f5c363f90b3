//! What `bp` says when it cannot do what was asked: one table of codes, and the envelope that carries one.
//!
//! A finding is not an error: judging cannot fail, reading can.

use serde::Serialize;

/// A kind of error, as scripts see it.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// In capitals.
    pub name: &'static str,
    /// The exit status: 2 cannot judge, 3 invalid argument.
    pub exit: u8,
    /// Whether the same call may succeed later, unchanged.
    pub retryable: bool,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

macro_rules! codes {
    ($($name:ident $exit:literal $retryable:literal $meaning:literal $remedy:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $name: Code = Code {
                name: stringify!($name),
                exit: $exit,
                retryable: $retryable,
                meaning: $meaning,
                remedy: $remedy,
            };
        )*

        /// Every code.
        pub static CODES: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    USAGE 2 false
        "The command is incomplete, or there is no such command."
        "See `bp --help`.";
    INVALID_FLAG 3 false
        "A flag does not exist or has a value that it cannot have."
        "See the command's --help.";
    MISSING_FILE_ARG 2 false
        "The command needs a file, and none is named."
        "Name the file, or - for standard input.";
    UNKNOWN_FRAMEWORK 2 false
        "There is no importer for that framework."
        "The frameworks are pytorch, jax and tensorflow.";
    ENOENT 2 false
        "A file does not exist."
        "Check the path.";
    EACCES 2 false
        "A file may not be read or written."
        "Check its permissions and those of its folder.";
    EISDIR 2 false
        "A folder stands where a file is asked for."
        "Name a file.";
    IO_ERROR 2 true
        "Reading or writing failed."
        "Try again once the cause is gone.";
    STDIN_IS_TTY 2 false
        "Standard input was asked for and is a terminal."
        "Pipe a file in, or name one.";
    COMMAND_NOT_STARTED 2 false
        "The training command could not be started."
        "Check its name and the PATH; nothing was packed.";
    SECRETS_FOUND 1 false
        "What is to be packed holds what looks like a secret."
        "Take it out, or give --redact for what a training job left; revoke the secret if others saw it.";
    SUITE_INVALID 2 false
        "The suite cannot be judged: it demands nothing, or what cannot be."
        "Mend it as the message says; `bp pack suite check FILE` looks at it alone.";
    BP_JSONL_EMPTY 2 false
        "There is no record in the input."
        "Check that the file was written whole.";
    BP_JSONL_MULTI_RECORD 2 false
        "The input holds several records, one per line, where one is asked for."
        "Give one record.";
    BP_JSONL_PARSE_ERROR 2 false
        "A line of the input cannot be judged."
        "Look at the line and byte offset that the message names.";
    INVALID_JSON 2 false
        "The input is not strict JSON: the grammar, no repeated key, no overflow, one value."
        "Look at the byte that the message names; bytes are counted from 0.";
    INPUT_TOO_LARGE 2 false
        "The input is larger than one record may be."
        "Split the input.";
    NOT_A_RECORD 2 false
        "The input is neither a receipt nor a sidecar."
        "A receipt names schema_version, a sidecar names format.";
    UNKNOWN_VERSION 2 false
        "The record names a schema version that does not exist here."
        "Use a newer bp, or check the version.";
    NOT_REPRESENTABLE 2 false
        "A whole number in the record is too large to count with."
        "Check the record.";
    IMPORT_FAILED 2 false
        "The sidecar cannot be imported."
        "Give `bp import` the framework that recorded it, and look at the place that the message names.";
    SCHEMA_VIOLATION 1 false
        "The document breaks its schema."
        "Mend the places that the message names.";
    ENGINE_RUNTIME_ERROR 2 false
        "No step can be computed from the input."
        "See the place that the message names.";
    MISSING_TOPOLOGY_ARG 3 false
        "No step is named to start from."
        "Name one: --topology mazur, xor or iris.";
    INVALID_TOPOLOGY_ARG 3 false
        "There is no such step to start from, or no topology input can express it."
        "The steps are mazur, xor and iris; `bp generate` writes the receipts of the others.";
    MISSING_CHECK_GOLDEN 3 false
        "There is nothing to compare with."
        "Name the file to compare with: --check --out FILE.";
    RECEIPT_NOT_WRITABLE 2 false
        "A number of the step does not fit the receipt format."
        "Nine plain digits reach from 1e-13 to 1e7; nothing was written.";
    KEY_ERROR 2 false
        "A key file cannot be read, used or written."
        "A key is Ed25519 in PEM, as `bp keys new` makes it; a private half may be read by its owner alone.";
    TRUST_ERROR 2 false
        "The trust list cannot be used."
        "Mend the place that the message names, or give --trust-policy FILE or --signer KEY.";
    PACK_EXISTS 2 false
        "A pack of that name exists, and packs are never overwritten."
        "Choose another --name or --out.";
    PACK_NOT_WRITTEN 2 true
        "The pack could not be written; nothing stands under its final name."
        "Try again once the cause is gone.";
    PACK_NOT_ARCHIVED 2 false
        "The folder is not a whole pack, so no archive was made of it."
        "`bp pack verify PACK` says what is wrong with it.";
    PACK_REFUSED 1 false
        "The pack does not keep every law that was put to it, so nothing is taken from it."
        "`bp pack verify PACK` lists every finding.";
    PACK_UNREADABLE 2 false
        "There is no pack there that could be opened."
        "Name the pack's folder, the one that holds manifest.json.";
    STORE_URL_INVALID 3 false
        "That is no URL of a store, or one in which a secret stands."
        "Name a bucket, folder, repository or archive; credentials come from the environment alone.";
    STORE_UNSUPPORTED 2 false
        "The store cannot do that."
        "Choose a store that can; the message says what this one lacks.";
    STORE_NOT_SET_UP 2 false
        "The environment does not say what the store needs."
        "Set the variables that the store's own programs read: see docs/stores.md.";
    STORE_NOT_FOUND 2 false
        "There is nothing of that name in the store."
        "`bp pack list URL` tells what is there.";
    STORE_DENIED 2 false
        "The store does not let these credentials do that."
        "Check the variables of the environment, when they end, and what the account may do.";
    STORE_NAME_TAKEN 2 false
        "Other bytes stand under that name; nothing in a store is ever replaced."
        "Push under another name; `bp pack list URL` tells what is there.";
    STORE_REFUSED 2 false
        "The store answered with an error that another try would not change."
        "Look at the status and code in the message: a bucket that does not exist, a region, a size.";
    STORE_UNREACHABLE 2 true
        "The store could not be reached, or went away, as often as it was tried."
        "Try again: what is stored already is not sent twice, and nothing stands half under its name.";
    STORE_BYTES_DIFFER 1 false
        "The store gives back other bytes than were sent."
        "Do not rely on that object. Push under another name, and tell whoever runs the store.";
    STORE_OBJECT_CHANGED 2 true
        "What was read changed while it was read."
        "Try again once nobody writes there.";
    RUN_NOT_COLLECTED 2 false
        "A run directory, or a data set of it, cannot be taken in."
        "See the message: a save that was not finished, or a place where programs keep credentials, is not collected from.";
    PROVIDER_ERROR 2 false
        "The provider file cannot be used."
        "Mend the place that the message names; `bp annex init` writes a file with every key.";
    ANNEX_UNREADABLE 2 false
        "There is no answer to Annex IV there that could be read."
        "Name a pack that holds annex/annex-iv.json, or that file.";
    TEMPLATE_ERROR 2 false
        "A template cannot be used."
        "Mend the place that the message names, or leave --templates out.";
    TENSOR_REFUSED 1 false
        "A file of tensors breaks its format, or two of them cannot be compared."
        "Capture it again; the code at the head of the message names the rule that it breaks.";
    STEP_REFUSED 2 false
        "A record of an optimizer step, or its payload, is not judged: it says what no rule derives, or breaks its format."
        "See the place that the message names; a step that is refused is not a step that holds.";
    CONTRACT_UNREADABLE 2 false
        "There is nothing there that a contract could be held to."
        "See the message; nothing measured is not a pass.";
    FILE_EXISTS 2 false
        "A file of that name exists, and it is not replaced."
        "Choose another name.";
    INVALID_TIME 3 false
        "A time is not RFC 3339, or `SOURCE_DATE_EPOCH` is not a number of seconds."
        "Write it like 2026-01-31T12:00:00Z.";
    STATEMENT_ERROR 2 false
        "A file holds no statement that could be read, or its signature does not hold."
        "Get it again from whoever signed it.";
    SELF_SIGNED 2 false
        "The key sealed the pack, so it cannot vouch for it a second time."
        "Use a key of the one who signs: `bp keys new` makes one.";
    BUDGET_SPENT 2 true
        "Checking took longer than was allowed, so nothing is said of the pack."
        "Raise --budget if you expect a pack this large.";
    JSON_OUT_IN_PACK 3 false
        "The result would be written into the pack that is being checked."
        "Name a file outside the pack.";
}

/// The code of a name.
#[must_use]
pub fn code(name: &str) -> Option<&'static Code> {
    CODES.iter().copied().find(|code| code.name == name)
}

/// One error, ready to tell: a message, at most one hint, and the chain of causes.
#[derive(Debug)]
pub struct Failure {
    /// Its kind.
    pub code: &'static Code,
    /// What happened, with the place.
    pub message: String,
    /// What to do, where that is more than the code's remedy.
    pub hint: Option<String>,
    /// Why, outermost first.
    pub causes: Vec<String>,
}

impl Failure {
    /// A failure without causes.
    pub fn new(code: &'static Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, causes: Vec::new() }
    }

    /// A failure from a library error: its message, and what its sources say beyond that.
    #[must_use]
    pub fn of(code: &'static Code, error: &dyn std::error::Error) -> Self {
        let message = error.to_string();
        let causes = std::iter::successors(error.source(), |error| error.source()).map(ToString::to_string);
        let causes = causes.filter(|cause| !message.ends_with(cause)).collect();
        Self { causes, ..Self::new(code, message) }
    }

    /// This failure with a hint of its own.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The envelope of `--json`: `{"ok":false,"error":{...}}`.
    #[must_use]
    pub fn envelope(&self) -> impl Serialize + use<> {
        serde_json::json!({
            "ok": false,
            "error": {
                "code": self.code.name,
                "message": self.message,
                "hint": self.told_hint(),
                "cause": self.causes.first(),
                "retryable": self.code.retryable,
            },
        })
    }

    /// The hint that people see.
    #[must_use]
    pub fn told_hint(&self) -> &str {
        self.hint.as_deref().unwrap_or(self.code.remedy)
    }
}
