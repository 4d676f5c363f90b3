//! A time-stamping authority out of `openssl`: root, optionally one below it, and a key that stamps.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bp::trust::timestamp::Anchor;

/// How an authority is made; the default one is sound.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// What `openssl genpkey` makes all of its keys by.
    pub(crate) key: &'static [&'static str],
    /// The hash under certificates and tokens.
    pub(crate) digest: &'static str,
    /// The hash by which a token names its certificate.
    pub(crate) ess: &'static str,
    /// The common name of the root.
    pub(crate) root_name: &'static str,
    /// Extensions of whoever issues.
    pub(crate) issuer: &'static [&'static str],
    /// Extensions of the key that stamps.
    pub(crate) stamper: &'static [&'static str],
    /// From when until when the key that stamps is valid.
    pub(crate) valid: (&'static str, &'static str),
    /// Extensions of a certificate between root and key, where there is one.
    pub(crate) between: Option<&'static [&'static str]>,
    /// The serial number of the first certificate below the root.
    pub(crate) serial: &'static str,
}

pub(crate) const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
pub(crate) const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
pub(crate) const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
pub(crate) const ISSUER: &[&str] =
    &["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"];
pub(crate) const STAMPER: &[&str] = &[
    "basicConstraints=CA:FALSE",
    "keyUsage=critical,digitalSignature",
    "extendedKeyUsage=critical,timeStamping",
];

impl Default for Plan {
    fn default() -> Self {
        Self {
            key: P256,
            digest: "sha256",
            ess: "sha256",
            root_name: "Test Root",
            issuer: ISSUER,
            stamper: STAMPER,
            valid: ("20200101000000Z", "20491231000000Z"),
            between: None,
            serial: "80FF01",
        }
    }
}

/// An authority in a folder that goes away with it.
pub(crate) struct Authority {
    pub(crate) place: tempfile::TempDir,
    digest: &'static str,
}

