//! The tar corpora of tokio-tar (`a_`), tar-rs (`b_`) and zip-slip: what is read of each, and why the rest is refused.
//!
//! They lie in the shared data folder: `BP_SHARED_DATA`, or `../shared/data` from the project's root.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::Entries;
use crate::pack::check::Limits;

/// Each file, and what it comes to: `read N` for all of its N files, or the laws that it breaks.
const TABLE: &[(&str, &str)] = &[
    ("a_7z_long_path.tar", "ARCHIVE_EXTENSION"),
    ("a_diff-014-unterminated-pax.tar", "ARCHIVE_EXTENSION"),
    ("a_diff-024-pending-pax-boundary.tar", "ARCHIVE_EXTENSION"),
    ("a_diff-039-truncated-entry-body.tar", "ARCHIVE_CUT"),
    ("a_directory.tar", "DIRECTORY_EMPTY"),
    ("a_duplicate_dirs.tar", "ARCHIVE_PATH_TWICE DIRECTORY_EMPTY"),
    ("a_empty_filename.tar", "ARCHIVE_MALFORMED"),
    ("a_file_times.tar", "read 1"),
    ("a_link.tar", "SYMLINK"),
    ("a_pax-header-precedence.tar", "ARCHIVE_EXTENSION"),
    ("a_pax-hidden-entry.tar", "ARCHIVE_MALFORMED"),
    ("a_pax-overrides-extension-header.tar", "ARCHIVE_MALFORMED"),
    ("a_pax-phantom-entry.tar", "ARCHIVE_MALFORMED"),
    ("a_pax.tar", "ARCHIVE_EXTENSION"),
    ("a_pax2.tar", "ARCHIVE_EXTENSION"),
    ("a_paxlongname.tar", "ARCHIVE_EXTENSION"),
    ("a_reading_files.tar", "read 2"),
    ("a_simple.tar", "read 3"),
    ("a_simple_missing_last_header.tar", "read 3"),
    ("a_spaces.tar", "ARCHIVE_MALFORMED"),
    ("a_sparse-1.tar", "ARCHIVE_SPARSE"),
    ("a_sparse-large.tar", "ARCHIVE_SPARSE"),
    ("a_sparse.tar", "ARCHIVE_SPARSE"),
    ("a_xattrs.tar", "ARCHIVE_EXTENSION"),
    ("archives_zip-slip-win.tar", "ARCHIVE_EXTENSION"),
    ("archives_zip-slip.tar", "ARCHIVE_EXTENSION"),
    ("b_7z_long_path.tar", "ARCHIVE_EXTENSION"),
    ("b_biguid_gnu.tar", "ARCHIVE_MALFORMED"),
    ("b_biguid_pax.tar", "ARCHIVE_EXTENSION"),
    ("b_directory.tar", "DIRECTORY_EMPTY"),
    ("b_duplicate_dirs.tar", "ARCHIVE_PATH_TWICE DIRECTORY_EMPTY"),
    ("b_empty_filename.tar", "ARCHIVE_MALFORMED"),
    ("b_file_times.tar", "read 1"),
    ("b_link.tar", "SYMLINK"),
    ("b_pax-overrides-extension-header.tar", "ARCHIVE_MALFORMED"),
    ("b_pax.tar", "ARCHIVE_EXTENSION"),
    ("b_pax2.tar", "ARCHIVE_EXTENSION"),
    ("b_pax_size.tar", "ARCHIVE_EXTENSION"),
    ("b_reading_files.tar", "read 2"),
    ("b_simple.tar", "read 3"),
    ("b_simple_missing_last_header.tar", "read 3"),
    ("b_spaces.tar", "ARCHIVE_MALFORMED"),
    ("b_sparse-1.tar", "ARCHIVE_SPARSE"),
    ("b_sparse-large.tar", "ARCHIVE_SPARSE"),
    ("b_sparse.tar", "ARCHIVE_SPARSE"),
    ("b_xattrs.tar", "ARCHIVE_EXTENSION"),
];

#[allow(clippy::disallowed_methods, reason = "a test is its own rim")]
#[allow(clippy::print_stderr, reason = "a skipped test must be heard")]
fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("BP_SHARED_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    let folder = shared.join("vectors/tar");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: {}: no such folder; set BP_SHARED_DATA to run it", folder.display());
    None
}

/// What reading comes to, and the bytes of every file in order.
fn outcome(bytes: &[u8]) -> (String, Vec<(String, Vec<u8>)>) {
    let mut entries = Entries::new(bytes, &Limits::default());
    let mut files = Vec::new();
    while let Some(file) = entries.next() {
        let Some(bytes) = entries.bytes() else { break };
        files.push((file.path.to_string(), bytes));
    }
    let codes: Vec<&str> = entries.walk.seen.iter().map(|(law, _, _)| law.code).collect();
    assert!(entries.walk.whole || !codes.is_empty());
    let outcome = if codes.is_empty() { format!("read {}", files.len()) } else { codes.join(" ") };
    (outcome, files)
}

#[test]
fn each_file_is_read_or_refused_as_the_table_says() {
    let Some(folder) = folder() else { return };
    let mut found: Vec<(String, String)> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| (name.clone(), outcome(&fs::read(folder.join(name)).unwrap()).0))
        .collect();
    found.sort();
    let table: Vec<(String, String)> =
        TABLE.iter().map(|(name, outcome)| ((*name).to_owned(), (*outcome).to_owned())).collect();
    assert_eq!(found, table, "{found:#?}");
}

/// What we read, GNU tar reads too, to the same bytes: never looser.
#[test]
fn gnu_tar_reads_all_that_is_read_here() {
    let Some(folder) = folder() else { return };
    let read = TABLE.iter().filter(|(_, outcome)| outcome.starts_with("read"));
    for (name, _) in read {
        let path = folder.join(name);
        let scratch = tempfile::tempdir().unwrap();
        let tar = Command::new("tar").arg("-xf").arg(&path).arg("-C").arg(scratch.path()).status().unwrap();
        assert!(tar.success(), "{name}");
        for (file, bytes) in outcome(&fs::read(&path).unwrap()).1 {
            assert_eq!(fs::read(scratch.path().join(&file)).unwrap(), bytes, "{name}: {file}");
        }
    }
}
