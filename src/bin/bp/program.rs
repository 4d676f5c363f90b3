//! A program that is given bytes and answers with bytes: one that holds a key, or knows a credential.

use std::io::{self, Read as _, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// An answer is a key, a signature or a short document.
const MAX_ANSWER_BYTES: u64 = 1 << 16;

/// Runs a command over `input` and takes its whole answer. One that has not ended after `patience`, where there is a limit,
/// is killed.
///
/// # Errors
/// It cannot be started, answers too much, or takes too long.
pub(crate) fn asked(
    command: &mut Command,
    input: &[u8],
    patience: Option<Duration>,
) -> io::Result<(ExitStatus, Vec<u8>)> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (mut stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let input = input.to_vec();
    // It may answer before it has read everything, or read nothing at all.
    thread::spawn(move || stdin.write_all(&input));
    let (done, answer) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(MAX_ANSWER_BYTES + 1).read_to_end(&mut bytes);
        let ended = read.and_then(|_| child.wait());
        let _ = done.send(ended.map(|status| (status, bytes)));
    });
    let answer = match patience {
        Some(patience) => answer.recv_timeout(patience),
        None => answer.recv().map_err(RecvTimeoutError::from),
    };
    let Ok(answer) = answer else {
        // The thread that waits for it takes note of its end.
        let _ = kill(id, Signal::SIGKILL);
        return Err(io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time"));
    };
    let (status, bytes) = answer?;
    if bytes.len() as u64 > MAX_ANSWER_BYTES {
        let message = format!("its answer has more than {MAX_ANSWER_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok((status, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Option<Duration>) -> io::Result<(ExitStatus, Vec<u8>)> {
        asked(Command::new("sh").args(["-c", script]), b"said", patience)
    }

    #[test]
    fn what_it_says_and_how_it_ends_are_told() {
        let (status, bytes) = shell("cat; exit 3", None).expect("it runs");
        assert_eq!((status.code(), bytes.as_slice()), (Some(3), b"said".as_slice()));
    }

    #[test]
    fn one_that_does_not_end_or_does_not_stop_is_an_error() {
        let soon = Some(Duration::from_millis(200));
        // Silent, and one that has answered and stays.
        for script in ["exec sleep 600", "echo x; exec >&-; exec sleep 600"] {
            let error = shell(script, soon).expect_err("it never ends");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{script}");
        }
        let error = shell("exec yes", None).expect_err("it never stops");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
