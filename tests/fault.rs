//! What the system may do to `bp`: refuse a call, cut it short, interrupt it, be slow, end the process at any of its calls.
//! Nothing is lost, nothing half-written stands under a final name, nothing crashes, and no fault makes a yes of a no.
//! SECURITY.md names these tests, promise by promise.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test must be heard")]

mod home;

use std::fs::{self, File, Permissions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use home::{Disk, Home, names, told};

#[allow(clippy::disallowed_methods, reason = "a test is its own rim")]
fn set(name: &str) -> bool {
    std::env::var_os(name).is_some()
}

/// Calls that a build or a check makes, and how the system may refuse each.
const REFUSALS: [(&str, &[&str]); 9] = [
    ("openat", &["EACCES", "EMFILE", "ENOSPC", "EIO"]),
    ("read", &["EIO"]),
    ("write", &["ENOSPC", "EIO"]),
    ("fsync,syncfs", &["EIO", "ENOSPC"]),
    ("mkdir,mkdirat", &["EACCES", "EROFS", "ENOSPC"]),
    ("rename,renameat,renameat2", &["EACCES", "EIO", "EXDEV"]),
    ("link,linkat", &["EIO", "ENOSPC"]),
    ("getdents64", &["EIO"]),
    ("statx,newfstatat", &["EACCES", "EIO"]),
];

/// What came of a run under `strace`, and whether it injected anything.
struct Struck {
    done: Output,
    hit: bool,
}

impl Struck {
    /// Where the fault struck before `main`, or the exit status is of the loader.
    fn is_before_main(&self) -> bool {
        self.done.status.code() == Some(127) && told(&self.done).contains("shared libraries")
    }
}

/// Whether faults can be injected; where `BP_STRACE` is set, they must be.
fn has_strace() -> bool {
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    if traced.is_ok_and(|done| done.status.success()) {
        return true;
    }
    assert!(!set("BP_STRACE"), "BP_STRACE is set, and strace does not run here");
    eprintln!("SKIPPED: no strace that may trace on this machine; faults of the system are NOT CHECKED");
    false
}

/// Runs `bp` with a fault at the `when`th of these calls in any of its threads: `error=EIO`, `signal=KILL`, `delay_enter=9`.
fn struck(home: &Home, calls: &str, fault: &str, when: &str, arguments: &[&str]) -> Struck {
    let mut command = tracing(home, calls, fault, when);
    let done = command.arg(env!("CARGO_BIN_EXE_bp")).args(arguments).output().unwrap();
    let log = String::from_utf8_lossy(&fs::read(home.at("strace.log")).unwrap()).into_owned();
    // A call in which the process was ended has no result.
    let hit = log.contains("INJECTED)") || fault.starts_with("signal=") && log.contains("= ?");
    Struck { done, hit }
}

fn tracing(home: &Home, calls: &str, fault: &str, when: &str) -> Command {
    let mut command = Command::new("strace");
    home.set(&mut command);
    command.args(["-f", "-qq", "-o"]).arg(home.at("strace.log"));
    command.args(["-e", &format!("trace={calls}"), "-e", "signal=none"]);
    command.args(["-e", &format!("inject={calls}:{fault}:when={when}")]);
    command
}

/// The first call, the next ones, and further ones at growing distance; with `BP_LONG`, every one.
fn places() -> impl Iterator<Item = usize> {
    let long = set("BP_LONG");
    std::iter::successors(Some(1_usize), move |at| Some(if long { at + 1 } else { at + 1 + at / 3 }))
}

/// It ended by itself, without a panic, and where it refused it said why.
#[track_caller]
fn ended_well(what: &str, done: &Output) {
    let text = told(done);
    assert!(done.status.signal().is_none() && !text.contains("panicked"), "{what}: {:?} {text}", done.status);
    match done.status.code() {
        Some(0 | 1) => {}
        // Where a write was refused, that may have been the writing of why.
        Some(2 | 3) => {
            let said =
                text.contains("error: ") || text.contains("Not judged: ") || what.contains(" at write ");
            assert!(said, "{what}: {text}");
        }
        other => panic!("{what}: {other:?} {text}"),
    }
}

const RUN: [&str; 8] = ["pack", "run", "in", "--run", "job", "--out", "packs", "--name"];

/// `pack run` as a pack of this name.
fn run(name: &str) -> Vec<&str> {
    [&RUN[..], &[name]].concat()
}

/// A home with its key, so that the calls of a build are those of packing.
fn keyed() -> Home {
    let home = Home::small();
    let done = home.bp(&run("first")).output().unwrap();
    assert!([Some(0), Some(1)].contains(&done.status.code()), "{}", told(&done));
    home
}

/// After a fault: a whole pack under the name or none, the inputs as they were, and the next build succeeds.
#[track_caller]
fn nothing_is_lost(
    what: &str,
    home: &Home,
    before: &std::collections::BTreeMap<PathBuf, bp::digest::Digest>,
) {
    assert_eq!(home.inputs(), *before, "{what}");
    if home.at("packs/demo").symlink_metadata().is_ok() {
        home.is_whole("packs/demo");
        fs::remove_dir_all(home.at("packs/demo")).unwrap();
    }
}

#[test]
fn a_call_that_is_refused_leaves_a_whole_pack_or_none() {
    if !has_strace() {
        return;
    }
    let home = keyed();
    let before = home.inputs();
    let (mut struck_times, mut finished) = (0, 0);
    for (calls, errors) in REFUSALS {
        for error in errors {
            for at in places() {
                let what = format!("{error} at {calls} {at}");
                let one = struck(&home, calls, &format!("error={error}"), &at.to_string(), &run("demo"));
                if !one.hit {
                    nothing_is_lost(&what, &home, &before);
                    break;
                }
                if one.is_before_main() {
                    continue;
                }
                ended_well(&what, &one.done);
                let there = home.at("packs/demo").symlink_metadata().is_ok();
                if [Some(0), Some(1)].contains(&one.done.status.code()) {
                    assert!(there, "{what}: said to be there");
                    finished += 1;
                }
                nothing_is_lost(&what, &home, &before);
                struck_times += 1;
            }
        }
    }
    let done = home.bp(&run("demo")).output().unwrap();
    assert!([Some(0), Some(1)].contains(&done.status.code()), "{}", told(&done));
    home.is_whole("packs/demo");
    assert_eq!(names(&home.at("packs")), ["demo", "first"], "what the struck ones left is gone");
    eprintln!("{struck_times} calls refused: {finished} builds could do without");
    assert!(struck_times > 100, "{struck_times}");
}

#[test]
fn no_fault_makes_a_yes_of_a_no() {
    if !has_strace() {
        return;
    }
    let home = keyed();
    let verify = ["pack", "verify", "--strict", "--allow-fail-verdict", "packs/first"];
    assert_eq!(home.bp(&verify).output().unwrap().status.code(), Some(0));
    let tampered = home.at("packs/first/verify");
    let tampered = fs::read_dir(tampered).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&tampered).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&tampered, bytes).unwrap();
    let mut struck_times = 0;
    for (calls, errors) in REFUSALS {
        for error in errors {
            for at in places() {
                let one = struck(&home, calls, &format!("error={error}"), &at.to_string(), &verify);
                if !one.hit {
                    break;
                }
                if one.is_before_main() {
                    continue;
                }
                let what = format!("{error} at {calls} {at}");
                ended_well(&what, &one.done);
                assert_ne!(one.done.status.code(), Some(0), "{what}: a tampered pack is let through");
                struck_times += 1;
            }
        }
    }
    eprintln!("{struck_times} calls refused, and never a yes");
    assert!(struck_times > 50, "{struck_times}");
}

