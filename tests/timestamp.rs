//! Time stamps by a real authority (`openssl ts`), and what nobody may pass for one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod authority;
mod packs;
mod served;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use authority::{Authority, ISSUER, P256, P384, Plan, RSA, STAMPER, openssl};
use bp::digest::Digest;
use bp::pack::layout::Added;
use bp::pack::manifest::Moment;
use bp::pack::result::Stamped;
use bp::pack::{Demands, Options, Terms};
use bp::trust::timestamp::{Anchor, Request, Token, TokenError, Unstamped, Untrusted};
use bp::trust::{Role, Signer, TrustPolicy};
use packs::{Place, alice, has_openssl, iris, lax, strict, terms};

const NONCE: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

fn moment(text: &str) -> Moment {
    text.parse().unwrap()
}

fn bytes() -> Digest {
    Digest::of(b"what is stamped")
}

fn request() -> Request {
    Request::new(bytes(), NONCE)
}

fn stamped(authority: &Authority) -> Token {
    Token::parse(&authority.reply(&request().to_bytes())).unwrap()
}

/// `Ok` with the name of the certificate that vouches, else why not.
fn opened(token: &Token, anchors: &[Anchor]) -> Result<String, Unstamped> {
    token.open(&bytes(), anchors).map(|stamp| stamp.anchor.name().to_owned())
}

