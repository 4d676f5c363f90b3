//! Stores: a name is given once, what is stored is what was sent, what is read is one object or an error, and no fault of
//! a store or a wire leaves half of anything under a name.
//!
//! The small web server and the wire that is cut are in `served`. Real servers are installed by `scripts/servers`; a test
//! of one that is not there is skipped, loudly, and fails where `BP_SERVERS_REQUIRED` names it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod packs;
mod served;

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use base64ct::{Base64, Encoding as _};
use bp::digest::Digest;
use bp::pack::Moment;
use bp::pack::check;
use bp::store::{Parcel, Patience, Pushed, Settings, Source, Store, StoreError, Url};
use packs::{Place, lax};
use served::{Fault, Server, Small, Wire, asked, server};

/// What no message may hold.
const SECRET: &str = "hunter2secret";

fn settings(variables: &[(&str, &str)]) -> Settings {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut settings = Settings::new(variables);
    settings.patience = Patience {
        stall: Duration::from_mins(1),
        tries: 4,
        pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(20),
    };
    settings
}

fn store(url: &str, settings: &Settings) -> Store {
    Store::open(&url.parse::<Url>().unwrap(), settings).unwrap()
}

/// Bytes that are different for each seed, and do not compress.
fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    let mut block = Digest::of(&[seed]);
    while bytes.len() < length {
        bytes.extend_from_slice(block.as_bytes());
        block = Digest::of(block.as_bytes());
    }
    bytes.truncate(length);
    bytes
}

struct Sent {
    _folder: tempfile::TempDir,
    bytes: Vec<u8>,
    parcel: Parcel,
}

/// Something to push that is as long as that, with a statement beside it.
fn sent(seed: u8, length: usize) -> Sent {
    let folder = tempfile::tempdir().unwrap();
    let bytes = noise(seed, length);
    let (archive, statement) = (folder.path().join("a.tar.gz"), folder.path().join("statement"));
    fs::write(&archive, &bytes).unwrap();
    fs::write(&statement, format!("said of {seed}")).unwrap();
    let parcel = Parcel {
        archive: Source::of(&archive).unwrap(),
        media_type: "application/gzip",
        file_name: "a.tar.gz".to_owned(),
        manifest: format!("{{\"seed\":{seed}}}").into_bytes(),
        statement: Some((".dsse.json", Source::of(&statement).unwrap())),
    };
    Sent { _folder: folder, bytes, parcel }
}

fn read(store: &Store, name: &str) -> Result<Vec<u8>, StoreError> {
    let mut reading = store.read(name)?;
    let failure = reading.failure();
    let mut bytes = Vec::new();
    match reading.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(failure.take().unwrap_or_else(|| panic!("{error}"))),
    }
}

/// What holds in every store that keeps objects under names.
fn keeps_its_promises(url: &str, settings: &Settings, length: usize) {
    let (one, other) = (sent(1, length), sent(2, length));
    let store = store(url, settings);
    let push = |name: &str, sent: &Sent| store.push(name, &sent.parcel, None);
    let place = format!("{url}/a.tar.gz");
    let pushed = |was_there| Pushed { place: place.clone(), was_there };
    assert_eq!(push("a.tar.gz", &one).unwrap(), pushed(false));
    assert_eq!(push("a.tar.gz", &one).unwrap(), pushed(true), "the same bytes again");
    assert!(matches!(push("a.tar.gz", &other), Err(StoreError::Taken { .. })), "other bytes");
    assert_eq!(read(&store, "a.tar.gz").unwrap(), one.bytes);
    assert_eq!(read(&store, "a.tar.gz.dsse.json").unwrap(), b"said of 1");
    assert!(matches!(read(&store, "b.tar.gz"), Err(StoreError::NotFound { .. })));
    push("b.tar.zst", &other).unwrap();
    let listed = store.archives().unwrap();
    let names: Vec<(&str, Option<u64>)> =
        listed.iter().map(|named| (named.name.as_str(), named.size_bytes)).collect();
    let size = Some(length as u64);
    assert_eq!(names, [("a.tar.gz", size), ("b.tar.zst", size)], "nothing but whole archives");
}