#[test]
fn an_interrupted_call_is_made_again() {
    if !has_strace() {
        return;
    }
    let home = keyed();
    let verify = ["pack", "verify", "--strict", "--allow-fail-verdict", "packs/first"];
    let mut struck_times = 0;
    for calls in ["read", "openat", "write", "fsync"] {
        for at in places() {
            let what = format!("EINTR at {calls} {at}");
            let mut hit = false;
            for arguments in [&verify[..], &run("demo")] {
                let one = struck(&home, calls, "error=EINTR", &at.to_string(), arguments);
                hit |= one.hit;
                if one.is_before_main() {
                    continue;
                }
                let wanted: &[i32] = if arguments == verify { &[0] } else { &[0, 1] };
                assert!(
                    one.done.status.code().is_some_and(|code| wanted.contains(&code)),
                    "{what}: {}",
                    told(&one.done)
                );
                struck_times += usize::from(one.hit);
            }
            // The loader's own calls are not made again.
            if home.at("packs/demo").exists() {
                home.is_whole("packs/demo");
                fs::remove_dir_all(home.at("packs/demo")).unwrap();
            }
            if !hit {
                break;
            }
        }
    }
    eprintln!("{struck_times} calls interrupted");
    assert!(struck_times > 20, "{struck_times}");
}

