//! What is left when a build is ended at any moment, or has no room: a whole pack or none, every input as it was, and a
//! next run that succeeds.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test must be heard")]

mod home;

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::process::Command;
use std::thread;
use std::time::Instant;

use home::{Disk, Home, names, told};

#[test]
fn killed_at_twenty_random_moments_a_build_leaves_a_whole_pack_or_none() {
    let home = Home::furnished();
    let before = home.inputs();
    // How long a build takes; the first makes the key too, so that is not done here.
    let timed = Home::furnished();
    let begin = Instant::now();
    let done = timed.run("packs").output().unwrap();
    let mut length = begin.elapsed();
    assert!([Some(0), Some(1)].contains(&done.status.code()), "{}", told(&done));
    let (mut killed, mut finished, mut unfinished) = (0, 0, 0);
    for round in 0_u32.. {
        assert!(round < 1000, "{killed} killed, {unfinished} left a stage");
        let part = f64::from(u32::try_from(RandomState::new().hash_one(round) % 1000).unwrap()) / 1000.0;
        let moment = length.mul_f64(part);
        let mut child = home.run("packs").spawn().unwrap();
        thread::sleep(moment);
        let ended = child.try_wait().unwrap().is_some();
        // By both signals in turn: one that no program sees, and the one that asks it to end.
        let signal = if round % 2 == 0 { "-KILL" } else { "-TERM" };
        if !ended {
            let _ = Command::new("kill").args([signal, &child.id().to_string()]).status();
            let _ = child.wait();
        }
        killed += u32::from(!ended);
        if ended {
            // How long a build takes is not known before; a moment after its end is none of it.
            length = moment;
        }
        let pack = home.at("packs/demo");
        if pack.symlink_metadata().is_ok() {
            home.is_whole("packs/demo");
            fs::rename(&pack, home.at(&format!("done-{round}"))).unwrap();
            finished += 1;
        } else if home.at("packs").is_dir() {
            unfinished +=
                u32::from(names(&home.at("packs")).iter().any(|name| name.starts_with(".bp-partial-")));
        }
        assert_eq!(home.inputs(), before, "no input is touched");
        if killed >= 20 && unfinished >= 5 {
            break;
        }
    }
    eprintln!("{killed} killed within {length:?}: {finished} left a whole pack, {unfinished} a stage");
    let done = home.run("packs").output().unwrap();
    assert!([Some(0), Some(1)].contains(&done.status.code()), "{}", told(&done));
    home.is_whole("packs/demo");
    assert_eq!(names(&home.at("packs")), ["demo"], "what the killed ones left is gone");
    assert_eq!(home.inputs(), before);
}

#[test]
fn a_full_disk_leaves_no_pack_and_the_next_run_with_room_succeeds() {
    let home = Home::furnished();
    let before = home.inputs();
    let Some(disk) = Disk::mount(home.at("disk"), "4k") else {
        eprintln!("SKIPPED: a small tmpfs could not be mounted here; a full disk is NOT CHECKED");
        return;
    };
    let mut full = 0;
    // From no room at all to almost enough, so that the disk is full at many places of a build.
    for size in [4, 16, 64, 128, 256, 512, 1024, 1536, 2048, 3072, 4096] {
        disk.resize(&format!("{size}k"));
        let done = home.run("disk/packs").output().unwrap();
        if done.status.code() != Some(2) {
            break;
        }
        full += 1;
        assert!(told(&done).contains("No space left on device"), "{}", told(&done));
        let left = names(&home.at("disk/packs"));
        assert_eq!(left, Vec::<String>::new(), "at {size}k");
        assert_eq!(home.inputs(), before);
    }
    eprintln!("{full} builds found the disk full");
    assert!(full >= 5, "{full}");
    disk.resize("64m");
    if !home.at("disk/packs/demo").exists() {
        let done = home.run("disk/packs").output().unwrap();
        assert!([Some(0), Some(1)].contains(&done.status.code()), "{}", told(&done));
    }
    home.is_whole("disk/packs/demo");
    assert_eq!((names(&home.at("disk/packs")), home.inputs()), (vec!["demo".to_owned()], before));
}

#[test]
fn a_full_disk_leaves_nothing_of_a_pull_and_the_next_one_with_room_succeeds() {
    let home = Home::furnished();
    let done = home.run("packs").output().unwrap();
    assert!([Some(0), Some(1)].contains(&done.status.code()), "{}", told(&done));
    let bp = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bp"));
        command.args(arguments).current_dir(home.at("")).env("HOME", home.at(""));
        command.env_remove("XDG_CONFIG_HOME").output().unwrap()
    };
    let url = format!("file://{}/demo.tar.gz", home.at("store").display());
    let done = bp(&["pack", "push", "packs/demo", &url]);
    assert_eq!(done.status.code(), Some(0), "{}", told(&done));
    let Some(disk) = Disk::mount(home.at("disk"), "4k") else {
        eprintln!("SKIPPED: a small tmpfs could not be mounted here; a full disk is NOT CHECKED");
        return;
    };
    let pull = || bp(&["pack", "pull", "--allow-fail-verdict", &url, "disk/got/demo"]);
    let mut full = 0;
    for size in [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048] {
        disk.resize(&format!("{size}k"));
        let done = pull();
        if done.status.code() != Some(2) {
            break;
        }
        full += 1;
        assert!(told(&done).contains("No space left on device"), "{}", told(&done));
        let left = if home.at("disk/got").exists() { names(&home.at("disk/got")) } else { Vec::new() };
        assert_eq!(left, Vec::<String>::new(), "at {size}k");
    }
    eprintln!("{full} pulls found the disk full");
    assert!(full >= 4, "{full}");
    disk.resize("64m");
    if !home.at("disk/got/demo").exists() {
        let done = pull();
        assert_eq!(done.status.code(), Some(0), "{}", told(&done));
    }
    home.is_whole("disk/got/demo");
}

#[test]
fn a_disk_that_fills_up_while_a_key_is_made_leaves_no_half_of_one() {
    let home = Home::furnished();
    let Some(disk) = Disk::mount(home.at("small"), "4k") else {
        eprintln!("SKIPPED: a small tmpfs could not be mounted here; a full disk is NOT CHECKED");
        return;
    };
    let run = || {
        let mut command = home.run("packs");
        command.env("HOME", home.at("small")).env("XDG_CONFIG_HOME", home.at("small"));
        command.output().unwrap()
    };
    fs::write(home.at("small/filler"), vec![0; 4096]).unwrap();
    let done = run();
    assert_eq!(done.status.code(), Some(2), "{}", told(&done));
    assert!(!home.at("packs/demo").exists());
    fs::remove_file(home.at("small/filler")).unwrap();
    disk.resize("1m");
    let done = run();
    assert!([Some(0), Some(1)].contains(&done.status.code()), "{}", told(&done));
}