/// Of two that push other bytes under one name at once, one is told that it is taken, and the other's bytes are there.
fn two_at_once(store: &Store, name: &str, one: &Sent, other: &Sent) {
    let outcomes = std::thread::scope(|scope| {
        let pushes = [one, other].map(|sent| scope.spawn(|| store.push(name, &sent.parcel, None)));
        pushes.map(|push| push.join().unwrap())
    });
    let there = read(store, name).unwrap();
    let mut won = 0;
    for (sent, outcome) in [one, other].into_iter().zip(outcomes) {
        match outcome {
            Ok(_) => {
                won += 1;
                assert!(there == sent.bytes, "who is told that it is stored is who is there");
            }
            Err(StoreError::Taken { .. }) => assert!(there != sent.bytes),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(won, 1);
}

// Folders.

#[test]
fn a_folder_keeps_its_promises() {
    let place = tempfile::tempdir().unwrap();
    let url = format!("file://{}/new folder", place.path().display());
    let url = url.replace(' ', "%20");
    keeps_its_promises(&url, &settings(&[]), 100_000);
    two_at_once(&store(&url, &settings(&[])), "c.tar.gz", &sent(1, 100_000), &sent(2, 100_000));
    let left: Vec<_> = fs::read_dir(place.path().join("new folder")).unwrap().collect();
    assert_eq!(left.len(), 6, "three archives and their statements: {left:?}");
}

// The command.

fn bp(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bp"));
    command.args(arguments).env_clear().env("HOME", home).current_dir(home);
    command
}

fn ran(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn a_job_ends_with_its_evidence_stored_and_a_stranger_gets_it() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path();
    let url = format!("file://{}/store", home.display());
    let name = format!("{url}/nightly.tar.gz");
    let run = ["pack", "run", "--out", "packs", "--name", "nightly", "--push", &url, "-q"];
    assert_eq!(ran(&mut bp(home, &run)), (0, "packs/nightly\n".to_owned(), String::new()));
    let (status, listed, _) = ran(&mut bp(home, &["pack", "list", &url]));
    assert!(status == 0 && listed.starts_with("PASS ") && listed.ends_with(" nightly.tar.gz\n"), "{listed}");
    let (_, listed, _) = ran(&mut bp(home, &["--json", "pack", "list", &url]));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    bp_list_schema(&listed);
    let size = fs::metadata(home.join("store/nightly.tar.gz")).unwrap().len();
    assert_eq!(
        (&listed["packs"][0]["path"], &listed["packs"][0]["size_bytes"]),
        (&name.as_str().into(), &size.into())
    );
    assert_eq!(ran(&mut bp(home, &["pack", "verify", "--strict", &name])).0, 0);
    let (status, pulled, _) = ran(&mut bp(home, &["pack", "pull", "--strict", &name, "got/it"]));
    assert_eq!((status, pulled.as_str()), (0, "got/it\n"));
    assert_eq!(ran(&mut bp(home, &["pack", "verify", "--strict", "got/it"])).0, 0);
    assert_eq!(fs::read_dir(home.join("got")).unwrap().count(), 1, "nothing else is left");
    // What a store cannot keep, it is not given; a time that is past keeps nothing.
    for (flag, value, code) in [
        ("--retention", "annex-iv", "STORE_UNSUPPORTED"),
        ("--retain-until", "2001-01-01T00:00:00Z", "INVALID_TIME"),
    ] {
        let kept = format!("{url}/kept");
        let (_, told, _) =
            ran(&mut bp(home, &["--json", "pack", "push", flag, value, "packs/nightly", &kept]));
        assert!(told.contains(code) && !home.join("store/kept").exists(), "{told}");
    }
    // An archive goes as it is, with what lies beside it.
    assert_eq!(ran(&mut bp(home, &["pack", "archive", "packs/nightly", "-o", "as-zstd.tar.zst"])).0, 0);
    assert_eq!(ran(&mut bp(home, &["pack", "push", "as-zstd.tar.zst", &format!("{url}/zstd")])).0, 0);
    for name in ["as-zstd.tar.zst", "as-zstd.tar.zst.dsse.json"] {
        assert_eq!(fs::read(home.join(name)).unwrap(), fs::read(home.join("store/zstd").join(name)).unwrap());
    }
    // Again it is there; under another's name it is refused, and so is the pull of a name that is taken.
    let push = |url: &str| ran(&mut bp(home, &["--json", "pack", "push", "packs/nightly", url]));
    let (status, told, _) = push(&url);
    assert!(status == 0 && told.contains("\"was_there\":true"), "{told}");
    fs::write(home.join("store/other.tar.gz"), "other").unwrap();
    let (status, told, _) = push(&format!("{url}/other.tar.gz"));
    assert!(status == 2 && told.contains("STORE_NAME_TAKEN"), "{told}");
    let (status, told, _) = ran(&mut bp(home, &["--json", "pack", "pull", &name, "got/it"]));
    assert!(status == 2 && told.contains("PACK_EXISTS"), "{told}");
}

fn bp_list_schema(document: &serde_json::Value) {
    let schema = include_str!("../contracts/pack_list.schema.json");
    let schema = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn what_does_not_verify_is_not_pulled_and_what_cannot_be_stored_leaves_the_pack() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path();
    let url = format!("file://{}/store", home.display());
    let run = ["pack", "run", "--out", "packs", "--name", "nightly", "--push", &url, "-q"];
    assert_eq!(ran(&mut bp(home, &run)).0, 0);
    let stored = home.join("store/nightly.tar.gz");
    let mut bytes = fs::read(&stored).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&stored, bytes).unwrap();
    let (status, told, _) =
        ran(&mut bp(home, &["--json", "pack", "pull", &format!("{url}/nightly.tar.gz"), "got/it"]));
    assert!(status == 1 && told.contains("PACK_REFUSED"), "{told}");
    assert_eq!(fs::read_dir(home.join("got")).unwrap().count(), 0);
    // The store is a file where a folder should be: the pack is whole, and where it is is said.
    fs::write(home.join("nowhere"), "").unwrap();
    let nowhere = format!("file://{}/nowhere", home.display());
    let run = ["pack", "run", "--out", "packs", "--name", "second", "--push", &nowhere];
    let (status, _, told) = ran(&mut bp(home, &run));
    assert!(status == 2 && told.contains("packs/second"), "{told}");
    assert_eq!(ran(&mut bp(home, &["pack", "verify", "--strict", "packs/second"])).0, 0);
    // A job that failed ends with its own status, whatever came of storing.
    let run = [
        "pack", "run", "--out", "packs", "--name", "third", "--push", &nowhere, "--", "/bin/sh", "-c",
        "exit 7",
    ];
    let (status, _, told) = ran(&mut bp(home, &run));
    assert!(status == 7 && told.contains("packs/third") && told.contains("nowhere"), "{told}");
    assert_eq!(ran(&mut bp(home, &["--json", "pack", "verify", "packs/third"])).0, 0);
}

#[test]
fn a_disk_that_is_full_leaves_nothing_under_the_name() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path();
    let url = format!("file://{}/store", home.display());
    let run = ["pack", "run", "--out", "packs", "--name", "nightly", "--push", &url, "-q"];
    assert_eq!(ran(&mut bp(home, &run)).0, 0);
    // No file may grow over 16 blocks of 512 bytes: the archive is longer.
    let limited = |arguments: &str| {
        let script = format!("trap '' XFSZ; ulimit -f 16; exec {} {arguments}", env!("CARGO_BIN_EXE_bp"));
        ran(Command::new("sh")
            .args(["-c", &script])
            .env_clear()
            .env("HOME", home)
            .env("TMPDIR", home)
            .current_dir(home))
    };
    let (status, _, told) = limited(&format!("pack pull {url}/nightly.tar.gz got/it"));
    assert!(status == 2 && told.contains("nothing of the pack was left behind"), "{told}");
    assert_eq!(fs::read_dir(home.join("got")).unwrap().count(), 0);
    let (status, _, told) = limited(&format!("pack push packs/nightly {url}/again.tar.gz"));
    assert_eq!(status, 2, "{told}");
    let mut names: Vec<_> =
        fs::read_dir(home.join("store")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["nightly.tar.gz", "nightly.tar.gz.dsse.json"]);
}