#[test]
fn ended_at_any_of_its_calls_a_build_leaves_a_whole_pack_or_none() {
    if !has_strace() {
        return;
    }
    let home = keyed();
    let before = home.inputs();
    let calls = "openat,write,fsync,syncfs,mkdir,mkdirat,rename,renameat2,unlink,unlinkat";
    let mut ended = 0;
    for signal in ["KILL", "TERM"] {
        for at in places() {
            let one = struck(&home, calls, &format!("signal={signal}"), &at.to_string(), &run("demo"));
            nothing_is_lost(&format!("{signal} at call {at}"), &home, &before);
            if !one.hit {
                break;
            }
            ended += usize::from(one.done.status.signal().is_some() || one.done.status.code() > Some(127));
        }
    }
    let done = home.bp(&run("demo")).output().unwrap();
    assert!([Some(0), Some(1)].contains(&done.status.code()), "{}", told(&done));
    home.is_whole("packs/demo");
    assert_eq!(names(&home.at("packs")), ["demo", "first"], "what the ended ones left is gone");
    eprintln!("{ended} builds ended");
    assert!(ended > 10, "{ended}");
}

#[test]
fn a_file_system_without_hard_links_or_with_plain_renames_alone() {
    if !has_strace() {
        return;
    }
    let home = keyed();
    let archive = ["pack", "archive", "packs/first", "--out", "one.tar.gz"];
    let (links, renames) = ("link,linkat", "rename,renameat,renameat2");
    // Without links, a rename that replaces nothing.
    for error in ["EPERM", "EOPNOTSUPP"] {
        let one = struck(&home, links, &format!("error={error}"), "1+", &archive);
        assert_eq!((one.hit, one.done.status.code()), (true, Some(0)), "{error}: {}", told(&one.done));
        let again = struck(&home, links, &format!("error={error}"), "1+", &archive);
        assert_eq!(again.done.status.code(), Some(2), "{error}: a name that is taken stays what it is");
        assert!(told(&again.done).contains("exists already"), "{}", told(&again.done));
        let done =
            home.bp(&["pack", "verify", "--strict", "--allow-fail-verdict", "one.tar.gz"]).output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{}", told(&done));
        for name in names(&home.at(".")).iter().filter(|name| name.starts_with("one.tar.gz")) {
            fs::remove_file(home.at(name)).unwrap();
        }
    }
    // Without either, nothing is written, and what to do is said.
    let both = format!("{links},{renames}");
    let one = struck(&home, &both, "error=EOPNOTSUPP", "1+", &archive);
    assert_eq!(one.done.status.code(), Some(2), "{}", told(&one.done));
    assert!(told(&one.done).contains("write to another one, and copy from there"), "{}", told(&one.done));
    let left = names(&home.at("."));
    assert!(!left.iter().any(|name| name.contains("one.tar.gz")), "{left:?}");
    // A pack is a directory, which no plain rename replaces while it holds anything.
    let one = struck(&home, "renameat2", "error=EINVAL", "1+", &run("demo"));
    assert!(one.hit && [Some(0), Some(1)].contains(&one.done.status.code()), "{}", told(&one.done));
    home.is_whole("packs/demo");
    let again = struck(&home, "renameat2", "error=EINVAL", "1+", &run("demo"));
    assert_eq!(again.done.status.code(), Some(2), "{}", told(&again.done));
}

#[test]
fn killed_in_a_rename_that_is_slow() {
    if !has_strace() {
        return;
    }
    // Before it is done: nothing stands under the name, and the next build succeeds.
    let home = keyed();
    let one = struck(&home, "renameat2", "signal=KILL", "1", &run("demo"));
    assert!(!home.at("packs/demo").exists() && names(&home.at("packs")).len() == 2, "{}", told(&one.done));
    // Done, and the answer is late: what stands there is whole.
    let mut command = tracing(&home, "renameat2", "delay_exit=20000000", "1");
    let mut child = command.arg(env!("CARGO_BIN_EXE_bp")).args(run("demo")).spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    while !home.at("packs/demo").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it renamed");
        thread::sleep(Duration::from_millis(20));
    }
    let below = fs::read_to_string(children).unwrap();
    assert!(Command::new("kill").args(["-KILL", below.trim()]).status().unwrap().success());
    let _ = child.kill();
    let _ = child.wait();
    home.is_whole("packs/demo");
    assert_eq!(names(&home.at("packs")), ["demo", "first"], "and the first stage is gone");
}

