//! A terminal for the training command, behind the one that `bp` is on: what it draws passes through and is kept.

use std::io::{self, IsTerminal as _, Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use pty_process::Size;
use pty_process::blocking::{self, Pts, Pty};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};

/// How often the end of the command is looked for while a key is waited for.
const A_WHILE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A terminal of the command's own.
pub(super) struct Terminal {
    pty: Arc<Pty>,
    pts: Pts,
}

impl Terminal {
    /// One of the size of the terminal that `bp` writes to. `None` where it writes to none, or only in the background: a
    /// job there may not touch the terminal's settings, and the command has the terminal itself.
    pub(super) fn like_ours() -> io::Result<Option<Self>> {
        if !io::stdout().is_terminal() && !io::stderr().is_terminal() {
            return Ok(None);
        }
        if io::stdin().is_terminal() && tcgetpgrp(io::stdin()).ok() != Some(getpgrp()) {
            return Ok(None);
        }
        let (pty, pts) = blocking::open().map_err(plain)?;
        let terminal = Self { pty: Arc::new(pty), pts };
        terminal.window().resize();
        Ok(Some(terminal))
    }

    /// What tells it of a new size.
    pub(super) fn window(&self) -> Window {
        Window(Arc::clone(&self.pty))
    }

    /// Starts the command on it, for each of its streams that `bp` has a terminal for.
    pub(super) fn spawn(self, command: Command) -> io::Result<(Child, Session)> {
        let interactive = io::stdin().is_terminal();
        let mut started = blocking::Command::from(command);
        let raw = if interactive {
            let was = tcgetattr(io::stdin())?;
            tcsetattr(&self.pts, OptionalActions::Now, &was)?;
            Some(Raw::of(was)?)
        } else {
            started = started.stdin(Stdio::inherit());
            None
        };
        if !io::stdout().is_terminal() {
            started = started.stdout(Stdio::piped());
        }
        if !io::stderr().is_terminal() {
            started = started.stderr(Stdio::piped());
        }
        let child = started.spawn(self.pts).map_err(plain)?;
        let ended = Arc::new(AtomicBool::new(false));
        let keys = interactive.then(|| {
            let (pty, ended) = (Arc::clone(&self.pty), Arc::clone(&ended));
            std::thread::spawn(move || keys(&pty, &ended))
        });
        Ok((child, Session { pty: self.pty, raw, ended, keys }))
    }
}

/// A terminal as long as the command is on it.
pub(super) struct Session {
    pty: Arc<Pty>,
    raw: Option<Raw>,
    ended: Arc<AtomicBool>,
    keys: Option<JoinHandle<()>>,
}

impl Session {
    /// What the command writes to it.
    pub(super) fn output(&self) -> Output {
        Output(Arc::clone(&self.pty))
    }

    /// Gives our own terminal back as it was.
    pub(super) fn end(self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(keys) = self.keys {
            let _ = keys.join();
        }
        drop(self.raw);
    }
}

/// The end of a terminal that a program's output comes out of. Where the last program is gone it ends with an error.
pub(super) struct Output(Arc<Pty>);

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

/// The size of a terminal.
pub(super) struct Window(Arc<Pty>);

impl Window {
    /// Makes it that of ours.
    pub(super) fn resize(&self) {
        let ours = tcgetwinsize(io::stdout()).or_else(|_| tcgetwinsize(io::stderr()));
        if let Ok(size) = ours {
            let size = Size::new_with_pixel(size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel);
            // A command that does not hear of it draws as before.
            let _ = self.0.resize(size);
        }
    }
}

/// Our terminal, handing on every key as it is pressed: what an interrupt is, the command's terminal decides.
struct Raw {
    was: Termios,
}

impl Raw {
    fn of(was: Termios) -> io::Result<Self> {
        let mut raw = was.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { was })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.was);
    }
}

/// Hands keys on until the command has ended.
fn keys(pty: &Pty, ended: &AtomicBool) {
    let stdin = io::stdin();
    let mut buffer = [0; 1024];
    while !ended.load(Ordering::Relaxed) {
        let mut waiting = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut waiting, Some(&A_WHILE)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => match rustix::io::read(&stdin, &mut buffer) {
                Ok(count) if count > 0 => {
                    if (&*pty).write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                _ => break,
            },
            Err(_) => break,
        }
    }
}

fn plain(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        pty_process::Error::Rustix(error) => error.into(),
    }
}