#[test]
fn a_url_with_a_secret_is_refused_and_never_repeated() {
    let place = tempfile::tempdir().unwrap();
    for url in [
        format!("s3://AKIA:{SECRET}@bucket/a.tar.gz"),
        format!("https://host/a.tar.gz?X-Amz-Signature={SECRET}"),
    ] {
        for verb in [vec!["pack", "verify", &url], vec!["pack", "pull", &url], vec!["pack", "list", &url]] {
            let (status, out, err) = ran(&mut bp(place.path(), &verb));
            assert_eq!(status, 3, "{verb:?}");
            assert!(!format!("{out}{err}").contains(SECRET), "{out}{err}");
        }
    }
}

/// The blocks of a page in one language, in their order.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let mark = format!("```{language}\n");
    page.split(&mark).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_recipes_run_as_they_are_printed() {
    let page = include_str!("../docs/stores.md");
    let place = tempfile::tempdir().unwrap();
    let home = place.path();
    let bin = home.join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_bp"), bin.join("bp")).unwrap();
    // What a cluster and a training job have: a launcher, and a job that leaves a log and fails or not.
    let scripts =
        [("srun", "exec \"$@\""), ("python", "mkdir -p out; echo step 1 > out/train.log; exit ${FAILS:-0}")];
    for (name, text) in scripts {
        use std::os::unix::fs::PermissionsExt as _;
        fs::write(bin.join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(
        home.join("train.py"),
        "import os\nos.makedirs('out', exist_ok=True)\nopen('out/train.log', 'w').write('step 1')\n",
    )
    .unwrap();
    let mut recipes: Vec<(&str, Vec<&str>)> = Vec::new();
    recipes.extend(blocks(page, "sh").into_iter().map(|text| (text, vec!["sh", "-c"])));
    recipes.extend(blocks(page, "python").into_iter().map(|text| (text, vec!["python3", "-c"])));
    assert_eq!(recipes.len(), 3, "a CI job, a SLURM job and a Python program");
    let command = page.lines().find_map(|line| line.trim().strip_prefix("command: ")).unwrap();
    let command: Vec<String> = serde_json::from_str(command).unwrap();
    for (index, fails) in ["0", "3"].into_iter().enumerate() {
        let stored = format!("store-{index}");
        let evidence = format!("file://{}/{stored}", home.display());
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
        let run = |command: &mut Command, name: &str| {
            command.env_clear().env("HOME", home).env("PATH", &path).env("EVIDENCE", &evidence);
            command.env("FAILS", fails).env("RUN", name).env("SLURM_JOB_ID", name).env("CI_JOB_ID", name);
            ran(command.current_dir(home))
        };
        for (number, (text, shell)) in recipes.iter().enumerate() {
            let name = format!("{index}{number}");
            let (status, _, told) = run(Command::new(shell[0]).arg(shell[1]).arg(text), &name);
            // A run without recorded steps is INSUFFICIENT, and the status of a job that failed is the job's own.
            let wanted = if shell[0] == "sh" && fails == "3" { vec![3] } else { vec![0, 1] };
            assert!(wanted.contains(&status), "{text}\n{told}");
        }
        let command: Vec<String> = command
            .iter()
            .map(|word| word.replace("$(EVIDENCE)", &evidence).replace("$(RUN)", "k8s"))
            .collect();
        run(Command::new(bin.join(&command[0])).args(&command[1..]), "k8s");
        let archives = fs::read_dir(home.join(&stored))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tar.gz"));
        assert_eq!(archives.count(), 4, "each recipe left a pack in the store, also of a job that failed");
        fs::remove_dir_all(home.join("packs")).unwrap();
    }
}

// Web servers, and what can go wrong with one.

#[test]
fn a_stream_is_taken_up_again_wherever_it_is_cut() {
    let bytes = noise(3, 300_000);
    for ranges in [true, false] {
        let mut cuts: Vec<usize> = noise(4, 60)
            .chunks(3)
            .map(|at| (usize::from(at[0]) << 16 | usize::from(at[1]) << 8 | usize::from(at[2])) % bytes.len())
            .collect();
        cuts.extend([0, 1, bytes.len() - 1]);
        for cut in cuts {
            let small = Small::start(ranges, vec![Fault::Cut(cut), Fault::HangUp, Fault::Cut(cut / 2)]);
            small.put("a.tar.gz", &bytes);
            let store = store(&small.url(""), &settings(&[]));
            assert!(read(&store, "a.tar.gz").unwrap() == bytes, "cut at {cut}, ranges: {ranges}");
        }
    }
}

#[test]
fn a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let reading = |faults: Vec<Fault>| {
        let mut settings = settings(&[("BP_HTTP_TOKEN", SECRET)]);
        if let [Fault::Stall, ..] = faults[..] {
            settings.patience.stall = Duration::from_millis(100);
        }
        let small = Small::start(true, faults);
        small.put("a.tar.gz", b"bytes");
        let read = read(&store(&small.url(""), &settings), "a.tar.gz");
        let seen = small.seen.lock().unwrap().len();
        (read, seen)
    };
    let (read, seen) = reading(vec![Fault::Status(500), Fault::Later(429, 1), Fault::Status(503)]);
    assert_eq!((read.unwrap().as_slice(), seen), (b"bytes".as_slice(), 4));
    let (read, seen) = reading(vec![Fault::Status(503); 9]);
    assert!(matches!(read, Err(StoreError::Unreachable { tries: 4, .. })) && seen == 4, "{read:?}");
    let (read, seen) = reading(vec![Fault::Stall; 9]);
    assert!(matches!(read, Err(StoreError::Unreachable { tries: 4, .. })) && seen == 4, "{read:?}");
    // The body of this answer repeats the request, and the request shows who asks.
    let (read, seen) = reading(vec![Fault::Status(403)]);
    let told = format!("{0} {0:?}", read.unwrap_err());
    assert!(told.contains("403") && seen == 1 && !told.contains(SECRET), "{told}");
}

#[test]
fn an_object_that_changes_while_it_is_read_is_an_error() {
    let small = Small::start(true, vec![Fault::Cut(1000), Fault::Other]);
    small.put("a.tar.gz", &noise(5, 5000));
    let store = store(&small.url(""), &settings(&[]));
    assert!(matches!(read(&store, "a.tar.gz"), Err(StoreError::Changed { .. })));
}

#[test]
fn a_store_that_gives_back_other_bytes_is_found_out() {
    let small = Small::start(true, vec![]);
    let one = sent(6, 5000);
    let store = store(&small.url("deep"), &settings(&[]));
    store.push("a.tar.gz", &one.parcel, None).unwrap();
    // HEAD, PUT, then the bytes back.
    *small.faults.lock().unwrap() = vec![Fault::Cut(0), Fault::Cut(0), Fault::Flip];
    assert!(matches!(
        store.push("b.tar.gz", &one.parcel, None),
        Err(StoreError::Differs { sent_bytes: 5000, .. })
    ));
}

#[test]
fn a_web_server_gives_a_name_once() {
    let small = Small::start(true, vec![]);
    let store = store(&small.url("deep"), &settings(&[]));
    let (one, other) = (sent(1, 50_000), sent(2, 50_000));
    assert!(!store.push("a.tar.gz", &one.parcel, None).unwrap().was_there);
    assert!(store.push("a.tar.gz", &one.parcel, None).unwrap().was_there);
    assert!(matches!(store.push("a.tar.gz", &other.parcel, None), Err(StoreError::Taken { .. })));
    two_at_once(&store, "c.tar.gz", &one, &other);
    assert!(matches!(store.archives(), Err(StoreError::Unsupported { .. })));
}

#[test]
fn who_asks_is_shown_to_no_other_server() {
    let (small, other) = (Small::start(true, vec![]), Small::start(true, vec![]));
    other.put("a.tar.gz", b"bytes");
    small.faults.lock().unwrap().push(Fault::Redirect(other.port));
    let store = store(&small.url(""), &settings(&[("BP_HTTP_TOKEN", SECRET)]));
    assert_eq!(read(&store, "a.tar.gz").unwrap(), b"bytes");
    assert!(small.seen.lock().unwrap()[0].contains(SECRET));
    assert!(!other.seen.lock().unwrap()[0].contains(SECRET));
}

#[test]
fn a_certificate_of_nobody_is_not_trusted_and_one_that_is_named_is() {
    let Some(server) = server("openssl", |command, port, folder| {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"])
            .args(["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .current_dir(folder)
            .output();
        assert!(made.unwrap().status.success());
        let place = Place::sealed();
        let (file, limits) = (folder.join("demo.tar.gz"), check::Limits::default());
        bp::pack::archive::create(&place.pack, &file, bp::pack::archive::Codec::Gzip, &limits).unwrap();
        command.args([
            "s_server",
            "-cert",
            "cert.pem",
            "-key",
            "key.pem",
            "-WWW",
            "-accept",
            &port.to_string(),
        ]);
        command.current_dir(folder);
    }) else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let url = format!("https://localhost:{}/demo.tar.gz", server.port);
    let mut verify = bp(home.path(), &["--json", "pack", "verify", &url]);
    let (status, told, _) = ran(&mut verify);
    assert!(status == 2 && told.contains("STORE_NOT_SET_UP") && told.contains("SSL_CERT_FILE"), "{told}");
    // The pack names the judge of these tests, so it is judged, and that is found.
    let (status, told, _) = ran(verify.env("SSL_CERT_FILE", server.folder.path().join("cert.pem")));
    let judged = told.contains("MANIFEST_JUDGE_MISMATCH") && told.contains("\"verdict_how\":\"recomputed\"");
    assert!(status == 1 && judged, "{told}");
}

#[test]
fn a_pack_is_judged_where_it_is_stored_and_a_broken_stream_is_no_finding() {
    let place = Place::sealed();
    let file = place.scratch.path().join("demo.tar.gz");
    let written = bp::pack::archive::create(
        &place.pack,
        &file,
        bp::pack::archive::Codec::Gzip,
        &check::Limits::default(),
    );
    let bytes = fs::read(&file).unwrap();
    assert_eq!(written.unwrap().size_bytes, bytes.len() as u64);
    let small = Small::start(true, vec![Fault::Cut(7000), Fault::Cut(1)]);
    small.put("demo.tar.gz", &bytes);
    let store = store(&small.url(""), &settings(&[]));
    let streamed = check::archive(store.read("demo.tar.gz").unwrap(), &lax());
    assert_eq!(streamed, check::directory(&place.pack, &lax()).unwrap());
    let mut faults = vec![Fault::Cut(7000)];
    faults.extend([Fault::Status(503); 9]);
    *small.faults.lock().unwrap() = faults;
    let reading = store.read("demo.tar.gz").unwrap();
    let failure = reading.failure();
    let _ = check::archive(reading, &lax());
    assert!(matches!(failure.take(), Some(StoreError::Unreachable { .. })), "who checks can tell");
}

// S3: s3s-fs is exact about checksums and conditions, moto about object lock.

fn s3s() -> Option<Server> {
    server("s3s-fs", |command, port, folder| {
        fs::create_dir(folder.join("bucket")).unwrap();
        command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--access-key", "AK", "--secret-key", SECRET]).arg(folder);
    })
}

fn s3(port: u16) -> Settings {
    settings(&[
        ("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{port}")),
        ("AWS_ACCESS_KEY_ID", "AK"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ])
}

fn moto() -> Option<Server> {
    server("moto_server", |command, port, _| {
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    })
}

#[test]
fn s3_as_moto_has_it_keeps_its_promises() {
    let Some(server) = moto() else { return };
    assert_eq!(asked(server.port, "PUT", "/bucket", &[], b"").0, 200);
    keeps_its_promises("s3://bucket/short", &s3(server.port), 100_000);
    keeps_its_promises("s3://bucket/long", &s3(server.port), 20 << 20);
    let error = store("s3://nobody-has-this", &s3(server.port)).push("x.tar.gz", &sent(1, 10).parcel, None);
    let told = error.unwrap_err().to_string();
    assert!(told.contains("(NoSuchBucket)"), "{told}");
}

#[test]
fn s3_as_s3s_has_it_keeps_its_promises() {
    let Some(server) = s3s() else { return };
    keeps_its_promises("s3://bucket/short", &s3(server.port), 100_000);
    keeps_its_promises("s3://bucket/long", &s3(server.port), 20 << 20);
    let refused = settings(&[
        ("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{}", server.port)),
        ("AWS_ACCESS_KEY_ID", "AK"),
        ("AWS_SECRET_ACCESS_KEY", "another-secret"),
    ]);
    let error = store("s3://bucket/short", &refused).push("x.tar.gz", &sent(1, 10).parcel, None).unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(matches!(error, StoreError::Denied { .. }) && !told.contains("another-secret"), "{told}");
}

#[test]
fn s3_is_asked_for_a_name_on_the_condition_that_nothing_has_it() {
    // The small server decides and writes in one, as S3 does; s3s-fs and moto look first and then write.
    let small = Small::start(true, vec![]);
    let store = store("s3://bucket/x", &s3(small.port));
    two_at_once(&store, "c.tar.gz", &sent(1, 50_000), &sent(2, 50_000));
    let seen = small.seen.lock().unwrap();
    let puts: Vec<&String> = seen.iter().filter(|head| head.starts_with("PUT ")).collect();
    assert!(puts.len() >= 2 && puts.iter().all(|head| head.contains("if-none-match: *")), "{puts:?}");
    assert!(puts.iter().all(|head| head.contains("x-amz-checksum-sha256: ")), "the server may check it too");
}

#[test]
fn s3_puts_the_parts_of_a_long_object_together_on_the_same_condition_and_copies_nothing() {
    let small = Small::start(true, vec![]);
    let store = store("s3://bucket/x", &s3(small.port));
    two_at_once(&store, "c.tar.gz", &sent(1, 20 << 20), &sent(2, 20 << 20));
    let seen = small.seen.lock().unwrap();
    assert!(!seen.iter().any(|head| head.contains("copy-source")), "a copy ends at 5 GiB");
    let is_last = |head: &&String| head.starts_with("POST ") && head.contains("?uploadId=");
    let last: Vec<&String> = seen.iter().filter(is_last).collect();
    assert!(!last.is_empty() && last.iter().all(|head| head.contains("if-none-match: *")), "{last:?}");
    let files = small.files.lock().unwrap();
    let names: Vec<&String> = files.keys().filter(|name| !name.contains('?')).collect();
    assert_eq!(names, ["/bucket/x/c.tar.gz", "/bucket/x/c.tar.gz.dsse.json"]);
}

#[test]
fn s3_may_take_longer_to_put_parts_together_than_for_anything_else() {
    let small = Small::start(true, vec![Fault::Thinks(Duration::from_secs(3)); 100]);
    let mut hasty = s3(small.port);
    hasty.patience.stall = Duration::from_secs(1);
    let pushed = store("s3://bucket/x", &hasty).push("c.tar.gz", &sent(1, 20 << 20).parcel, None).unwrap();
    let seen = small.seen.lock().unwrap();
    let asked = seen.iter().filter(|head| head.starts_with("POST ") && head.contains("?uploadId=")).count();
    assert!(!pushed.was_there && asked == 1, "asked {asked} times");
}

#[test]
fn google_is_asked_for_a_name_on_the_condition_that_nothing_has_it() {
    let small = Small::start(true, vec![]);
    let url = format!("http://127.0.0.1:{}", small.port);
    let settings = settings(&[("GOOGLE_BASE_URL", &url), ("GOOGLE_BEARER_TOKEN", SECRET)]);
    let store = store("gs://bucket/x", &settings);
    two_at_once(&store, "c.tar.gz", &sent(1, 50_000), &sent(2, 50_000));
    assert!(matches!(read(&store, "d.tar.gz"), Err(StoreError::NotFound { .. })));
    let seen = small.seen.lock().unwrap();
    let mut puts = seen.iter().filter(|head| head.starts_with("PUT "));
    assert!(puts.all(|head| head.contains("x-goog-if-generation-match: 0")), "{seen:?}");
}

#[test]
fn a_name_says_archive_to_stores_as_it_does_to_packs() {
    for name in ["a.tar.gz", "a.tgz", "a.tar.zst", "a.tar", "a.gz", ".tar.gz", "a.tar.gz.dsse.json", "a"] {
        let packs = bp::pack::archive::Codec::of_name(Path::new(name));
        assert_eq!(bp::store::stem(name).is_some(), packs.is_some(), "{name}");
    }
}

#[test]
fn a_wire_to_s3_that_is_cut_leaves_nothing_under_the_name_and_the_next_push_sends_what_is_missing() {
    let Some(server) = s3s() else { return };
    let long = sent(7, 40 << 20);
    let notes = tempfile::tempdir().unwrap();
    let uploads = |mut settings: Settings| {
        settings.uploads = Some(notes.path().to_owned());
        settings
    };
    // Every connection is cut after 9 MiB, before the second part of any of them is through.
    let wire = Wire::to(server.port, vec![9 << 20; 200]);
    let cut = store("s3://bucket/long", &uploads(s3(wire.port)));
    let pushed = cut.push("a.tar.gz", &long.parcel, None);
    wire.cuts.lock().unwrap().clear();
    if pushed.is_err() {
        assert!(matches!(read(&cut, "a.tar.gz"), Err(StoreError::NotFound { .. })), "{pushed:?}");
        assert!(cut.archives().unwrap().is_empty());
    }
    cut.push("a.tar.gz", &long.parcel, None).unwrap();
    assert!(read(&cut, "a.tar.gz").unwrap() == long.bytes);
    assert_eq!(fs::read_dir(notes.path()).unwrap().count(), 0, "the note is gone");
    // Cut at other places, short objects arrive whole or not at all, and then arrive.
    for (seed, at) in [(8, 0), (9, 1), (10, 300), (11, 2000), (12, 60_000)] {
        let short = sent(seed, 100_000);
        let wire = Wire::to(server.port, vec![at; 3]);
        let name = format!("{seed}.tar.gz");
        store("s3://bucket/short", &s3(wire.port)).push(&name, &short.parcel, None).unwrap();
        assert!(read(&store("s3://bucket/short", &s3(server.port)), &name).unwrap() == short.bytes);
    }
}

#[test]
fn a_push_that_ended_early_is_resumed_from_its_note() {
    let Some(server) = s3s() else { return };
    let long = sent(13, 40 << 20);
    let notes = tempfile::tempdir().unwrap();
    // Nothing is tried twice, and of the first connections some are cut in the middle of a part.
    let wire = Wire::to(server.port, vec![u64::MAX, u64::MAX, 5 << 20, 5 << 20, 5 << 20, 5 << 20, 5 << 20]);
    let with = |port: u16| {
        let mut settings = s3(port);
        settings.uploads = Some(notes.path().to_owned());
        settings.patience.tries = 1;
        settings
    };
    let error = store("s3://bucket/x", &with(wire.port)).push("a.tar.gz", &long.parcel, None).unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { tries: 1, .. }), "{error:?}");
    let note = fs::read_dir(notes.path()).unwrap().next().expect("what arrived is noted").unwrap().path();
    let text = fs::read_to_string(&note).unwrap();
    assert!(!text.contains(SECRET), "{text}");
    let upload: serde_json::Value = serde_json::from_str(&text).unwrap();
    let parts = upload["parts"].as_array().unwrap();
    let missing = parts.iter().filter(|part| part.is_null()).count() as u64;
    assert!(parts.len() == 5 && missing < 5, "{text}");
    // The next push sends what is missing, and no more than that and the words around it.
    let wire = Wire::to(server.port, vec![]);
    let pushed = store("s3://bucket/x", &with(wire.port)).push("a.tar.gz", &long.parcel, None).unwrap();
    let sent = wire.sent.load(std::sync::atomic::Ordering::SeqCst);
    assert!(
        !pushed.was_there && !note.exists() && sent < missing * (8 << 20) + (1 << 20),
        "{sent} of {missing}"
    );
    let direct = store("s3://bucket/x", &with(server.port));
    assert!(read(&direct, "a.tar.gz").unwrap() == long.bytes);
    // A note about an upload that the store does not know costs a new beginning, no more.
    fs::write(&note, r#"{"upload":"unknown","part_bytes":8388608,"parts":[null,null,null,null,null]}"#)
        .unwrap();
    fs::remove_file(server.folder.path().join("bucket/x/a.tar.gz")).unwrap();
    direct.push("a.tar.gz", &long.parcel, None).unwrap();
    assert!(read(&direct, "a.tar.gz").unwrap() == long.bytes && !note.exists());
}

#[test]
fn s3_keeps_an_object_until_the_time_that_was_set() {
    let Some(server) = moto() else { return };
    let lock = ("x-amz-bucket-object-lock-enabled", "true");
    // moto asks who is there, and does not check the signature.
    let credential =
        "AWS4-HMAC-SHA256 Credential=AK/20260131/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let asked = |method: &str, path: &str| {
        let (status, head, body) =
            asked(server.port, method, path, &[("authorization", credential), lock], b"");
        (status, format!("{head}\n{}", String::from_utf8_lossy(&body)))
    };
    assert_eq!(asked("PUT", "/bucket").0, 200);
    let until: Moment = "2099-01-31T12:00:00Z".parse().unwrap();
    let store = store("s3://bucket/kept", &s3(server.port));
    let one = sent(1, 1000);
    store.push("a.tar.gz", &one.parcel, Some(&until)).unwrap();
    store.push("a.tar.gz", &one.parcel, Some(&until)).unwrap();
    store.push("free.tar.gz", &sent(2, 1000).parcel, None).unwrap();
    let deleted = |name: &str| {
        let (_, versions) = asked("GET", "/bucket?versions=");
        let of = versions.split(&format!("<Key>kept/{name}</Key>")).nth(1).unwrap();
        let version = of.split("<VersionId>").nth(1).unwrap().split('<').next().unwrap();
        asked("DELETE", &format!("/bucket/kept/{name}?versionId={version}")).0
    };
    for name in ["a.tar.gz", "a.tar.gz.dsse.json"] {
        let (status, kept) = asked("HEAD", &format!("/bucket/kept/{name}"));
        assert_eq!(status, 200);
        assert!(kept.contains("COMPLIANCE") && kept.contains("2099-01-31T12:00:00"), "{kept}");
        assert_eq!(deleted(name), 403, "{name}");
    }
    assert_eq!(deleted("free.tar.gz"), 204, "what is not kept can be deleted");
    let folder = tempfile::tempdir().unwrap();
    let other = self::store(&format!("file://{}", folder.path().display()), &settings(&[]));
    assert!(matches!(other.push("a.tar.gz", &one.parcel, Some(&until)), Err(StoreError::Unsupported { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "refused before anything is stored");
}

// Azure.

#[test]
fn azure_keeps_its_promises() {
    let Some(server) = server("azurite", |command, port, folder| {
        command
            .args(["--silent", "--skipApiVersionCheck", "--blobHost", "127.0.0.1", "--location"])
            .arg(folder);
        let (queue, table) = (port.wrapping_add(1).max(1024), port.wrapping_add(2).max(1024));
        command.args(["--blobPort", &port.to_string(), "--queuePort", &queue.to_string()]);
        command.args(["--tablePort", &table.to_string()]);
    }) else {
        return;
    };
    container(server.port);
    let settings = settings(&[
        ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT),
        ("AZURE_STORAGE_ACCOUNT_KEY", ACCOUNT_KEY),
        ("AZURE_STORAGE_ENDPOINT", &format!("http://127.0.0.1:{}/{ACCOUNT}", server.port)),
    ]);
    keeps_its_promises("az://evidence/short", &settings, 100_000);
    two_at_once(&store("az://evidence/at-once", &settings), "c.tar.gz", &sent(1, 100_000), &sent(2, 100_000));
    keeps_its_promises("az://evidence/long", &settings, 20 << 20);
}

/// The account that every Azurite has, and its public key (Azurite's documentation).
const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Makes a container, with a request signed by the account's key (Shared Key authorization).
fn container(port: u16) {
    use base64ct::{Base64, Encoding as _};
    let (date, version) = ("Sat, 31 Jan 2026 12:00:00 GMT", "2021-08-06");
    let resource = format!("/{ACCOUNT}/{ACCOUNT}/evidence\nrestype:container");
    let text = format!("PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{version}\n{resource}");
    let signature = hmac(&Base64::decode_vec(ACCOUNT_KEY).unwrap(), text.as_bytes());
    let authorization = format!("SharedKey {ACCOUNT}:{}", Base64::encode_string(signature.as_bytes()));
    let headers = [("x-ms-date", date), ("x-ms-version", version), ("authorization", &authorization)];
    let (status, _, body) =
        asked(port, "PUT", &format!("/{ACCOUNT}/evidence?restype=container"), &headers, b"");
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
}

/// RFC 2104, for a key of at most one block.
fn hmac(key: &[u8], text: &[u8]) -> Digest {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(block, key)| *block ^= key);
        block
    };
    let inner = Digest::of_pieces([&pad(0x36)[..], text]);
    Digest::of_pieces([&pad(0x5c)[..], inner.as_bytes()])
}