#[test]
fn what_a_job_did_outlives_the_end_of_its_packing() {
    if !has_strace() {
        return;
    }
    let home = keyed();
    let job = ["--", "sh", "-c", "echo run >> count"];
    let one = struck(&home, "renameat2", "signal=KILL", "1", &[&run("demo")[..], &job].concat());
    let left = names(&home.at("packs"));
    let is_kept = |name: &String| name.starts_with(".bp-job-");
    assert!(one.hit && left.iter().any(is_kept) && !left.contains(&"demo".to_owned()), "{left:?}");
    let done = home.bp(&[&run("demo")[..], &["--resume"], &job].concat()).output().unwrap();
    assert!([Some(0), Some(1)].contains(&done.status.code()), "{}", told(&done));
    home.is_whole("packs/demo");
    assert_eq!(fs::read_to_string(home.at("count")).unwrap(), "run\n", "the job is not run again");
    assert_eq!(names(&home.at("packs")), ["demo", "first"]);
}

#[test]
fn few_open_files_are_an_error_that_says_so_and_never_a_pass() {
    let home = keyed();
    let shell = |limit: usize, line: &str| {
        let mut command = Command::new("sh");
        home.set(&mut command);
        command.args(["-c", &format!("ulimit -n {limit}; exec '{}' {line}", env!("CARGO_BIN_EXE_bp"))]);
        command.output().unwrap()
    };
    let verify = "pack verify --strict --allow-fail-verdict packs/first";
    fs::write(home.at("packs/first/README.md"), "x").unwrap();
    let (mut refused, mut built) = (0, 0);
    for limit in 4..40 {
        let done = shell(limit, verify);
        if done.status.code() == Some(127) {
            continue;
        }
        ended_well(&format!("verify with {limit}"), &done);
        assert_ne!(done.status.code(), Some(0), "{limit}");
        let done = shell(limit, "pack run in --run job --out packs --name demo");
        ended_well(&format!("run with {limit}"), &done);
        if done.status.code() == Some(2) {
            assert!(told(&done).contains("Too many open files"), "{limit}: {}", told(&done));
            assert!(!home.at("packs/demo").exists(), "{limit}");
            refused += 1;
        } else {
            home.is_whole("packs/demo");
            fs::remove_dir_all(home.at("packs/demo")).unwrap();
            built += 1;
        }
    }
    eprintln!("{refused} builds refused, {built} built");
    assert!(refused > 0 && built > 0, "{refused} {built}");
}

/// The shim, built by the C compiler that links this test; none where there is none, and that is said.
fn shim(home: &Home) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fault/shim.c");
    let library = home.at("shim.so");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output();
    if built.as_ref().is_ok_and(|done| done.status.success()) {
        return Some(library);
    }
    assert!(!set("BP_STRACE"), "BP_STRACE is set, and cc does not build the shim: {built:?}");
    eprintln!("SKIPPED: no C compiler; short and interrupted calls are NOT CHECKED");
    None
}

#[test]
fn short_and_interrupted_reads_and_writes_change_nothing() {
    let home = Home::small();
    let Some(library) = shim(&home) else { return };
    let with = |arguments: &[&str]| {
        let mut command = home.bp(arguments);
        let done =
            command.env("LD_PRELOAD", &library).env("SOURCE_DATE_EPOCH", "1767225600").output().unwrap();
        assert!([Some(0), Some(1)].contains(&done.status.code()), "{arguments:?}: {}", told(&done));
        done
    };
    let without =
        |arguments: &[&str]| home.bp(arguments).env("SOURCE_DATE_EPOCH", "1767225600").output().unwrap();
    // The key is made under it too, and the pack is the one that a system that does all it is asked makes.
    with(&run("short"));
    without(&run("whole"));
    for pack in ["packs/short", "packs/whole"] {
        home.is_whole(pack);
    }
    let bytes = |pack: &str| fs::read(home.at(pack).join("manifest.json")).unwrap();
    assert_eq!(bytes("packs/short"), bytes("packs/whole"));
    for pack in ["packs/whole", "packs/short"] {
        let verify = ["pack", "verify", "--strict", "--allow-fail-verdict", "--json", pack];
        let (one, other) = (with(&verify), without(&verify));
        assert_eq!((one.status.code(), one.stdout), (other.status.code(), other.stdout), "{pack}");
    }
    // An archive, and an archive that comes through a pipe.
    with(&["pack", "archive", "packs/short", "--out", "short.tar.gz"]);
    without(&["pack", "archive", "packs/whole", "--out", "whole.tar.gz"]);
    let read = |name: &str| fs::read(home.at(name)).unwrap();
    assert_eq!(read("short.tar.gz"), read("whole.tar.gz"));
    let mut piped = home.bp(&["pack", "verify", "--strict", "--allow-fail-verdict", "-"]);
    piped.env("LD_PRELOAD", &library).stdin(File::open(home.at("short.tar.gz")).unwrap());
    let done = piped.output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", told(&done));
}