fn untrusted(token: &Token, anchors: &[Anchor]) -> Untrusted {
    match opened(token, anchors) {
        Err(Unstamped::Untrusted(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_the_one_that_openssl_makes() {
    if !has_openssl() {
        return;
    }
    let bytes = request().to_bytes();
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("r.tsq"), &bytes).unwrap();
    let text = openssl(place.path(), &["ts", "-query", "-in", "r.tsq", "-text"]);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("Hash Algorithm: sha256") && text.contains("Certificate required: yes"), "{text}");
    assert!(text.contains("Nonce: 0x01020304050607"), "{text}");
    assert_eq!(Request::parse(&bytes).unwrap(), request());
    let theirs =
        openssl(place.path(), &["ts", "-query", "-digest", &self::bytes().to_string(), "-sha256", "-cert"]);
    assert_eq!(Request::parse(&theirs).unwrap().imprint(), self::bytes());
    let other = openssl(place.path(), &["ts", "-query", "-data", "r.tsq", "-sha512", "-no_nonce"]);
    assert!(Request::parse(&other).is_err(), "a digest of another kind");
    for nonce in [[0; 8], [0xff; 8], [0, 0, 0, 0, 0, 0, 0, 0x80]] {
        let request = Request::new(self::bytes(), nonce);
        assert_eq!(Request::parse(&request.to_bytes()), Ok(request));
    }
}

#[test]
fn tokens_of_real_authorities_open_under_their_root_alone() {
    if !has_openssl() {
        return;
    }
    let plans = [
        Plan { key: RSA, digest: "sha256", ess: "sha1", ..Plan::default() },
        Plan { key: RSA, digest: "sha384", ess: "sha256", ..Plan::default() },
        Plan { key: RSA, digest: "sha512", ess: "sha512", between: Some(ISSUER), ..Plan::default() },
        Plan {
            key: P256,
            digest: "sha256",
            ess: "sha256",
            between: Some(ISSUER),
            serial: "01",
            ..Plan::default()
        },
        Plan { key: P256, digest: "sha512", ess: "sha384", ..Plan::default() },
        Plan { key: P384, digest: "sha384", ess: "sha1", ..Plan::default() },
        Plan { key: P384, digest: "sha256", ess: "sha256", ..Plan::default() },
    ];
    for (number, plan) in plans.into_iter().enumerate() {
        let authority = Authority::new(plan);
        let reply = authority.reply(&request().to_bytes());
        let token = Token::parse(&reply).unwrap();
        assert_eq!(opened(&token, &authority.root()), Ok("Test Root".to_owned()), "{number}");
        assert_eq!(token.answers(&request()), Ok(()));
        // The token alone is the same, and it is what openssl takes for it.
        assert_eq!(Token::parse(token.to_bytes()).unwrap(), token);
        fs::write(authority.file("t.tst"), token.to_bytes()).unwrap();
        let digest = bytes().to_string();
        let verify =
            ["ts", "-verify", "-token_in", "-in", "t.tst", "-digest", &digest, "-CAfile", "root.pem"];
        openssl(authority.folder(), &verify);
        let claim = token.claim(&bytes()).unwrap();
        assert_eq!((claim.policy.as_str(), claim.accuracy_us), ("1.2.3.4.1", Some(1_500_100)));
        assert_eq!(claim.authority, "Test Authority");
        // By the authority's own certificate, or one between, where the recipient names that.
        assert_eq!(opened(&token, &authority.anchor("tsa.pem")), Ok("Test Authority".to_owned()));
        assert!(opened(&token, &authority.anchor("chain.pem")).is_ok());
        assert_eq!(untrusted(&token, &[]), Untrusted::NoAnchor);
    }
}

#[test]
fn a_root_of_the_same_name_with_another_key_vouches_for_nothing() {
    if !has_openssl() {
        return;
    }
    let (one, other) = (Authority::new(Plan::default()), Authority::new(Plan::default()));
    let token = stamped(&one);
    assert_eq!(untrusted(&token, &other.root()), Untrusted::Unknown("Test Authority".to_owned()));
    // Beside the right one it does no harm.
    let both = [other.root(), one.root()].concat();
    assert_eq!(opened(&token, &both), Ok("Test Root".to_owned()));
    // The root that comes with the token is not trusted for that.
    let with_root = one.forge(&one.info(token.to_bytes()), "tsa.pem", "tsa.key", &["-certfile", "root.pem"]);
    let token = Token::parse(&with_root).unwrap();
    assert!(token.claim(&bytes()).is_ok());
    assert_eq!(untrusted(&token, &other.root()), Untrusted::Unknown("Test Authority".to_owned()));
}

#[test]
fn keys_that_are_not_for_time_stamps_alone() {
    if !has_openssl() {
        return;
    }
    let sound = Authority::new(Plan::default());
    let info = sound.info(stamped(&sound).to_bytes());
    let stampers: [&[&str]; 8] = [
        &["extendedKeyUsage=timeStamping"],
        &["extendedKeyUsage=critical,timeStamping,codeSigning"],
        &["extendedKeyUsage=critical,codeSigning"],
        &["extendedKeyUsage=critical,anyExtendedKeyUsage"],
        &["basicConstraints=CA:FALSE"],
        &["keyUsage=critical,keyCertSign", "extendedKeyUsage=critical,timeStamping"],
        &["keyUsage=critical,digitalSignature,keyEncipherment", "extendedKeyUsage=critical,timeStamping"],
        ISSUER,
    ];
    for stamper in stampers {
        let authority = Authority::new(Plan { stamper, ..Plan::default() });
        let token = Token::parse(&authority.forge(&info, "tsa.pem", "tsa.key", &[])).unwrap();
        let refused = opened(&token, &authority.root());
        assert_eq!(refused, Err(Unstamped::Broken(TokenError::Purpose)), "{stamper:?}");
    }
    // The way of forging is not what is refused.
    let token = Token::parse(&sound.forge(&info, "tsa.pem", "tsa.key", &[])).unwrap();
    assert_eq!(opened(&token, &sound.root()), Ok("Test Root".to_owned()));
    let by_key_id = Token::parse(&sound.forge(&info, "tsa.pem", "tsa.key", &["-keyid"])).unwrap();
    assert_eq!(opened(&by_key_id, &sound.root()), Ok("Test Root".to_owned()));
}

#[test]
fn authorities_that_were_not_valid_at_the_time_of_the_stamp() {
    if !has_openssl() {
        return;
    }
    for valid in [("20200101000000Z", "20210101000000Z"), ("20480101000000Z", "20491231000000Z")] {
        let authority = Authority::new(Plan { valid, ..Plan::default() });
        let token = stamped(&authority);
        let at = match opened(&token, &authority.root()) {
            Err(Unstamped::Broken(TokenError::NotValid(at))) => at,
            other => panic!("{other:?}"),
        };
        assert_eq!(token.claim(&bytes()), Err(TokenError::NotValid(at)));
    }
    // A time that the key chose, before its root was there.
    let authority = Authority::new(Plan::default());
    let mut info = authority.info(stamped(&authority).to_bytes());
    let place = info.windows(3).rposition(|window| window == [0x18, 0x0f, b'2']).unwrap();
    info[place + 2..place + 16].copy_from_slice(b"20200601000000");
    let token = Token::parse(&authority.forge(&info, "tsa.pem", "tsa.key", &[])).unwrap();
    assert_eq!(token.claim(&bytes()).unwrap().at, moment("2020-06-01T00:00:00Z"));
    assert_eq!(untrusted(&token, &authority.root()), Untrusted::NotValid("Test Root".to_owned()));
}

#[test]
fn certificates_between_that_may_not_vouch() {
    if !has_openssl() {
        return;
    }
    let not_an_issuer = || Untrusted::NotAnIssuer("Test Between".to_owned());
    let plans: [(&'static [&'static str], Untrusted); 6] = [
        (&["basicConstraints=CA:FALSE"], not_an_issuer()),
        (&["keyUsage=critical,digitalSignature"], not_an_issuer()),
        (&["basicConstraints=critical,CA:TRUE", "keyUsage=critical,cRLSign"], not_an_issuer()),
        (&["basicConstraints=critical,CA:TRUE", "extendedKeyUsage=codeSigning"], not_an_issuer()),
        (
            &["basicConstraints=critical,CA:TRUE", "nameConstraints=critical,permitted;DNS:example.com"],
            Untrusted::Critical("Test Between".to_owned(), "2.5.29.30".to_owned()),
        ),
        (STAMPER, not_an_issuer()),
    ];
    for (between, why) in plans {
        let authority = Authority::new(Plan { between: Some(between), ..Plan::default() });
        let token = stamped(&authority);
        assert_eq!(untrusted(&token, &authority.root()), why, "{between:?}");
    }
    let short = &["basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign"];
    let authority = Authority::new(Plan { issuer: short, between: Some(ISSUER), ..Plan::default() });
    let why = untrusted(&stamped(&authority), &authority.root());
    assert_eq!(why, Untrusted::NotAnIssuer("Test Root".to_owned()));
    let authority = Authority::new(Plan { issuer: short, ..Plan::default() });
    assert!(opened(&stamped(&authority), &authority.root()).is_ok(), "nothing lies between");
}

#[test]
fn signatures_that_are_too_weak() {
    if !has_openssl() {
        return;
    }
    let short = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];
    let authority = Authority::new(Plan { key: short, ..Plan::default() });
    assert_eq!(opened(&stamped(&authority), &authority.root()), Err(TokenError::Algorithm.into()));
    let sound = Authority::new(Plan { key: RSA, ..Plan::default() });
    let info = sound.info(stamped(&sound).to_bytes());
    let old = Authority::new(Plan { key: RSA, digest: "sha1", ..Plan::default() });
    let forged = old.forge(&info, "tsa.pem", "tsa.key", &[]);
    assert_eq!(Token::parse(&forged), Err(TokenError::Algorithm));
    // PSS, as some authorities sign, is read.
    let pss = ["-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:digest"];
    let token = Token::parse(&sound.forge(&info, "tsa.pem", "tsa.key", &pss)).unwrap();
    assert_eq!(opened(&token, &sound.root()), Ok("Test Root".to_owned()));
}

