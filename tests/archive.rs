//! Archives: equal packs make equal bytes that any `tar` opens; what streams by is held to the laws of a directory, and
//! what no pack holds is found before anything is written.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod packs;

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use bp::digest::Digest;
use bp::pack::archive::{self, ArchiveError, Codec, ExtractError};
use bp::pack::check::{self, Limits};
use bp::pack::{Options, Pin};
use packs::{FILES, Place, alice, broken, gzip, lax, mallory, strict, tar, tar_entry, tar_header};

fn archived(place: &Place, name: &str) -> PathBuf {
    let file = place.scratch.path().join(name);
    archive::create(&place.pack, &file, Codec::of_name(&file).unwrap(), &Limits::default()).unwrap();
    file
}

fn unpacked(file: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = File::open(file).unwrap();
    match Codec::of_name(file).unwrap() {
        Codec::Gzip => flate2::read::GzDecoder::new(read).read_to_end(&mut bytes).unwrap(),
        Codec::Zstd => zstd::Decoder::new(read).unwrap().read_to_end(&mut bytes).unwrap(),
    };
    bytes
}

fn found(bytes: &[u8]) -> Vec<String> {
    let result = check::archive(bytes, &lax());
    packs::assert_schema(&result);
    broken(&result)
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

// What is written.

#[test]
fn manifest_and_seal_come_first_then_all_others_by_path() {
    let place = Place::sealed();
    for name in ["demo.tar.gz", "demo.tar.zst"] {
        let listed = run(Command::new("tar").arg("-tf").arg(archived(&place, name)));
        let listed = String::from_utf8(listed).unwrap();
        let listed: Vec<&str> = listed.lines().collect();
        assert_eq!(listed[..2], ["manifest.json", "manifest.json.sig"]);
        let mut sorted = listed[2..].to_vec();
        sorted.sort_unstable();
        assert_eq!(listed[2..], sorted);
        let mut files: Vec<&str> = listed.into_iter().filter(|name| !name.ends_with('/')).collect();
        files.sort_unstable();
        let mut wanted = FILES.to_vec();
        wanted.sort_unstable();
        assert_eq!(files, wanted);
    }
}

#[test]
fn gnu_tar_extracts_what_sha256sum_and_bp_then_check() {
    let place = Place::sealed();
    for name in ["demo.tar.gz", "demo.tar.zst"] {
        let file = archived(&place, name);
        let folder = place.scratch.path().join(format!("by-tar-{name}"));
        fs::create_dir(&folder).unwrap();
        run(Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(&folder));
        run(Command::new("sha256sum").args(["-c", "--quiet", "checksums.sha256"]).current_dir(&folder));
        assert_eq!(broken(&check::directory(&folder, &strict()).unwrap()), Vec::<String>::new());
    }
}

#[test]
fn equal_packs_make_equal_bytes_whatever_their_name_and_modes() {
    let (one, other) = (Place::sealed(), Place::sealed());
    fs::set_permissions(other.at("README.md"), fs::Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(other.at("receipts"), fs::Permissions::from_mode(0o700)).unwrap();
    let renamed = other.scratch.path().join("another name");
    fs::rename(&other.pack, &renamed).unwrap();
    let other = Place { pack: renamed, ..other };
    for name in ["demo.tar.gz", "demo.tar.zst"] {
        let (one, other) = (archived(&one, name), archived(&other, name));
        assert_eq!(fs::read(&one).unwrap(), fs::read(&other).unwrap(), "{name}");
    }
    assert_eq!(unpacked(&archived(&one, "a.tar.gz")), unpacked(&archived(&one, "a.tar.zst")));
}

#[test]
fn headers_say_no_owner_plain_modes_and_the_time_of_the_manifest() {
    let place = Place::sealed();
    let file = archived(&place, "demo.tar.gz");
    let listed = run(Command::new("tar").env("TZ", "UTC").args(["--full-time", "-tvf"]).arg(&file));
    for line in String::from_utf8(listed).unwrap().lines() {
        let mode = if line.ends_with('/') { "drwxr-xr-x" } else { "-rw-r--r--" };
        assert!(
            line.starts_with(&format!("{mode} 0/0 ")) && line.contains(" 2026-01-31 12:00:00 "),
            "{line}"
        );
    }
    assert_eq!(fs::read(&file).unwrap()[4..8], [0; 4], "no time in the gzip header");
}

#[test]
fn no_archive_is_made_of_what_is_not_a_whole_pack_or_over_another_file() {
    let file = |place: &Place| place.scratch.path().join("demo.tar.gz");
    let made = |place: &Place| archive::create(&place.pack, &file(place), Codec::Gzip, &Limits::default());
    let code = |place: &Place| match made(place) {
        Err(ArchiveError::Unsound { code, place, .. }) => format!("{code} {place}"),
        other => panic!("{other:?}"),
    };
    let place = Place::sealed();
    place.flip("README.md", 9);
    assert_eq!(code(&place), "FILE_DIGEST_MISMATCH README.md");
    place.put("README.md", "short");
    assert_eq!(code(&place), "FILE_SIZE_MISMATCH README.md");
    fs::remove_file(place.at("README.md")).unwrap();
    assert_eq!(code(&place), "FILE_MISSING README.md");
    place.put("extra", "x");
    assert_eq!(code(&place), "FILE_UNEXPECTED extra");
    std::os::unix::fs::symlink("extra", place.at("link")).unwrap();
    assert_eq!(code(&place), "SYMLINK link");
    assert_eq!(fs::read_dir(place.scratch.path()).unwrap().count(), 1, "nothing is left behind");
    let place = Place::sealed();
    fs::write(file(&place), "mine").unwrap();
    assert!(matches!(made(&place), Err(ArchiveError::Exists(_))));
    assert_eq!(fs::read(file(&place)).unwrap(), b"mine");
}

// What is read.

#[test]
fn an_archive_is_judged_as_its_directory_is() {
    let place = Place::sealed();
    for name in ["demo.tar.gz", "demo.tar.zst"] {
        let file = archived(&place, name);
        for options in [strict(), lax(), Options { pins: vec![Pin::Id(alice().id())], ..strict() }] {
            let streamed = check::archive(File::open(&file).unwrap(), &options);
            assert_eq!(streamed, check::directory(&place.pack, &options).unwrap());
        }
    }
}

/// A reader that counts what is asked of it.
struct Counted<'a>(&'a [u8], &'a std::sync::atomic::AtomicUsize);

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
        Ok(count)
    }
}

