//! Transcripts of the program, run as a user runs it: arguments, exit status, standard output, standard error.
//!
//! Every run has a home of its own, hears nothing of this machine's settings, and is held to the manners of all verbs:
//! no panic, no escape sequence unless asked for, no line of text over 80 columns, and under `--json` one document on
//! standard output that keeps to its contract.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bp::schema::{self, Schema};
use serde_json::Value;

/// A real step, recorded from a JAX training loop.
const SIDECAR: &[u8] = include_bytes!("../fixtures/good/jax-sgd-step.sidecar.jsonl");

/// A home and a working directory that go away with the test.
struct Home {
    scratch: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
}

/// What one run came to.
#[derive(Debug)]
struct Ran {
    arguments: Vec<String>,
    status: i32,
    stdout: String,
    stderr: String,
}

impl Home {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("home")).unwrap();
        fs::create_dir(scratch.path().join("work")).unwrap();
        Self { scratch, environment: Vec::new() }
    }

    /// With a JAX sidecar, a receipt that holds and one that does not.
    fn furnished() -> Self {
        let home = Self::new();
        home.put("step.jsonl", SIDECAR);
        home.bp(&["generate", "mazur", "--out", "mazur.jsonl"]).ends(0);
        home.bp(&["generate", "xor", "--out", "xor.jsonl"]).ends(0);
        let mazur = home.text("mazur.jsonl");
        home.put("broken.jsonl", mazur.replace("\"total\":0.298371109", "\"total\":0.298371209"));
        home
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Where runs work.
    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.scratch.path().join("work").join(path)
    }

    fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.at(path), bytes).unwrap();
    }

    fn bytes(&self, path: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.at(path)).unwrap()
    }

    fn text(&self, path: impl AsRef<Path>) -> String {
        String::from_utf8(self.bytes(path)).unwrap()
    }

    /// The folder of the default key and the trust list.
    fn settings(&self) -> PathBuf {
        self.scratch.path().join("home/.config/bp")
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bp"));
        command
            .args(arguments)
            .current_dir(self.at(""))
            .env_clear()
            .env("HOME", self.scratch.path().join("home"))
            .env("XDG_CONFIG_HOME", self.scratch.path().join("home/.config"))
            .env("APPDATA", self.scratch.path().join("home/.config"))
            .envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }

    fn bp(&self, arguments: &[&str]) -> Ran {
        self.piped(arguments, b"")
    }

    fn piped(&self, arguments: &[&str], stdin: &[u8]) -> Ran {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A run that does not read its input may be gone before all of it is written.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let output = child.wait_with_output().unwrap();
        let ran = Ran {
            arguments: arguments.iter().map(ToString::to_string).collect(),
            status: output.status.code().expect("no signal ended it"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        ran.has_manners(self.scratch.path());
        ran
    }

    /// Builds the pack `packs/demo` of the JAX step, which says PASS.
    fn pack(&self) -> PathBuf {
        self.put("step.jsonl", SIDECAR);
        self.bp(&["pack", "run", "step.jsonl", "--name", "demo"]).ends(0);
        self.at("packs/demo")
    }
}

impl Ran {
    fn has_manners(&self, scratch: &Path) {
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        if !self.arguments.iter().any(|argument| argument.contains("always")) {
            assert!(!self.stdout.contains('\u{1b}') && !self.stderr.contains('\u{1b}'), "{self:#?}");
        }
        let scratch = scratch.to_str().unwrap();
        // Digests and paths are as long as they are; everything else has to fit.
        let is_long = |word: &str| {
            word.contains(scratch)
                || (word.len() >= 64 && word.chars().all(|digit| digit.is_ascii_hexdigit()))
        };
        let is_xml = self.stdout.starts_with("<?xml");
        let text = |line: &&str| !line.starts_with('{') && !is_xml && line.chars().count() > 80;
        let told = bare(&format!("{}\n{}", self.stdout, self.stderr));
        for line in told.lines().filter(text) {
            let words: Vec<&str> = line.split(' ').filter(|word| !is_long(word)).collect();
            assert!(words.join(" ").chars().count() <= 80, "over 80 columns: {line:?} of {self:#?}");
        }
        if self.arguments.iter().any(|argument| argument == "--json") {
            self.keeps_its_contract();
        }
    }

    /// The one document on standard output answers to its schema, with whatever other documents it holds.
    fn keeps_its_contract(&self) {
        let document = self.json();
        assert!(document["ok"].is_boolean(), "{self:#?}");
        assert_eq!(self.stdout.lines().count(), 1, "{self:#?}");
        assert_eq!(self.stderr, "", "{self:#?}");
        if document.get("error").is_some() {
            answers_to(Schema::Error, &document);
            let code = document["error"]["code"].as_str().unwrap();
            assert_eq!(bp::error::code(code).map(|code| i32::from(code.exit)), Some(self.status), "{code}");
        } else {
            assert_eq!(document["ok"], self.status == 0, "{self:#?}");
        }
        for (format, schema) in [
            ("bp-pack-verify/1", Schema::PackVerify),
            ("bp-pack-show/1", Schema::PackShow),
            ("bp-pack-diff/1", Schema::PackDiff),
            ("bp-pack-list/1", Schema::PackList),
        ] {
            if document["format"] == format {
                answers_to(schema, &document);
            }
        }
        if document.pointer("/report/format").is_some_and(|format| format == "bp-trace-verdict/1") {
            answers_to(Schema::TraceVerdict, &document["report"]);
        }
        for key in ["sidecars", "receipts"] {
            if document[key].is_object() {
                answers_to(Schema::TraceVerdict, &document[key]);
            }
        }
        for verdict in
            [document.pointer("/verdict"), document.pointer("/report/verdict")].into_iter().flatten()
        {
            if verdict.is_object() {
                answers_to(Schema::Verdict, verdict);
            }
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    #[track_caller]
    fn ends(&self, status: i32) -> &Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// The whole transcript.
    #[track_caller]
    fn is(&self, status: i32, stdout: &str, stderr: &str) {
        assert_eq!((self.stdout.as_str(), self.stderr.as_str()), (stdout, stderr), "{:?}", self.arguments);
        self.ends(status);
    }

    /// Standard error has every part, however its lines are broken, and standard output nothing.
    #[track_caller]
    fn tells(&self, status: i32, parts: &[&str]) {
        self.ends(status);
        assert_eq!(self.stdout, "", "{self:#?}");
        for part in parts {
            assert!(unfolded(&self.stderr).contains(&unfolded(part)), "{part:?} is missing in {self:#?}");
        }
    }

    /// The envelope of an error.
    #[track_caller]
    fn fails(&self, status: i32, code: &str, message: &str, hint: &str) {
        let error = &self.ends(status).json()["error"];
        let text = |key: &str| error[key].as_str().unwrap_or_default();
        assert_eq!((text("code"), text("message"), text("hint")), (code, message, hint), "{self:#?}");
    }
}

/// Text without its colours.
fn bare(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').expect("an escape sets a colour").1)
}

/// Text on one line.
fn unfolded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn answers_to(schema: Schema, document: &Value) {
    if let Err(violations) = schema::validate(schema, document) {
        panic!("{}: {violations:#?}\n{document:#}", schema.id());
    }
}

/// Every file below a folder, by its path from there.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inside) = folders.pop() {
        for entry in fs::read_dir(&inside).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in tree(from) {
        let file = to.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
}

/// The codes of the findings of a check.
fn codes(ran: &Ran) -> Vec<String> {
    let document = ran.json();
    let findings = document["findings"].as_array().unwrap();
    let mut codes: Vec<String> =
        findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect();
    codes.sort();
    codes.dedup();
    codes
}

// Arguments.

#[test]
fn help_and_version_are_data() {
    let home = Home::new();
    let version = format!("bp {}\n", env!("CARGO_PKG_VERSION"));
    home.bp(&["--version"]).is(0, &version, "");
    let long = home.bp(&["--help"]);
    assert!(long.ends(0).stdout.contains("Usage: bp [OPTIONS] <COMMAND>"), "{long:#?}");
    assert!(long.stdout.contains("Exit status: 0 pass, 1 a finding, 2 cannot judge, 3 invalid argument"));
    assert_eq!((long.stdout.as_str(), ""), (home.bp(&["-h"]).stdout.as_str(), long.stderr.as_str()));

    let verbs: [&[&str]; 19] = [
        &["reconcile", "receipt"],
        &["verify", "mazur"],
        &["verify", "general"],
        &["validate"],
        &["generate"],
        &["import"],
        &["examples"],
        &["rules"],
        &["explain"],
        &["keys", "new"],
        &["keys", "show"],
        &["keys", "default"],
        &["run", "show"],
        &["pack", "run"],
        &["pack", "verify"],
        &["pack", "show"],
        &["pack", "diff"],
        &["pack", "list"],
        &["verify-pack"],
    ];
    for verb in verbs {
        let help = home.bp(&[verb, &["--help"]].concat());
        let usage = format!("Usage: bp {}", verb.join(" "));
        assert!(help.ends(0).stdout.contains(&usage), "{help:#?}");
        assert!(help.stdout.contains("Example") || verb == ["keys", "default"], "{verb:?} has no example");
        assert_eq!(help.stderr, "");
        let json = home.bp(&[verb, &["--json", "--help"]].concat());
        assert_eq!(json.ends(0).json()["help"], help.stdout);
    }
    let version = home.bp(&["--json", "--version"]).json();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn without_arguments_the_usage_is_told() {
    let home = Home::new();
    home.bp(&[]).tells(2, &["Usage: bp [OPTIONS] <COMMAND>", "bp pack run", "Exit status:"]);
    home.bp(&["pack"]).tells(2, &["Usage: bp pack [OPTIONS] <COMMAND>"]);
    home.bp(&["--color", "never"]).is(2, "", "error: there is no command\nhelp: See `bp --help`.\n");
    home.bp(&["--json"]).fails(2, "USAGE", "there is no command", "See `bp --help`.");
    home.bp(&["--json", "keys"]).fails(2, "USAGE", "there is no command", "See `bp --help`.");
}

#[test]
fn an_unknown_verb_or_flag_gets_a_suggestion() {
    let home = Home::new();
    home.bp(&["verfy"]).is(
        2,
        "",
        "error: there is no command \"verfy\"\nhelp: did you mean \"verify\" or \"verify-pack\"?\n",
    );
    home.bp(&["--json", "pack", "rum"]).fails(
        2,
        "USAGE",
        "there is no command \"rum\"",
        "did you mean \"run\"?",
    );
    home.bp(&["pack", "run", "--unsinged"]).is(
        3,
        "",
        "error: there is no flag --unsinged\nhelp: did you mean \"--unsigned\"?\n",
    );
    home.bp(&["rules", "--jsn"]).tells(3, &["did you mean \"--json\"?"]);
    home.bp(&["rules", "--json", "--nope"]).fails(
        3,
        "INVALID_FLAG",
        "there is no flag --nope",
        "See the command's --help.",
    );
}

#[test]
fn a_missing_or_impossible_argument_is_named() {
    let home = Home::new();
    home.bp(&["verify", "general"]).is(
        2,
        "",
        "error: <FILE> is missing\nhelp: usage: bp verify general <FILE>\n",
    );
    home.bp(&["validate", "--json"]).fails(
        2,
        "MISSING_FILE_ARG",
        "<FILE> is missing",
        "usage: bp validate --json <FILE>",
    );
    home.bp(&["import", "onnx", "a.jsonl", "--json"]).fails(
        2,
        "UNKNOWN_FRAMEWORK",
        "<FRAMEWORK> cannot be \"onnx\"",
        "it is one of pytorch, jax, tensorflow",
    );
    home.bp(&["generate", "mazru"]).is(
        2,
        "",
        "error: <SEED> cannot be \"mazru\"\nhelp: did you mean \"mazur\"?\n",
    );
    home.bp(&["--color", "mauve", "rules"])
        .tells(3, &["--color <WHEN> cannot be \"mauve\"", "auto, always, never"]);
    home.bp(&["generate", "xor", "--out"]).tells(3, &["--out <FILE> has no value"]);
    home.bp(&["generate", "xor", "--out", "a", "--check"])
        .tells(3, &["--out <FILE> and --check exclude each other"]);
    home.bp(&["validate", "a", "b"]).tells(3, &["\"b\" is one argument too many"]);
    home.bp(&["rules", "-q", "-v"]).tells(3, &["exclude each other"]);
}

// Built-in steps.

#[test]
fn generate_writes_the_golden_bytes() {
    let home = Home::new();
    for (seed, size_bytes) in [("mazur", 7716), ("xor", 6957), ("iris", 19832), ("softmax-ce", 12475)] {
        let receipt = home.bp(&["generate", seed]);
        receipt.is(0, &receipt.stdout, "");
        home.bp(&["generate", seed, "--check"]).is(0, "", &format!("{seed}: equals the golden bytes\n"));
        home.bp(&["generate", seed, "--check", "--json"]).is(0, "{\"ok\":true}\n", "");
        let out = format!("{seed}.jsonl");
        home.bp(&["generate", seed, "--out", &out]).is(
            0,
            "",
            &format!("wrote {out} ({} bytes)\n", receipt.stdout.len()),
        );
        assert_eq!(home.text(&out), receipt.stdout);
        assert_eq!(receipt.stdout.len(), size_bytes, "{seed}");
        let told = home.bp(&["generate", seed, "--out", &out, "--json"]).json();
        assert_eq!(told["bytes"], size_bytes);
        home.bp(&["verify", "general", &out, "--canonical", "--strict"]).ends(0);
    }
    home.bp(&["generate", "xor", "--out", "no/such/folder"]).tells(2, &["No such file or directory"]);
}

/// The largest built-in step is longer than a pipe holds.
#[test]
fn output_longer_than_a_pipe_is_whole() {
    let home = Home::new();
    let receipt = home.bp(&["generate", "hero"]);
    assert!(receipt.ends(0).stdout.len() > 1 << 17);
    home.put("hero.jsonl", &receipt.stdout);
    home.bp(&["verify", "general", "hero.jsonl", "--canonical"]).ends(0);
}

#[test]
fn a_scaffold_is_where_a_step_of_one_s_own_starts() {
    let home = Home::new();
    for seed in ["mazur", "xor", "iris"] {
        // Data for a file, whose lines are as long as its words.
        let output = home.command(&["scaffold", "topology", "--topology", seed]).output().unwrap();
        let scaffold = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
        assert!(scaffold.starts_with("{\n  \"topology\": {\n    \"layers\": [\n"), "{scaffold}");
        let file = format!("{seed}.json");
        let told = format!("wrote {file} ({} bytes)\n", scaffold.len());
        home.bp(&["scaffold", "topology", "--topology", seed, "--out", &file]).is(0, "", &told);
        assert_eq!(home.text(&file), scaffold);
        home.bp(&["validate-input", &file]).is(0, "valid\n", "");
        home.bp(&["generate", "from-config", &file, "--out", "receipt.jsonl"]).ends(0);
        home.bp(&["verify", "general", "receipt.jsonl", "--canonical", "--strict"]).ends(0);
        if seed != "mazur" {
            // The general form of the 0.1.0 step is another receipt.
            assert_eq!(home.text("receipt.jsonl"), home.bp(&["generate", seed]).stdout);
        }
    }
    let told = home.bp(&["scaffold", "topology", "--topology", "xor", "--out", "a.json", "--json"]).json();
    assert_eq!((&told["ok"], &told["out"]), (&true.into(), &"a.json".into()));
}

#[test]
fn what_cannot_be_scaffolded_is_told() {
    let home = Home::new();
    for seed in ["softmax-ce", "hero"] {
        home.bp(&["scaffold", "topology", "--topology", seed, "--json"]).fails(
            3,
            "INVALID_TOPOLOGY_ARG",
            &format!("{seed} has a softmax, and a topology input (0.4.0) has no word for one"),
            &format!("`bp generate {seed}` writes its receipt; mazur, xor and iris can be scaffolded"),
        );
    }
    home.bp(&["scaffold", "topology", "--topology", "mazru", "--json"]).fails(
        3,
        "INVALID_TOPOLOGY_ARG",
        "--topology <NAME> cannot be \"mazru\"",
        "did you mean \"mazur\"?",
    );
    home.bp(&["scaffold", "topology", "--json"]).fails(
        3,
        "MISSING_TOPOLOGY_ARG",
        "--topology <NAME> is missing",
        "usage: bp scaffold topology --topology <NAME> --json",
    );
}

// Judging.

#[test]
fn reconcile_is_silent_when_the_record_holds() {
    let home = Home::furnished();
    home.bp(&["reconcile", "receipt", "mazur.jsonl"]).is(0, "", "");
    let broken = home.bp(&["reconcile", "receipt", "broken.jsonl"]);
    assert_eq!((broken.ends(1).stdout.as_str(), broken.stderr.lines().count()), ("", 11), "{broken:#?}");
    broken.tells(
        1,
        &[
            "receipt 0.1.0: broken\n  [FAIL] rule 12: each output's loss follows from its target and output, and the \
             total is their sum\n /loss/total (total)\n stored 0.298371209, derived 0.2983711086, gap 1.004e-7, bound",
            "[FAIL] rule 14: every stored number is what the engine computes from inputs and parameters alone\n \
             /loss/total (loss)\n stored 0.298371209, derived 0.2983711087600027, gap 1.002e-7, bound",
        ],
    );
    home.bp(&["-q", "reconcile", "receipt", "broken.jsonl"]).is(1, "", "");
    home.bp(&["-v", "reconcile", "receipt", "mazur.jsonl"]).tells(0, &["[PASS] rule 14"]);

    let pass = home.bp(&["--json", "reconcile", "receipt", "mazur.jsonl"]).json();
    assert_eq!((&pass["ok"], &pass["failures"]), (&true.into(), &Value::Array(vec![])));
    let fail = home.bp(&["--json", "reconcile", "receipt", "broken.jsonl"]);
    let places: Vec<String> = fail.ends(1).json()["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| format!("{} {}", finding["rule"], finding["at"]).replace('"', ""))
        .collect();
    assert_eq!(places, ["12 /loss/total", "14 /loss/total"]);
}

#[test]
fn verify_general_passes_fails_and_compares_bytes() {
    let home = Home::furnished();
    let limits = "This re-derives the step from its recorded inputs and parameters. It does not\n\
                  show that these were the real ones.\n";
    home.bp(&["verify", "general", "xor.jsonl"]).is(
        0,
        "",
        &format!(
            "verification passed\n\n  [PASS] schema\n  [PASS] reconcile\n\n\
             receipt 0.2.0: every rule that applies holds (216 comparisons)\n\n{limits}"
        ),
    );
    home.bp(&["verify", "general", "broken.jsonl"]).tells(
        1,
        &["verification failed\n\n  [PASS] schema\n  [FAIL] reconcile\n", "rule 12", "/loss/total"],
    );

    let spaced = home.text("xor.jsonl").replacen(':', ": ", 1);
    home.put("spaced.jsonl", spaced);
    home.bp(&["verify", "general", "spaced.jsonl"]).tells(0, &["not the canonical bytes"]);
    home.bp(&["verify", "general", "spaced.jsonl", "--canonical"]).tells(1, &["[FAIL] canonical"]);

    let misspelt = home.text("xor.jsonl").replacen("\"learning_rate\"", "\"learning_rat\"", 1);
    home.put("misspelt.jsonl", misspelt);
    home.bp(&["verify", "general", "misspelt.jsonl"])
        .tells(1, &["[FAIL] schema: broken in 2 places", "/learning_rat: unknown property"]);

    let pass = home.bp(&["--json", "verify", "general", "xor.jsonl"]).json();
    assert_eq!(pass["report"]["overall"], "pass");
    assert_eq!(pass["report"]["verdict"]["outcome"], "PASS");
    let fail = home.bp(&["--json", "verify", "general", "broken.jsonl"]).json();
    assert_eq!(fail["report"]["overall"], "fail");
    assert_eq!(fail["report"]["checks"][1]["name"], "reconcile");
    home.bp(&["--json", "verify", "general", "misspelt.jsonl"]).ends(1);
}

/// Three steps by momentum, as the engine wrote them.
const TRACE: &[u8] = include_bytes!("../fixtures/good/momentum-three-steps.trace.jsonl");

#[test]
fn verify_multi_links_the_records_of_a_trace() {
    let home = Home::new();
    home.put("trace.jsonl", TRACE);
    let passed = home.bp(&["verify", "multi", "trace.jsonl"]);
    passed.is(0, "", "verify multi passed (3 records: 3 pass, 0 insufficient, 0 fail)\n");
    home.bp(&["verify", "multi", "trace.jsonl", "--canonical"]).is(0, "", &passed.stderr);
    home.piped(&["verify", "multi", "-"], TRACE).is(0, "", &passed.stderr);

    let document = home.bp(&["--json", "verify", "multi", "trace.jsonl"]).ends(0).json();
    assert_eq!(document["report"]["outcome"], "PASS");
    assert_eq!(document["report"]["record_count"], 3);
    assert_eq!(document["report"]["per_record"], serde_json::json!([]));
    assert_eq!(document["report"]["rules_evaluated"], serde_json::json!(["9", "10", "25", "26"]));

    let teleported = include_bytes!("../fixtures/bad/9-weight-teleported-between-steps/trace.jsonl");
    home.put("broken.jsonl", teleported);
    home.bp(&["verify", "multi", "broken.jsonl"]).tells(
        1,
        &[
            "verify multi failed (3 records: 3 pass, 0 insufficient, 0 fail)\n\nacross records\n  [FAIL] rule 9",
            "/1/parameters_before/w_x1_h1",
        ],
    );
    let document = home.bp(&["--json", "verify", "multi", "broken.jsonl"]).ends(1).json();
    assert_eq!(document["report"]["passed"], 3);
    assert_eq!(
        document["report"]["cross_record_checks"][0]["findings"][0]["at"],
        "/1/parameters_before/w_x1_h1"
    );

    let invented = include_bytes!("../fixtures/bad/14-invented-update-in-a-trace/trace.jsonl");
    home.put("invented.jsonl", invented);
    home.bp(&["verify", "multi", "invented.jsonl"]).tells(1, &["record 1", "/updates/0/gradient"]);
    let document = home.bp(&["--json", "verify", "multi", "invented.jsonl"]).ends(1).json();
    assert_eq!(document["report"]["per_record"][0]["index"], 1);
}

#[test]
fn a_damaged_line_of_a_trace_is_named() {
    let home = Home::new();
    let text = String::from_utf8(TRACE.to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // A blank line is no record, and counts as a line.
    let damaged = format!("{}\n\n{}\n{}\n", lines[0], &lines[1][..100], lines[2]);
    home.put("damaged.jsonl", &damaged);
    let offset = lines[0].len() + 2;
    home.bp(&["verify", "multi", "damaged.jsonl"])
        .tells(2, &[&format!("line 3, which begins at byte {offset}")]);
    home.bp(&["--json", "verify", "multi", "damaged.jsonl"]).ends(2);
    home.put("cut.jsonl", &text[..text.len() - 100]);
    home.bp(&["verify", "multi", "cut.jsonl"]).tells(2, &["line 3"]);

    home.put("empty.jsonl", "");
    home.bp(&["verify", "multi", "empty.jsonl"]).tells(2, &["empty.jsonl: no record in it"]);
    home.put("blank.jsonl", "\n\n");
    home.bp(&["--json", "verify", "multi", "blank.jsonl"]).ends(2);
    home.bp(&["verify", "multi", "absent.jsonl"]).tells(2, &["absent.jsonl"]);

    home.put("spaced.jsonl", text.replacen(':', ": ", 1));
    home.bp(&["verify", "multi", "spaced.jsonl"]).ends(0);
    home.bp(&["verify", "multi", "spaced.jsonl", "--canonical"]).tells(1, &["[FAIL] canonical"]);
}

#[test]
fn verify_mazur_judges_the_file_it_is_given() {
    let home = Home::furnished();
    let golden = ["[PASS] byte-equal-vs-golden", "verification passed\n", "[PASS] published-anchor-drift"];
    home.bp(&["verify", "mazur"]).tells(0, &golden);
    home.bp(&["verify", "mazur", "mazur.jsonl", "--strict"]).tells(0, &golden);
    home.bp(&["--json", "verify", "mazur"]).ends(0);
    home.bp(&["verify", "mazur", "broken.jsonl"])
        .tells(1, &["[FAIL] byte-equal-vs-golden", "[FAIL] reconcile"]);
    // A sound receipt of another step: it holds, and is not Mazur's.
    home.bp(&["verify", "mazur", "xor.jsonl"]).tells(
        1,
        &["[PASS] reconcile", "[FAIL] byte-equal-vs-golden: the file differs from the golden bytes at"],
    );
}

#[test]
fn validate_looks_at_the_schema_alone() {
    let home = Home::furnished();
    for sound in ["mazur.jsonl", "broken.jsonl", "step.jsonl"] {
        home.bp(&["validate", sound]).is(0, "valid\n", "");
        home.bp(&["validate", sound, "--json"]).is(0, "{\"ok\":true}\n", "");
    }
    home.put("bad.jsonl", home.text("mazur.jsonl").replacen("\"loss\"", "\"lost\"", 1));
    let ran = home.bp(&["validate", "bad.jsonl"]);
    ran.tells(1, &["bad.jsonl: the schema is broken in ", "lost"]);
    let errors = home.bp(&["validate", "bad.jsonl", "--json"]).json();
    assert!(errors["errors"].as_array().unwrap().len() >= 2, "{errors:#}");
    let sidecar = String::from_utf8(SIDECAR.to_vec()).unwrap().replacen("\"topology\"", "\"topologie\"", 1);
    home.put("sidecar.jsonl", sidecar);
    home.bp(&["validate", "sidecar.jsonl"])
        .tells(1, &["required property \"topology\" is missing", "/topologie: unknown property"]);
}

// Input.

#[test]
fn a_dash_is_standard_input() {
    let home = Home::furnished();
    home.piped(&["reconcile", "receipt", "-"], &home.bytes("mazur.jsonl")).is(0, "", "");
    home.piped(&["validate", "-"], SIDECAR).is(0, "valid\n", "");
    home.piped(&["verify", "general", "-"], &home.bytes("broken.jsonl")).ends(1);
    home.piped(&["pack", "run", "-", "--name", "piped"], SIDECAR).is_pack("packs/piped");
    home.bp(&["verify", "general", "-"]).tells(2, &["there is no record: the input is empty"]);
}

impl Ran {
    #[track_caller]
    fn is_pack(&self, path: &str) {
        self.ends(0);
        assert_eq!(self.stdout, format!("{path}\n"), "{self:#?}");
    }
}

#[test]
fn what_cannot_be_read_is_not_judged() {
    let home = Home::furnished();
    home.bp(&["verify", "general", "missing.jsonl"]).is(
        2,
        "",
        "error: missing.jsonl: No such file or directory (os error 2)\nhelp: Check the path.\n",
    );
    home.bp(&["--json", "verify", "general", "missing.jsonl"]).fails(
        2,
        "ENOENT",
        "missing.jsonl: No such file or directory (os error 2)",
        "Check the path.",
    );
    fs::create_dir(home.at("folder")).unwrap();
    home.bp(&["validate", "folder"]).is(2, "", "error: folder is a folder\nhelp: Name a file.\n");
    home.bp(&["--json", "validate", "folder"]).fails(2, "EISDIR", "folder is a folder", "Name a file.");
}

#[cfg(unix)]
#[test]
#[allow(clippy::print_stderr, reason = "a skipped test must be heard")]
fn a_file_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::furnished();
    fs::set_permissions(home.at("mazur.jsonl"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(home.at("mazur.jsonl")).is_ok() {
        eprintln!("SKIPPED: permissions do not bind this user");
        return;
    }
    home.bp(&["--json", "verify", "general", "mazur.jsonl"]).fails(
        2,
        "EACCES",
        "mazur.jsonl: Permission denied (os error 13)",
        "Check its permissions and those of its folder.",
    );
}

#[test]
fn text_that_two_readers_read_differently_is_refused() {
    let home = Home::furnished();
    let mazur = home.bytes("mazur.jsonl");
    let deep = format!("{{\"schema_version\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let cases: [(&str, Vec<u8>, &str, &str); 9] = [
        ("empty", vec![], "BP_JSONL_EMPTY", "there is no record: the input is empty"),
        ("blank", b" \n\n".to_vec(), "BP_JSONL_EMPTY", "there is no record: the input is empty"),
        (
            "several",
            [mazur.clone(), home.bytes("xor.jsonl")].concat(),
            "BP_JSONL_MULTI_RECORD",
            "2 records stand in the input, one per line; this verb takes one",
        ),
        (
            "mark",
            [b"\xEF\xBB\xBF".to_vec(), mazur.clone()].concat(),
            "INVALID_JSON",
            "not strict JSON: byte order mark at byte 0 (line 1, column 1)",
        ),
        (
            "nan",
            b"{\"a\":NaN}".to_vec(),
            "INVALID_JSON",
            "not strict JSON: expected value at byte 5 (line 1, column 6)",
        ),
        (
            "twice",
            b"{\n \"a\":1,\n \"a\":2}".to_vec(),
            "INVALID_JSON",
            "not strict JSON: repeated key \"a\" at byte 13 (line 3, column 4)",
        ),
        (
            "deep",
            deep.into_bytes(),
            "INVALID_JSON",
            "not strict JSON: recursion limit exceeded at byte 144 (line 1, column 145)",
        ),
        (
            "cut",
            mazur[..100].to_vec(),
            "INVALID_JSON",
            "not strict JSON: EOF while parsing a string at byte 99 (line 1, column 100)",
        ),
        (
            "other",
            b"{}".to_vec(),
            "NOT_A_RECORD",
            "neither schema_version nor format says what the record is",
        ),
    ];
    for (name, bytes, code, message) in cases {
        home.put(name, bytes);
        for verb in [vec!["verify", "general"], vec!["reconcile", "receipt"], vec!["validate"]] {
            let ran = home.bp(&[verb.as_slice(), &["--json", name]].concat());
            let error = &ran.ends(2).json()["error"];
            assert_eq!(
                (&error["code"], &error["message"]),
                (&code.into(), &message.into()),
                "{verb:?} {name}"
            );
            let told = home.bp(&[verb.as_slice(), &[name]].concat());
            told.tells(2, &[&format!("error: {message} help: ")]);
        }
    }
}

#[test]
fn a_record_cannot_speak_to_the_terminal() {
    let home = Home::furnished();
    let record = home.text("mazur.jsonl").replacen('{', "{\"\\u001b[2J\\u202egone\":1,", 1);
    home.put("hostile.jsonl", record);
    let ran = home.bp(&["verify", "general", "hostile.jsonl"]);
    ran.tells(1, &["\\u{1b}[2J\\u{202e}gone"]);
    assert!(!ran.stderr.contains('\u{202e}'), "{ran:#?}");
}

// Sidecars.

#[test]
fn import_takes_the_framework_that_recorded() {
    let home = Home::furnished();
    home.bp(&["import", "pytorch", "step.jsonl"])
        .tells(2, &["error: the sidecar was recorded by jax, not by pytorch\nhelp: "]);
    let error = home.bp(&["--json", "import", "tensorflow", "step.jsonl"]);
    assert_eq!(error.ends(2).json()["error"]["code"], "IMPORT_FAILED");
    home.bp(&["import", "jax", "mazur.jsonl"]).tells(2, &["error: "]);
    home.bp(&["import", "jax", "step.jsonl", "--import-timestamp", "yesterday"]).is(
        3,
        "",
        "error: \"yesterday\" is not an RFC 3339 time in UTC\nhelp: Write it like 2026-01-31T12:00:00Z.\n",
    );
}

#[test]
fn an_imported_receipt_is_all_that_standard_output_carries() {
    let home = Home::furnished();
    let time = ["--import-timestamp", "2026-01-01T00:00:00Z"];
    let ran = home.bp(&[&["import", "jax", "step.jsonl"][..], &time].concat());
    assert!(ran.ends(0).stdout.starts_with("{\"schema_version\":\"0.4.0\""), "{ran:#?}");
    assert_eq!(ran.stdout.lines().count(), 1);
    assert!(ran.stderr.starts_with("sidecar framework-trace.v0.7.0: every rule that applies holds ("));
    home.piped(&["verify", "general", "-", "--canonical"], ran.stdout.as_bytes()).ends(0);

    let again = home.bp(&[&["-q", "import", "jax", "step.jsonl"][..], &time].concat());
    again.is(0, &ran.stdout, "");
    let out = home.bp(&[&["import", "jax", "step.jsonl", "--out", "receipt.jsonl"][..], &time].concat());
    out.tells(0, &["wrote receipt.jsonl ("]);
    assert_eq!(home.text("receipt.jsonl"), ran.stdout);
    let json = home.bp(&[&["--json", "import", "jax", "step.jsonl"][..], &time].concat()).json();
    assert_eq!(json["receipt"], ran.stdout);

    let epoch = Home::furnished().with("SOURCE_DATE_EPOCH", "1767225600");
    epoch.bp(&["-q", "import", "jax", "step.jsonl"]).is(0, &ran.stdout, "");
    let nonsense = Home::furnished().with("SOURCE_DATE_EPOCH", "soon");
    nonsense.bp(&["import", "jax", "step.jsonl"]).tells(3, &["SOURCE_DATE_EPOCH is not a number of seconds"]);
}

#[test]
fn a_sidecar_that_does_not_hold_is_told_and_its_receipt_is_still_written() {
    let home = Home::new();
    let mut sidecar: Value = serde_json::from_slice(SIDECAR).unwrap();
    let total = sidecar.pointer_mut("/loss/total").expect("the sidecar states its loss");
    *total = (total.as_f64().unwrap() + 0.25).into();
    home.put("stale.jsonl", serde_json::to_vec(&sidecar).unwrap());
    let ran = home.bp(&["import", "jax", "stale.jsonl"]);
    assert!(ran.ends(1).stderr.contains("[FAIL] rule 12"), "{ran:#?}");
    home.piped(&["verify", "general", "-"], ran.stdout.as_bytes()).ends(1);
    home.bp(&["--json", "import", "jax", "stale.jsonl"]).ends(1);
}

// Streams of sidecars.

/// A real run of three steps, recorded from PyTorch: momentum, a schedule, batches of two, float32.
const RUN: &str = include_str!("../fixtures/good/pytorch-momentum-run.sidecars.jsonl");

const MULTI: [&str; 5] = ["import", "pytorch", "multi", "--import-timestamp", "2026-01-01T00:00:00Z"];

/// The run with a change made to its records.
fn run(change: impl Fn(&mut Vec<Value>)) -> String {
    let mut records: Vec<Value> = RUN.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    change(&mut records);
    records.iter().flat_map(|record| [record.to_string(), "\n".to_owned()]).collect()
}

/// The rules that a document of an import finds broken, of records and across them.
fn broken(document: &Value) -> Vec<String> {
    let of = |rules: &Value| -> Vec<String> {
        let rules = rules.as_array().unwrap().iter().filter(|rule| rule["verdict"] == "broken");
        rules.map(|rule| rule["id"].as_str().unwrap().to_owned()).collect()
    };
    let records = document["per_record"].as_array().unwrap().iter();
    records
        .flat_map(|placed| of(&placed["record"]["rules"]))
        .chain(of(&document["cross_record_checks"]))
        .collect()
}

#[test]
fn a_stream_of_sidecars_becomes_a_trace_of_receipts() {
    let home = Home::new();
    home.put("run.jsonl", RUN);
    let ran = home.bp(&[&MULTI[..], &["run.jsonl", "--label", "nightly"]].concat());
    ran.is(
        0,
        &ran.stdout,
        "import of sidecars passed (3 records: 3 pass, 0 insufficient, 0 fail)\n\
         receipts made from them passed (3 records: 3 pass, 0 insufficient, 0 fail)\n",
    );
    let receipts: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let source = bp::digest::Digest::of(RUN.as_bytes()).prefixed();
    for (index, receipt) in receipts.iter().enumerate() {
        assert_eq!(receipt["fixture"], format!("nightly-step-{index}"));
        assert_eq!(receipt["step_index"], index);
        assert_eq!(receipt["trace_id"], "00112233445566778899aabbccddeeff");
        assert_eq!(receipt["attestor"]["import_provenance"]["source_hash"], source);
    }
    home.piped(&["verify", "multi", "-", "--canonical"], ran.stdout.as_bytes()).ends(0);

    let out = home.bp(&[&MULTI[..], &["run.jsonl", "--label", "nightly", "--out", "r.jsonl"]].concat());
    out.tells(0, &["wrote r.jsonl (3 receipts)"]);
    assert_eq!(home.text("r.jsonl"), ran.stdout);
    let piped = home.piped(&[&MULTI[..], &["-", "--label", "nightly"]].concat(), RUN.as_bytes());
    assert_eq!(piped.ends(0).stdout, ran.stdout);
    let json =
        home.bp(&[&MULTI[..], &["run.jsonl", "--json", "--label", "nightly", "--out", "r.jsonl"]].concat());
    let document = json.ends(0).json();
    assert_eq!(document["steps"], 3);
    assert_eq!(document["bundle_root_digest"], receipts[0]["attestor"]["bundle_root_digest"]);
    home.bp(&[&MULTI[..], &["run.jsonl", "--json"]].concat()).ends(3);
}

#[test]
fn a_stream_without_names_is_called_by_its_digest() {
    let home = Home::new();
    let unnamed = run(|records| {
        for record in records {
            record.as_object_mut().unwrap().retain(|key, _| key != "trace_id" && key != "step_index");
        }
    });
    home.put("run.jsonl", &unnamed);
    let ran = home.bp(&[&MULTI[..], &["run.jsonl"]].concat());
    let id = &bp::digest::Digest::of(unnamed.as_bytes()).to_string()[..32];
    let stands = |line: &str| line.contains(&format!("\"trace_id\":\"{id}\""));
    assert!(ran.ends(0).stdout.lines().all(stands), "{ran:#?}");
    home.piped(&["verify", "multi", "-", "--canonical"], ran.stdout.as_bytes()).ends(0);
}

#[test]
fn a_stream_of_two_runs_or_of_another_framework_is_refused_by_line() {
    let home = Home::new();
    let refused = |text: &str, said: &str| {
        home.put("run.jsonl", text);
        let ran = home.bp(&[&MULTI[..], &["run.jsonl", "--out", "r.jsonl"]].concat());
        let told = ran.ends(2).stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(said), "{ran:#?}");
        assert!(!home.at("r.jsonl").exists());
        assert_eq!(fs::read_dir(home.at("")).unwrap().count(), 1, "nothing half-written is left");
    };
    refused("", "no record in it");
    let second = RUN.find('\n').unwrap() + 1;
    let place = format!("line 2, which begins at byte {second}: ");
    refused(
        &run(|records| records[1]["trace_id"] = "0".repeat(32).into()),
        "trace_id is 00000000000000000000",
    );
    refused(&run(|records| records[1]["step_index"] = 2.into()), "step_index is 2, where 1 is to stand");
    refused(&run(|records| records[1]["source_framework"]["version"] = "9".into()), "framework is pytorch 9");
    let jax = [RUN.lines().next().unwrap(), "\n", std::str::from_utf8(SIDECAR).unwrap()].concat();
    refused(&jax, &format!("{place}the sidecar was recorded by jax, not by pytorch"));
    refused(&RUN[..RUN.len() - 200], "line 3, which begins at byte ");
    refused(&RUN.replacen("}\n{", "}\n{,", 1), &place);
    refused("{\"format\":\"framework-trace.v0.9.0\"}\n", "line 1, which begins at byte 0: ");
}

#[test]
fn a_trace_that_does_not_hold_is_labelled_and_written() {
    let home = Home::new();
    let judged = |text: &str| {
        home.put("run.jsonl", text);
        let ran = home.bp(&[&MULTI[..], &["run.jsonl", "--json", "--out", "r.jsonl"]].concat());
        let document = ran.ends(1).json();
        let labels: Vec<bool> =
            home.text("r.jsonl").lines().map(|line| line.contains("_disagreed")).collect();
        (broken(&document["sidecars"]), labels)
    };
    let stale = run(|records| records[1]["loss"]["total"] = 9.0.into());
    assert_eq!(judged(&stale), (vec!["14".to_owned(), "18".to_owned()], vec![false, true, false]));
    // Every record by itself holds: what breaks is the trace, by less than a record's own tolerance.
    let moved = run(|records| {
        for (map, key) in [("parameters_after", "b_h1"), ("parameters_before", "b_h1")] {
            assert!(records[1][map][key].is_number());
        }
        records[1]["parameters_before"]["b_h1"] =
            (records[1]["parameters_before"]["b_h1"].as_f64().unwrap() + 1e-8).into();
    });
    assert_eq!(judged(&moved), (vec!["9".to_owned()], vec![false, false, false]));
    let dropped = run(|records| {
        records.remove(1);
        records[1]["step_index"] = 1.into();
    });
    assert_eq!(judged(&dropped), (vec!["9".to_owned(), "25".to_owned()], vec![false, false]));
}

#[test]
fn a_stream_with_a_malformed_record_has_no_receipts() {
    let home = Home::new();
    home.put("run.jsonl", run(|records| records[1]["learning_rate"] = "fast".into()));
    let ran = home.bp(&[&MULTI[..], &["run.jsonl", "--out", "r.jsonl"]].concat());
    ran.tells(1, &["record 1, counted from 0", "no receipts were written"]);
    assert!(!home.at("r.jsonl").exists());
    let json = home.bp(&[&MULTI[..], &["run.jsonl", "--json", "--out", "r.jsonl"]].concat());
    assert!(json.ends(1).json()["receipts"].is_null());

    let tiny = run(|records| records[2]["updates"][0]["gradient"] = 1e-14.into());
    home.put("run.jsonl", tiny);
    let ran = home.bp(&[&MULTI[..], &["run.jsonl", "--out", "r.jsonl"]].concat());
    ran.tells(2, &["step 2, counted from 0"]);
    assert!(!home.at("r.jsonl").exists());
}

#[test]
fn the_recorders_are_printed_as_they_stand() {
    let home = Home::new();
    for (name, file) in [
        ("pytorch", include_str!("../scripts/extract/pytorch.py")),
        ("jax", include_str!("../scripts/extract/jax.py")),
    ] {
        let printed = home.command(&["examples", name, "--print"]).output().unwrap();
        assert_eq!((printed.status.code(), printed.stdout.as_slice()), (Some(0), file.as_bytes()));
        let digest = bp::digest::Digest::of(file.as_bytes());
        assert_eq!(home.bp(&["--json", "examples", name]).json()["source_hash"], digest.prefixed());
        assert!(home.bp(&["examples", name]).ends(0).stdout.contains(&digest.to_string()));
    }
    home.bp(&["examples", "tensorflow"]).ends(2);
}

#[test]
fn both_recorders_write_a_sidecar_in_the_same_lines() {
    let shared = |file: &'static str| {
        let begin = file.find("# == The sidecar").expect("the part begins");
        let end = file.find("# == End of the sidecar").expect("the part ends");
        &file[begin..end]
    };
    let [pytorch, jax] =
        [include_str!("../scripts/extract/pytorch.py"), include_str!("../scripts/extract/jax.py")]
            .map(shared);
    assert_eq!(pytorch, jax);
}

// Tables.

#[test]
fn rules_come_from_the_table_that_runs() {
    let home = Home::new();
    let all = home.bp(&["rules"]);
    assert_eq!(all.ends(0).stderr, "");
    for rule in &bp::reconcile::rules::RULES {
        assert!(all.stdout.contains(&format!("{:>4}  ", rule.id.to_string())), "{} in {all:#?}", rule.id);
    }
    home.bp(&["rules", "4"]).is(
        0,
        "   4  a gradient is the product of its factors\n      applies: always\n      source:  Rumelhart, \
         Hinton, Williams, Nature 323 (1986), eq. 4-8\n",
        "",
    );
    home.bp(&["rules", "--verbose"]).ends(0);
    home.bp(&["rules", "99"]).tells(3, &["error: there is no rule 99\nhelp: the rules are 0 0.8 0.9 1 2"]);
    let json = home.bp(&["--json", "rules"]).json();
    assert_eq!(json["rules"].as_array().unwrap().len(), bp::reconcile::rules::RULES.len());
    let unknown = home.bp(&["--json", "rules", "99"]);
    assert_eq!(unknown.ends(3).json()["error"]["code"], "INVALID_FLAG");
}

#[test]
fn every_code_is_explained() {
    let home = Home::new();
    home.bp(&["explain", "ENOENT"]).is(
        0,
        "ENOENT\n  means:  A file does not exist.\n  remedy: Check the path.\n",
        "",
    );
    home.bp(&["explain", "file_digest_mismatch"]).is(
        0,
        "FILE_DIGEST_MISMATCH\n  law:    Every file has the digest that the manifest states.\n  means:  It was \
         changed after sealing.\n  remedy: Get the pack again from its maker.\n",
        "",
    );
    let errors = bp::error::CODES.iter().map(|code| code.name);
    let laws = bp::pack::law::LAWS.iter().map(|law| law.code);
    for code in errors.chain(laws) {
        home.bp(&["explain", code]).ends(0);
    }
    assert_eq!(home.bp(&["--json", "explain", "SEAL_BROKEN"]).json()["code"], "SEAL_BROKEN");
    home.bp(&["explain", "NOPE"]).tells(3, &["error: there is no code \"NOPE\""]);
}

// Keys.

#[test]
fn a_new_key_is_private_and_never_replaces_one() {
    let home = Home::new();
    let made = home.bp(&["keys", "new", "--out", "seal.pem"]);
    let id = made.ends(0).stdout.lines().next().unwrap().to_owned();
    assert!(id.starts_with("key id  ") && id.len() == 72, "{made:#?}");
    assert_eq!(made.stdout, format!("{id}\nkey     seal.pem\npublic  seal.pub.pem\n"));
    let (private, public) = (home.bytes("seal.pem"), home.bytes("seal.pub.pem"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(home.at("seal.pem")).unwrap().permissions().mode() & 0o7777, 0o600);
    }
    home.bp(&["keys", "new", "--out", "seal.pem"]).is(
        2,
        "",
        "error: seal.pem: exists already, and a key file is never replaced\nhelp: Choose another --out.\n",
    );
    fs::remove_file(home.at("seal.pem")).unwrap();
    home.bp(&["keys", "new", "--out", "seal.pem"]).tells(2, &["exists already"]);
    assert_eq!(home.bytes("seal.pub.pem"), public);
    home.put("copy.pem", private);
    restrict(&home.at("copy.pem"));
    home.bp(&["keys", "show", "copy.pem"]).is(0, &format!("{id}\nkey     copy.pem\n"), "");
    home.bp(&["keys", "show", "seal.pub.pem"]).is(0, &format!("{id}\nkey     seal.pub.pem\n"), "");
    assert_eq!(
        format!("key id  {}", home.bp(&["--json", "keys", "show", "copy.pem"]).json()["key_id"])
            .replace('"', ""),
        id
    );
    home.put("text.pem", "no key\n");
    home.bp(&["keys", "show", "text.pem"]).tells(2, &["error: text.pem: "]);
    home.bp(&["--json", "keys", "show", "none.pem"]).ends(2);
    home.bp(&["--json", "keys", "new", "--out", "json.pem"]).ends(0);
}

#[cfg(unix)]
fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn restrict(_: &Path) {}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::furnished();
    home.bp(&["keys", "new", "--out", "seal.pem"]).ends(0);
    fs::set_permissions(home.at("seal.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    home.bp(&["pack", "run", "step.jsonl", "--key", "seal.pem"])
        .tells(2, &["mode 0644 lets others than the owner", "help: chmod 600 seal.pem"]);
    assert!(!home.at("packs").exists());
}

#[test]
fn the_default_key_is_made_on_first_use_and_said_so() {
    let home = Home::new();
    home.bp(&["keys", "default"])
        .tells(2, &["there is no default key yet", "help: `bp pack run` makes it on first use"]);
    assert!(!home.settings().exists());

    let first = home.bp(&["pack", "run"]);
    first.ends(0);
    for part in
        ["made a signing key (private, only on this machine)", "local trust list", "PASS: in 1 recorded"]
    {
        assert!(first.stderr.contains(part), "{first:#?}");
    }
    let pack = first.stdout.trim_end().to_owned();
    assert!(pack.starts_with("packs/built-in-jax-step-20"), "{pack}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let key = home.settings().join("default-key.pem");
        assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o7777, 0o600);
    }
    let id = home.bp(&["keys", "default"]).ends(0).stdout.lines().next().unwrap().replace("key id  ", "");

    // Here at once, by the trust list; elsewhere not.
    home.bp(&["pack", "verify", "--strict", &pack])
        .tells(0, &["PASS, proof grade: every law holds", "local default key (on your trust list)", &id]);
    let other = Home::new();
    let path = home.at(&pack).to_str().unwrap().to_owned();
    other
        .bp(&["pack", "verify", "--strict", &path])
        .tells(1, &["SIGNER_NOT_GIVEN manifest.json.sig", "Refused: 1 finding."]);
    let lax = other.bp(&["pack", "verify", &path]);
    lax.tells(0, &["warnings\n  SIGNER_UNPINNED", "Not a strict check."]);
    assert!(!lax.stderr.contains("proof grade"));
    other.bp(&["pack", "verify", "--strict", "--signer", &id, &path]).tells(0, &["proof grade"]);

    let second = home.bp(&["pack", "run", "--name", "second"]);
    assert!(!second.ends(0).stderr.contains("made a signing key"), "{second:#?}");
}

// Packs.

#[test]
fn a_pack_of_a_real_step_is_proof_grade() {
    let home = Home::new();
    home.pack();
    let text = home.bp(&["pack", "verify", "--strict", "packs/demo"]);
    text.tells(0, &["PASS, proof grade: every law holds, and the signer is one that you named.\n"]);
    let same = home.bp(&["verify-pack", "--strict", "packs/demo"]);
    assert_eq!((same.status, &same.stdout, &same.stderr), (0, &text.stdout, &text.stderr));
    let json = home.bp(&["--json", "pack", "verify", "--strict", "packs/demo"]);
    assert_eq!(json.ends(0).json()["proof_grade"], true);
    assert_eq!(json.stdout, home.bp(&["--json", "verify-pack", "--strict", "packs/demo"]).stdout);

    let stored = home.bytes("packs/demo/verify/step.json");
    answers_to(Schema::Verdict, &serde_json::from_slice(&stored).unwrap());
    let manifest = home.bytes("packs/demo/manifest.json");
    answers_to(Schema::PackManifest, &serde_json::from_slice(&manifest).unwrap());

    home.bp(&["pack", "verify", "packs/demo", "--json-out", "result.json"]).ends(0);
    answers_to(Schema::PackVerify, &serde_json::from_slice(&home.bytes("result.json")).unwrap());
    for inside in ["packs/demo/result.json", "packs/demo/verify/../result.json", "./packs/demo/verify/x.json"]
    {
        home.bp(&["pack", "verify", "packs/demo", "--json-out", inside])
            .tells(3, &["lies in the pack that is checked"]);
        home.bp(&["--json", "pack", "verify", "packs/demo", "--json-out", inside]).ends(3);
    }
    assert!(!home.at("packs/demo/result.json").exists());
    home.bp(&["pack", "archive", "packs/demo", "--out", "demo.tar.gz", "--unsigned"]).ends(0);
    let archive = home.bytes("demo.tar.gz");
    home.bp(&["pack", "verify", "demo.tar.gz", "--json-out", "./demo.tar.gz"]).ends(3);
    assert_eq!(home.bytes("demo.tar.gz"), archive);
    home.bp(&["pack", "verify", "--strict", "packs/demo"]).ends(0);
    home.bp(&["pack", "verify", "packs/none"]).is(
        2,
        "",
        "error: packs/none: No such file or directory (os error 2)\nhelp: Name the pack's folder, the one that \
         holds manifest.json.\n",
    );
    home.bp(&["--json", "pack", "verify", "packs/none"]).ends(2);
    home.bp(&["pack", "verify", "--signer", "none.pem", "packs/demo"]).ends(2);
    home.bp(&["pack", "verify", "--trust-policy", "none.toml", "packs/demo"]).ends(2);
}

#[test]
fn every_format_ends_alike_and_a_part_is_no_pass() {
    let home = Home::new();
    home.pack();
    copy(&home.at("packs/demo"), &home.at("packs/bad"));
    home.put("packs/bad/README.md", b"x");
    for (arguments, status) in [
        (&["packs/demo", "--strict"][..], 0),
        (&["packs/bad"], 1),
        (&["packs/demo", "--only", "receipts/*"], 0),
        (&["packs/demo", "--only", "receipts/*", "--strict"], 1),
        (&["packs/demo", "--only", "none"], 2),
    ] {
        for format in ["text", "json", "sarif", "junit"] {
            let ran = home.bp(&[&["pack", "verify", "--format", format][..], arguments].concat());
            ran.ends(status);
            let told = format!("{}{}", ran.stdout, ran.stderr);
            assert!(
                !arguments.contains(&"--only") || (told.contains("PARTIAL") && !told.contains("PASS")),
                "{told}"
            );
            assert_eq!(ran.stdout.is_empty(), format == "text", "{told}");
        }
    }
    home.bp(&["pack", "verify", "packs/demo", "--only", "a["]).tells(3, &["\"a[\" is no glob"]);
    home.bp(&["pack", "verify", "packs/demo", "--format", "xml"]).ends(3);
}

#[test]
fn what_packs_say_is_shown_compared_and_listed_and_not_called_checked() {
    let home = Home::furnished();
    home.pack();
    home.bp(&["pack", "run", "broken.jsonl", "--name", "worse", "--created-at", "2040-01-31T12:00:00Z"])
        .ends(1);
    let show = home.bp(&["pack", "show", "packs/demo"]);
    show.tells(0, &["verdict PASS: in 1 recorded input", "Nothing was checked"]);
    assert!(!show.stderr.contains("sidecars/step.jsonl"));
    home.bp(&["-v", "pack", "show", "packs/demo"]).tells(0, &["sidecars/step.jsonl"]);
    home.bp(&["--json", "pack", "show", "packs/worse"]).ends(0);
    home.bp(&["pack", "diff", "packs/demo", "packs/demo"]).tells(0, &["verdict: all 5 equal"]);
    home.bp(&["pack", "diff", "packs/demo", "packs/worse"])
        .tells(1, &["verdict: PASS -> FAIL", "step sha256:", "not said -> ", "Nothing was checked"]);
    let diff = home.bp(&["--json", "pack", "diff", "packs/demo", "packs/worse"]);
    assert_eq!(diff.ends(1).json()["groups"][0]["changes"][0]["what"], "inputs failed");

    // What is not the file that the manifest names is not compared, and no equality is claimed.
    copy(&home.at("packs/demo"), &home.at("packs/edited"));
    home.put("packs/edited/results/final_verdict.json", b"{}");
    home.bp(&["pack", "diff", "packs/demo", "packs/edited"]).tells(1, &["not compared:"]);
    home.bp(&["pack", "show", "packs/edited"]).tells(0, &["unread", "no sentence can be read"]);

    fs::create_dir(home.at("packs/empty")).unwrap();
    fs::create_dir(home.at("packs/odd")).unwrap();
    home.put("packs/odd/manifest.json", b"{}");
    let list = home.bp(&["pack", "list", "packs"]);
    let lines: Vec<&str> = list.ends(0).stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{list:#?}");
    assert!(lines[0].starts_with("PASS") && lines[0].ends_with("demo"), "{list:#?}");
    assert!(lines[2].starts_with("FAIL") && lines[2].ends_with("worse"), "{list:#?}");
    assert!(list.stderr.contains("odd"), "{list:#?}");
    let listed = home.bp(&["--json", "pack", "list", "packs"]).ends(0).json();
    assert_eq!(listed["packs"].as_array().unwrap().len(), 4);
    home.bp(&["pack", "list", "none"]).ends(2);
    home.bp(&["pack", "show", "packs/empty"]).ends(2);
    home.bp(&["--json", "pack", "diff", "packs/demo", "packs/odd"]).ends(2);
}

#[test]
fn every_document_of_a_pack_keeps_its_contract() {
    let home = Home::new();
    home.bp(&["pack", "run", "--suite", "bundled", "--repeats", "2", "--name", "demo"]).ends(0);
    let contract = |path: &str, format: &str| match (path, format) {
        ("results/final_verdict.json", _) => Schema::FinalVerdict,
        ("results/rule_coverage.json", _) => Schema::RuleCoverage,
        ("results/scenario_summary.json", _) => Schema::ScenarioSummary,
        ("results/category_summary.json", _) => Schema::CategorySummary,
        ("results/determinism_repeats.json", _) => Schema::DeterminismRepeats,
        (_, "bp-verdict/1") => Schema::Verdict,
        (_, "bp-traced-verdict/1") => Schema::TracedVerdict,
        _ => panic!("no contract for {path}, {format}"),
    };
    let mut kept = BTreeMap::new();
    for (path, bytes) in tree(&home.at("packs/demo")) {
        let path = path.to_str().unwrap().to_owned();
        let of_a_folder = path.starts_with("results/") || path.starts_with("verify/");
        if of_a_folder && path.contains(".json") {
            let document: Value = serde_json::from_slice(&bytes).unwrap();
            let schema = contract(&path, document["format"].as_str().unwrap());
            answers_to(schema, &document);
            // Closed: a member that the contract does not know is refused.
            let mut more = document;
            more["more"] = Value::Null;
            assert!(schema::validate(schema, &more).is_err(), "{path}");
            *kept.entry(schema.id()).or_insert(0) += 1;
        }
    }
    assert_eq!(kept.len(), 7, "{kept:?}");
}

#[test]
fn a_suite_is_frozen_before_the_job_and_the_pack_keeps_to_it() {
    let home = Home::furnished();
    let suite = r#"{"format":"bp-suite/1","name":"demo","scenarios":[
        {"id":"a","category":"demo","inputs":["mazur.jsonl"],"expected":"must_pass"},
        {"id":"b","category":"demo","inputs":["late.jsonl"],"expected":"must_pass"}]}"#;
    home.put("suite.json", suite);
    home.bp(&["pack", "suite", "freeze", "suite.json"])
        .tells(0, &["late.jsonl: not there yet", "froze suite demo as it is in suite.freeze.json"]);
    home.bp(&["pack", "suite", "freeze", "suite.json"]).tells(2, &["a freeze is not replaced"]);
    home.bp(&["--json", "pack", "suite", "freeze", "bundled", "-o", "b.json"]).ends(0);
    home.bp(&["generate", "xor", "--out", "late.jsonl"]).ends(0);
    let run = ["pack", "run", "--suite", "suite.json", "--freeze", "suite.freeze.json", "--name"];
    home.bp(&[&run[..], &["kept"]].concat()).ends(0);
    home.bp(&["pack", "verify", "--strict", "packs/kept"]).tells(0, &["proof grade", "signer's word"]);
    // What came later and was not there when it was frozen may be anything; what was there may not.
    home.put("mazur.jsonl", home.text("xor.jsonl"));
    home.bp(&[&run[..], &["other"]].concat()).tells(2, &["not as it was frozen: input mazur.jsonl:"]);
    home.put("suite.json", suite.replace("must_pass", "informational"));
    home.bp(&[&run[..], &["easier"]].concat()).tells(2, &["a suite with digest", "was frozen"]);
    home.bp(&[&run[..5], &["step.jsonl", "--name", "none"]].concat()).tells(2, &["no freeze:"]);
    assert!(!home.at("packs/easier").exists() && !home.at("packs/other").exists());
}

#[test]
fn equal_inputs_key_and_time_make_equal_packs() {
    let home = Home::furnished();
    home.bp(&["keys", "new", "--out", "seal.pem"]).ends(0);
    fs::create_dir(home.at("inputs")).unwrap();
    for name in ["step.jsonl", "mazur.jsonl", "xor.jsonl"] {
        fs::copy(home.at(name), home.at("inputs").join(name)).unwrap();
    }
    let terms = ["--key", "seal.pem", "--created-at", "2026-01-01T00:00:00Z"];
    home.bp(&[
        &["pack", "run", "mazur.jsonl", "step.jsonl", "xor.jsonl", "--out", "a", "--name", "p"][..],
        &terms,
    ]
    .concat())
        .is_pack("a/p");
    home.bp(&[&["pack", "run", "inputs", "--out", "b/c", "--name", "q"][..], &terms].concat())
        .is_pack("b/c/q");
    let pack = tree(&home.at("a/p"));
    assert_eq!(pack, tree(&home.at("b/c/q")));
    assert_eq!(pack.keys().filter(|path| path.starts_with("verify")).count(), 3);

    let key = home.at("seal.pem").to_str().unwrap().to_owned();
    let home = Home {
        environment: vec![("SOURCE_DATE_EPOCH", "1767225600".into()), ("BP_SIGNING_KEY", key)],
        ..home
    };
    home.bp(&["pack", "run", "inputs", "--out", "d", "--name", "p"]).is_pack("d/p");
    home.bp(&["pack", "run", "inputs", "--out", "d", "--name", "q"]).is_pack("d/q");
    assert_eq!(tree(&home.at("d/p")), tree(&home.at("d/q")));
    assert!(!home.settings().exists(), "a named key leaves the home alone");
}

#[test]
fn a_pack_is_never_overwritten() {
    let home = Home::new();
    let pack = home.pack();
    let before = tree(&pack);
    home.bp(&["pack", "run", "--name", "demo"]).is(
        2,
        "",
        "error: packs/demo: exists already, and a pack is never overwritten\nhelp: Choose another --name or --out.\n",
    );
    let error = home.bp(&["--json", "pack", "run", "--name", "demo"]);
    assert_eq!(error.ends(2).json()["error"]["code"], "PACK_EXISTS");
    assert_eq!(tree(&pack), before);
    let left: Vec<_> =
        fs::read_dir(home.at("packs")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["demo"]);
    home.bp(&["pack", "run", "--name", "../demo"]).tells(3, &["is no name for a pack"]);
    home.bp(&["pack", "run", "none.jsonl", "--name", "none"]).tells(2, &["none.jsonl: No such file"]);
    fs::create_dir(home.at("nothing")).unwrap();
    home.bp(&["pack", "run", "nothing"]).tells(2, &["no .json or .jsonl file in this folder"]);
    assert_eq!(fs::read_dir(home.at("packs")).unwrap().count(), 1);
}

#[test]
fn a_failed_check_is_packed_as_evidence() {
    let home = Home::furnished();
    let ran = home.bp(&["pack", "run", "broken.jsonl", "xor.jsonl", "--name", "broken"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, "packs/broken\n"), "{ran:#?}");
    assert!(ran.stderr.contains("FAIL: of 2 recorded inputs, 1 broke a rule"), "{ran:#?}");
    home.bp(&["pack", "verify", "packs/broken"]).tells(0, &["verdict  FAIL (computed again here)"]);
    home.bp(&["pack", "verify", "--strict", "packs/broken"])
        .tells(1, &["VERDICT_NOT_PASS .\n    the verdict is FAIL"]);
    let allowed = home.bp(&["pack", "verify", "--strict", "--allow-fail-verdict", "packs/broken"]);
    allowed.tells(0, &["Every law holds; the verdict of the pack is FAIL."]);
    assert!(!allowed.stderr.contains("proof grade"));

    // A record that cannot even be read is no reason to write nothing.
    home.put("cut.jsonl", &home.bytes("mazur.jsonl")[..100]);
    home.bp(&["--json", "pack", "run", "cut.jsonl", "--name", "cut"]).ends(1);
    home.bp(&["pack", "verify", "--strict", "--allow-fail-verdict", "packs/cut"]).ends(0);
    for input in
        ["packs/broken/verify/broken.json", "packs/broken/verify/xor.json", "packs/cut/verify/cut.json"]
    {
        answers_to(Schema::Verdict, &serde_json::from_slice(&home.bytes(input)).unwrap());
    }
}

#[test]
fn an_unsigned_pack_is_never_proof_grade() {
    let home = Home::new();
    home.put("step.jsonl", SIDECAR);
    let ran = home.bp(&["pack", "run", "step.jsonl", "--unsigned", "--name", "plain"]);
    assert!(ran.ends(0).stderr.contains("no seal"), "{ran:#?}");
    assert!(!home.settings().exists());
    home.bp(&["pack", "verify", "packs/plain"]).tells(0, &["PACK_UNSIGNED", "none: the pack is not sealed"]);
    home.bp(&["pack", "verify", "--strict", "packs/plain"]).tells(1, &["PACK_UNSIGNED"]);
}

/// One byte flipped in each file in turn, and the law that is broken.
#[test]
#[allow(clippy::print_stdout, reason = "the table is for reading: cargo test -- --nocapture")]
fn one_flipped_byte_is_found_wherever_it_is() {
    let home = Home::new();
    let pack = home.pack();
    let laws = [
        ("README.md", "FILE_DIGEST_MISMATCH"),
        ("annex/annex-iv.html", "FILE_DIGEST_MISMATCH"),
        ("annex/annex-iv.json", "FILE_DIGEST_MISMATCH"),
        ("annex/annex-iv.md", "FILE_DIGEST_MISMATCH"),
        ("checksums.sha256", "LEDGER_DIGEST_MISMATCH"),
        ("contracts.json", "FILE_DIGEST_MISMATCH"),
        ("manifest.json", "SEAL_BROKEN"),
        ("manifest.json.sig", "SEAL_BROKEN"),
        ("receipts/step.jsonl", "FILE_DIGEST_MISMATCH"),
        ("report.html", "FILE_DIGEST_MISMATCH"),
        ("results/final_verdict.json", "FILE_DIGEST_MISMATCH"),
        ("results/final_verdict.txt", "FILE_DIGEST_MISMATCH"),
        ("results/rule_coverage.json", "FILE_DIGEST_MISMATCH"),
        ("sidecars/step.jsonl", "FILE_DIGEST_MISMATCH"),
        ("signer.pub.pem", "FILE_DIGEST_MISMATCH"),
        ("verify/step.json", "FILE_DIGEST_MISMATCH"),
    ];
    let files: Vec<String> = tree(&pack).keys().map(|path| path.to_str().unwrap().to_owned()).collect();
    assert_eq!(files, laws.map(|(file, _)| file));
    for (file, law) in laws {
        let bytes = home.bytes(pack.join(file));
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            fs::write(pack.join(file), flipped).unwrap();
            for strict in [&["--strict"][..], &[]] {
                let arguments = [&["--json", "pack", "verify", "packs/demo"][..], strict].concat();
                let ran = home.bp(&arguments);
                let found = codes(&ran);
                ran.ends(1);
                println!("{file:<27} byte {at:>5} {:<8} {}", strict.join(""), found.join(" "));
                let finding = ran.json()["findings"].as_array().unwrap().iter().any(|finding| {
                    let path = finding["path"].as_str().unwrap();
                    // Which law a flipped manifest breaks first depends on what the byte was a part of.
                    let shape = finding["code"].as_str().unwrap().starts_with("MANIFEST_");
                    match file {
                        "manifest.json" => shape || finding["code"] == law,
                        _ => path == file && finding["code"] == law,
                    }
                });
                assert!(finding, "{file} at {at}: {found:?} has no {law}");
            }
        }
        fs::write(pack.join(file), bytes).unwrap();
    }
    home.bp(&["pack", "verify", "--strict", "packs/demo"]).tells(0, &["proof grade"]);
}

#[test]
fn files_added_removed_and_replaced_are_found() {
    let home = Home::new();
    let pack = home.pack();
    let attack = |name: &str, change: &dyn Fn(&Path)| {
        let victim = home.at("packs").join(name);
        copy(&pack, &victim);
        change(&victim);
        let ran = home.bp(&["--json", "pack", "verify", "--strict", &format!("packs/{name}")]);
        ran.ends(1);
        codes(&ran)
    };
    assert_eq!(attack("added", &|pack| fs::write(pack.join("extra"), "x").unwrap()), ["FILE_UNEXPECTED"]);
    let removed = attack("removed", &|pack| fs::remove_file(pack.join("results/final_verdict.txt")).unwrap());
    assert!(removed.contains(&"FILE_MISSING".to_owned()), "{removed:?}");
    #[cfg(unix)]
    {
        let linked = attack("linked", &|pack| {
            fs::rename(pack.join("README.md"), home.at("README.md")).unwrap();
            std::os::unix::fs::symlink(home.at("README.md"), pack.join("README.md")).unwrap();
        });
        assert!(linked.contains(&"SYMLINK".to_owned()), "{linked:?}");
    }
    assert_eq!(attack("untidy", &|pack| fs::create_dir(pack.join("empty")).unwrap()), ["DIRECTORY_EMPTY"]);
}

// Output.

#[test]
fn a_closed_pipe_is_an_error_and_no_panic() {
    let home = Home::furnished();
    for arguments in [
        vec!["rules"],
        vec!["--help"],
        vec!["--version"],
        vec!["generate", "iris"],
        vec!["--json", "verify", "mazur"],
        vec!["import", "jax", "step.jsonl"],
        vec!["pack", "run", "--name", "demo"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = home.command(&arguments).stdin(Stdio::null()).stdout(writer).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains("error: ") && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_no_panic() {
    let home = Home::furnished();
    for arguments in [vec!["rules"], vec!["generate", "iris"], vec!["--json", "rules"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = home.command(&arguments).stdin(Stdio::null()).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains("No space left on device") && !stderr.contains("panicked"), "{stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_unicode_is_a_name() {
    use std::os::unix::ffi::OsStrExt as _;
    let home = Home::new();
    let name = OsStr::from_bytes(b"odd-\xFF.jsonl");
    let arguments = [OsStr::new("--json"), "generate".as_ref(), "xor".as_ref(), "--out".as_ref(), name];
    let output = home.command(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(home.at(name).exists());
    let arguments = [OsStr::new("pack"), "run".as_ref(), name, "--name".as_ref(), "odd".as_ref()];
    assert_eq!(home.command(&arguments).output().unwrap().status.code(), Some(0));
    home.bp(&["pack", "verify", "--strict", "packs/odd"]).ends(0);
}

#[test]
fn colour_is_for_terminals_or_on_demand() {
    let home = Home::furnished();
    let painted = |arguments: &[&str], mark: &str| {
        let plain = home.bp(&[&["--color", "auto"], arguments].concat());
        let painted = home.bp(&[&["--color=always"], arguments].concat());
        assert!(painted.stderr.contains(mark), "{painted:#?}");
        assert_eq!(bare(&painted.stderr), plain.stderr);
        assert_eq!(painted.stdout, plain.stdout, "data is never painted");
        let never = home.bp(&[arguments, &["--color", "never"]].concat());
        assert_eq!(never.stderr, plain.stderr);
    };
    painted(&["verify", "general", "broken.jsonl"], "\u{1b}[31m[FAIL]\u{1b}[0m");
    painted(&["verify", "general", "mazur.jsonl"], "\u{1b}[32m[PASS]\u{1b}[0m");
    painted(&["verify", "general", "none.jsonl"], "\u{1b}[1;31merror:\u{1b}[0m");
    painted(&["verfy"], "\u{1b}[1;31merror:\u{1b}[0m");
    home.pack();
    painted(&["pack", "verify", "--strict", "packs/demo"], "\u{1b}[32mholds\u{1b}[0m");
    let json = home.bp(&["--json", "--color", "always", "rules", "99"]);
    assert!(!json.stdout.contains('\u{1b}'), "{json:#?}");
    let quiet = Home::new().with("NO_COLOR", "1").bp(&["rules", "99"]);
    assert!(!quiet.stderr.contains('\u{1b}'));
}