#[test]
fn tokens_for_something_else() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new(Plan::default());
    let token = stamped(&authority);
    let asked = Digest::of(b"other bytes");
    let stamped = bytes();
    assert_eq!(token.claim(&asked), Err(TokenError::OtherBytes { stamped, asked }));
    assert_eq!(token.answers(&Request::new(asked, NONCE)), Err(TokenError::OtherBytes { stamped, asked }));
    assert_eq!(token.answers(&Request::new(bytes(), [9; 8])), Err(TokenError::OtherRequest));
    // An imprint of another kind.
    let query = openssl(authority.folder(), &["ts", "-query", "-data", "all.cnf", "-sha512", "-cert"]);
    assert!(matches!(Token::parse(&authority.reply(&query)), Err(TokenError::Form(_))));
    // Without its certificate nobody can say who signed.
    let query = openssl(authority.folder(), &["ts", "-query", "-digest", &bytes().to_string(), "-sha256"]);
    assert_eq!(Token::parse(&authority.reply(&query)), Err(TokenError::NoCertificate));
    // A policy that the authority does not have.
    let query = ["ts", "-query", "-digest", &bytes().to_string(), "-sha256", "-cert", "-tspolicy", "1.2.3.9"];
    let query = openssl(authority.folder(), &query);
    assert_eq!(Token::parse(&authority.reply(&query)), Err(TokenError::NotGranted(2)));
}

#[test]
fn a_certificate_in_the_place_of_the_one_that_was_named() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new(Plan::default());
    let token = stamped(&authority);
    let first = fs::read(authority.file("tsa.pem")).unwrap();
    // The same key, issuer and number, and valid for longer.
    fs::write(authority.file("serial.txt"), "80FF01\n").unwrap();
    fs::write(authority.file("index.txt"), "").unwrap();
    authority.issue("tsa", "/CN=Test Authority", "root", "stamper", ("20200101000000Z", "20480101000000Z"));
    let der = |name: &str| openssl(authority.folder(), &["x509", "-in", name, "-outform", "DER"]);
    let second = der("tsa.pem");
    fs::write(authority.file("first.pem"), first).unwrap();
    let first = der("first.pem");
    // ECDSA signatures differ in length now and then, and then the lengths around do not fit.
    if first.len() == second.len() {
        let place = token.to_bytes().windows(first.len()).position(|window| window == first).unwrap();
        let mut swapped = token.to_bytes().to_vec();
        swapped[place..place + first.len()].copy_from_slice(&second);
        let swapped = Token::parse(&swapped).unwrap();
        assert_eq!(opened(&swapped, &authority.root()), Err(TokenError::OtherCertificate.into()));
    }
}