#[track_caller]
pub(crate) fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Authority {
    pub(crate) fn new(plan: Plan) -> Self {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path();
        let section = |name: &str, lines: &[&str]| format!("[{name}]\n{}\n", lines.join("\n"));
        let between = plan.between.unwrap_or(ISSUER);
        let config = [
            "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=unused\n".to_owned(),
            section("issuer", plan.issuer),
            section("between", between),
            section("stamper", plan.stamper),
            format!(
                "[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\nserial=serial.txt\nnew_certs_dir=.\nunique_subject=no\n\
                 default_md={}\npolicy=any\n[any]\ncommonName=supplied\n",
                plan.digest
            ),
            format!(
                "[tsa]\ndefault_tsa=own_tsa\n[own_tsa]\nserial=token-serial.txt\ncrypto_device=builtin\n\
                 signer_cert=tsa.pem\nsigner_key=tsa.key\ncerts=chain.pem\nsigner_digest={}\ndefault_policy=1.2.3.4.1\n\
                 digests=sha256,sha384,sha512\naccuracy=secs:1,millisecs:500,microsecs:100\nordering=yes\ntsa_name=yes\n\
                 ess_cert_id_chain=no\ness_cert_id_alg={}\n",
                plan.digest, plan.ess
            ),
        ];
        fs::write(folder.join("all.cnf"), config.concat()).unwrap();
        fs::write(folder.join("index.txt"), "").unwrap();
        fs::write(folder.join("serial.txt"), format!("{}\n", plan.serial)).unwrap();
        fs::write(folder.join("token-serial.txt"), "01\n").unwrap();
        let authority = Self { place, digest: plan.digest };
        let digest = format!("-{}", plan.digest);
        for name in ["root", "between", "tsa"] {
            let mut make = vec!["genpkey"];
            make.extend(plan.key);
            let file = format!("{name}.key");
            make.extend(["-out", &file]);
            openssl(authority.folder(), &make);
        }
        let name = format!("/CN={}", plan.root_name);
        openssl(
            authority.folder(),
            &[
                "req",
                "-x509",
                "-new",
                "-key",
                "root.key",
                "-subj",
                &name,
                "-config",
                "all.cnf",
                "-extensions",
                "issuer",
                "-days",
                "9000",
                &digest,
                "-out",
                "root.pem",
            ],
        );
        let mut above = "root";
        if plan.between.is_some() {
            authority.issue(
                "between",
                "/CN=Test Between",
                "root",
                "between",
                ("20200101000000Z", "20491231000000Z"),
            );
            above = "between";
        }
        authority.issue("tsa", "/CN=Test Authority", above, "stamper", plan.valid);
        let chain = fs::read(authority.folder().join(format!("{above}.pem"))).unwrap();
        fs::write(authority.folder().join("chain.pem"), chain).unwrap();
        authority
    }

    /// A certificate for the key `NAME.key`, as `NAME.pem`.
    pub(crate) fn issue(&self, name: &str, subject: &str, by: &str, extensions: &str, valid: (&str, &str)) {
        let file = |end: &str| format!("{name}.{end}");
        openssl(
            self.folder(),
            &[
                "req",
                "-new",
                "-key",
                &file("key"),
                "-subj",
                subject,
                "-config",
                "all.cnf",
                "-out",
                &file("csr"),
            ],
        );
        let (cert, key) = (format!("{by}.pem"), format!("{by}.key"));
        openssl(
            self.folder(),
            &[
                "ca",
                "-batch",
                "-notext",
                "-config",
                "all.cnf",
                "-cert",
                &cert,
                "-keyfile",
                &key,
                "-in",
                &file("csr"),
                "-extensions",
                extensions,
                "-startdate",
                valid.0,
                "-enddate",
                valid.1,
                "-out",
                &file("pem"),
            ],
        );
    }

    pub(crate) fn folder(&self) -> &Path {
        self.place.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Its root, as a recipient names it.
    pub(crate) fn root(&self) -> Vec<Anchor> {
        self.anchor("root.pem")
    }

    pub(crate) fn anchor(&self, name: &str) -> Vec<Anchor> {
        Anchor::all_from_pem(&fs::read_to_string(self.file(name)).unwrap(), None).unwrap()
    }

    /// Its reply to a request.
    pub(crate) fn reply(&self, request: &[u8]) -> Vec<u8> {
        fs::write(self.file("request.tsq"), request).unwrap();
        openssl(
            self.folder(),
            &[
                "ts",
                "-reply",
                "-config",
                "all.cnf",
                "-section",
                "own_tsa",
                "-queryfile",
                "request.tsq",
                "-out",
                "reply.tsr",
            ],
        );
        fs::read(self.file("reply.tsr")).unwrap()
    }

    /// What a token says of a time, without its signature.
    pub(crate) fn info(&self, token: &[u8]) -> Vec<u8> {
        fs::write(self.file("token.der"), token).unwrap();
        openssl(
            self.folder(),
            &[
                "cms",
                "-verify",
                "-noverify",
                "-nosigs",
                "-inform",
                "DER",
                "-in",
                "token.der",
                "-out",
                "info.der",
                "-binary",
            ],
        );
        fs::read(self.file("info.der")).unwrap()
    }

    /// A token that says this, signed by a key and certificate of this folder whatever they are for.
    pub(crate) fn forge(&self, info: &[u8], certificate: &str, key: &str, more: &[&str]) -> Vec<u8> {
        fs::write(self.file("info.der"), info).unwrap();
        let mut arguments = vec![
            "cms",
            "-sign",
            "-binary",
            "-nodetach",
            "-econtent_type",
            "1.2.840.113549.1.9.16.1.4",
            "-cades",
            "-signer",
            certificate,
            "-inkey",
            key,
            "-md",
            self.digest,
            "-outform",
            "DER",
            "-in",
            "info.der",
            "-out",
            "forged.der",
        ];
        arguments.extend(more);
        openssl(self.folder(), &arguments);
        fs::read(self.file("forged.der")).unwrap()
    }
}