// Registries.

#[test]
fn a_registry_gives_a_tag_once_and_curl_gets_the_pack() {
    let Some(server) = server("docker-registry", |command, port, folder| {
        let config = folder.join("config.yml");
        let root = folder.join("registry");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\n",
            root.display()
        );
        fs::write(&config, text).unwrap();
        command.arg("serve").arg(config);
    }) else {
        return;
    };
    let url = format!("oci://127.0.0.1:{}/team/packs", server.port);
    let store = store(&url, &settings(&[]));
    let (one, other) = (sent(1, 100_000), sent(2, 100_000));
    let pushed = |was_there| Pushed { place: format!("{url}:v1"), was_there };
    assert_eq!(store.push("v1", &one.parcel, None).unwrap(), pushed(false));
    assert_eq!(store.push("v1", &one.parcel, None).unwrap(), pushed(true));
    assert!(matches!(store.push("v1", &other.parcel, None), Err(StoreError::Taken { .. })));
    store.push("v2", &other.parcel, None).unwrap();
    assert_eq!(read(&store, "v1").unwrap(), one.bytes);
    let names: Vec<String> = store.archives().unwrap().into_iter().map(|named| named.name).collect();
    assert_eq!(names, ["v1", "v2"], "tags that list referrers are none");
    assert!(matches!(read(&store, "v3"), Err(StoreError::NotFound { .. })));
    // Without us: the manifest by its tag, the archive by the digest in it, and who refers to it by the fallback tag.
    let curl = |path: &str| {
        let accept =
            "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
        let url = format!("http://127.0.0.1:{}/v2/team/packs/{path}", server.port);
        let output = Command::new("curl").args(["-sfL", "-H", accept, &url]).output().unwrap();
        assert!(output.status.success(), "{url}");
        output.stdout
    };
    let bytes = curl("manifests/v1");
    let manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let digest = |value: &serde_json::Value| value["digest"].as_str().unwrap().to_owned();
    assert_eq!(curl(&format!("blobs/{}", digest(&manifest["config"]))), one.parcel.manifest);
    assert!(curl(&format!("blobs/{}", digest(&manifest["layers"][0]))) == one.bytes);
    let index: serde_json::Value =
        serde_json::from_slice(&curl(&format!("manifests/sha256-{}", Digest::of(&bytes)))).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "pushed twice, it refers once");
    let referrer: serde_json::Value =
        serde_json::from_slice(&curl(&format!("manifests/{}", digest(&index["manifests"][0])))).unwrap();
    assert_eq!(referrer["subject"]["digest"], Digest::of(&bytes).prefixed());
    assert_eq!(curl(&format!("blobs/{}", digest(&referrer["layers"][0]))), b"said of 1");
    // By digest too, and what is there under the digest is what it says.
    assert_eq!(read(&store, &Digest::of(&bytes).prefixed()).unwrap(), one.bytes);
}