#[test]
fn bytes_that_are_no_token_or_more_than_one() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new(Plan { between: Some(ISSUER), ..Plan::default() });
    let token = stamped(&authority).to_bytes().to_vec();
    let root = authority.root();
    for length in 0..token.len() {
        assert!(Token::parse(&token[..length]).is_err(), "cut after {length}");
    }
    for tail in [&[0][..], &[5, 0], &token] {
        assert!(Token::parse(&[&token, tail].concat()).is_err(), "something follows");
    }
    let reply = authority.reply(&request().to_bytes());
    assert!(Token::parse(&[&reply[..], &[0]].concat()).is_err());
    // One bit of any byte: the token is none, does not hold, or says the same under the same root.
    let sound = opened(&Token::parse(&token).unwrap(), &root);
    assert_eq!(sound.as_deref(), Ok(root[0].name()));
    let mut harmless = 0;
    for at in 0..token.len() {
        let mut flipped = token.clone();
        flipped[at] ^= 1;
        let Ok(parsed) = Token::parse(&flipped) else { continue };
        if opened(&parsed, &root) == sound {
            assert_eq!(parsed.claim(&bytes()), Token::parse(&token).unwrap().claim(&bytes()), "at {at}");
            harmless += 1;
        }
    }
    // The version numbers and names of hashes that CMS writes around what is signed.
    assert!(harmless <= 40, "{harmless} bytes are not bound");
}

fn stamp(place: &Place, authority: &Authority) -> Vec<u8> {
    let manifest = Digest::of(&place.bytes("manifest.json"));
    let reply = authority.reply(&Request::new(manifest, NONCE).to_bytes());
    Token::parse(&reply).unwrap().to_bytes().to_vec()
}

fn path_of(token: &[u8]) -> String {
    Added::token(&Digest::of(token)).to_string()
}

fn put(place: &Place, token: &[u8]) -> String {
    let path = path_of(token);
    place.put(&path, token);
    path
}

/// Made long before the authorities of these tests.
fn place() -> Place {
    Place::of(vec![iris()], &Terms { created_at: moment("2020-01-01T00:00:00Z"), ..terms() }, Some(&alice()))
}

fn trusting(authority: &Authority) -> Options {
    Options { demands: Demands { authorities: authority.root(), ..Demands::default() }, ..strict() }
}

#[test]
fn a_stamped_pack_by_default_strictly_and_with_the_root_named() {
    if !has_openssl() {
        return;
    }
    let (place, authority) = (place(), Authority::new(Plan::default()));
    let path = put(&place, &stamp(&place, &authority));
    let trusted = place.check(&trusting(&authority));
    assert_eq!(packs::broken(&trusted), Vec::<String>::new());
    assert_eq!(trusted.timestamps[0].trusted_by.as_deref(), Some("Test Root"));
    assert_eq!((trusted.timestamps[0].of, trusted.timestamps.len()), (Stamped::Manifest, 1));
    let unverified = format!("TIMESTAMP_UNTRUSTED {path}");
    assert_eq!(place.found(&strict()), [unverified.as_str()]);
    let by_default = place.check(&lax());
    assert_eq!(packs::broken(&by_default), Vec::<String>::new());
    assert!(by_default.warnings.iter().any(|warning| warning.message.starts_with("unverified, says ")));
    assert_eq!(by_default.timestamps[0].trusted_by, None);
    let other = Authority::new(Plan::default());
    assert_eq!(place.found(&trusting(&other)), [unverified.as_str()]);
    // Another token of another authority beside it.
    put(&place, &stamp(&place, &other));
    let both = Demands { authorities: [authority.root(), other.root()].concat(), ..Demands::default() };
    assert_eq!(place.found(&Options { demands: both, ..strict() }), Vec::<String>::new());
}

