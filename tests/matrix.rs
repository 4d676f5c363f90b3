//! The matrix of attacks on packs, by their numbers in the study that they come from: each as a builder, and what is found
//! by default, strictly without a signer, and strictly with one pinned. `fixtures/pack/matrix.txt` has the exact codes;
//! `BP_BLESS=1` writes it again, and the differences are for whoever reviews it.
//!
//! Keys: Alice is the signer that the recipient pins, Mallory a stranger. Where Alice seals a lie herself, what is left to
//! find is what does not follow from the evidence.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod packs;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bp::digest::Digest;
use bp::pack::manifest::{Artifact, FileRole};
use bp::pack::{Options, Pin, VerifyResult, check};
use bp::report::Outcome;
use bp::trust::{SigningKey, seal};
use packs::{FILES, Input, Place, alice, iris, lax, mallory, strict, terms};

#[allow(clippy::disallowed_methods, reason = "a test is its own rim")]
fn set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

type Attack = (&'static str, fn(&Place));

fn ledger_only(place: &Place) {
    let files = place.files();
    let lines =
        files.iter().filter(|(path, _)| !path.starts_with("manifest.json") && *path != "checksums.sha256");
    let ledger: Vec<String> = lines.map(|(path, bytes)| format!("{}  {path}\n", Digest::of(bytes))).collect();
    place.put("checksums.sha256", ledger.concat());
}

fn forge_verdict(place: &Place) {
    let text = String::from_utf8(place.bytes("results/final_verdict.json")).unwrap();
    let forged = text.replace("\"verdict\":\"PASS\"", "\"verdict\":\"FAIL\"").replace("INSUFFICIENT", "PASS");
    assert_ne!(forged, text);
    place.put("results/final_verdict.json", forged);
}

fn forge_receipt(place: &Place) {
    let text = String::from_utf8(place.bytes("sidecars/iris.jsonl")).unwrap();
    let forged = text.replacen("0.1", "0.2", 1);
    assert_ne!(forged, text);
    place.put("sidecars/iris.jsonl", forged);
}

/// Seals a ledger and a manifest that have one file more, which follows from nothing.
fn listed_extra(place: &Place, path: &str, key: &SigningKey) {
    place.put(path, b"extra");
    let mut statement = place.statement();
    statement.artifacts.push(Artifact {
        path: path.parse().unwrap(),
        size_bytes: 5,
        sha256: Digest::of(b"extra"),
        role: FileRole::Result,
        media_type: "text/plain".into(),
    });
    place.reseal_as(key, statement);
}

fn ledger(place: &Place, edit: impl FnOnce(&str) -> String) {
    place.reseal_ledger(&alice(), edit);
}

/// Adds to the lines of the ledger, in their order.
fn line(place: &Place, path: &str, digest: &Digest) {
    ledger(place, |text| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.push(format!("{digest}  {path}"));
        lines.sort_by(|one, other| one[66..].cmp(&other[66..]));
        lines.join("\n") + "\n"
    });
}

fn outside(place: &Place, path: &str) -> PathBuf {
    let outside = place.scratch.path().join("outside");
    fs::rename(place.at(path), &outside).unwrap();
    outside
}