#[test]
fn with_a_named_signer_nothing_is_read_on_until_the_seal_holds() {
    let place = Place::sealed();
    let mut files = place.files();
    // Bytes that do not compress, so that reading on would show.
    let noise: Vec<u8> = (0_u32..1 << 16).flat_map(|n| *Digest::of(&n.to_le_bytes()).as_bytes()).collect();
    files.insert("noise".into(), noise);
    let bytes = gzip(&tar(&files));
    for (options, whole) in [
        (Options { pins: vec![Pin::Key(mallory().verifying_key())], ..strict() }, false),
        (Options { pins: vec![Pin::Id(mallory().id())], ..strict() }, false),
        (strict(), true),
    ] {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let result = check::archive(Counted(&bytes, &count), &options);
        assert_eq!(count.into_inner() == bytes.len(), whole);
        assert!(!result.ok);
        if !whole {
            assert_eq!(broken(&result), ["SIGNER_NOT_PINNED manifest.json.sig"]);
        }
    }
}

#[test]
fn every_way_to_mislead_a_reader_is_a_finding() {
    let files = Place::sealed().files();
    let sound = tar(&files);
    let end = sound.len() - 1024;
    let with = |entry: Vec<u8>| gzip(&[&sound[..end], &entry, &[0; 1024]].concat());
    let link = |kind: u8, size: u64| {
        let mut header = tar_header(b"zz", kind, size, 0o644);
        packs::tar_edit(&mut header, 157, b"README.md");
        header
    };
    for (what, bytes, codes) in [
        ("nothing", gzip(&sound), vec![]),
        ("absolute", with(tar_entry(b"/etc/passwd", b"x")), vec!["FILE_NAME_UNSAFE /etc/passwd"]),
        ("climbs", with(tar_entry(b"../zz", b"x")), vec!["FILE_NAME_UNSAFE ../zz"]),
        ("climbs inside", with(tar_entry(b"a/../zz", b"x")), vec!["FILE_NAME_UNSAFE a/../zz"]),
        ("backslash", with(tar_entry(b"..\\zz", b"x")), vec!["FILE_NAME_UNSAFE ..\\zz"]),
        ("empty name", with(tar_entry(b"", b"x")), vec!["FILE_NAME_UNSAFE ."]),
        ("not UTF-8", with(tar_entry(b"\xff", b"x")), vec!["FILE_NAME_UNSAFE \u{fffd}"]),
        ("twice", with(tar_entry(b"README.md", &files["README.md"])), vec!["ARCHIVE_PATH_TWICE README.md"]),
        ("case", with(tar_entry(b"readme.MD", b"x")), vec!["FILE_NAME_CASE_TWIN readme.MD"]),
        ("case of a folder", with(tar_entry(b"Receipts/x", b"x")), vec!["FILE_NAME_CASE_TWIN Receipts"]),
        ("file as folder", with(tar_entry(b"README.md/x", b"x")), vec!["ARCHIVE_PATH_TWICE README.md"]),
        ("folder as file", with(tar_entry(b"receipts", b"x")), vec!["ARCHIVE_PATH_TWICE receipts"]),
        ("empty folder", with(tar_header(b"zz/", b'5', 0, 0o755)), vec!["DIRECTORY_EMPTY zz"]),
        ("symbolic link", with(link(b'2', 0)), vec!["SYMLINK zz"]),
        ("hard link", with(link(b'1', 0)), vec!["HARD_LINK zz"]),
        ("file that names another", with(link(b'0', 0)), vec!["HARD_LINK zz"]),
        ("hard link with contents", with([link(b'1', 512), vec![b'x'; 512]].concat()), vec!["HARD_LINK ."]),
        ("device", with(tar_header(b"zz", b'3', 0, 0o644)), vec!["SPECIAL_FILE zz"]),
        ("FIFO", with(tar_header(b"zz", b'6', 0, 0o644)), vec!["SPECIAL_FILE zz"]),
        ("sparse", with(tar_header(b"zz", b'S', 0, 0o644)), vec!["ARCHIVE_SPARSE ."]),
        ("GNU long name", with(tar_header(b"zz", b'L', 0, 0o644)), vec!["ARCHIVE_EXTENSION ."]),
        ("global pax header", with(tar_header(b"zz", b'g', 0, 0o644)), vec!["ARCHIVE_EXTENSION ."]),
        (
            "pax size",
            with(
                [
                    tar_header(b"zz", b'x', 11, 0o644),
                    b"11 size=12\n".to_vec(),
                    vec![0; 501],
                    tar_entry(b"zz", b"x"),
                ]
                .concat(),
            ),
            vec!["ARCHIVE_EXTENSION ."],
        ),
        (
            "setuid",
            with([tar_header(b"zz", b'0', 0, 0o4755)].concat()),
            vec!["FILE_MODE zz", "FILE_UNEXPECTED zz"],
        ),
        ("extra file", with(tar_entry(b"zz", b"x")), vec!["FILE_UNEXPECTED zz"]),
        (
            "bytes in the fill",
            with({
                let mut entry = tar_entry(b"zz", b"x");
                entry[600] = 1;
                entry
            }),
            vec!["ARCHIVE_TRAILING_DATA ."],
        ),
        (
            "entry after the end",
            gzip(&[&sound[..], &tar_entry(b"zz", b"x")].concat()),
            vec!["ARCHIVE_TRAILING_DATA ."],
        ),
        ("bytes after the archive", gzip(&[&sound[..], b"x"].concat()), vec!["ARCHIVE_TRAILING_DATA ."]),
        ("zeros after the archive", gzip(&[&sound[..], &[0; 9216]].concat()), vec![]),
        ("bytes after gzip", [gzip(&sound), b"x".to_vec()].concat(), vec!["ARCHIVE_TRAILING_DATA ."]),
        ("a second member", [gzip(&sound), gzip(&[0; 512])].concat(), vec!["ARCHIVE_TRAILING_DATA ."]),
        ("no end", gzip(&sound[..end]), vec!["ARCHIVE_CUT ."]),
        ("cut in the end", gzip(&sound[..end + 512]), vec!["ARCHIVE_CUT ."]),
        (
            "cut in gzip",
            {
                let whole = gzip(&sound);
                whole[..whole.len() / 2].to_vec()
            },
            vec!["ARCHIVE_CUT ."],
        ),
        ("empty", vec![], vec!["ARCHIVE_CUT ."]),
        (
            "an empty archive",
            gzip(&[0; 1024]),
            vec!["MANIFEST_MISSING manifest.json", "LEDGER_MISSING checksums.sha256"],
        ),
        ("not compressed", sound.clone(), vec!["ARCHIVE_MALFORMED ."]),
    ] {
        let mut codes: Vec<String> = codes.into_iter().map(str::to_owned).collect();
        codes.sort();
        assert_eq!(found(&bytes), codes, "{what}");
    }
}