#[test]
fn what_lies_in_the_place_of_a_token() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new(Plan::default());
    let found = |edit: &dyn Fn(&Place)| {
        let place = place();
        edit(&place);
        place
            .found(&trusting(&authority))
            .iter()
            .map(|found| found.split(' ').next().unwrap().to_owned())
            .collect()
    };
    let codes = |edit: &dyn Fn(&Place)| -> Vec<String> { found(edit) };
    assert_eq!(
        codes(&|place| {
            let reply = Request::new(Digest::of(&place.bytes("manifest.json")), NONCE).to_bytes();
            put(place, &authority.reply(&reply));
        }),
        ["TIMESTAMP_UNSOUND"],
        "a reply and not the token"
    );
    assert_eq!(codes(&|place| drop(put(place, b"junk"))), ["TIMESTAMP_UNSOUND"]);
    assert_eq!(codes(&|place| drop(put(place, b""))), ["TIMESTAMP_UNSOUND"]);
    let token = |place: &Place| stamp(place, &authority);
    assert_eq!(codes(&|place| drop(put(place, &[&token(place)[..], &[0]].concat()))), ["TIMESTAMP_UNSOUND"]);
    assert_eq!(
        codes(&|place| place.put(&format!("timestamps/{}.tst", Digest::of(b"x")), token(place))),
        ["TIMESTAMP_UNSOUND"],
        "under another name"
    );
    let other = Place::sealed();
    assert_eq!(
        codes(&|place| drop(put(place, &token(&other)))),
        ["TIMESTAMP_OF_OTHER_BYTES"],
        "of another pack"
    );
    assert_eq!(codes(&|place| place.put("timestamps/x.tst", token(place))), ["FILE_UNEXPECTED"]);
    assert_eq!(
        codes(&|place| {
            let path = put(place, &token(place));
            place.flip(&path, 100);
        }),
        ["TIMESTAMP_UNSOUND"]
    );
    let wrong = Authority::new(Plan { stamper: &["extendedKeyUsage=timeStamping"], ..Plan::default() });
    assert_eq!(
        codes(&|place| {
            let info = authority.info(&token(place));
            put(place, &wrong.forge(&info, "tsa.pem", "tsa.key", &[]));
        }),
        ["TIMESTAMP_BROKEN"],
        "another purpose"
    );
    // Every byte of a token is held by its name.
    let place = place();
    let path = put(&place, &stamp(&place, &authority));
    for at in (0..place.bytes(&path).len()).step_by(37) {
        place.flip(&path, at);
        assert_eq!(place.found(&trusting(&authority)), [format!("TIMESTAMP_UNSOUND {path}")]);
        place.flip(&path, at);
    }
}

#[test]
fn times_in_an_impossible_order() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new(Plan::default());
    let late = Terms { created_at: moment("2400-01-01T00:00:00Z"), ..terms() };
    let place = Place::of(vec![iris()], &late, Some(&alice()));
    let path = put(&place, &stamp(&place, &authority));
    assert_eq!(
        place.found(&trusting(&authority)),
        [format!("TIME_ORDER {path}")],
        "stamped before it was made"
    );
    let place = self::place();
    let path = put(&place, &stamp(&place, &authority));
    let mut options = trusting(&authority);
    options.demands.now = Some(moment("2021-01-01T00:00:00Z"));
    assert_eq!(place.found(&options), [format!("TIME_ORDER {path}")], "stamped in days to come");
}