#[test]
fn a_clock_that_is_set_back_again_and_again() {
    let home = Home::small();
    let Some(library) = shim(&home) else { return };
    let job = ["--", "sh", "-c", "echo trained"];
    let done = home
        .bp(&[&run("demo")[..], &job].concat())
        .env("LD_PRELOAD", &library)
        .env("SHIM_CLOCK_STEPS", "1")
        .output()
        .unwrap();
    ended_well("run", &done);
    // Made honestly, so it is not refused: neither for an end before its beginning, nor for being made before the end.
    home.is_whole("packs/demo");
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(home.at("packs/demo/run/run.json")).unwrap()).unwrap();
    assert_eq!(record["status"]["state"], "completed", "{record}");
}

#[test]
fn read_only_media_are_read_and_not_written() {
    let home = keyed();
    let Some(disk) = Disk::mount(home.at("disc"), "16m") else {
        eprintln!("SKIPPED: a small tmpfs could not be mounted here; read-only media are NOT CHECKED");
        return;
    };
    let copied =
        Command::new("cp").args(["-R"]).arg(home.at("packs/first")).arg(home.at("disc/first")).status();
    assert!(copied.unwrap().success());
    disk.remount("ro");
    home.is_whole("disc/first");
    for arguments in [
        &["pack", "run", "in", "--out", "disc", "--name", "demo"][..],
        &["pack", "archive", "disc/first", "--out", "disc/first.tar.gz"],
        &["keys", "new", "--out", "disc/key.pem"],
        &["generate", "mazur", "--out", "disc/mazur.json"],
    ] {
        let done = home.bp(arguments).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{arguments:?} {}", told(&done));
        assert!(told(&done).contains("Read-only file system"), "{arguments:?} {}", told(&done));
    }
    assert_eq!(names(&home.at("disc")), ["first"]);
}

#[test]
fn a_folder_that_may_not_be_read_or_written() {
    let home = keyed();
    // Root may do all; another user may not.
    let nobody = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        home.set(&mut command);
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_bp")]);
        command.args(arguments).output()
    };
    let open =
        |path: &str, mode: u32| fs::set_permissions(home.at(path), Permissions::from_mode(mode)).unwrap();
    open(".", 0o755);
    let Ok(done) = nobody(&["--version"]) else {
        eprintln!("SKIPPED: no setpriv on this machine; refusals for lack of permission are NOT CHECKED");
        return;
    };
    if !done.status.success() {
        eprintln!("SKIPPED: this program may not be run by another user here: {}", told(&done));
        return;
    }
    let report = home.at("packs/first/report.html");
    fs::set_permissions(&report, Permissions::from_mode(0o600)).unwrap();
    let verify = nobody(&["pack", "verify", "packs/first"]).unwrap();
    assert_eq!(verify.status.code(), Some(2), "{}", told(&verify));
    let text = told(&verify);
    assert!(text.contains("FILE_UNREADABLE report.html Permission denied"), "{text}");
    let done = nobody(&["pack", "run", "in", "--unsigned", "--out", "packs", "--name", "demo"]).unwrap();
    assert_eq!(done.status.code(), Some(2), "{}", told(&done));
    assert!(told(&done).contains("Permission denied"), "{}", told(&done));
    assert_eq!(names(&home.at("packs")), ["first"]);
}

