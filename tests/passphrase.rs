//! Where a passphrase comes from: a terminal, a descriptor, a file; and what is no passphrase.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const BP: &str = env!("CARGO_BIN_EXE_bp");
const PASSPHRASE: &str = "correct horse battery staple";

/// A folder with a key under the passphrase, and the id of it.
fn desk() -> (tempfile::TempDir, String) {
    let desk = tempfile::tempdir().unwrap();
    fs::write(desk.path().join("passphrase"), format!("{PASSPHRASE}\n")).unwrap();
    let made =
        shell(desk.path(), "BP_KEY_PASSPHRASE_FILE=passphrase $BP keys new --encrypt --out sealed.pem");
    assert!(made.status.success(), "{}", said(&made));
    let id = said(&shell(desk.path(), "$BP keys show sealed.pub.pem"));
    (desk, id.split_whitespace().find(|word| word.len() == 64).unwrap().to_owned())
}

fn shell(folder: &Path, line: &str) -> Output {
    Command::new("sh")
        .args(["-c", line])
        .env("BP", BP)
        .env_remove("BP_KEY_PASSPHRASE_FILE")
        .env_remove("BP_KEY_PASSPHRASE_FD")
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn shows(folder: &Path, line: &str, status: i32, wanted: &str) {
    let output = shell(folder, line);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(status), "{line}: {text}");
    assert!(text.contains(wanted), "{line}: {text}");
}

/// Runs a command on a terminal of its own and answers each prompt once it is there. None without `script` (util-linux).
fn on_a_terminal(folder: &Path, arguments: &str, answers: &[(&str, &str)]) -> Option<(i32, String)> {
    let child = Command::new("script")
        .args(["--quiet", "--return", "--command", &format!("{BP} {arguments}"), "/dev/null"])
        .env_remove("BP_KEY_PASSPHRASE_FILE")
        .env_remove("BP_KEY_PASSPHRASE_FD")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    #[allow(clippy::print_stderr, reason = "a skipped test must be heard")]
    let Ok(mut child) = child else {
        eprintln!("SKIPPED: no script(1) on this machine");
        return None;
    };
    let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut seen, mut answered, mut byte) = (Vec::new(), 0, [0]);
    while from.read(&mut byte).unwrap() == 1 {
        seen.push(byte[0]);
        if let Some((prompt, answer)) = answers.get(answered)
            && seen.ends_with(prompt.as_bytes())
        {
            writeln!(to, "{answer}").unwrap();
            answered += 1;
        }
    }
    drop(to);
    let status = child.wait().unwrap().code().unwrap();
    assert_eq!(answered, answers.len(), "{}", String::from_utf8_lossy(&seen));
    let text = String::from_utf8_lossy(&seen).split_whitespace().collect::<Vec<_>>().join(" ");
    Some((status, text))
}

#[test]
fn a_passphrase_from_a_descriptor_or_a_file() {
    let (desk, id) = desk();
    let at = desk.path();
    shows(at, "BP_KEY_PASSPHRASE_FILE=passphrase $BP keys show sealed.pem", 0, &id);
    shows(at, "BP_KEY_PASSPHRASE_FD=7 $BP keys show sealed.pem 7<passphrase", 0, &id);
    shows(at, &format!("printf '{PASSPHRASE}' | BP_KEY_PASSPHRASE_FD=0 $BP keys show sealed.pem"), 0, &id);
    // The file is asked first.
    let both = "BP_KEY_PASSPHRASE_FILE=passphrase BP_KEY_PASSPHRASE_FD=7 $BP keys show sealed.pem";
    shows(at, both, 0, &id);
    fs::write(at.join("wrong"), "correct horse battery staples\n").unwrap();
    shows(at, "BP_KEY_PASSPHRASE_FD=7 $BP keys show sealed.pem 7<wrong", 2, "cannot be decrypted");
    shows(at, "BP_KEY_PASSPHRASE_FD=7 $BP keys show sealed.pem", 2, "no passphrase was given");
    shows(at, "BP_KEY_PASSPHRASE_FD=seven $BP keys show sealed.pem", 2, "no passphrase was given");
    shows(at, "BP_KEY_PASSPHRASE_FILE=none $BP keys show sealed.pem", 2, "no passphrase was given");
    shows(at, "BP_KEY_PASSPHRASE_FILE=. $BP keys show sealed.pem", 2, "no passphrase was given");
    shows(at, "$BP keys show sealed.pem", 2, "there is no terminal to ask on");
    let made = fs::read_dir(at).unwrap().count();
    fs::write(at.join("empty"), "\n").unwrap();
    shows(
        at,
        "BP_KEY_PASSPHRASE_FILE=empty $BP keys new --encrypt --out e.pem",
        2,
        "the passphrase is empty",
    );
    assert_eq!(fs::read_dir(at).unwrap().count(), made + 1, "no key is left behind");
}

/// Cut short it would be another passphrase, under which nobody else opens the key.
#[test]
fn a_passphrase_that_is_too_long_is_refused_and_not_cut() {
    let (desk, _) = desk();
    let at = desk.path();
    fs::write(at.join("long"), "x".repeat(1025)).unwrap();
    shows(at, "BP_KEY_PASSPHRASE_FILE=long $BP keys new --encrypt --out l.pem", 2, "longer than 1024 bytes");
    shows(at, "BP_KEY_PASSPHRASE_FILE=/dev/zero $BP keys show sealed.pem", 2, "longer than 1024 bytes");
    assert!(!at.join("l.pem").exists());
    fs::write(at.join("longest"), "x".repeat(1024)).unwrap();
    shows(at, "BP_KEY_PASSPHRASE_FILE=longest $BP keys new --encrypt --out l.pem", 0, "l.pem");
}

#[test]
fn a_passphrase_from_the_terminal() {
    let (desk, id) = desk();
    let at = desk.path();
    let Some((status, text)) = on_a_terminal(at, "keys show sealed.pem", &[("passphrase: ", PASSPHRASE)])
    else {
        return;
    };
    assert!(status == 0 && text.contains(&id), "{text}");
    let (status, text) = on_a_terminal(at, "keys show sealed.pem", &[("passphrase: ", "wrong")]).unwrap();
    assert!(status == 2 && text.contains("cannot be decrypted"), "{text}");
    // A key that is not encrypted is not asked for.
    assert!(shell(at, "$BP keys new --out plain.pem").status.success());
    let (status, text) = on_a_terminal(at, "keys show plain.pem", &[]).unwrap();
    assert!(status == 0 && !text.contains("passphrase"), "{text}");
    let new = "keys new --encrypt --out new.pem";
    let twice = |second| [("new passphrase: ", "one"), ("the same again: ", second)];
    let (status, text) = on_a_terminal(at, new, &twice("other")).unwrap();
    assert!(status == 2 && text.contains("the passphrases differ"), "{text}");
    assert!(!at.join("new.pem").exists());
    let (status, text) = on_a_terminal(at, new, &twice("one")).unwrap();
    assert_eq!(status, 0, "{text}");
    let (status, text) = on_a_terminal(at, "keys show new.pem", &[("passphrase: ", "one")]).unwrap();
    assert_eq!(status, 0, "{text}");
}