#[test]
fn what_a_recipient_demands_of_time_stamps() {
    if !has_openssl() {
        return;
    }
    let (place, one, other) = (place(), Authority::new(Plan::default()), Authority::new(Plan::default()));
    let scratch = tempfile::tempdir().unwrap();
    let list = |head: &str, anchors: &[Anchor]| {
        let path = scratch.path().join("trust.toml");
        fs::write(&path, head).unwrap();
        let seal = Signer::new("Alice", Role::Seal, alice().verifying_key(), "2026-01-01T00:00:00Z");
        TrustPolicy::add(&path, seal).unwrap();
        let policy = TrustPolicy::add_authorities(&path, anchors).unwrap();
        assert_eq!(TrustPolicy::load(&path).unwrap(), policy);
        Options { policy, ..strict() }
    };
    let named = |authority: &Authority, name: &str| {
        let text = fs::read_to_string(authority.file("root.pem")).unwrap();
        Anchor::all_from_pem(&text, Some(name)).unwrap()
    };
    let both = [named(&one, "one"), named(&other, "other")].concat();
    let one_wanted = list("[requires]\ntimestamps = 1\n", &both);
    assert_eq!(place.found(&one_wanted), ["POLICY_THRESHOLD ."]);
    put(&place, &stamp(&place, &one));
    assert_eq!(place.found(&one_wanted), Vec::<String>::new());
    let two_wanted = list("[requires]\ntimestamps = 2\n", &both);
    put(&place, &stamp(&place, &one));
    assert_eq!(place.found(&two_wanted), ["POLICY_THRESHOLD ."], "two tokens of one authority are one");
    put(&place, &stamp(&place, &other));
    assert_eq!(place.found(&two_wanted), Vec::<String>::new());
    let within = list("[requires]\ntimestamp_within_days = 30\n", &both);
    assert_eq!(place.found(&within), ["TIMESTAMP_TOO_LATE ."], "stamped years after it says it was made");
    let wide = list("[requires]\ntimestamp_within_days = 100000\n", &both);
    assert_eq!(place.found(&wide), Vec::<String>::new());
    let by = |text: &str| {
        let demands = Demands { stamped_by: Some(moment(text)), ..Demands::default() };
        place.found(&Options { demands, ..list("", &both) })
    };
    assert_eq!(by("2400-01-01T00:00:00Z"), Vec::<String>::new());
    assert_eq!(by("2020-02-01T00:00:00Z"), ["TIMESTAMP_TOO_LATE ."]);
    // An untrusted token satisfies no demand.
    let nobody = list("[requires]\ntimestamps = 1\n", &[]);
    assert!(place.found(&nobody).contains(&"POLICY_THRESHOLD .".to_owned()));
    let unstamped = self::place();
    assert_eq!(
        unstamped.found(&within),
        ["TIMESTAMP_TOO_LATE ."],
        "without a token nothing shows that it was early"
    );
    // A date after which there are no thirty days more switches nothing off.
    let created_at = moment("9999-12-30T00:00:00Z");
    let at_the_end = Place::of(vec![iris()], &Terms { created_at, ..terms() }, Some(&alice()));
    assert_eq!(at_the_end.found(&within), ["TIMESTAMP_TOO_LATE ."]);
}

fn bp(home: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bp"))
        .args(arguments)
        .env_clear()
        .env("PATH", std::env!("PATH"))
        .env("HOME", home)
        .current_dir(home)
        .output()
        .unwrap()
}

#[track_caller]
fn runs(home: &Path, arguments: &[&str], status: i32) -> String {
    let output = bp(home, arguments);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{text}");
    // Without the breaks of its lines.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_request_a_reply_and_a_check_on_the_command_line() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new(Plan { key: RSA, between: Some(ISSUER), ..Plan::default() });
    let other = Authority::new(Plan::default());
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let (root, wrong) = (authority.file("root.pem"), other.file("root.pem"));
    let (root, wrong) = (root.to_str().unwrap(), wrong.to_str().unwrap());
    runs(home.path(), &["pack", "run", "--name", "demo", "--created-at", "2020-01-01T00:00:00Z"], 0);
    runs(home.path(), &["timestamp", "request", "packs/demo/"], 0);
    let refused = runs(home.path(), &["timestamp", "request", "packs/demo"], 2);
    assert!(refused.contains("exists already"), "{refused}");
    let reply = authority.reply(&fs::read(at("packs/demo.tsq")).unwrap());
    fs::write(at("demo.tsr"), &reply).unwrap();
    let attach = |more: &[&str], status: i32| {
        let base = ["timestamp", "attach", "packs/demo", "demo.tsr"];
        runs(home.path(), &[&base[..], more].concat(), status)
    };
    let text = attach(&["--tsa-root", wrong], 2);
    assert!(text.contains("no certificate that was named vouches"), "{text}");
    let query = Request::new(Digest::of(b"x"), NONCE).to_bytes();
    fs::write(at("other.tsq"), query).unwrap();
    attach(&["--request", "other.tsq"], 2);
    assert!(!at("packs/demo/timestamps").exists(), "nothing is added that does not hold");
    let text = attach(&["--request", "packs/demo.tsq", "--tsa-root", root], 0);
    assert!(text.contains("for which Test Root vouches"), "{text}");
    let text = runs(home.path(), &["pack", "verify", "packs/demo", "--tsa-root", root], 0);
    assert!(text.contains("by Test Authority, for which Test Root") && !text.contains("warnings"), "{text}");
    let text = runs(home.path(), &["pack", "verify", "--strict", "packs/demo"], 1);
    assert!(text.contains("TIMESTAMP_UNTRUSTED") && text.contains("unverified, says"), "{text}");
    let strict = ["pack", "verify", "--strict", "packs/demo", "--tsa-root", root];
    runs(home.path(), &strict, 0);
    runs(home.path(), &[&strict[..], &["--stamped-by", "2020-02-01T00:00:00Z"]].concat(), 1);
    // On the list, it need not be named, and is shown.
    runs(home.path(), &["trust", "add", "--tsa-root", root, "--name", "ACME time"], 0);
    let text = runs(home.path(), &["trust", "list"], 0);
    assert!(text.contains("time ACME time"), "{text}");
    runs(home.path(), &["pack", "verify", "--strict", "packs/demo"], 0);
    // It travels with an archive, and the archive holds.
    runs(home.path(), &["pack", "archive", "packs/demo"], 0);
    runs(home.path(), &["pack", "verify", "--strict", "packs/demo.tar.gz"], 0);
}