#[test]
fn manifest_and_seal_are_first_or_nothing_is_held_against_them() {
    let files = Place::sealed().files();
    let entry = |name: &str| tar_entry(name.as_bytes(), &files[name]);
    let others = files.keys().filter(|name| !name.starts_with("manifest.json")).map(|name| entry(name));
    let others: Vec<u8> = others.flatten().collect();
    let end = vec![0; 1024];
    let (manifest, seal) = (entry("manifest.json"), entry("manifest.json.sig"));
    let seal_last = gzip(&[&manifest[..], &others, &seal, &end].concat());
    assert_eq!(found(&seal_last), ["ARCHIVE_ORDER manifest.json.sig"]);
    for early in [[&seal[..], &manifest, &others, &end], [&others[..], &manifest, &seal, &end]] {
        assert_eq!(found(&gzip(&early.concat())), ["ARCHIVE_ORDER ."]);
    }
}

#[test]
fn bombs_are_found_by_ratio_and_by_size_without_unfolding_them() {
    let files = Place::sealed().files();
    let sound = tar(&files);
    let head = &sound[..sound.len() - 1024];
    // 7 GiB of zeros in one file; zstd makes some kilobytes of each hundred megabytes.
    let announced: u64 = 7 << 30;
    let bomb = |size: u64| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.write_all(head).unwrap();
        encoder.write_all(&tar_header(b"zz", b'0', announced, 0o644)).unwrap();
        let zeros = vec![0; 1 << 20];
        for _ in 0..size >> 20 {
            encoder.write_all(&zeros).unwrap();
        }
        encoder.finish().unwrap()
    };
    assert_eq!(found(&bomb(512 << 20)), ["ARCHIVE_BOMB ."]);
    let small = Options { limits: Limits { total_bytes: 1 << 20, ..Limits::default() }, ..lax() };
    assert_eq!(broken(&check::archive(&bomb(2 << 20)[..], &small)), ["LIMIT_EXCEEDED ."]);
    let little = Options { limits: Limits { held_bytes: 10_000, ..Limits::default() }, ..lax() };
    let result = check::archive(&gzip(&sound)[..], &little);
    let expected = ["annex/annex-iv.html", "annex/annex-iv.json", "annex/annex-iv.md", "sidecars/iris.jsonl"];
    assert_eq!(broken(&result), expected.map(|path| format!("LIMIT_EXCEEDED {path}")));
    let few = Options { limits: Limits { files: 5, ..Limits::default() }, ..lax() };
    let result = check::archive(&gzip(&sound)[..], &few);
    assert_eq!((broken(&result), result.exit_code()), (vec!["LIMIT_EXCEEDED .".to_owned()], 2));
    // A frame that asks for a window of 128 MiB gets none.
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.set_parameter(zstd::zstd_safe::CParameter::WindowLog(27)).unwrap();
    encoder.write_all(&sound).unwrap();
    assert_eq!(found(&encoder.finish().unwrap()), ["ARCHIVE_MALFORMED ."]);
}

