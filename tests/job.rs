//! A training command run by `bp pack run`: its status, its output, its terminal, and what is kept of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

const TOKEN: &str = concat!("hf", "_", "AbCdEfGhIjKlMnOpQrStUvWxYz012345");

struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn bp(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bp"));
        command.current_dir(self.0.path()).env("HOME", self.0.path()).env_remove("XDG_CONFIG_HOME");
        command
    }

    /// `bp pack run ARGUMENTS -- sh -c SCRIPT`.
    fn run(&self, arguments: &[&str], script: &str) -> Output {
        self.bp()
            .args(["pack", "run", "--unsigned", "--name", "demo"])
            .args(arguments)
            .args(["--", "sh", "-c", script])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// How `bp pack run ARGUMENTS` ends that is sent SIGTERM once there is a file of this name.
    fn terminated(&self, arguments: &[&str], ready: &str) -> ExitStatus {
        let mut child = self
            .bp()
            .args(["pack", "run"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !self.at(ready).exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before there was {ready}");
            thread::sleep(Duration::from_millis(20));
        }
        let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        child.wait().unwrap()
    }

    fn record(&self) -> Value {
        serde_json::from_slice(&fs::read(self.at("packs/demo/run/run.json")).unwrap()).unwrap()
    }

    fn log(&self) -> String {
        String::from_utf8(fs::read(self.at("packs/demo/run/log.txt")).unwrap()).unwrap()
    }

    fn kept(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.at("packs")).unwrap().map(|entry| entry.unwrap().path());
        let is_kept = |path: &PathBuf| name(path).starts_with(".bp-job-");
        entries.filter(is_kept).collect()
    }
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_commands_status_is_that_of_bp_and_its_output_passes_through_and_is_kept() {
    for (script, status) in [("echo out; echo err >&2", 1), ("echo out; echo err >&2; exit 7", 7)] {
        let scratch = Scratch::new();
        let done = scratch.run(&[], script);
        // Run evidence alone shows no pass, so a job that ended well ends with 1.
        assert_eq!(done.status.code(), Some(status), "{}", told(&done));
        assert!(String::from_utf8_lossy(&done.stdout).starts_with("out\n"));
        assert!(told(&done).contains("err\n"));
        let log = scratch.log();
        assert!(log.contains("out\n") && log.contains("err\n"), "{log:?}");
        assert_eq!(scratch.kept(), Vec::<PathBuf>::new(), "what is packed is not kept twice");
    }
}

#[test]
fn a_signal_reaches_the_command_and_the_pack_is_written() {
    let scratch = Scratch::new();
    let script = "trap 'echo caught; exit 3' TERM; echo ready > ready; while :; do sleep 0.05; done";
    let arguments = ["--unsigned", "--name", "demo", "--", "sh", "-c", script];
    assert_eq!(scratch.terminated(&arguments, "ready").code(), Some(3));
    assert!(scratch.log().contains("caught"));
}

#[test]
fn a_signal_after_the_command_ends_bp() {
    use std::os::unix::process::ExitStatusExt as _;
    let scratch = Scratch::new();
    scratch.bp().args(["keys", "new", "--out", "key.pem"]).output().unwrap();
    // A key that a command holds, and that takes its time to sign.
    let holder =
        "case $BP_KEY_REQUEST in public) cat key.pub.pem;; sign) echo > signing; exec sleep 30;; esac";
    fs::write(scratch.at("holder"), holder).unwrap();
    let arguments = ["--key", "exec:sh holder", "--name", "demo", "--", "true"];
    assert_eq!(scratch.terminated(&arguments, "signing").signal(), Some(15));
}

#[test]
fn what_cannot_be_written_is_said_before_the_command_runs() {
    let scratch = Scratch::new();
    fs::write(scratch.at("packs"), "a file").unwrap();
    let done = scratch.run(&[], "echo > ran");
    assert_eq!(done.status.code(), Some(2), "{}", told(&done));
    assert!(!scratch.at("ran").exists());
}

#[test]
fn a_flag_without_effect_and_a_pack_within_a_pack_are_refused() {
    let scratch = Scratch::new();
    assert!(scratch.bp().args(["pack", "run", "--name", "base"]).status().unwrap().success());
    for (arguments, says) in [
        (&["step.json", "--freeze", "x"][..], "--freeze means nothing without --suite FILE"),
        (&["step.json", "--scenario", "x"], "--scenario means nothing without --suite FILE"),
        (&["--dataset", "x"], "means nothing without --run DIR"),
        (&["--resume"], "--resume means nothing without -- COMMAND"),
        (&["--exit-code", "3", "--", "true"], "the command's own"),
        (&["--out", "packs/base"], "is a pack"),
        (&["--out", "packs/base/new/deep"], "is a pack"),
    ] {
        let done = scratch.bp().args(["pack", "run"]).args(arguments).output().unwrap();
        let said = told(&done).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(done.status.code(), Some(3), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    assert!(scratch.bp().args(["pack", "verify", "--strict", "packs/base"]).status().unwrap().success());
}

/// `script` gives `bp` a terminal, as a person has one.
#[test]
fn on_a_terminal_the_command_has_one_too_and_what_it_draws_is_kept() {
    let scratch = Scratch::new();
    let train = "test -t 0 && test -t 1 && test -t 2 && echo all-terminals; stty size; read word; echo got-$word; exit 5";
    fs::write(scratch.at("train.sh"), train).unwrap();
    let bp = env!("CARGO_BIN_EXE_bp");
    let line = format!(
        "stty rows 33 cols 77; '{bp}' pack run --unsigned --name demo -- sh train.sh; echo status-$?; stty -a"
    );
    let mut terminal = Command::new("script")
        .args(["-q", "-e", "-c", &line, "/dev/null"])
        .current_dir(scratch.0.path())
        .env("HOME", scratch.0.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The line feed is a key that is pressed; the pipe stays open, as a keyboard does.
    let mut keyboard = terminal.stdin.take().unwrap();
    std::io::Write::write_all(&mut keyboard, b"hello\r").unwrap();
    let shown = terminal.wait_with_output().unwrap();
    drop(keyboard);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("status-5"), "{shown}");
    let log = scratch.log();
    for line in ["all-terminals", "33 77", "got-hello"] {
        assert!(shown.contains(line) && log.contains(line), "{line}: {shown}\n{log}");
    }
    // Ours is as it was before.
    let settings = &shown[shown.find("status-5").unwrap()..];
    assert!(settings.contains(" icanon") && settings.contains(" echo "), "{settings}");
}

#[test]
fn what_a_command_did_is_packed_later_without_running_it_again() {
    let scratch = Scratch::new();
    let script = "echo run >> count; mkdir -p out; echo trained";
    fs::create_dir(scratch.at("out")).unwrap();
    fs::write(scratch.at("out/train.log"), format!("token: {TOKEN}\n")).unwrap();
    let refused = scratch.run(&["--run", "out"], script);
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    assert!(told(&refused).contains("--resume"), "{}", told(&refused));
    assert!(!scratch.at("packs/demo").exists());
    assert_eq!(scratch.kept().len(), 1);
    #[cfg(unix)]
    {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&scratch.kept()[0].metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    let other = scratch.run(&["--run", "out", "--resume"], "echo another");
    assert_eq!(other.status.code(), Some(2), "{}", told(&other));
    assert!(told(&other).contains("nothing is kept"), "{}", told(&other));

    fs::write(scratch.at("out/train.log"), "no token any more\n").unwrap();
    let dry = scratch.run(&["--run", "out", "--resume", "--dry-run"], script);
    assert_eq!(dry.status.code(), Some(1), "{}", told(&dry));
    let packed = scratch.run(&["--run", "out", "--resume"], script);
    assert_eq!(packed.status.code(), Some(1), "{}", told(&packed));
    assert!(told(&packed).contains("not run again"), "{}", told(&packed));
    assert_eq!(fs::read_to_string(scratch.at("count")).unwrap(), "run\n", "the command ran once");
    assert_eq!(scratch.log(), "trained\n");
    assert!(scratch.record().to_string().contains("ended with status 0"), "{}", scratch.record());
    assert_eq!(scratch.kept(), Vec::<PathBuf>::new());

    let again = scratch.run(&["--run", "out", "--resume", "--out", "others"], script);
    assert_eq!(again.status.code(), Some(2), "what is packed is not found again: {}", told(&again));
}

#[test]
fn a_secret_in_a_record_is_masked_placed_and_told_how_to_remove() {
    let scratch = Scratch::new();
    let receipt = scratch.bp().args(["generate", "mazur"]).output().unwrap().stdout;
    let receipt = String::from_utf8(receipt).unwrap();
    let leaking = receipt.replacen("\"source\":\"", &format!("\"source\":\"{TOKEN} "), 1);
    assert_ne!(leaking, receipt);
    fs::write(scratch.at("step.jsonl"), leaking).unwrap();
    let done = scratch.bp().args(["pack", "run", "--unsigned", "step.jsonl"]).output().unwrap();
    let told = told(&done);
    assert_eq!(done.status.code(), Some(1), "{told}");
    let unfolded = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unfolded.contains("step.jsonl, line 1") && !told.contains(TOKEN), "{told}");
    assert!(unfolded.contains("--redact does not reach it"), "{told}");
}

#[test]
fn an_attachment_of_any_length_goes_into_the_pack_and_a_long_text_is_searched_for_secrets() {
    let place = Scratch::new();
    let provider =
        "schema = 'bp/provider/0.1'\n[[attachment]]\nfile = 'long'\nanswers = ['5']\nabout = 'Risks'\n";
    fs::write(place.at("provider.toml"), provider).unwrap();
    let run = |bytes: &[u8]| {
        fs::write(place.at("long"), bytes).unwrap();
        let arguments = ["pack", "run", "--name", "demo", "--provider", "provider.toml"];
        place.bp().args(arguments).output().unwrap()
    };
    // The second line begins just before the end of what is looked at in one go.
    let mut text = vec![b'x'; (1 << 20) - 10];
    text.push(b'\n');
    text.extend_from_slice(TOKEN.as_bytes());
    text.resize(9 << 20, b' ');
    let refused = run(&text);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("long, line 2: hf_***") && !told.contains(TOKEN), "{told}");
    assert_eq!(told.matches("line 2").count(), 1, "{told}");
    // In bytes that no text has, a shape is there by chance.
    let mut chance = b"\0://x:abcdefgh@ ".to_vec();
    chance.extend_from_slice(TOKEN.as_bytes());
    assert_eq!(run(&chance).status.code(), Some(0));
    fs::remove_dir_all(place.at("packs/demo")).unwrap();
    let binary: Vec<u8> = (0..20 << 20).map(|at: u32| (at % 253) as u8).collect();
    assert_eq!(run(&binary).status.code(), Some(0));
    assert_eq!(fs::read(place.at("packs/demo/annex/attachments/long")).unwrap(), binary);
    let verify =
        |arguments: &[&str]| place.bp().args(["pack", "verify", "packs/demo"]).args(arguments).output();
    assert_eq!(verify(&[]).unwrap().status.code(), Some(0));
    let limited = verify(&["--max-file-bytes", "1000000"]).unwrap();
    let told = String::from_utf8(limited.stderr).unwrap();
    assert_eq!(limited.status.code(), Some(2), "{told}");
    assert!(
        told.contains("LIMIT_EXCEEDED annex/attachments/long") && told.contains("(--max-file-bytes)"),
        "{told}"
    );
}