#[test]
fn an_authority_is_asked_over_http_where_its_url_is_given() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new(Plan::default());
    let root = authority.file("root.pem");
    let root = root.to_str().unwrap();
    let home = tempfile::tempdir().unwrap();
    let seen = Arc::new(Mutex::new(Vec::<(String, Vec<u8>)>::new()));
    let kept = seen.clone();
    let first = Mutex::new(None);
    let port = served::answering(move |head, body| {
        kept.lock().unwrap().push((head.to_owned(), body.to_vec()));
        match head.split(' ').nth(1).unwrap() {
            "/tsa/" => {
                let reply = authority.reply(body);
                first.lock().unwrap().get_or_insert_with(|| reply.clone());
                (200, String::new(), reply)
            }
            "/again" => (200, String::new(), first.lock().unwrap().clone().unwrap()),
            "/portal" => (200, String::new(), b"<html>log in first</html>".to_vec()),
            "/closed" => (403, String::new(), b"hunter2".to_vec()),
            _ => (404, String::new(), vec![]),
        }
    });
    let url = |path: &str| format!("http://127.0.0.1:{port}/{path}");
    let go = |arguments: &[&str], status: i32| runs(home.path(), arguments, status);
    go(&["pack", "run", "--name", "demo"], 0);
    let attach = |what: &str, path: &str, status: i32| {
        go(&["timestamp", "attach", what, "--tsa", &url(path), "--tsa-root", root], status)
    };
    let text = attach("packs/demo", "tsa/", 0);
    assert!(text.contains("by Test Authority, for which Test Root vouches"), "{text}");
    // Stamped again later: both stand.
    attach("packs/demo", "tsa/", 0);
    go(&["pack", "verify", "--strict", "packs/demo", "--tsa-root", root], 0);
    // What was sent is the request and no more.
    let (head, body) = seen.lock().unwrap()[0].clone();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /tsa/ http/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/timestamp-query\r\n"), "{head}");
    let request = Request::parse(&body).unwrap();
    let manifest = Digest::of(&fs::read(home.path().join("packs/demo/manifest.json")).unwrap());
    assert_eq!((request.imprint(), request.to_bytes()), (manifest, body));
    // The reply to an earlier request, what is no reply, and a refusal of which no word is repeated.
    let lies = || fs::read_dir(home.path().join("packs/demo/timestamps")).unwrap().count();
    for (path, wanted) in [
        ("again", "it answers another request"),
        ("portal", "not a time-stamp"),
        ("closed", "the server refused the credentials: 403"),
        ("nothing", "there is nothing of that name"),
    ] {
        let text = attach("packs/demo", path, 2);
        assert!(text.contains(wanted) && !text.contains("hunter2"), "{path}: {text}");
        assert_eq!(lies(), 2, "{path}");
    }
    // A freeze, and a pack that holds no more: for that nobody is asked.
    go(&["pack", "suite", "freeze", "bundled", "--out", "freeze.json"], 0);
    attach("freeze.json", "tsa/", 0);
    assert!(home.path().join("freeze.json.tst").exists());
    let asked = seen.lock().unwrap().len();
    fs::write(home.path().join("packs/demo/README.md"), "x").unwrap();
    assert!(attach("packs/demo", "tsa/", 1).contains("the pack does not hold"));
    assert_eq!(seen.lock().unwrap().len(), asked);
    go(&["timestamp", "attach", "freeze.json"], 2);
    go(&["timestamp", "attach", "freeze.json", "reply.tsr", "--tsa", &url("tsa/")], 3);
    let text = go(&["timestamp", "attach", "freeze.json", "--tsa", "https://user:hunter2@tsa.example/"], 3);
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_freeze_that_was_stamped_before_the_job_ran() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new(Plan::default());
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let root = authority.file("root.pem");
    let root = root.to_str().unwrap();
    let go = |arguments: &[&str], status: i32| runs(home.path(), arguments, status);
    go(&["pack", "suite", "freeze", "bundled", "--out", "freeze.json"], 0);
    go(&["timestamp", "request", "freeze.json"], 0);
    let reply = authority.reply(&fs::read(at("freeze.json.tsq")).unwrap());
    fs::write(at("reply.tsr"), &reply).unwrap();
    go(&["timestamp", "attach", "freeze.json", "reply.tsr", "--tsa-root", root], 0);
    let run = ["pack", "run", "--suite", "bundled", "--freeze", "freeze.json", "--name"];
    go(&[&run[..], &["stamped"]].concat(), 0);
    assert!(at("packs/stamped/suite/freeze.tst").exists());
    let strict = ["pack", "verify", "--strict", "--tsa-root", root, "packs/stamped"];
    let text = go(&strict, 0);
    assert!(text.contains("the freeze of its suite: 2") && text.contains("for which Test Root"), "{text}");
    assert!(!text.contains("when the suite was frozen is its signer's word"), "{text}");
    let text = go(&["pack", "verify", "--strict", "packs/stamped"], 1);
    assert!(text.contains("TIMESTAMP_UNTRUSTED suite/freeze.tst"), "{text}");
    // The job began before, by the clock of both.
    let early = ["--created-at", "2021-01-01T00:00:00Z"];
    go(&[&run[..], &["early"], &early].concat(), 2);
    // A token for something else is refused before anything is packed.
    fs::rename(at("freeze.json.tst"), at("kept.tst")).unwrap();
    let other = authority.reply(&Request::new(bytes(), NONCE).to_bytes());
    fs::write(at("freeze.json.tst"), Token::parse(&other).unwrap().to_bytes()).unwrap();
    let text = go(&[&run[..], &["other"]].concat(), 2);
    assert!(text.contains("it stamps other bytes"), "{text}");
    fs::remove_file(at("freeze.json.tst")).unwrap();
    go(&[&run[..], &["plain"]].concat(), 0);
    let text = go(&["pack", "verify", "packs/plain"], 0);
    assert!(text.contains("when the suite was frozen is its signer's word"), "{text}");
    // Revoked after the token: the token shows that it was signed before. Without one, only its own word does.
    let id = fs::read_to_string(at(".config/bp/trust.toml")).unwrap();
    let id = id.split("key_id = \"").nth(1).unwrap()[..64].to_owned();
    go(&["trust", "revoke", &id, "--reason", "lost", "--at", "2400-01-01T00:00:00Z"], 0);
    go(&strict, 0);
    let list = fs::read_to_string(at(".config/bp/trust.toml")).unwrap();
    fs::write(at(".config/bp/trust.toml"), list.replace("2400-01-01", "2021-01-01")).unwrap();
    for pack in ["packs/stamped", "packs/plain"] {
        let text = go(&["pack", "verify", "--tsa-root", root, pack], 1);
        assert!(text.contains("FREEZE_KEY_NOT_BELIEVED suite/freeze.json"), "{pack}: {text}");
    }
}