#[test]
fn no_flipped_bit_of_an_archive_goes_unnoticed() {
    let place = Place::sealed();
    let sound = fs::read(archived(&place, "demo.tar.zst")).unwrap();
    for at in (0..sound.len()).step_by(sound.len() / 61) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        // One bit of a zstd frame's header means nothing to a decoder; then the pack is the same.
        let result = check::archive(&bytes[..], &strict());
        if result.ok {
            assert_eq!(
                zstd::decode_all(&bytes[..]).unwrap(),
                zstd::decode_all(&sound[..]).unwrap(),
                "byte {at}"
            );
        }
    }
}

// What is taken out.

#[test]
fn a_pack_that_verifies_is_extracted_and_no_other() {
    let place = Place::sealed();
    let folder = place.scratch.path().join("out");
    for name in ["demo.tar.gz", "demo.tar.zst"] {
        let file = archived(&place, name);
        let target = folder.join(name);
        let (result, path) = archive::extract(&file, &target, &strict()).unwrap();
        assert_eq!((result.ok, &path), (true, &target));
        let other = Place { pack: target.clone(), scratch: tempfile::tempdir().unwrap() };
        assert_eq!(other.files(), place.files());
        assert!(matches!(archive::extract(&file, &target, &strict()), Err(ExtractError::Build(_))));
    }
    let before = fs::read_dir(&folder).unwrap().count();
    let sound = tar(&place.files());
    let climbs = [&sound[..sound.len() - 1024], &tar_entry(b"../zz", b"x"), &[0; 1024]].concat();
    let mut damaged = place.files();
    damaged.get_mut("README.md").unwrap()[9] ^= 1;
    for (name, bytes) in [("climbs", gzip(&climbs)), ("damaged", gzip(&tar(&damaged))), ("empty", vec![])] {
        let file = place.scratch.path().join(name);
        fs::write(&file, bytes).unwrap();
        let refused = archive::extract(&file, &folder.join("new"), &lax());
        assert!(matches!(refused, Err(ExtractError::Refused { .. })), "{name}: {refused:?}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), before, "nothing was written");
}

// On the command line.

fn bp(place: &Place, arguments: &[&str]) -> std::process::Output {
    let home = place.scratch.path().join("home");
    Command::new(env!("CARGO_BIN_EXE_bp"))
        .args(arguments)
        .current_dir(place.scratch.path())
        .env_remove("BP_SIGNING_KEY")
        .env("HOME", &home)
        .env("XDG_CONFIG_HOME", &home)
        .output()
        .unwrap()
}

#[test]
fn an_archive_is_made_stated_checked_and_extracted_by_its_verbs() {
    let place = Place::sealed();
    // A pack by this very program, so that it derives the same bytes.
    let made = bp(&place, &["pack", "run", "--name", "mine", "--created-at", "2026-01-31T12:00:00Z"]);
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    let written = bp(&place, &["--json", "pack", "archive", "packs/mine", "-o", "mine.tar.zst"]);
    assert_eq!(written.status.code(), Some(0), "{}", String::from_utf8_lossy(&written.stdout));
    let written: serde_json::Value = serde_json::from_slice(&written.stdout).unwrap();
    let bytes = fs::read(place.scratch.path().join("mine.tar.zst")).unwrap();
    assert_eq!(written["sha256"], Digest::of(&bytes).to_string());

    let envelope = fs::read(place.scratch.path().join("mine.tar.zst.dsse.json")).unwrap();
    let envelope = bp::trust::Envelope::parse(&envelope).unwrap();
    let pem = fs::read_to_string(place.scratch.path().join("packs/mine/signer.pub.pem")).unwrap();
    let key = bp::trust::VerifyingKey::from_pem(&pem).unwrap();
    let stated = bp::trust::statement::Statement::open(&envelope, &key).unwrap();
    let manifest = fs::read(place.scratch.path().join("packs/mine/manifest.json")).unwrap();
    let subjects: Vec<_> =
        stated.subjects().iter().map(|subject| (subject.name.as_str(), subject.sha256().unwrap())).collect();
    assert_eq!(subjects, [("mine.tar.zst", Digest::of(&bytes)), ("manifest.json", Digest::of(&manifest))]);
    assert_eq!(stated.predicate_type(), archive::statement::PREDICATE);

    let verified = bp(&place, &["pack", "verify", "--strict", "mine.tar.zst"]);
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stderr));
    let piped = Command::new("sh")
        .args(["-c", "\"$0\" pack verify - < mine.tar.zst", env!("CARGO_BIN_EXE_bp")])
        .current_dir(place.scratch.path())
        .output()
        .unwrap();
    assert_eq!(piped.status.code(), Some(0), "{}", String::from_utf8_lossy(&piped.stderr));
    let extracted = bp(&place, &["pack", "extract", "--strict", "mine.tar.zst", "out"]);
    assert_eq!(extracted.status.code(), Some(0), "{}", String::from_utf8_lossy(&extracted.stderr));
    assert_eq!(fs::read(place.scratch.path().join("out/manifest.json")).unwrap(), manifest);

    fs::write(place.scratch.path().join("cut.tar.zst"), &bytes[..bytes.len() / 2]).unwrap();
    for (arguments, status) in [
        (&["pack", "archive", "packs/mine", "-o", "mine.tar.zst"][..], 2),
        (&["pack", "archive", "packs/mine", "-o", "mine.zip"], 3),
        (&["pack", "archive", "packs/mine", "-o", "packs/mine/mine.tar.gz"], 3),
        (&["pack", "archive", "nothing"], 2),
        (&["pack", "verify", "cut.tar.zst"], 1),
        (&["pack", "extract", "cut.tar.zst", "new"], 1),
        (&["pack", "extract", "mine.tar.zst", "out"], 2),
        (&["pack", "extract", "nothing.tar.gz", "new"], 2),
    ] {
        assert_eq!(bp(&place, arguments).status.code(), Some(status), "{arguments:?}");
    }
    assert!(!place.scratch.path().join("new").exists());
}

#[test]
fn archives_are_equal_under_any_umask_and_time_zone() {
    let place = Place::sealed();
    let script = r#"
        set -e
        for case in "022 UTC" "077 Asia/Tokyo" "000 America/New_York"; do
            set -- $case
            ( umask "$1"; export TZ="$2" HOME="$PWD/home"
              cp -r demo "copy-$1"
              "$BP" --quiet pack archive --unsigned "copy-$1" -o "$1.tar.gz" >/dev/null
              "$BP" --quiet pack archive --unsigned "copy-$1" -o "$1.tar.zst" >/dev/null )
        done"#;
    let output = Command::new("sh")
        .args(["-c", script])
        .env("BP", env!("CARGO_BIN_EXE_bp"))
        .current_dir(place.scratch.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    for ending in ["tar.gz", "tar.zst"] {
        let read = |name: &str| fs::read(place.scratch.path().join(format!("{name}.{ending}"))).unwrap();
        assert_eq!(read("022"), read("077"), "{ending}");
        assert_eq!(read("022"), read("000"), "{ending}");
    }
}
