//! Servers for tests of stores, all on this machine: real ones that are started where they are installed, a small one
//! that misbehaves as it is told, and a wire that is cut.

#![allow(dead_code, reason = "a part is used by each test")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A program that serves until it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    pub(crate) folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server that `scripts/servers` installs (or one on the `PATH`), with a free port and a folder of its own.
/// Where it is not installed the test is skipped, loudly; where `BP_SERVERS_REQUIRED` names it, it fails.
pub(crate) fn server(name: &str, start: impl FnOnce(&mut Command, u16, &std::path::Path)) -> Option<Server> {
    #[expect(clippy::disallowed_methods, reason = "a test reads what it is told by the environment")]
    let (folder, path, required) = (
        std::env::var_os("BP_SERVERS"),
        std::env::var_os("PATH").unwrap_or_default(),
        std::env::var("BP_SERVERS_REQUIRED").unwrap_or_default(),
    );
    let own = folder.map(|folder| PathBuf::from(folder).join("bin"));
    let program = own.into_iter().chain(std::env::split_paths(&path)).map(|folder| folder.join(name));
    let Some(program) = program.into_iter().find(|program| program.is_file()) else {
        assert!(
            !required.split_whitespace().any(|wanted| wanted == name),
            "{name} is not installed, and BP_SERVERS_REQUIRED demands it: scripts/servers DIR {name}"
        );
        // Past the harness, which keeps what tests print: a test that did not run says so.
        let told = format!(
            "\n!!! SKIPPED: {name} is not installed (scripts/servers DIR {name}; BP_SERVERS=DIR)\n\n"
        );
        io::stderr().write_all(told.as_bytes()).unwrap();
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(program);
    start(&mut command, port, folder.path());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(child.try_wait().unwrap().is_none(), "{name} ended before it served");
        thread::sleep(Duration::from_millis(20));
    }
    Some(Server { child, port, folder })
}

/// One request, plainly; the status, the head and the body of its answer.
pub(crate) fn asked(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.extend(["content-length: ", &body.len().to_string(), "\r\n\r\n"]);
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
    (status, String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
}

/// What the small server does to a request, instead of answering it well.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Answers this status, with a body that repeats what it was sent.
    Status(u16),
    /// Answers this status, and says to come back after so many seconds.
    Later(u16, u64),
    /// Answers, and hangs up after so many bytes of the body.
    Cut(usize),
    /// Hangs up without an answer.
    HangUp,
    /// Takes the request and says nothing more.
    Stall,
    /// Answers with one bit flipped.
    Flip,
    /// Answers as another state of the object.
    Other,
    /// Says nothing for so long before it answers that the parts of an object are put together.
    Thinks(Duration),
    /// Sends to another place.
    Redirect(u16),
}

/// A small web server with files in memory.
pub(crate) struct Small {
    pub(crate) port: u16,
    pub(crate) files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    pub(crate) faults: Arc<Mutex<Vec<Fault>>>,
    /// The head of each request.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
}