/// Names of 255 bytes, and names that are no text: in what a job left, and in a pack.
#[test]
fn names_at_the_edge_of_what_a_file_system_takes() {
    let home = Home::small();
    let long = format!("{}.json", "x".repeat(250));
    let odd = Path::new("job").join(std::ffi::OsStr::from_bytes(b"\xff\xfe.json"));
    fs::write(home.at("job").join(&long), b"{}").unwrap();
    fs::write(home.at(".").join(&odd), b"{}").unwrap();
    let done = home.bp(&run("demo")).output().unwrap();
    ended_well("run", &done);
    home.is_whole("packs/demo");
    let artifacts = fs::read_to_string(home.at("packs/demo/run/artifacts.json")).unwrap();
    assert!(artifacts.contains(&long), "{artifacts}");
    assert!(artifacts.contains('\u{fffd}'), "what was left out is told: {artifacts}");
    // In a pack each is a file that nothing accounts for.
    for name in [long.as_bytes(), b"\xff\xfe"] {
        let path = home.at("packs/demo").join(std::ffi::OsStr::from_bytes(name));
        fs::write(&path, b"{}").unwrap();
        let done = home.bp(&["pack", "verify", "packs/demo"]).output().unwrap();
        assert_eq!(done.status.code(), Some(1), "{}", told(&done));
        fs::remove_file(path).unwrap();
    }
    home.is_whole("packs/demo");
    // As an input, each is packed under a name of its own or refused with its reason.
    for name in [long.as_bytes(), b"\xff\xfe.jsonl"] {
        let path = home.at("in").join(std::ffi::OsStr::from_bytes(name));
        fs::copy(home.at("in/step-0.jsonl"), &path).unwrap();
        let done = home.bp(&run("other")).output().unwrap();
        ended_well("input", &done);
        if home.at("packs/other").exists() {
            home.is_whole("packs/other");
            fs::remove_dir_all(home.at("packs/other")).unwrap();
        }
        fs::remove_file(path).unwrap();
    }
}

/// A file whose length does not fit 32 bits: its length and its digest are those that another program finds.
#[test]
fn a_file_over_four_gib() {
    let home = Home::small();
    let path = home.at("job/model.bin");
    let mut file = File::create(&path).unwrap();
    let size_bytes = (4_u64 << 30) + 7;
    file.set_len(size_bytes).unwrap();
    file.seek(SeekFrom::Start((4 << 30) + 1)).unwrap();
    file.write_all(b"end").unwrap();
    drop(file);
    let done = home.bp(&run("demo")).output().unwrap();
    ended_well("run", &done);
    home.is_whole("packs/demo");
    let artifacts: serde_json::Value =
        serde_json::from_slice(&fs::read(home.at("packs/demo/run/artifacts.json")).unwrap()).unwrap();
    let text = artifacts.to_string();
    assert!(text.contains(&size_bytes.to_string()), "{text}");
    let theirs = Command::new("sha256sum").arg(&path).output().unwrap();
    let theirs = String::from_utf8(theirs.stdout).unwrap();
    assert!(text.contains(&theirs[..64]), "{theirs} {text}");
    // In a pack it is over the limit, which is said before it is read.
    let huge = home.at("packs/demo/annex/attachments/huge.bin");
    fs::create_dir_all(huge.parent().unwrap()).unwrap();
    File::create(&huge).unwrap().set_len(size_bytes).unwrap();
    let done = home.bp(&["pack", "verify", "packs/demo"]).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", told(&done));
}

/// A job that still writes while it is packed: what is packed holds, or the file that changed is named.
#[test]
fn a_run_directory_that_changes_while_it_is_read() {
    let home = keyed();
    for number in 0..30 {
        fs::write(home.at(&format!("job/log-{number}.txt")), vec![b'a'; 20_000]).unwrap();
    }
    let over = AtomicBool::new(false);
    let (mut packed, mut refused) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0_usize.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let path = home.at(&format!("job/log-{}.txt", turn % 30));
                match turn % 5 {
                    0 => drop(fs::remove_file(&path)),
                    1 => drop(fs::write(&path, vec![b'b'; turn % 50_000])),
                    2 => drop(
                        File::options()
                            .append(true)
                            .open(&path)
                            .and_then(|mut file| file.write_all(&[b'c'; 4096])),
                    ),
                    3 => drop(File::options().write(true).open(&path).and_then(|file| file.set_len(10))),
                    _ => {
                        let folder = home.at(&format!("job/checkpoint-{}", turn % 7 + 2));
                        let _ = fs::create_dir(&folder);
                        let _ = fs::write(folder.join("state.json"), b"{}");
                        let _ = fs::remove_dir_all(&folder);
                    }
                }
            }
        });
        for _ in 0..12 {
            let done = home.bp(&run("demo")).output().unwrap();
            ended_well("run", &done);
            if home.at("packs/demo").exists() {
                home.is_whole("packs/demo");
                fs::remove_dir_all(home.at("packs/demo")).unwrap();
                packed += 1;
            } else {
                assert!(told(&done).contains("job"), "what changed is named: {}", told(&done));
                refused += 1;
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    eprintln!("{packed} packed, {refused} refused");
}