#[cfg(unix)]
fn link(place: &Place, path: &str) {
    std::os::unix::fs::symlink(outside(place, path), place.at(path)).unwrap();
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn sparse(path: &Path) {
    File::create(path).unwrap().set_len(200 << 30).unwrap();
}

#[cfg(unix)]
fn mode(place: &Place, path: &str, mode: u32) {
    fs::set_permissions(place.at(path), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// The same signature with the order of the group added to its second half: it holds where nobody asks for one spelling.
fn malleable(place: &Place) {
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut sealed = place.bytes("manifest.json.sig");
    let mut carry = 0_u16;
    for (at, digit) in order.into_iter().enumerate() {
        let sum = u16::from(sealed[32 + at]) + u16::from(digit) + carry;
        sealed[32 + at] = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    place.put("manifest.json.sig", sealed);
}

#[cfg(unix)]
const ATTACKS: &[Attack] = &[
    ("02 a byte of a payload flipped", |place| place.flip("verify/iris.json", 9)),
    ("02b a byte of the seal flipped", |place| place.flip("manifest.json.sig", 40)),
    ("03 the verdict edited", forge_verdict),
    ("04 the verdict edited, and the ledger made again", |place| {
        forge_verdict(place);
        ledger_only(place);
    }),
    ("05 the evidence forged, and the ledger made again", |place| {
        forge_receipt(place);
        ledger_only(place);
    }),
    ("06 and the manifest made again, under the old seal", |place| {
        forge_verdict(place);
        let old = place.bytes("manifest.json.sig");
        place.reseal(&alice());
        place.put("manifest.json.sig", old);
    }),
    ("07 everything forged and sealed by Mallory", |place| {
        forge_receipt(place);
        place.reseal(&mallory());
    }),
    ("07b an honest pack sealed by Mallory", |place| place.reseal(&mallory())),
    ("07c a whole pack that Mallory made", |place| {
        let mallorys = Place::of(vec![iris()], &terms(), Some(&mallory()));
        fs::remove_dir_all(&place.pack).unwrap();
        fs::rename(&mallorys.pack, &place.pack).unwrap();
    }),
    ("08 Mallory seals what names Alice", |place| {
        let manifest = place.bytes("manifest.json");
        place.put("manifest.json.sig", seal::sign(&mallory(), &manifest).unwrap());
    }),
    ("09 the seal stripped", |place| fs::remove_file(place.at("manifest.json.sig")).unwrap()),
    ("09b downgraded to an unsigned pack", |place| {
        let mut statement = place.statement();
        statement.signing = None;
        place.put("manifest.json", statement.to_bytes());
        fs::remove_file(place.at("manifest.json.sig")).unwrap();
    }),
    ("10 a file added", |place| place.put("extra.txt", b"x")),
    ("10c a file that Alice seals and nothing accounts for", |place| {
        listed_extra(place, "results/extra.json", &alice());
    }),
    ("11 a file under __MACOSX", |place| place.put("__MACOSX/x", b"x")),
    ("12 a file named .DS_Store", |place| place.put(".DS_Store", b"x")),
    ("13 a second manifest under metadata", |place| place.put("metadata/manifest.json", b"{}")),
    ("14 a link to a file added", |place| std::os::unix::fs::symlink("README.md", place.at("link")).unwrap()),
    ("15 a link to a folder added", |place| std::os::unix::fs::symlink("verify", place.at("link")).unwrap()),
    ("15b a link to nowhere added", |place| {
        std::os::unix::fs::symlink("/nowhere", place.at("link")).unwrap();
    }),
    ("16 a name with a line end", |place| place.put("README.md\nverify", b"x")),
    ("17 a sealed file is a link", |place| link(place, "verify/iris.json")),
    ("18 a sealed folder is a link", |place| link(place, "verify")),
    ("19 a sealed file has a second name outside", |place| {
        fs::hard_link(place.at("verify/iris.json"), place.scratch.path().join("second")).unwrap();
    }),
    ("20 the ledger names a file above the pack", |place| {
        line(place, "../../etc/hostname", &Digest::of(b""));
    }),
    ("21 the ledger names an absolute path", |place| line(place, "/etc/hostname", &Digest::of(b""))),
    ("22 a line of the ledger twice", |place| {
        let digest = Digest::of(&place.bytes("README.md"));
        line(place, "README.md", &digest);
    }),
    ("22b the same file under an alias", |place| {
        let digest = Digest::of(&place.bytes("README.md"));
        line(place, "results/../README.md", &digest);
    }),
    ("22c the same file under ./", |place| {
        let digest = Digest::of(&place.bytes("README.md"));
        line(place, "./README.md", &digest);
    }),
    ("23 a line twice, with another digest", |place| line(place, "README.md", &Digest::of(b"other"))),
    ("24 a malformed line hides a file", |place| {
        place.put("hidden", b"x");
        line(place, "hidden", &Digest::of(b"x"));
        ledger(place, |text| text.replace("  hidden", " hidden"));
    }),
    ("25 a line dropped", |place| {
        ledger(place, |text| text.lines().skip(1).fold(String::new(), |all, line| all + line + "\n"));
    }),
    ("26 an empty ledger", |place| ledger(place, |_| String::new())),
    ("27 a ledger of one line", |place| ledger(place, |text| text.lines().next().unwrap().to_owned() + "\n")),
    ("28 a sealed file removed", |place| fs::remove_file(place.at("verify/iris.json")).unwrap()),
    ("30 Alice seals a verdict that does not follow", |place| {
        forge_verdict(place);
        place.reseal(&alice());
    }),
    ("31 Alice seals a forged verdict on a record", |place| {
        place.put("verify/iris.json", br#"{"format":"bp-verdict/1","outcome":"PASS"}"#);
        place.reseal(&alice());
    }),
    ("32 Alice's manifest lies about a size", |place| {
        place.reseal_manifest(&alice(), |statement| statement.artifacts[0].size_bytes += 1);
    }),
    ("32b about a role", |place| {
        place.reseal_manifest(&alice(), |statement| statement.artifacts[0].role = FileRole::Verdict);
    }),
    ("32c about the counts", |place| {
        place.reseal_manifest(&alice(), |statement| statement.counts.passed += 1);
    }),
    ("32d leaves a file out", |place| {
        place.reseal_manifest(&alice(), |statement| drop(statement.artifacts.remove(0)));
    }),
    ("33 a key of the manifest twice", |place| {
        let text = String::from_utf8(place.bytes("manifest.json")).unwrap();
        place.seal(text.replacen('{', "{\"verdict\":\"PASS\",", 1).as_bytes(), &alice());
    }),
    ("33b twice by an escape", |place| {
        let text = String::from_utf8(place.bytes("manifest.json")).unwrap();
        place.seal(text.replacen('{', "{\"verd\\u0069ct\":\"PASS\",", 1).as_bytes(), &alice());
    }),
    ("33c another domain", |place| {
        place.reseal_manifest(&alice(), |statement| statement.format = "bp-pack/2".into());
    }),
    ("33d an unknown member", |place| {
        let text = String::from_utf8(place.bytes("manifest.json")).unwrap();
        place.seal(text.replacen('{', "{\"approved\":true,", 1).as_bytes(), &alice());
    }),
    ("37 the seal is a link", |place| link(place, "manifest.json.sig")),
    ("38 manifest and ledger are links", |place| {
        for path in ["manifest.json", "checksums.sha256"] {
            let outside = place.scratch.path().join(path);
            fs::rename(place.at(path), &outside).unwrap();
            std::os::unix::fs::symlink(&outside, place.at(path)).unwrap();
        }
    }),
    ("39 a sealed file is a FIFO", |place| {
        fs::remove_file(place.at("verify/iris.json")).unwrap();
        fifo(&place.at("verify/iris.json"));
    }),
    ("39b the manifest is a FIFO", |place| {
        fs::remove_file(place.at("manifest.json")).unwrap();
        fifo(&place.at("manifest.json"));
    }),
    ("40 a sealed file leads to a device", |place| {
        fs::remove_file(place.at("verify/iris.json")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", place.at("verify/iris.json")).unwrap();
    }),
    ("41 a FIFO added", |place| fifo(&place.at("pipe"))),
    ("42 a name with spaces added", |place| place.put("a name with spaces ", b"x")),
    ("44 a ledger with CRLF", |place| ledger(place, |text| text.replace('\n', "\r\n"))),
    ("44b in capitals", |place| {
        ledger(place, |text| text.replacen(&text[..64], &text[..64].to_uppercase(), 1));
    }),
    ("44c in another order", |place| {
        ledger(place, |text| text.lines().rev().fold(String::new(), |all, line| all + line + "\n"));
    }),
    ("44d with a byte order mark", |place| ledger(place, |text| format!("\u{feff}{text}"))),
    ("44e with a NUL", |place| ledger(place, |text| text.replacen('\n', "\0\n", 1))),
    ("44f without a last line end", |place| ledger(place, |text| text.trim_end().to_owned())),
    ("44g with U+2028 for a line end", |place| ledger(place, |text| text.replacen('\n', "\u{2028}", 1))),
    ("44h with a vertical tab for a line end", |place| ledger(place, |text| text.replacen('\n', "\u{b}", 1))),
    ("44i with an empty line", |place| ledger(place, |text| text.replacen('\n', "\n\n", 1))),
    ("44j with the mark of a binary file", |place| ledger(place, |text| text.replacen("  ", " *", 1))),
    ("45 a name that steers a terminal", |place| place.put("\u{1b}[2Jclean", b"x")),
    ("46 a sealed file of 200 GB", |place| sparse(&place.at("verify/iris.json"))),
    ("46b a manifest of 200 GB", |place| sparse(&place.at("manifest.json"))),
    ("46c 200 GB added", |place| sparse(&place.at("extra"))),
    ("52 an empty folder", |place| fs::create_dir(place.at("empty")).unwrap()),
    ("53 a file that runs as its owner, and anyone may write", |place| {
        mode(place, "verify/iris.json", 0o6777);
    }),
    ("54 names equal but for case", |place| place.put("readme.MD", b"x")),
    ("55 a name in another normal form", |place| place.put("cafe\u{301}", b"x")),
    ("56 two seals in one file", |place| {
        let sealed = place.bytes("manifest.json.sig");
        place.put("manifest.json.sig", sealed.repeat(2));
    }),
    ("56b a second seal beside", |place| {
        let manifest = place.bytes("manifest.json");
        place.put("manifest.json.sig.2", seal::sign(&mallory(), &manifest).unwrap());
    }),
    ("56c the seal in its other spelling", malleable),
    ("57 the seal of another pack of Alice's", |place| {
        let other = Place::of(vec![], &terms(), Some(&alice()));
        place.put("manifest.json.sig", other.bytes("manifest.json.sig"));
    }),
    ("58 text before the key, without a key", |place| {
        let pem = String::from_utf8(place.bytes("signer.pub.pem")).unwrap();
        place.put("signer.pub.pem", format!("Approved by the CEO\n{pem}"));
    }),
    ("59 the manifest spelled otherwise by Alice", |place| {
        let value = bp::json::parse(&place.bytes("manifest.json")).unwrap();
        place.seal(serde_json::to_string_pretty(&value).unwrap().as_bytes(), &alice());
    }),
    ("60 files that are outside the ledger, sealed in it", |place| {
        listed_extra(place, "signoffs/x.dsse.json", &alice());
    }),
    ("61 the evidence exchanged for another pack's", |place| {
        let other = Place::of(vec![Input { name: "other.jsonl".into(), ..iris() }], &terms(), Some(&alice()));
        place.put("sidecars/iris.jsonl", other.bytes("sidecars/other.jsonl").repeat(2));
    }),
];

fn codes(result: &VerifyResult) -> String {
    let told = |findings: &[bp::pack::Finding]| {
        let codes: BTreeSet<_> = findings.iter().map(|finding| finding.law.code).collect();
        codes.into_iter().collect::<Vec<_>>().join(" ")
    };
    let warned = if result.warnings.is_empty() {
        String::new()
    } else {
        format!(" (warned: {})", told(&result.warnings))
    };
    format!("{} {}{warned}", result.exit_code(), told(&result.findings)).trim_end().to_owned()
}

#[cfg(unix)]
#[test]
fn nothing_altered_passes_strictly_or_is_called_clean() {
    let unpinned = Options { pins: vec![], allow_fail_verdict: false, ..strict() };
    let pinned = Options { allow_fail_verdict: false, ..strict() };
    let mut told =
        String::from("# number and attack; exit status and codes: by default, strict, strict and pinned\n");
    for (name, attack) in ATTACKS {
        let place = Place::sealed();
        attack(&place);
        let [default, strict, pinned] = [&lax(), &unpinned, &pinned].map(|options| place.check(options));
        assert_ne!(strict.exit_code(), 0, "{name}: strict");
        assert_ne!(pinned.exit_code(), 0, "{name}: strict and pinned");
        assert!(![&default, &strict, &pinned].iter().any(|result| result.proof_grade), "{name}: proof grade");
        // What Mallory seals as a whole is a pack by Mallory: whole, and never called one by anybody known.
        let clean = default.findings.is_empty() && default.warnings.is_empty();
        assert!(!clean, "{name}: called clean");
        write!(told, "{name}\n    {}\n    {}\n    {}\n", codes(&default), codes(&strict), codes(&pinned))
            .unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pack/matrix.txt");
    if set("BP_BLESS") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &told).unwrap();
    }
    assert_eq!(told, fs::read_to_string(&path).unwrap());
}

/// The first row, and what an honest pack may be called and lie in.
#[test]
fn an_honest_pack_is_not_refused_for_where_it_lies() {
    let place = Place::sealed();
    let clean = place.check(&strict());
    assert_eq!((clean.exit_code(), clean.warnings.len()), (0, 0));
    let folder = place.scratch.path().join("errors/x y/ü\u{1f600}");
    fs::create_dir_all(&folder).unwrap();
    fs::rename(&place.pack, folder.join("pack")).unwrap();
    assert_eq!(check::directory(&folder.join("pack"), &strict()).unwrap().exit_code(), 0);
}

/// An honest pack that did not pass is evidence of that: checked when it is asked for, and never a pass.
#[test]
fn a_pack_that_did_not_pass_is_no_pass_in_strict() {
    let place = Place::of(vec![], &terms(), Some(&alice()));
    let result = place.check(&Options { allow_fail_verdict: false, ..strict() });
    assert_eq!((result.exit_code(), codes(&result).as_str()), (1, "1 VERDICT_NOT_PASS"));
    let result = place.check(&strict());
    assert_eq!((result.exit_code(), result.proof_grade), (0, false));
}

/// The findings of a strict check of this part that an honest pack has not.
fn found_in(place: &Place, part: &str, honest: &BTreeSet<String>) -> usize {
    let only = bp::pack::Only::parse(&[part.to_owned()]).unwrap();
    let result = check::directory(&place.pack, &Options { only, ..strict() }).unwrap();
    packs::broken(&result).iter().filter(|found| !honest.contains(*found)).count()
}

/// Every byte of a small pack, on every core; a sample of them unless `BP_LONG` is set. Each flip is found by a strict check of
/// the part that it is in (manifest, ledger and seal are of every part), and a sample of them by the strict check of the whole.
#[test]
#[allow(clippy::print_stderr, reason = "counts that a long run is for")]
fn one_bit_of_any_byte_is_found() {
    const WHOLE: usize = 2003;
    let step = if set("BP_LONG") { 1 } else { 211 };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let small = || Place::of(vec![], &terms(), Some(&alice()));
    let (found, whole) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for core in 0..cores {
            let (found, whole) = (&found, &whole);
            scope.spawn(move || {
                // Equal inputs make equal packs, so each core has all of it, and flips its part.
                let place = small();
                for (path, bytes) in place.files() {
                    let head =
                        ["manifest.json", "manifest.json.sig", "checksums.sha256"].contains(&path.as_str());
                    let part = if head { "README.md" } else { path.as_str() };
                    let only = bp::pack::Only::parse(&[part.to_owned()]).unwrap();
                    let honest = check::directory(&place.pack, &Options { only, ..strict() }).unwrap();
                    let honest: BTreeSet<String> = packs::broken(&honest).into_iter().collect();
                    for at in (0..bytes.len()).step_by(step).filter(|at| at / step % cores == core) {
                        let mut flipped = bytes.clone();
                        flipped[at] ^= 1 << (at % 8);
                        place.put(&path, &flipped);
                        assert!(found_in(&place, part, &honest) > 0, "{path} byte {at}");
                        found.fetch_add(1, Ordering::Relaxed);
                        if at / step % (WHOLE / step + 1) < cores {
                            let result = check::directory(&place.pack, &strict()).unwrap();
                            assert_eq!(result.exit_code(), 1, "{path} byte {at}");
                            whole.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    place.put(&path, &bytes);
                }
                assert_eq!(check::directory(&place.pack, &strict()).unwrap().exit_code(), 0);
            });
        }
    });
    let all: usize = small().files().values().map(|bytes| bytes.len().div_ceil(step)).sum();
    assert_eq!(found.into_inner(), all, "every one of them");
    eprintln!("{all} flips, each found in its part; {} of them in the whole", whole.into_inner());
}

/// While another process swaps a file between what was sealed and a forgery, a pass is only ever one of the sealed bytes:
/// what is judged is what was hashed, from one read.
#[test]
fn a_writer_that_races_the_check() {
    let place = Place::sealed();
    let honest = place.bytes("sidecars/iris.jsonl");
    forge_receipt(&place);
    let forged = place.bytes("sidecars/iris.jsonl");
    assert_eq!(honest.len(), forged.len(), "its length gives it not away");
    place.put("sidecars/iris.jsonl", &honest);
    let verdict = place.check(&strict()).verdict;
    let done = AtomicBool::new(false);
    let (target, beside) = (place.at("sidecars/iris.jsonl"), place.scratch.path().join("next"));
    let (mut passed, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0_u64.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                // By a rename, and in place: both are seen in the wild.
                let bytes = if turn % 2 == 0 { &forged } else { &honest };
                if turn % 4 < 2 {
                    fs::write(&beside, bytes).unwrap();
                    fs::rename(&beside, &target).unwrap();
                } else {
                    fs::write(&target, bytes).unwrap();
                }
            }
        });
        for _ in 0..if set("BP_LONG") { 2000 } else { 120 } {
            let result = check::directory(&place.pack, &strict()).unwrap();
            if result.findings.is_empty() {
                assert_eq!(result.verdict, verdict, "a pass is of the sealed bytes");
                passed += 1;
            } else {
                let found = result.findings.iter().map(|finding| finding.path.as_str());
                assert!(found.clone().all(|path| path == "sidecars/iris.jsonl"), "{:?}", result.findings);
                refused += 1;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(refused > 0, "{passed} passed, none refused: there was no race");
}

/// The whole folder swapped for another pack while it is checked: one of the two is checked, never a mixture that passes.
#[test]
fn a_folder_that_is_swapped_while_it_is_checked() {
    let place = Place::sealed();
    let other = place.scratch.path().join("other");
    let stranger = Place::of(vec![iris()], &terms(), Some(&mallory()));
    fs::rename(&stranger.pack, &other).unwrap();
    let (alices, done) = (Digest::of(&place.bytes("manifest.json")), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let aside = place.scratch.path().join("aside");
            while !done.load(Ordering::Relaxed) {
                fs::rename(&place.pack, &aside).unwrap();
                fs::rename(&other, &place.pack).unwrap();
                fs::rename(&aside, &other).unwrap();
            }
        });
        for _ in 0..60 {
            let Ok(result) = check::directory(&place.pack, &strict()) else { continue };
            if result.exit_code() == 0 {
                assert_eq!(result.pack.unwrap().manifest_sha256, alices);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// A generator that is the same everywhere (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn name(&mut self) -> String {
        const PARTS: [&str; 14] = [
            "a",
            "Step",
            " ",
            "  x",
            "ü",
            "ſs",
            "日本",
            "\u{1f600}",
            "-",
            "_",
            ".",
            "'",
            "\"$(x)",
            "0123456789abcdef0123456789",
        ];
        let length = 1 + self.roll(6);
        let name: String = (0..length).map(|_| PARTS[usize::try_from(self.roll(14)).unwrap()]).collect();
        name.trim_matches(['.', ' ']).to_owned()
    }
}

/// Packs of any shape that the builder makes are packs that the checker takes: names with spaces and of any script, long
/// paths, empty files, deep folders.
#[test]
fn an_honest_pack_is_never_refused() {
    let packs = if set("BP_LONG") { 1000 } else { 25 };
    for seed in 0..packs {
        let mut dice = Dice(seed);
        let scratch = tempfile::tempdir().unwrap();
        let stage = bp::pack::Stage::open(scratch.path()).unwrap();
        let mut evidence = bp::pack::Evidence::default();
        let judging = bp::pack::Judging { created_at: terms().created_at, repeats: 1 };
        let mut names: Vec<String> =
            (0..dice.roll(4)).map(|number| format!("{}{number}.jsonl", dice.name())).collect();
        names.sort();
        for stem in bp::pack::Stem::all(names.iter().map(String::as_str)) {
            // Some of it is no record at all: that is judged, and packed, too.
            let bytes: &[u8] = match dice.roll(4) {
                0 => b"",
                1 => b"not a record\n",
                _ => packs::SIDECAR,
            };
            evidence.add(stage.take(stem, bp::pack::InputKind::of(bytes), bytes, judging).unwrap());
        }
        if dice.roll(2) == 0 {
            let root = scratch.path().join("job");
            fs::create_dir(&root).unwrap();
            for number in 0..dice.roll(8) {
                let folders: Vec<String> =
                    (0..dice.roll(7)).map(|depth| format!("{}{depth}/", dice.name())).collect();
                let folders = folders.concat();
                let extension = ["json", "txt", "log", "bin", "csv", "safetensors"]
                    [usize::try_from(dice.roll(6)).unwrap()];
                let path = root.join(format!("{folders}{}{number}.{extension}", dice.name()));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let bytes: &[u8] = if dice.roll(3) == 0 { b"" } else { b"{\"loss\": 1.5}\n" };
                fs::write(path, bytes).unwrap();
            }
            let limits = bp::run::collect::Limits::default();
            let kept = &|path: &str| Some(path.to_owned());
            let left =
                bp::run::collect::directory(&root, &[], bp::run::Given::default(), kept, &limits).unwrap();
            stage.run(&mut evidence, "run", &left).unwrap();
        }
        let pack = stage.seal(evidence, &terms(), Some(&alice())).unwrap().publish("demo pack ü").unwrap();
        let result = check::directory(&pack, &strict()).unwrap();
        assert_eq!(packs::broken(&result), Vec::<String>::new(), "seed {seed}");
        assert!(result.verdict != Some(Outcome::Pass) || result.proof_grade, "seed {seed}");
    }
}

#[test]
fn every_file_of_the_small_pack_is_in_the_matrix_and_pins_hold_for_both_ways_of_naming() {
    let place = Place::sealed();
    assert_eq!(place.files().len(), FILES.len());
    let by_id = Options { pins: vec![Pin::Id(mallory().id())], ..strict() };
    assert_eq!(place.check(&by_id).exit_code(), 1);
}