impl Small {
    /// `ranges`: whether it answers a part where a part is asked for. Faults come to requests in their order.
    pub(crate) fn start(ranges: bool, faults: Vec<Fault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let small =
            Self { port, files: Arc::default(), faults: Arc::new(Mutex::new(faults)), seen: Arc::default() };
        let (files, faults, seen) = (small.files.clone(), small.faults.clone(), small.seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (files, faults, seen) = (files.clone(), faults.clone(), seen.clone());
                thread::spawn(move || {
                    let _ = serve(&stream, ranges, &files, &faults, &seen);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        small
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        self.files.lock().unwrap().insert(format!("/{path}"), bytes.to_vec());
    }
}

fn serve(
    stream: &TcpStream,
    ranges: bool,
    files: &Mutex<BTreeMap<String, Vec<u8>>>,
    faults: &Mutex<Vec<Fault>>,
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let (mut reader, mut out) = (BufReader::new(stream), stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    seen.lock().unwrap().push(head.clone());
    let header = |wanted: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.to_owned())
    };
    let fault = {
        let mut faults = faults.lock().unwrap();
        if faults.is_empty() { None } else { Some(faults.remove(0)) }
    };
    let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
    match fault {
        Some(Fault::HangUp) => return Ok(()),
        Some(Fault::Stall) => {
            // Until the other side gives up.
            while reader.read(&mut [0; 4096])? > 0 {}
            return Ok(());
        }
        _ => reader.read_exact(&mut body)?,
    }
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap().to_owned());
    let empty = "content-length: 0\r\nconnection: close\r\n\r\n";
    match fault {
        Some(Fault::Status(status)) => {
            return write!(
                out,
                "HTTP/1.1 {status} Fault\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{head}",
                head.len()
            );
        }
        Some(Fault::Later(status, seconds)) => {
            return write!(out, "HTTP/1.1 {status} Later\r\nretry-after: {seconds}\r\n{empty}");
        }
        Some(Fault::Redirect(port)) => {
            return write!(out, "HTTP/1.1 307 There\r\nlocation: http://127.0.0.1:{port}{path}\r\n{empty}");
        }
        _ => {}
    }
    if let Some(Fault::Thinks(pause)) = fault
        && method == "POST"
        && path.contains("?uploadId=")
    {
        thread::sleep(pause);
    }
    if method == "POST" && path.ends_with("?uploads=") {
        let number = seen.lock().unwrap().len();
        let said = format!("<UploadId>{number}</UploadId>");
        return say(out, "200 Fine", "InitiateMultipartUploadResult", &said);
    }
    if ["PUT", "POST"].contains(&method) {
        let conditions = ["if-none-match", "x-goog-if-generation-match"];
        let is_conditional = conditions.iter().any(|name| header(name).is_some());
        let is_taken = keep(&mut files.lock().unwrap(), path, body, is_conditional);
        let status = if is_taken { "412 Taken" } else { "201 Created" };
        return say(out, status, "CompleteMultipartUploadResult", "<ETag>one</ETag>");
    }
    let Some(mut bytes) = files.lock().unwrap().get(&path).cloned() else {
        return write!(out, "HTTP/1.1 404 Nothing\r\n{empty}");
    };
    let mut tag = "one";
    match fault {
        Some(Fault::Flip) => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        Some(Fault::Other) => tag = "two",
        _ => {}
    }
    let size = bytes.len();
    let from = header("range").filter(|_| ranges);
    let (status, part) = match from.as_deref().and_then(|range| range["bytes=".len()..].split_once('-')) {
        Some((from, to)) => {
            let from: usize = from.parse().unwrap();
            let end = to.parse().map_or(size, |last: usize| size.min(last + 1));
            (format!("206 Part\r\ncontent-range: bytes {from}-{}/{size}", end - 1), &bytes[from..end])
        }
        None => ("200 Fine".to_owned(), &bytes[..]),
    };
    let length = part.len();
    write!(
        out,
        "HTTP/1.1 {status}\r\netag: \"{tag}\"\r\nlast-modified: Sat, 31 Jan 2026 12:00:00 GMT\r\nx-goog-generation: 1\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    if method == "HEAD" {
        return Ok(());
    }
    let end = match fault {
        Some(Fault::Cut(at)) => at.min(length),
        _ => length,
    };
    out.write_all(&part[..end])
}

/// Keeps a body under a path, unless the path is taken and that matters; says whether it is. A part is kept under its whole
/// name, and the last request of an upload puts them together.
fn keep(files: &mut BTreeMap<String, Vec<u8>>, path: String, body: Vec<u8>, is_conditional: bool) -> bool {
    let (path, body) = match path.split_once("?uploadId=") {
        Some((path, upload)) => {
            let ending = format!("&uploadId={upload}");
            let parts = (1..).map(|part| format!("{path}?partNumber={part}{ending}"));
            let parts = parts.map_while(|part| files.remove(&part)).collect::<Vec<_>>();
            (path.to_owned(), parts.concat())
        }
        None => (path, body),
    };
    let is_taken = is_conditional && files.contains_key(&path);
    if !is_taken {
        files.insert(path, body);
    }
    is_taken
}

/// Answers as S3 and Google do, with an XML element.
fn say(mut out: &TcpStream, status: &str, element: &str, text: &str) -> io::Result<()> {
    let said = format!("<{element}>{text}</{element}>");
    let length = said.len();
    write!(
        out,
        "HTTP/1.1 {status}\r\netag: \"one\"\r\nx-goog-generation: 1\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{said}"
    )
}

/// A wire to a server that is cut after so many bytes have gone one way, once for each number; then it holds.
pub(crate) struct Wire {
    pub(crate) port: u16,
    /// Bytes that went to the server.
    pub(crate) sent: Arc<AtomicU64>,
    /// Bytes after which the next connections are cut; a connection beyond them holds.
    pub(crate) cuts: Arc<Mutex<Vec<u64>>>,
}

impl Wire {
    pub(crate) fn to(server: u16, cuts: Vec<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let wire = Self { port, sent: Arc::default(), cuts: Arc::new(Mutex::new(cuts)) };
        let (sent, cuts) = (wire.sent.clone(), wire.cuts.clone());
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let cut = {
                    let mut cuts = cuts.lock().unwrap();
                    if cuts.is_empty() { u64::MAX } else { cuts.remove(0) }
                };
                let ways = [(&near, &far, Some(sent.clone())), (&far, &near, None)];
                for (from, to, count) in ways {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let mut left = cut;
                        let mut buffer = vec![0; 1 << 16];
                        while left > 0
                            && let Ok(read @ 1..) = from.read(&mut buffer)
                        {
                            let read = left.min(read as u64);
                            if to.write_all(&buffer[..usize::try_from(read).unwrap()]).is_err() {
                                break;
                            }
                            left -= read;
                            if let Some(count) = &count {
                                count.fetch_add(read, Ordering::SeqCst);
                            }
                        }
                        let _ = from.shutdown(Shutdown::Both);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        wire
    }
}

/// A server that gives each request, its head and its body, to a function, and answers what that says: a status, one
/// more header (or nothing) and bytes.
pub(crate) fn answering(answer: impl Fn(&str, &[u8]) -> (u16, String, Vec<u8>) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (mut reader, mut out) = (BufReader::new(&stream), &stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
            reader.read_exact(&mut body).unwrap();
            let (status, mut header, bytes) = answer(&head, &body);
            if !header.is_empty() {
                header.push_str("\r\n");
            }
            let length = bytes.len();
            let head = format!(
                "HTTP/1.1 {status} Answer\r\n{header}content-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _ = out.write_all(&[head.as_bytes(), &bytes].concat());
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    port
}