/// What was demanded, the job and the pack, each by the clock of one machine.
#[test]
fn demands_that_came_after_the_job_began_and_a_pack_that_came_before_its_end() {
    let home = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_bp");
    let late = format!("sleep 1.1; {program} pack suite freeze bundled --out late.json");
    let run = ["pack", "run", "--suite", "bundled", "--name", "late", "--freeze", "late.json", "--"];
    let output = self::bp(home.path(), &[&run[..], &["sh", "-c", &late]].concat());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(home.path().join("packs/late/suite/freeze.json").exists(), "{text}");
    let text = runs(home.path(), &["pack", "verify", "packs/late"], 1);
    assert!(text.contains("TIME_ORDER suite/freeze.json frozen at"), "{text}");
    assert!(!text.contains("TIME_ORDER run"), "{text}");
    // An honest one is not refused.
    runs(home.path(), &["pack", "suite", "freeze", "bundled", "--out", "early.json"], 0);
    let run =
        ["pack", "run", "--suite", "bundled", "--name", "early", "--freeze", "early.json", "--", "true"];
    self::bp(home.path(), &run);
    let text = runs(home.path(), &["pack", "verify", "packs/early"], 0);
    assert!(!text.contains("TIME_ORDER"), "{text}");
    // Its maker seals an earlier time.
    let key = home.path().join(".config/bp/default-key.pem");
    let key = bp::trust::SigningKey::read(&key, || unreachable!("it is not encrypted")).unwrap();
    let pack = home.path().join("packs/early");
    let place = Place { scratch: home, pack };
    place.reseal_manifest(&key, |statement| statement.created_at = moment("2020-01-01T00:00:00Z"));
    let found = place.found(&lax());
    assert!(found.contains(&"TIME_ORDER run".to_owned()), "{found:?}");
}