#[test]
fn who_asks_a_registry_is_who_dockers_helper_says() {
    // By user and password, and by a token that is given for an identity token.
    let port = served::answering(|head, body| {
        let has = |text: &str| head.contains(text);
        let form = String::from_utf8_lossy(body);
        let granted = has("POST /token ")
            && form.contains("grant_type=refresh_token")
            && form.contains("scope=repository%3Atokens%2Fpacks%3Apull")
            && form.contains(&format!("refresh_token={SECRET}"));
        let basic = Base64::encode_string(format!("someone:{SECRET}").as_bytes());
        let known = has("/v2/users/") && has(&format!("authorization: Basic {basic}\r\n"))
            || has("/v2/tokens/") && has("authorization: Bearer given\r\n");
        let host = head.split_once("host: ").unwrap().1.lines().next().unwrap();
        match () {
            () if granted => (200, String::new(), br#"{"access_token":"given"}"#.to_vec()),
            () if known => (200, String::new(), br#"{"tags":["v1"]}"#.to_vec()),
            () if has("/v2/users/") => (401, "www-authenticate: Basic realm=\"x\"".to_owned(), vec![]),
            () if has("/v2/tokens/") => {
                let scope = "repository:tokens/packs:pull";
                let realm =
                    format!("Bearer realm=\"http://{host}/token\",service=\"here\",scope=\"{scope}\"");
                (401, format!("www-authenticate: {realm}"), vec![])
            }
            () => (404, String::new(), vec![]),
        }
    });
    let place = tempfile::tempdir().unwrap();
    let (home, programs) = (place.path(), place.path().join("bin"));
    fs::create_dir_all(home.join(".docker")).unwrap();
    fs::create_dir(&programs).unwrap();
    let helper = |name: &str, script: &str| {
        let path = programs.join(format!("docker-credential-{name}"));
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    let says = |user: &str| {
        let answer = format!(r#"{{"ServerURL":"%s","Username":"{user}","Secret":"{SECRET}"}}"#);
        format!("[ \"$1\" = get ] || exit 3\nread -r host\nprintf '{answer}' \"$host\"")
    };
    helper("users", &says("someone"));
    helper("tokens", &says("<token>"));
    helper("nobody", "echo credentials not found in native keychain; exit 1");
    helper("broken", &format!("echo {SECRET}; exit 1"));
    let list = |repository: &str, configuration: &str| {
        fs::write(home.join(".docker/config.json"), configuration).unwrap();
        let url = format!("oci://127.0.0.1:{port}/{repository}/packs");
        let path = format!("{}:/usr/bin:/bin", programs.display());
        let (status, out, err) = ran(bp(home, &["pack", "list", &url]).env("PATH", path));
        assert!(!format!("{out}{err}").contains(SECRET), "{out}{err}");
        (status, format!("{out}{err}"))
    };
    let own =
        |name: &str| format!(r#"{{"credHelpers":{{"127.0.0.1:{port}":"{name}"}},"credsStore":"broken"}}"#);
    let (status, told) = list("users", &own("users"));
    assert!(status != 2 && told.contains("v1"), "{told}");
    let (status, told) = list("tokens", &own("tokens"));
    assert!(status != 2 && told.contains("v1"), "{told}");
    let (status, told) = list("users", r#"{"credsStore":"users"}"#);
    assert!(status != 2 && told.contains("v1"), "{told}");
    // Who is not known asks as nobody.
    let (status, told) = list("users", &own("nobody"));
    assert!(status == 2 && told.contains("refused the credentials"), "{told}");
    for (name, why) in
        [("broken", "it knows of no one"), ("absent", "No such file"), ("../x", "not the name")]
    {
        let (status, told) = list("users", &own(name));
        assert!(status == 2 && told.contains(why), "{name}: {told}");
    }
}

// MLflow.

#[test]
fn an_mlflow_run_keeps_its_promises() {
    let Some(server) = server("mlflow", |command, port, folder| {
        command.args(["server", "--host", "127.0.0.1", "--port", &port.to_string(), "--workers", "1"]);
        command.arg("--backend-store-uri").arg(format!("sqlite:///{}", folder.join("m.db").display()));
        command.arg("--artifacts-destination").arg(folder.join("artifacts"));
    }) else {
        return;
    };
    let json = ("content-type", "application/json");
    let call = |verb: &str, body: &str| -> serde_json::Value {
        let (status, _, answer) =
            asked(server.port, "POST", &format!("/api/2.0/mlflow/{verb}"), &[json], body.as_bytes());
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap()
    };
    let experiment = call("experiments/create", r#"{"name":"evidence"}"#);
    let experiment = experiment["experiment_id"].as_str().unwrap();
    let run = call("runs/create", &format!(r#"{{"experiment_id":"{experiment}"}}"#));
    let run = run["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    let settings = settings(&[("MLFLOW_TRACKING_URI", &format!("http://127.0.0.1:{}", server.port))]);
    let store = store(&format!("mlflow://{run}/evidence"), &settings);
    let (one, other) = (sent(1, 100_000), sent(2, 100_000));
    assert!(!store.push("a.tar.gz", &one.parcel, None).unwrap().was_there);
    assert!(store.push("a.tar.gz", &one.parcel, None).unwrap().was_there);
    assert!(matches!(store.push("a.tar.gz", &other.parcel, None), Err(StoreError::Taken { .. })));
    assert_eq!(read(&store, "a.tar.gz").unwrap(), one.bytes);
    let listed = store.archives().unwrap();
    assert_eq!((listed.len(), listed[0].size_bytes), (1, Some(100_000)));
    let (_, _, told) = asked(server.port, "GET", &format!("/api/2.0/mlflow/runs/get?run_id={run}"), &[], b"");
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains(&one.parcel.archive.sha256.to_string()), "the digest is a tag of the run");
}
